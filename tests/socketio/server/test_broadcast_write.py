"""Broadcasts to many, which go past the queues of sessions: as if they had gone through them."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sockwave import Deflate, Server
from sockwave.codec.deflate import PerMessageDeflate
from sockwave.engine.core.broadcast_write import LARGEST, MOST, BroadcastWrite
from sockwave.engine.core.transport import SharedPacket
from tests.socketio.server.conftest import LOOPS
from tests.support.fronts import Wire
from tests.support.raw import RawWebSocket, WebSocketPeer, check_switched, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sockwave import Socket

CROWD = 10
"""Clients: more than it takes for the way past the sessions."""

HIGH_WATER = 65_536
"""Bytes that an event loop keeps for a connection until it says that it has no room."""

KINDS = ("all", "all", "one", "room", "others", "volatile")
STEP = st.tuples(st.sampled_from(KINDS), st.integers(0, CROWD - 1))
TURNS = st.lists(st.lists(STEP, min_size=2, max_size=6), min_size=1, max_size=4)


@asynccontextmanager
async def crowd(io: Server, count: int = CROWD) -> AsyncIterator[list[WebSocketPeer]]:
    """Clients on WebSockets; every other one is in the room `odd`."""

    @io.on("connection")
    def connection(socket: Socket) -> None:
        if len(io.sockets) % 2 == 0:
            socket.join("odd")

    async with io.listen("127.0.0.1", 0) as listener:
        wire = Wire("127.0.0.1", listener.port, "/socket.io/")
        peers = [await wire.open_websocket() for _ in range(count)]
        for peer in peers:
            await peer.connect()
        try:
            yield peers
        finally:
            for peer in peers:
                await peer.websocket.http.close()


async def heard(peer: WebSocketPeer) -> list[list[Any]]:
    """Events until the one that is called `end`."""
    events: list[list[Any]] = []
    while True:
        packet = await peer.receive()
        assert isinstance(packet, str)
        event = json.loads(packet.removeprefix("42"))
        if event == ["end"]:
            return events
        events.append(event)


class Script:
    """What is emitted, and what each client must hear of it, in that order."""

    def __init__(self, io: Server) -> None:
        self.io = io
        self.ids = list(io.sockets)
        self.due: list[list[list[Any]]] = [[] for _ in self.ids]

    def play(self, kind: str, at: int) -> None:
        """Emit once: to all, to one, to every other client, to the rest, or to nobody."""
        io, number = self.io, sum(map(len, self.due))
        event = [kind, number, "ö" * (at * 20)]
        target: Any = {
            "all": io,
            "room": io.to("odd"),
            "others": io.except_("odd"),
            "one": io.to(self.ids[at]),
            "volatile": io.volatile.to("nobody"),
        }[kind]
        target.emit(*event)
        reached = {
            "all": range(CROWD),
            "room": range(1, CROWD, 2),
            "others": range(0, CROWD, 2),
            "one": [at],
            "volatile": [],
        }[kind]
        for index in reached:
            self.due[index].append(event)


@settings(max_examples=30, deadline=None)
@given(turns=TURNS)
@pytest.mark.parametrize("kind", LOOPS)
def test_each_client_hears_what_it_is_sent_in_order(
    kind: str, turns: list[list[tuple[str, int]]]
) -> None:
    async def run() -> None:
        io = Server()
        async with crowd(io) as peers:
            script = Script(io)
            for turn in turns:
                for step in turn:
                    script.play(*step)
                await asyncio.sleep(0)
            io.emit("end")
            assert [await heard(peer) for peer in peers] == script.due

    with asyncio.Runner(loop_factory=LOOPS[kind]) as runner:
        runner.run(run())


async def test_slow_reader_gets_all_in_order_and_is_counted() -> None:
    io = Server(max_backlog=50_000_000, ping_interval=300)
    async with crowd(io) as peers:
        slow: Any = peers[3].websocket.http.writer.transport
        slow.pause_reading()
        driver = io.engine.driver
        sent = 0
        text = "x" * 4_000
        while not driver.backlog and sent < 5_000:
            io.emit("event", sent, text)
            sent += 1
            await asyncio.sleep(0)
        assert driver.backlog >= HIGH_WATER  # with what the loop has for it
        assert len([each for each in io.engine.sessions.values() if not each.is_writable]) == 1
        slow.resume_reading()
        io.emit("end")
        for peer in peers:
            assert [event[1] for event in await heard(peer)] == list(range(sent))
        await until(lambda: driver.backlog == 0)


async def test_who_leaves_hears_no_more_and_the_others_do() -> None:
    io = Server()
    async with crowd(io) as peers:
        first, second, *_ = list(io.sockets.values())
        io.emit("before")
        first.disconnect()
        second.conn.close()
        io.emit("after")
        io.emit("end")
        assert await peers[0].receive() == '42["before"]'
        assert await peers[0].receive() == "41"
        assert await peers[1].receive() == '42["before"]'
        await peers[1].ended()
        for peer in peers[2:]:
            assert await heard(peer) == [["before"], ["after"]]


async def test_connections_that_were_cut_disturb_nobody() -> None:
    io = Server()
    async with crowd(io) as peers:
        for peer in peers[:4]:
            peer.websocket.http.writer.transport.abort()
        for number in range(20):
            io.emit("event", number)
            await asyncio.sleep(0)
        io.emit("end")
        for peer in peers[4:]:
            assert await heard(peer) == [["event", number] for number in range(20)]


async def test_who_looks_at_packets_sees_broadcasts_too() -> None:
    io = Server()
    async with crowd(io) as peers:
        created: list[Any] = []
        flushed: list[Any] = []
        watched = next(iter(io.sockets.values()))
        watched.conn.on("packet_create", lambda packet: created.append(packet.data))
        watched.conn.on("flush", lambda packets: flushed.extend(each.data for each in packets))
        io.emit("event", 1)
        io.emit("end")
        for peer in peers:
            assert await heard(peer) == [["event", 1]]
        assert created == flushed == ['2["event",1]', '2["end"]']
        watched.conn.close()
        await until(lambda: len(io.sockets) == CROWD - 1)
        assert io.engine.driver.broadcast_write.may_take(CROWD, 1)


async def test_hook_for_outgoing_events_sees_broadcasts_too() -> None:
    io = Server()
    async with crowd(io) as peers:
        seen: list[Any] = []
        next(iter(io.sockets.values())).on_any_outgoing(lambda *args: seen.append(args))
        io.emit("event", 1)
        io.emit("end")
        for peer in peers:
            assert await heard(peer) == [["event", 1]]
        assert seen == [("event", 1), ("end",)]


async def test_compressed_and_polling_clients_hear_the_same() -> None:
    io = Server(per_message_deflate={"threshold": 0})
    event = '42["event","' + "x" * 2_000 + '"]'
    async with crowd(io) as peers:
        port = peers[0].websocket.http.writer.get_extra_info("peername")[1]
        wire = Wire("127.0.0.1", port, "/socket.io/")
        polling = await wire.open_polling()
        await polling.connect()
        http = await wire.http()
        request = RawWebSocket.request_headers(
            **{"Sec-WebSocket-Extensions": "permessage-deflate; client_no_context_takeover"}
        )
        check_switched(await http.request("GET", wire.target("websocket"), request), request)
        websocket = RawWebSocket(http, PerMessageDeflate(Deflate()))
        compressing = WebSocketPeer(websocket, await websocket.receive_text())
        await compressing.connect()
        io.emit("event", "x" * 2_000)
        for peer in (*peers, polling, compressing):
            assert await peer.receive() == event
        for each in (polling.gets, polling.posts, http):
            await each.close()


async def test_events_of_one_turn_go_out_together() -> None:
    io = Server()
    async with crowd(io) as peers:
        written: list[bytes] = []
        transport: Any = next(iter(io.sockets.values())).conn.transport
        tcp = transport._tcp

        class Counting:
            def write(self, data: bytes) -> None:
                written.append(data)
                tcp.write(data)

            def __getattr__(self, name: str) -> Any:
                return getattr(tcp, name)

        transport._tcp = transport.direct = Counting()
        io.emit("alone")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert len(written) == 1
        for number in range(3):
            io.emit("together", number)
        io.emit("end")
        expected = [["alone"], *(["together", number] for number in range(3))]
        for peer in peers:
            assert await heard(peer) == expected
        assert len(written) == 2


async def test_volatile_event_behind_a_broadcast_is_dropped_as_behind_any_other() -> None:
    io = Server()
    async with crowd(io) as peers:
        io.emit("first")
        io.volatile.emit("dropped")
        await asyncio.sleep(0)
        io.volatile.emit("second")
        io.emit("end")
        for peer in peers:
            assert await heard(peer) == [["first"], ["second"]]


async def test_connection_that_a_broadcast_has_filled_is_not_drained() -> None:
    io = Server(ping_interval=300)
    async with crowd(io) as peers:
        first = next(iter(io.sockets.values()))
        reading: Any = peers[0].websocket.http.writer.transport
        reading.pause_reading()
        sent = 0
        while first.conn.transport.is_writable:
            io.emit("event", "x" * 4_000)
            sent += 1
            draining = asyncio.ensure_future(first.drain())
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert first.conn.backlog >= HIGH_WATER
        assert not draining.done()
        reading.resume_reading()
        for _ in range(sent):
            await peers[0].receive()
        await draining
        assert first.conn.backlog == 0


async def test_session_that_is_over_has_nothing_to_look_at() -> None:
    io = Server()
    ended: list[Socket] = []
    async with crowd(io) as peers:
        first = next(iter(io.sockets.values()))

        @first.on("disconnect")
        def left() -> None:
            first.conn.on("packet_create", lambda packet: None)
            ended.append(first)

        await peers[0].websocket.http.close()
        await until(lambda: bool(ended))
        assert io.engine.driver.broadcast_write.may_take(CROWD, 1)


async def test_who_begins_to_look_in_the_middle_of_a_turn() -> None:
    io = Server()
    async with crowd(io) as peers:
        created: list[Any] = []
        flushed: list[Any] = []
        first, second, *_ = list(io.sockets.values())
        io.emit("before")
        first.emit("own")
        for watched in (first, second):
            watched.conn.on("packet_create", lambda packet: created.append(packet.data))
            watched.conn.on("flush", lambda packets: flushed.extend(each.data for each in packets))
        io.emit("end")
        for peer in peers[2:]:
            assert await heard(peer) == [["before"]]
        assert await heard(peers[0]) == [["before"], ["own"]]
        assert created == ['2["end"]'] * 2
        assert flushed == ['2["before"]', '2["own"]', '2["end"]', '2["before"]', '2["end"]']


def test_a_turn_has_one_and_not_to_any_number() -> None:
    later: list[Any] = []
    write = BroadcastWrite(later.append)
    session: Any = FakeSession()
    assert write.may_take(MOST, LARGEST)
    assert not write.may_take(MOST + 1, 1)
    assert not write.may_take(1, LARGEST + 1)
    write.take(SharedPacket(b"42[1]"), 5, [session])
    assert later == [write]
    assert not write.may_take(1, 1)
    write.flush()
    write.flush()
    assert session.queued == [b"42[1]"]
    assert write.may_take(1, 1)
    write.refuse_for("somebody")
    assert not write.may_take(1, 1)
    write.allow_for("somebody")
    assert write.may_take(1, 1)


def test_what_is_sent_as_connections_are_counted_stays_behind() -> None:
    write = BroadcastWrite(lambda write: None)
    full: Any = FakeSession()
    other: Any = FakeSession()
    first, second = SharedPacket(b"42[1]"), SharedPacket(b"42[2]")
    for session in (full, other):
        session.transport.direct = session

    def sends_more() -> None:
        write.take(second, 5, [other])
        write.flush()

    full.write = lambda frame: setattr(full.transport, "direct", None)
    full.connection_filled = sends_more
    write.take(first, 5, [full, other])
    write.flush()
    assert other.written == [first.frame, second.frame]


async def test_session_that_is_over_gets_nothing_and_one_that_closes_does() -> None:
    io = Server()
    async with crowd(io) as peers:
        first, second, *_ = list(io.sockets.values())
        io.emit("event")
        for socket in (first, second):
            cast("Any", socket.conn.transport).pause_writing()
        first.conn.close()
        second.conn.discard()
        cast("Any", first.conn.transport).resume_writing()
        assert await peers[0].receive() == '42["event"]'
        await peers[0].ended()
        await peers[1].ended()


class FakeSession:
    """One whose transport has no room, until a test gives it some."""

    def __init__(self) -> None:
        self.pending: list[Any] = []
        self.transport: Any = SimpleNamespace(direct=None)
        self.queued: list[bytes] = []
        self.written: list[bytes] = []

    def write(self, frame: bytes) -> None:
        self.written.append(frame)

    def queue_first(self, packet: SharedPacket, size: int) -> None:
        self.queued.append(packet.data)

    def connection_filled(self) -> None:
        raise AssertionError("it is not full")
