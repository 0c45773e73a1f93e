"""One attachment that a peer makes stand in many places: what is sent on grows no more than that.

The reference makes an attachment of each occurrence. Its clients, and ours, read placeholders that
name the same attachment.
"""

from __future__ import annotations

import gc
import tracemalloc
from typing import TYPE_CHECKING, Any, Final

import pytest

from sockwave import LimitExceeded, MsgpackParser, Server, Socket, connect
from sockwave.codec.msgpack import decode_msgpack_packet, encode_msgpack_packet
from sockwave.codec.socketio import Packet, PacketType
from tests.support.raw import until, within

if TYPE_CHECKING:
    from tests.support.fronts import Front
    from tests.support.raw import Peer

COUNT: Final = 3_000
BLOB: Final = bytes(range(256)) * 40
HOLES: Final = ",".join(['{"_placeholder":true,"num":0}'] * COUNT)


def relaying_server(**options: Any) -> Server:
    """Sends what one client says to all of them, and acknowledges with it."""
    io = Server(**options)

    @io.event
    def relay(socket: Socket, *args: Any) -> Any:
        socket.emit("direct", *args)
        io.emit("all", *args)
        return args

    return io


async def _binary_packet(peer: Peer) -> tuple[str, bytes]:
    text, attachment = await peer.receive(), await peer.receive()
    assert isinstance(text, str) and isinstance(attachment, bytes)
    return text, attachment


@pytest.mark.parametrize("recovery", [False, True], ids=["", "recovery"])
async def test_event_that_is_sent_on_has_the_attachments_that_it_came_with(
    every_front: Front, transport: str, recovery: bool
) -> None:
    io = relaying_server(connection_state_recovery=recovery)
    async with every_front.serve(io) as wire:
        peer = await wire.open(transport)
        await peer.connect()
        await peer.send(f'451-7["relay",{HOLES}]', BLOB)
        for head in ('451-["direct",', '451-["all",', "461-7["):
            text, attachment = await _binary_packet(peer)
            assert text.startswith(head + HOLES), text[:100]
            assert attachment == BLOB
        await peer.send('421["relay"]')
        assert str(await peer.receive()).startswith('42["direct"')


async def test_event_with_an_answer_to_each_has_one_attachment(
    front: Front, transport: str
) -> None:
    io = Server()
    answers: list[Any] = []

    @io.event
    async def relay(socket: Socket, *args: Any) -> None:
        answers.append(await socket.emit_with_ack("question", *args))
        answers.extend(await io.emit_with_ack("question", *args))

    async with front.serve(io) as wire:
        peer = await wire.open(transport)
        await peer.connect()
        await peer.send(f'451-["relay",{HOLES}]', BLOB)
        for number in (0, 1):
            text, attachment = await _binary_packet(peer)
            assert text == f'451-{number}["question",{HOLES}]'
            assert attachment == BLOB
            await peer.send(f"43{number}[{number}]")
        await until(lambda: answers == [0, 1])


async def test_client_sends_on_no_more_than_came(front: Front, transport: str) -> None:
    io = Server()
    seen: list[tuple[int, int]] = []

    def count(*args: Any) -> None:
        seen.append((len(args), len({id(arg) for arg in args})))

    io.event("echoed")(lambda socket, *args: count(*args))
    async with front.serve(io) as wire:
        url = f"http://{wire.host}:{wire.port}"
        options: Any = {"transports": [transport], "path": wire.path}
        async with connect(url, **options) as client:

            @client.on("give")
            def give(*args: Any) -> Any:
                client.emit("echoed", *args)
                return args

            (socket,) = io.sockets.values()
            answer = await within(socket.emit_with_ack("give", *[BLOB] * COUNT))
            count(*answer)
    assert answer == (BLOB,) * COUNT
    assert seen == [(COUNT, 1)] * 2


# --- parsers that write bytes where they stand ----------------------------------------------------

MOST: Final = 1_000_000


async def _joined(wire: Any, transport: str) -> Peer:
    peer: Peer = await wire.open(transport)
    await peer.send(encode_msgpack_packet(Packet(PacketType.CONNECT, "/", None, None)))
    await peer.receive()
    return peer


def _event(*args: Any, id_: int | None = None) -> bytes:
    return encode_msgpack_packet(Packet(PacketType.EVENT, "/", id_, list(args)))


@pytest.mark.logs_errors
async def test_msgpack_packet_over_the_backlog_is_refused_before_it_is_built(
    front: Front, transport: str
) -> None:
    io = Server(parser=MsgpackParser(), max_backlog=MOST)
    refused: list[str] = []
    failed: list[Exception] = []
    io.on_error(lambda error, failure: failed.append(error))

    @io.event
    async def burst(socket: Socket, blob: bytes) -> Any:
        values = [blob] * COUNT
        for emit in (socket.emit, io.emit, socket.volatile.emit, io.to(socket.id).emit):
            with pytest.raises(LimitExceeded, match="max_backlog=1000000"):
                emit("large", {"values": values})
            refused.append("emit")
        for wait in (socket.emit_with_ack, io.emit_with_ack):
            with pytest.raises(LimitExceeded, match="max_backlog"):
                await wait("large", *values)
            refused.append("emit_with_ack")
        return values

    io.event("echo")(lambda socket, *args: args)
    async with front.serve(io) as wire:
        peer, other = await _joined(wire, transport), await _joined(wire, transport)
        gc.collect()
        tracemalloc.start()
        await peer.send(_event("burst", BLOB, id_=1))
        await peer.send(_event("echo", id_=2))
        answers = [decode_msgpack_packet(await _bytes(peer))[2:4] for _ in range(2)]
        assert sorted(answers) == [(1, [{"error": "internal"}]), (2, [])]
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        io.emit("small", b"1")
        for each in (peer, other):
            assert decode_msgpack_packet(await _bytes(each)).data == ["small", b"1"]
    assert peak < 5 * MOST, "of 30 MB that it would have been"
    assert refused == ["emit"] * 4 + ["emit_with_ack"] * 2
    assert [type(error) for error in failed] == [LimitExceeded]


async def _bytes(peer: Peer) -> bytes:
    packet = await peer.receive()
    assert isinstance(packet, bytes)
    return packet


async def test_client_refuses_to_build_what_is_over_its_backlog(front: Front) -> None:
    async with front.serve(Server(parser=MsgpackParser())) as wire:
        options: Any = {"parser": MsgpackParser(), "path": wire.path, "max_backlog": MOST}
        async with connect(f"http://{wire.host}:{wire.port}", **options) as client:
            for args in ([[BLOB] * COUNT], [BLOB] * COUNT):
                with pytest.raises(LimitExceeded, match="max_backlog=1000000"):
                    client.emit("large", *args)
                with pytest.raises(LimitExceeded, match="max_backlog"):
                    await client.emit_with_ack("large", *args)
            assert client.connected
