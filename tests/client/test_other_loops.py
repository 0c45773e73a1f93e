"""What the client is awaited for in another event loop, in another thread."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest

from sockwave import AckTimeout, Disconnected, Manager, Server, connect
from tests.client.servers import native_server

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


async def in_another_loop(work: Callable[[], Awaitable[Any]]) -> Any:
    """Run in a thread, in a loop of its own."""

    async def run() -> Any:
        async with asyncio.timeout(40):
            return await work()

    return await asyncio.to_thread(lambda: asyncio.run(run()))


async def test_everything_may_be_awaited_in_another_loop() -> None:
    async with native_server().listen() as listener, Manager(listener.url) as manager:
        socket = manager.socket("/")
        chat = Manager(listener.url, auto_connect=False).socket("/chat")

        async def work() -> list[Any]:
            await manager.open()
            await socket.wait_connected(40)
            answers = [await socket.emit_with_ack("ack", 1, timeout=600)]
            answers += [await socket.timeout(600).emit_with_ack("ack", 2)]
            socket.emit("echo", 3)
            await socket.drain()
            return answers

        assert await in_another_loop(work) == [1, 2]
        chat.connect()

        async def block() -> Any:
            async with chat:
                return await chat.emit_with_ack("ack", 4, timeout=600)

        assert await in_another_loop(block) == 4
        assert not chat.active
        await in_another_loop(socket.aclose)
        assert not socket.active
        await in_another_loop(manager.close)
        assert not manager.is_open


async def test_thread_connects_a_socket_that_was_disconnected() -> None:
    async with native_server().listen() as listener, connect(listener.url) as socket:
        socket.disconnect()

        async def again() -> Any:
            await asyncio.to_thread(socket.connect)
            await socket.wait_connected(40)
            return await socket.emit_with_ack("ack", 1, timeout=600)

        assert await in_another_loop(again) == 1


async def test_events_are_iterated_in_another_loop() -> None:
    async with native_server().listen() as listener, connect(listener.url) as socket:
        stream = socket.events("echo")
        reading = threading.Event()

        async def read() -> list[Any]:
            got = []
            async for event in stream:
                got.append(event)
                reading.set()
            return got

        task = asyncio.create_task(in_another_loop(read))
        for number in range(50):
            socket.emit("echo", number)
        await asyncio.to_thread(reading.wait, 10)
        for number in range(50, 60):
            assert await socket.emit_with_ack("ack", number, timeout=40) == number
            socket.emit("echo", number)
        await socket.emit_with_ack("ack", timeout=40)
        socket.disconnect()
        assert await task == [(number,) for number in range(60)]


async def test_cancelling_in_another_loop_takes_the_question_back() -> None:
    async with (
        native_server().listen() as listener,
        connect(listener.url, max_pending_acks=1) as socket,
    ):
        asked = threading.Event()
        socket.on_any_outgoing(lambda *event: asked.set())

        async def ask_and_leave() -> None:
            task = asyncio.create_task(socket.emit_with_ack("silent", timeout=600))
            await asyncio.to_thread(asked.wait, 10)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        await in_another_loop(ask_and_leave)
        assert await socket.emit_with_ack("ack", 1, timeout=600) == 1


async def test_time_is_over_in_another_loop_too() -> None:
    async with native_server().listen() as listener, connect(listener.url) as socket:

        async def ask() -> None:
            with pytest.raises(AckTimeout):
                await socket.emit_with_ack("silent", timeout=0.01)

        await in_another_loop(ask)


async def test_end_of_the_clients_loop_ends_the_waits_of_others() -> None:
    async with native_server().listen() as listener:
        started, stop = threading.Event(), asyncio.Event()
        made: list[Any] = []

        async def client() -> None:
            socket = connect(listener.url)
            made.extend((socket, asyncio.get_running_loop()))
            await socket.wait_connected(40)
            started.set()
            await stop.wait()
            # `asyncio.run` cancels what is left.

        thread = asyncio.create_task(asyncio.to_thread(lambda: asyncio.run(client())))
        assert await asyncio.to_thread(started.wait, 10)
        socket, loop = made
        waits = [
            asyncio.ensure_future(socket.emit_with_ack("silent", timeout=600)),
            asyncio.ensure_future(anext(socket.events("never"))),
        ]
        while not len(socket._outbox.acks):
            await asyncio.sleep(0.001)
        loop.call_soon_threadsafe(stop.set)
        await thread
        async with asyncio.timeout(40):
            for wait in waits:
                with pytest.raises(Disconnected):
                    await wait
        with pytest.raises(Disconnected, match="event loop of the client has ended"):
            await asyncio.to_thread(socket.emit, "x")


def test_server_and_client_of_one_program_in_two_loops() -> None:
    io, started, stop = Server(), threading.Event(), threading.Event()
    urls: list[str] = []

    async def serve() -> None:
        async with io.listen() as listener:
            urls.append(listener.url)
            started.set()
            await asyncio.to_thread(stop.wait)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        assert started.wait(40)

        async def program() -> Any:
            async with connect(urls[0]) as socket:
                socket.on("q", lambda number: number + 1)
                return await io.emit_with_ack("q", 1, timeout=600)

        assert asyncio.run(program()) == [2]
    finally:
        stop.set()
        thread.join(40)
