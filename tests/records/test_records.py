"""What is kept of connections, and how it is found."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import pytest

from sockwave import ConnectError, ConnectionRecords, MsgpackParser, RateLimits, Server, Socket
from sockwave.observe import ConnectionEnded, ConnectionRecord, NamespaceRecord, PacketRecord
from sockwave.records.entries import MOST_NAMESPACES
from tests.support.fronts import FRONTS
from tests.support.raw import until

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from tests.support.fronts import Wire


def serve(io: Server) -> AbstractAsyncContextManager[Wire]:
    return FRONTS["native"].serve(io)


async def ended(io: Server, count: int = 1) -> list[ConnectionRecord]:
    await until(lambda: len(io.connections.recent()) >= count)
    return io.connections.recent()


def with_user(**options: Any) -> Server:
    """A server whose clients say who they are."""
    io = Server(**{"connection_records": 10, **options})

    @io.on("connection")
    def connection(socket: Socket) -> None:
        socket.data["user"] = socket.handshake.auth.get("user")

    return io


async def test_record_tells_how_a_connection_went() -> None:
    io = with_user()
    async with serve(io) as wire:
        peer = await wire.open_polling()
        polled = await peer.connect(auth={"user": "ann"})
        websocket = await wire.websocket(wire.target("websocket", sid=peer.sid))
        websocket.send("2probe")
        await websocket.receive()
        websocket.send("5")
        websocket.send('42["hello",1]')
        io.emit("news", "x" * 100)
        assert await websocket.receive_text()
        await websocket.close(1001)
        (record,) = await ended(io)
    socket = json.loads(polled[2:])["sid"]
    assert record.session == peer.sid
    assert record.address == "127.0.0.1"
    assert record.user == "ann"
    assert record.protocol == 4
    assert record.transports == ("polling", "websocket")
    assert record.namespaces == (NamespaceRecord("/", socket, left="transport close"),)
    assert record.received == (PacketRecord("connect", 17), PacketRecord("event", 13))
    assert [packet.type for packet in record.sent] == ["open", "connect", "event"]
    assert record.sent[-1].size == len('42["news",""]') + 100
    assert record.reason == "transport close"
    assert record.description == "peer closed with 1001"
    assert record.ended is not None
    assert record.ended == pytest.approx(record.opened + record.seconds)


async def test_open_connection_is_found_and_has_no_end() -> None:
    io = with_user()
    async with serve(io) as wire:
        peer = await wire.open_websocket()
        await peer.connect(auth={"user": "ann"})
        (record,) = io.connections.find("ann")
        assert record.ended is None
        assert record.ended_by == ""
        assert record.sentence == "The connection is open."
        assert io.connections.recent() == []


async def test_connections_are_found_by_socket_session_address_and_user() -> None:
    io = with_user()
    async with serve(io) as wire:
        peers = {user: await wire.open_websocket() for user in ("ann", "bob")}
        sockets = {}
        for user, peer in peers.items():
            sockets[user] = json.loads((await peer.connect(auth={"user": user}))[2:])["sid"]
        for is_open in (True, False):
            for user, peer in peers.items():
                for who in (user, sockets[user], peer.sid, f"{peer.sid[:8]}..."):
                    assert [each.user for each in io.connections.find(who)] == [user], who
            both = io.connections.find("127.0.0.1")
            assert [each.user for each in both] == ["bob", "ann"]
            assert io.connections.find("127.0.0.1", limit=1) == both[:1] or is_open
            assert io.connections.find("eve") == io.connections.find("") == []
            for count, peer in enumerate(peers.values(), 1):
                if is_open:
                    await peer.websocket.close()
                    await ended(io, count)


async def test_latest_ends_come_first_and_the_oldest_are_forgotten() -> None:
    io = with_user(connection_records=3)
    async with serve(io) as wire:
        for number in range(5):
            peer = await wire.open_websocket()
            await peer.connect(auth={"user": f"user {number}"})
            await peer.websocket.close()
            await until(lambda: not io.engine.sessions)
        assert [each.user for each in io.connections.recent()] == ["user 4", "user 3", "user 2"]
        assert len(io.connections.recent(2)) == 2
        assert io.connections.find("user 0") == []


async def test_user_is_what_the_function_of_the_application_says() -> None:
    records = ConnectionRecords(user=lambda socket: socket.handshake.query["number"])
    io = Server(connection_records=records)
    async with serve(io) as wire:
        peer = await wire.open_websocket(number="42")
        await peer.connect()
        await peer.websocket.close()
        (record,) = await ended(io)
        assert record.user == "42"


async def test_function_for_the_user_that_fails_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    io = Server(connection_records=ConnectionRecords(user=lambda socket: 1 / 0))
    async with serve(io) as wire:
        peer = await wire.open_websocket()
        await peer.connect()
        await peer.websocket.close()
        (record,) = await ended(io)
    assert record.user is None
    assert "the user of a connection cannot be told" in caplog.text


async def test_ends_are_told_and_logged_with_their_record(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "sockwave.records")
    io = Server(connection_records=ConnectionRecords(log=True))
    seen: list[ConnectionRecord] = []
    io.observe(ConnectionEnded)(lambda end: seen.append(end.record))
    async with serve(io) as wire:
        peer = await wire.open_websocket()
        await peer.connect()
        await peer.websocket.close()
        await until(lambda: seen)
    (line,) = [each for each in caplog.records if each.name == "sockwave.records"]
    assert line.getMessage() == f"{peer.sid[:4]}... (127.0.0.1): {seen[0].sentence}"
    assert line.__dict__["connection"] == seen[0].as_dict()
    assert peer.sid not in json.dumps(seen[0].as_dict())


async def test_socket_is_described_as_values_of_json() -> None:
    io = Server(connection_records=10)
    async with serve(io) as wire:
        peer = await wire.open_websocket()
        await peer.connect()
        (socket,) = io.sockets
        described = io.connections.describe(socket)
        assert described is not None
        assert json.loads(json.dumps(described)) == described
        assert described["namespaces"][0]["socket"] == socket
        assert io.connections.describe("nobody") is None


async def test_refusals_stand_beside_the_namespaces_that_were_joined() -> None:
    io = Server(connection_records=10)

    @io.of("/admin").use
    def refuse(socket: Socket) -> None:
        raise ConnectError("admins only")

    async with serve(io) as wire:
        peer = await wire.open_websocket()
        await peer.connect()
        await peer.connect("/admin")
        await peer.websocket.close()
        (record,) = await ended(io)
    assert record.namespaces[1] == NamespaceRecord("/admin", refused="admins only")
    assert record.hints == ("It was refused in /admin ('admins only').",)


async def test_what_a_hostile_client_can_fill_is_bounded() -> None:
    io = Server(connection_records=10)
    async with serve(io) as wire:
        peer = await wire.open_websocket()
        for number in range(3 * MOST_NAMESPACES):
            await peer.connect(f"/{number}{'x' * 200}")
        await peer.websocket.close(4001)
        (record,) = await ended(io)
    assert len(record.namespaces) == MOST_NAMESPACES
    assert all(len(each.name) <= 120 for each in record.namespaces)
    assert len(record.sentence) < 500
    assert len(record.received) == len(record.sent) == 8


async def test_text_of_a_peer_cannot_forge_a_line() -> None:
    io = Server(connection_records=10)
    async with serve(io) as wire:
        peer = await wire.open_websocket()
        await peer.connect("/a\nb\u202e")
        await peer.websocket.close()
        (record,) = await ended(io)
    assert record.sentence.isprintable()


async def test_broadcast_past_the_queues_is_noted() -> None:
    io = Server(connection_records=10)
    async with serve(io) as wire:
        peers = [await wire.open_websocket() for _ in range(20)]
        for peer in peers:
            await peer.connect()
        io.emit("a", 1)
        for peer in peers:
            assert await peer.receive() == '42["a",1]'
            (record,) = io.connections.find(peer.sid)
            assert record.sent[-1] == PacketRecord("event", 9)
            assert [each.type for each in record.sent].count("event") == 1


@pytest.mark.parametrize("limits", [None, RateLimits(session_packets=1000)])
@pytest.mark.parametrize("eio", ["3", "4"])
@pytest.mark.parametrize("is_watched", [False, True])
async def test_sessions_of_all_kinds_are_recorded(
    limits: RateLimits | None, eio: str, is_watched: bool
) -> None:
    io = Server(connection_records=10, rate_limits=limits, allow_eio3=True)
    async with serve(io) as wire:
        peer = await wire.open_websocket(eio=eio)
        if is_watched:
            io.engine.sessions[peer.sid].on("packet", lambda packet: None)
        if eio == "4":
            await peer.connect()
        else:
            assert await peer.receive() == "40"
        await peer.send('42["a"]')
        await peer.ping()
        (record,) = io.connections.find(peer.sid)
        assert record.received[-1] == PacketRecord("event", 7)
        assert record.sent[-1].type == "connect"


async def test_binary_packets_are_noted() -> None:
    io = Server(connection_records=10, parser=MsgpackParser())
    async with serve(io) as wire:
        peer = await wire.open_websocket()
        await peer.send(b"\x82\xa4type\x00\xa3nsp\xa1/")
        await peer.receive()
        (record,) = io.connections.find(peer.sid)
        assert record.received[-1].type == record.sent[-1].type == "binary"


@pytest.mark.parametrize("given", [-1, True, "10", None, 1.5])
def test_wrong_number_of_records_is_refused(given: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="connection_records"):
        Server(connection_records=given)


@pytest.mark.parametrize(
    "options",
    [{"keep": 0}, {"user": 3}, {"log": 1}, {"keeps": 3}],
    ids=lambda each: next(iter(each)),
)
def test_wrong_options_of_records_are_refused(options: Any) -> None:
    with pytest.raises((TypeError, ValueError), match=next(iter(options))):
        ConnectionRecords(**options)


def test_server_without_records_says_what_to_do() -> None:
    with pytest.raises(RuntimeError, match="connection_records=1000"):
        Server().connections  # it raises
