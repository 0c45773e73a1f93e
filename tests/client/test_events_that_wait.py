"""More events of a server than handlers may run: what waits, and what passes."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from sockwave import MsgpackParser, Server, Socket, connect
from tests.client.conftest import MODES
from tests.client.servers import TRANSPORTS, listening
from tests.support.raw import UNIT

SLOW = 30.0
"""Seconds: far more than anything here takes."""


def bursting_server(**options: Any) -> Server:
    """A server that sends as many events as it is asked for, and answers questions."""
    io = Server(**{"transports": TRANSPORTS, **options})

    @io.on("connection")
    def connection(socket: Socket) -> None:
        @socket.on("burst")
        def burst(count: int, size: int = 0) -> None:
            for number in range(count):
                socket.emit("tick", number, "x" * size)

        @socket.on("burst_and_leave")
        def burst_and_leave(count: int, *, close: bool = False) -> None:
            burst(count)
            socket.disconnect(close=close)

        @socket.on("burst_and_close")
        def burst_and_close(count: int) -> None:
            burst(count)
            socket.conn.close()

        socket.on("ack", lambda *args: args)

    return io


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("parser", [None, MsgpackParser()])
async def test_answers_that_handlers_wait_for_come_in(mode: str, parser: Any) -> None:
    done: list[int] = []
    all_done = asyncio.Event()
    io = bursting_server(parser=parser)
    async with (
        listening(io) as listener,
        connect(listener.url, parser=parser, max_pending_handlers=20, **MODES[mode]) as socket,
    ):

        @socket.on("tick")
        async def tick(number: int, _: str) -> None:
            done.append(await socket.emit_with_ack("ack", number, timeout=SLOW))
            if len(done) == 1_001:
                all_done.set()

        socket.emit("burst", 1_001)
        await all_done.wait()
    assert done == list(range(1_001))


@pytest.mark.parametrize("mode", MODES)
async def test_heartbeats_are_answered_while_events_wait(mode: str) -> None:
    pings = 0
    may_end = asyncio.Event()
    ended: list[int] = []
    all_ended = asyncio.Event()
    io = bursting_server(ping_interval=2 * UNIT, ping_timeout=10 * UNIT)
    async with (
        listening(io) as listener,
        connect(listener.url, max_pending_handlers=2, **MODES[mode]) as socket,
    ):
        reasons: list[str] = []
        socket.on("disconnect", lambda reason: reasons.append(reason))

        @socket.manager.on("ping")
        def ping() -> None:
            nonlocal pings
            pings += 1
            if pings == 5:
                may_end.set()

        @socket.on("tick")
        async def tick(number: int, _: str) -> None:
            await may_end.wait()
            ended.append(number)
            if len(ended) == 50:
                all_ended.set()

        socket.emit("burst", 50)
        await all_ended.wait()
        assert reasons == []
    assert ended == list(range(50))


@pytest.mark.parametrize("mode", MODES)
async def test_connection_that_is_not_read_from_lives(
    mode: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Far longer than a ping time-out; the server is told unasked that this side is there."""
    may_end = asyncio.Event()
    ended: list[int] = []
    all_ended = asyncio.Event()
    io = bursting_server(ping_interval=2 * UNIT, ping_timeout=10 * UNIT)
    async with (
        listening(io) as listener,
        connect(listener.url, max_pending_bytes=100_000, **MODES[mode]) as socket,
    ):
        if mode.endswith("upgrade"):
            while socket.manager.transport in (None, "polling"):
                await asyncio.sleep(0.01)
        reasons: list[str] = []
        socket.on("disconnect", lambda reason: reasons.append(reason))

        @socket.on("tick")
        async def tick(number: int, _: str) -> None:
            await may_end.wait()
            ended.append(number)
            if len(ended) == 100:
                all_ended.set()

        with caplog.at_level(logging.WARNING, "sockwave.socketio"):
            # What is not read fits between the two: a kernel has room for more than QUIC gives.
            socket.emit("burst", 100, 5_000 if "webtransport" in mode else 20_000)
            while "not read from the server" not in caplog.text:
                await asyncio.sleep(0.01)
        assert "max_pending_bytes=100000" in caplog.text
        assert "tick" in caplog.text
        await asyncio.sleep(40 * UNIT)
        may_end.set()
        await all_ended.wait()
        assert reasons == []
        assert await socket.emit_with_ack("ack", 1, timeout=SLOW) == 1
    assert ended == list(range(100))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("end", ["burst_and_leave", "burst_and_close"])
async def test_what_came_before_the_end_has_its_turn(mode: str, end: str) -> None:
    lines: list[Any] = []
    left = asyncio.Event()
    async with listening(bursting_server()) as listener:
        socket = connect(listener.url, max_pending_handlers=2, reconnection=False, **MODES[mode])
        await socket.wait_connected(SLOW)

        @socket.on("tick")
        async def tick(number: int, _: str) -> None:
            await asyncio.sleep(0)
            lines.append(number)

        @socket.on("disconnect")
        def disconnect(reason: str) -> None:
            lines.append(reason)
            left.set()

        socket.emit(end, 50)
        await left.wait()
        while len(lines) < 51:
            await asyncio.sleep(0.001)
        await socket.aclose()
    numbers = [line for line in lines if isinstance(line, int)]
    assert numbers == list(range(50))
    assert len(lines) - lines.index(next(x for x in lines if isinstance(x, str))) <= 3


@pytest.mark.parametrize("mode", MODES)
async def test_what_is_emitted_while_events_of_a_lost_connection_wait_goes_out_on_the_next(
    mode: str,
) -> None:
    may_end, running = asyncio.Event(), asyncio.Event()
    io = bursting_server()
    async with (
        listening(io) as listener,
        connect(
            listener.url, max_pending_handlers=1, reconnection_delay=0.01, **MODES[mode]
        ) as socket,
    ):

        @socket.on("tick")
        async def tick(number: int, _: str) -> None:
            running.set()
            await may_end.wait()

        socket.emit("burst_and_close", 5)
        await running.wait()
        while socket.manager.is_open:
            await asyncio.sleep(0.001)
        answer = asyncio.ensure_future(socket.emit_with_ack("ack", 7, timeout=SLOW))
        await asyncio.sleep(0)
        may_end.set()
        assert await answer == 7


async def test_closing_drops_what_waits() -> None:
    ran: list[int] = []
    running = asyncio.Event()
    async with listening(bursting_server()) as listener:
        socket = connect(listener.url, max_pending_handlers=1)
        await socket.wait_connected(SLOW)

        @socket.on("tick")
        async def tick(number: int, _: str) -> None:
            ran.append(number)
            running.set()
            await asyncio.Event().wait()

        socket.emit("burst", 50)
        await running.wait()
        await socket.aclose()
    assert ran == [0]
