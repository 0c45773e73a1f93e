"""Parsers of the application's choice: whatever they are given, raise or return, one connection
ends with one line in the log."""

from __future__ import annotations

import logging
import struct
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from sockwave import EncodeError, MsgpackParser, Server, Socket, connect
from sockwave.codec.msgpack import encode_msgpack_packet
from sockwave.codec.socketio import Packet, PacketType
from tests.support.apps import ends_of
from tests.support.raw import until

if TYPE_CHECKING:
    from tests.support.fronts import Front

CONNECT = encode_msgpack_packet(Packet(PacketType.CONNECT, "/", None, None))


class BadDecoder:
    """Knows CONNECT, and answers anything else with what it was made with."""

    def __init__(self, outcome: Any) -> None:
        self._outcome = outcome
        self._real = MsgpackParser().decoder()

    def add(self, message: str | bytes) -> Packet | None:
        if message[:1] != b"b":
            return self._real.add(message)
        if isinstance(self._outcome, Exception):
            raise self._outcome
        return self._outcome  # type: ignore[no-any-return] # what it is said to be, it is not


class BadParser(MsgpackParser):
    """Its decoder misbehaves, and it cannot encode events called `bad`."""

    def __init__(self, outcome: Any = None) -> None:
        self._outcome = outcome

    def encode(self, packet: Packet) -> list[str | bytes]:
        if packet.data and packet.type is not PacketType.CONNECT and "bad" in packet.data:
            raise struct.error("no such form")
        return super().encode(packet)

    def decoder(self) -> BadDecoder:
        return BadDecoder(self._outcome)


OUTCOMES = {
    "ValueError": ValueError("what?"),
    "KeyError": KeyError("a\nb"),
    "RecursionError": RecursionError(),
    "text": "text",
    "name that cannot be encoded": Packet(PacketType.EVENT, "/", None, ["\ud83d" * 100]),
    "name that is no number": Packet(PacketType.EVENT, "/", None, [float("nan")]),
    "arguments of an event": Packet(PacketType.EVENT, "/", None, {"a": 1}),
    "arguments of an answer": Packet(PacketType.ACK, "/", 1, 5),
    "namespace": Packet(PacketType.EVENT, 5, None, ["a"]),  # type: ignore[arg-type]
    "id": Packet(PacketType.EVENT, "/", "x", ["a"]),  # type: ignore[arg-type]
    "type": Packet(2, "/", None, ["a"]),  # type: ignore[arg-type]
    "part of a packet": Packet(PacketType.BINARY_EVENT, "/", None, ["a"], 1),
}

outcomes = pytest.mark.parametrize("outcome", OUTCOMES.values(), ids=OUTCOMES)


def _lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [
        record.getMessage()
        for record in caplog.get_records("call")
        if record.name.startswith("sockwave.socketio") and record.levelno >= logging.INFO
    ]


@outcomes
async def test_parser_that_fails_ends_the_connection_with_one_line(
    front: Front, transport: str, outcome: Any, caplog: pytest.LogCaptureFixture
) -> None:
    io = Server(parser=BadParser(outcome))
    ends = ends_of(io)
    async with front.serve(io) as wire:
        peer = await wire.open(transport)
        await peer.send(CONNECT)
        await peer.receive()
        await peer.send(b"bad")
        await until(lambda: ends)
        await peer.ended()
        assert [reason for reason, _ in ends] == ["forced close"]
        (line,) = _lines(caplog)
    assert "\n" not in line and "Traceback" not in caplog.text


@pytest.mark.parametrize("name", [float("nan"), float("inf"), float("-inf")])
async def test_event_called_nan_ends_the_connection_with_one_line(
    front: Front, transport: str, name: float, caplog: pytest.LogCaptureFixture
) -> None:
    io = Server(parser=MsgpackParser())
    ends = ends_of(io)
    async with front.serve(io) as wire:
        peer = await wire.open(transport)
        await peer.send(CONNECT)
        await peer.receive()
        await peer.send(msgspec.msgpack.encode({"type": 2, "nsp": "/", "data": [name, 1]}))
        await peer.ended()
        assert [reason for reason, _ in ends] == ["forced close"]
        why = "the name of an event is a finite number or text"
        assert _lines(caplog) == [f"127.0.0.1: invalid payload: {why}"]


@pytest.mark.logs_errors
@outcomes
async def test_client_whose_parser_fails_loses_the_connection_and_comes_back(
    native: Front, outcome: Any, caplog: pytest.LogCaptureFixture
) -> None:
    io = Server(parser=BadParser())
    io.on("connection", lambda socket: None)
    reasons: list[str] = []
    async with native.serve(io) as wire:
        options: Any = {"path": wire.path, "parser": BadParser(outcome), "reconnection_delay": 0.01}
        async with connect(f"http://{wire.host}:{wire.port}", **options) as client:
            client.on("disconnect", lambda reason: reasons.append(reason))
            (socket,) = io.sockets.values()
            socket.conn.send(b"bad")
            await until(lambda: reasons)
            assert reasons == ["parse error"]
            await client.wait_connected(timeout=40)
    assert caplog.text.count("parse error") == 1 and "Traceback" not in caplog.text


async def test_error_of_a_parser_that_encodes_belongs_to_the_caller(front: Front) -> None:
    io = Server(parser=BadParser())
    seen: list[str] = []

    @io.event
    async def ask(socket: Socket) -> None:
        for emit in (socket.emit, io.emit, socket.volatile.emit):
            with pytest.raises(EncodeError, match="no such form"):
                emit("bad")
        with pytest.raises(EncodeError, match="no such form"):
            await socket.emit_with_ack("bad")
        seen.append("done")

    async with front.serve(io) as wire:
        options: Any = {"path": wire.path, "parser": BadParser()}
        async with connect(f"http://{wire.host}:{wire.port}", **options) as client:
            with pytest.raises(EncodeError, match="no such form"):
                client.emit("bad")
            client.emit("ask")
            await until(lambda: seen)
            assert client.connected
