"""Ping and pong (docs/protocol/heartbeat.md)."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from tests.support.apps import echo_engine, echo_server, the_session
from tests.support.raw import UNIT, until

if TYPE_CHECKING:
    from sockwave import Socket
    from sockwave.engine.server.engine import EngineServer
    from tests.support.fronts import Front
    from tests.support.raw import Peer, PollingPeer, WebSocketPeer


async def ping(peer: Peer) -> None:
    """Wait for a ping, which must be the next packet, and leave it unanswered."""
    if hasattr(peer, "websocket"):
        assert await _websocket(peer).websocket.receive() == "2"
    else:
        assert (await _polling(peer).poll()).body == b"2"


def _websocket(peer: Peer) -> WebSocketPeer:
    return peer  # type: ignore[return-value] # the caller has looked


def _polling(peer: Peer) -> PollingPeer:
    return peer  # type: ignore[return-value] # the caller has looked


async def test_pings_come_as_long_as_pongs_do(every_front: Front, transport: str) -> None:
    engine, ends = echo_engine(ping_interval=UNIT, ping_timeout=10 * UNIT)
    async with every_front.serve(engine) as wire:
        peer = await wire.open(transport)
        for _ in range(3):
            await ping(peer)
            await peer.send("3")
        assert ends == []


async def test_next_ping_is_due_an_interval_after_the_pong(front: Front, transport: str) -> None:
    engine, _ = echo_engine(ping_interval=2 * UNIT, ping_timeout=20 * UNIT)
    async with front.serve(engine) as wire:
        peer = await wire.open(transport)
        await ping(peer)
        before = time.monotonic()
        await peer.send("3")
        await ping(peer)
        assert time.monotonic() - before >= 2 * UNIT - 0.01


async def test_peer_without_a_pong_is_closed(every_front: Front, transport: str) -> None:
    engine, ends = echo_engine(ping_interval=UNIT, ping_timeout=UNIT)
    async with every_front.serve(engine) as wire:
        before = time.monotonic()
        peer = await wire.open(transport)
        await ping(peer)
        await peer.ended()
        assert time.monotonic() - before >= 2 * UNIT - 0.01
        assert ends == [("ping timeout", "")]


async def test_polling_client_that_has_gone_is_closed(front: Front) -> None:
    engine, ends = echo_engine(ping_interval=UNIT, ping_timeout=UNIT)
    async with front.serve(engine) as wire:
        peer = await wire.open_polling()
        await until(lambda: ends)
        assert ends == [("ping timeout", "")]
        await peer.ended()


async def test_other_packets_prolong_the_wait_once_only(front: Front) -> None:
    engine, ends = echo_engine(ping_interval=UNIT, ping_timeout=3 * UNIT)
    async with front.serve(engine) as wire:
        peer = await wire.open_websocket()
        await ping(peer)
        pinged = time.monotonic()
        while not ends:
            peer.websocket.send("4x")
            if await peer.websocket.receive() != "4x":
                break
        await until(lambda: ends)
        assert time.monotonic() - pinged >= 3 * UNIT - 0.01  # and it did end, while packets came
        assert ends == [("ping timeout", "")]


async def test_first_packet_after_a_ping_restarts_the_wait(front: Front) -> None:
    engine, ends = echo_engine(ping_interval=UNIT, ping_timeout=4 * UNIT)
    async with front.serve(engine) as wire:
        peer = await wire.open_websocket()
        await ping(peer)
        pinged = time.monotonic()
        await until(lambda: time.monotonic() - pinged > 3 * UNIT)
        await peer.send("4x")
        await until(lambda: time.monotonic() - pinged > 5 * UNIT)
        assert ends == []
        await peer.send("3")
        assert await peer.receive() == "4x"
        await ping(peer)
        assert ends == []


async def test_ping_of_the_client_closes(front: Front, transport: str) -> None:
    engine, ends = echo_engine()
    async with front.serve(engine) as wire:
        peer = await wire.open(transport)
        await peer.send("2")
        await peer.ended()
        assert ends == [("transport error", "invalid heartbeat direction")]


@pytest.mark.parametrize("packet", ["3", "3data", "0", "6", "5"])
async def test_packets_without_a_meaning_are_ignored(
    front: Front, transport: str, packet: str
) -> None:
    engine, ends = echo_engine()
    async with front.serve(engine) as wire:
        peer = await wire.open(transport)
        await peer.send(packet, packet, "4a")
        assert await peer.receive() == "4a"
        assert ends == []


async def test_pings_go_on_after_an_upgrade_that_dropped_one(front: Front) -> None:
    engine, ends = echo_engine(ping_interval=UNIT, ping_timeout=3 * UNIT)
    async with front.serve(engine) as wire:
        peer = await wire.open_polling()
        await ping(peer)
        websocket = await wire.websocket(wire.target("websocket", sid=peer.sid))
        websocket.send("5")
        for _ in range(3):
            assert await websocket.receive() == "2"
            websocket.send("3")
        assert ends == []


async def test_pings_pass_between_large_messages(front: Front) -> None:
    io, ends = echo_server(ping_interval=UNIT, ping_timeout=40 * UNIT)
    async with front.serve(io) as wire:
        peer = await wire.open_websocket()
        await peer.connect()
        io.event("none")(lambda socket: None)
        for _ in range(100):
            io.emit("big", "x" * 64_000)
        pings = bigs = 0
        while bigs < 100 or pings < 2:
            packet = await peer.websocket.receive_text()
            if packet == "2":
                pings += 1
                peer.websocket.send("3")
            else:
                bigs += packet.startswith('42["big"')
        assert ends == []


@pytest.mark.logs_errors
async def test_client_of_whom_nothing_is_read_is_pinged(front: Front, transport: str) -> None:
    """It waits for pings itself; its pongs lie unread until the handler ends."""
    io, ends = echo_server(ping_interval=2 * UNIT, ping_timeout=2 * UNIT, max_pending_bytes=1)

    @io.on("connection")
    def serve(socket: Socket) -> None:
        @socket.on("long")
        async def long() -> None:
            await asyncio.sleep(12 * UNIT)

    async with front.serve(io) as wire:
        peer = await wire.open(transport)
        await peer.connect()
        if transport == "polling":
            _polling(peer).posts.send("POST", _polling(peer).target, None, b'420["long"]')
            seen = []
            while "430[]" not in seen:
                seen += (await _polling(peer).poll()).text.split("\x1e")
        else:
            await peer.send('420["long"]')
            seen = [await _websocket(peer).websocket.receive_text()]
            while seen[-1] != "430[]":
                seen.append(await _websocket(peer).websocket.receive_text())
        assert seen.count("2") >= 3
        assert ends == []


async def test_silent_client_costs_one_deadline(native: Front) -> None:
    engine, _ = echo_engine()
    async with native.serve(engine) as wire:
        peer = await wire.open_websocket()
        session = the_session(engine)
        await peer.send(*["3"] * 10_000)
        await peer.send("4a")
        assert await peer.receive() == "4a"
        assert len(engine.driver._wheel) <= 2
        assert session.is_open


class Ahead:
    """Moves the clock of a server, but not its timers: they are late for everything."""

    def __init__(self, engine: EngineServer) -> None:
        self._driver = engine.driver
        self._began = engine.driver.clock()
        self._seconds = 0.0
        engine.driver.clock = self._clock  # type: ignore[method-assign] # the point of it

    def _clock(self) -> float:
        return self._began + self._seconds

    def be(self, seconds: float) -> None:
        """So many seconds after the beginning."""
        self._seconds = seconds


@pytest.mark.parametrize("kind", ["poll", "post", "upgrade"])
async def test_request_after_the_ping_timeout_finds_the_session_gone_though_timers_are_late(
    front: Front, kind: str
) -> None:
    engine, ends = echo_engine(ping_interval=25, ping_timeout=20)
    async with front.serve(engine) as wire:
        await wire.get("/elsewhere")  # binds the engine to its loop
        clock = Ahead(engine)
        peer = await wire.open_polling()
        clock.be(25.0)
        await ping(peer)
        clock.be(45.0)
        if kind == "poll":
            reply = await peer.poll()
        elif kind == "post":
            reply = await peer.post("3")
        else:
            reply = await wire.upgrade(wire.target("websocket", sid=peer.sid))
        assert reply.status == 400
        assert ends == [("ping timeout", "")]


async def test_connect_after_its_time_closes_though_timers_are_late(
    front: Front, transport: str
) -> None:
    io, _ = echo_server(connect_timeout=5)
    async with front.serve(io) as wire:
        await wire.get("/elsewhere")
        clock = Ahead(io.engine)
        peer = await wire.open(transport)
        clock.be(5.0)
        await peer.send("40")
        await peer.ended()
