"""Handlers that wait, that are cancelled, and that end others.

400 events of 900 kB to a handler that waits a second, from one client and from eight; 1,001 events
whose handlers each wait for an acknowledgement, on a client; 1,500 for a blocking client whose
handler takes 30 ms; a lane whose first handler is cancelled; and a room of 600 whose `disconnect`
handlers disconnect the room.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import sockwave.sync
from benchmarks.reliability.report import Figure, milliseconds, target
from sockwave import Server, Socket, connect
from sockwave.testing import LinkedClient
from tests.security.judge import MB

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.security.judge import Target

EVENTS: Final = 400
SIZE: Final = 900_000
ACKS: Final = 1_001
BLOCKING: Final = 1_500
ROOM: Final = 600
PROCESS: Final = 32 * MB
"""`Limits.process_pending` of the run with several."""


async def _flood(server: Target) -> None:
    peer = await server.wire().open_websocket()
    await peer.connect()
    for _ in range(EVENTS):
        await peer.send(f'42["wait",1,"{"x" * SIZE}"]')
    await peer.send('421["echo"]')
    assert await peer.receive() == "431[]"


def _floods(clients: int, **options: Any) -> list[Figure]:
    """Events whose handlers wait: what is held, and how an honest client fares."""

    async def run(server: Target) -> None:
        await asyncio.gather(*(_flood(server) for _ in range(clients)))

    with target(**options) as server:
        before = server.memory()
        server.forget_peak()
        server.call("begin")
        server.ask_honest()
        began = time.monotonic()
        asyncio.run(run(server))
        took = time.monotonic() - began
        worst = max(report["worst"] for report in server.ask_honest().values())
        grew = server.memory("VmHWM") - before
    who = f"{clients} x {EVENTS} events of {SIZE // 1000} kB, handlers wait a second"
    return [
        Figure(f"{who}: memory added at the peak", f"{grew / MB:.0f} MB"),
        Figure(f"{who}: all handled after", f"{took:.0f} s"),
        Figure(f"{who}: round trip of an honest client, worst", milliseconds(worst)),
    ]


def _bursting(**options: Any) -> Server:
    io = Server(**options)

    @io.event
    def burst(socket: Socket, count: int) -> None:
        for number in range(count):
            socket.emit("tick", number)

    io.event("ask")(lambda socket, number: number)
    return io


async def _acknowledged() -> list[Figure]:
    done: list[int] = []
    all_done = asyncio.Event()
    began = time.monotonic()
    async with _bursting().listen() as listener, connect(listener.url) as socket:

        @socket.on("tick")
        async def tick(number: int) -> None:
            done.append(await socket.emit_with_ack("ask", number))
            if len(done) == ACKS:
                all_done.set()

        socket.emit("burst", ACKS)
        await asyncio.wait_for(all_done.wait(), 60)
    took = milliseconds(time.monotonic() - began)
    text = f"{len(done)} ended in {took}"
    return [Figure(f"{ACKS} handlers of a client that wait for answers", text)]


@contextmanager
def _in_a_thread(io: Server) -> Iterator[str]:
    started: queue.SimpleQueue[tuple[str, asyncio.AbstractEventLoop, asyncio.Event]]
    started = queue.SimpleQueue()

    async def serve() -> None:
        stop = asyncio.Event()
        async with io.listen() as listener:
            started.put((listener.url, asyncio.get_running_loop(), stop))
            await stop.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    url, loop, stop = started.get()
    try:
        yield url
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()


def _blocking() -> list[Figure]:
    got: queue.SimpleQueue[int] = queue.SimpleQueue()
    lost: list[str] = []
    with (
        _in_a_thread(_bursting(ping_interval=5.0, ping_timeout=4.0)) as url,
        sockwave.sync.connect(url) as socket,
    ):
        socket.on("disconnect", lambda reason: lost.append(reason))

        @socket.on("tick")
        def tick(number: int) -> None:
            time.sleep(0.03)
            got.put(number)

        socket.emit("burst", BLOCKING)
        handled = [got.get(timeout=30) for _ in range(BLOCKING)]
        losses = len(lost)
    assert handled == list(range(BLOCKING))
    return [
        Figure(
            f"{BLOCKING} events to a blocking client, 30 ms each, ping time-out 4 s",
            f"{len(handled)} handled in order, {losses} connections lost",
        )
    ]


async def _cancelled() -> list[Figure]:
    io = Server(order="socket")
    failures: list[BaseException] = []
    io.on_error(lambda error, _: failures.append(error))
    ran: list[int] = []

    @io.event
    async def work(socket: Socket, number: int) -> int:
        if not number:
            raise asyncio.CancelledError
        ran.append(number)
        return number

    async with LinkedClient(io) as client:
        for number in range(19):
            client.emit("work", number)
        await client.emit_with_ack("work", 19)
    text = f"{len(ran)} of 19 ran, {len(failures)} failure told"
    return [Figure("a lane of 20 whose first handler is cancelled", text)]


async def _room() -> list[Figure]:
    io = Server(block_warning=None)
    left: list[str] = []
    failures: list[BaseException] = []
    io.on_error(lambda error, _: failures.append(error))

    @io.on("connection")
    def connection(socket: Socket) -> None:
        socket.join("room")

        @socket.on("disconnect")
        def gone() -> None:
            left.append(socket.id)
            io.in_("room").disconnect_sockets()

    clients = [LinkedClient(io) for _ in range(ROOM)]
    for client in clients:
        await client.connect()
    first, *_ = io.sockets.values()
    began = time.monotonic()
    first.disconnect()
    took = milliseconds(time.monotonic() - began)
    text = f"{len(left)} handlers, {len(failures)} failures, {took}"
    return [Figure(f"a room of {ROOM} whose disconnect handlers disconnect the room", text)]


def measure() -> list[Figure]:
    """All of it; takes about three minutes, most of them of waiting."""
    return [
        *_floods(1),
        *_floods(8, limits={"process_pending": PROCESS}),
        *asyncio.run(_acknowledged()),
        *_blocking(),
        *asyncio.run(_cancelled()),
        *asyncio.run(_room()),
    ]
