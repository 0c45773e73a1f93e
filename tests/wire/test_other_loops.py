"""What a server is awaited for in another event loop, in another thread."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from sockwave import AckTimeout, Disconnected, InMemoryAdapter, Server
from tests.support.apps import the_socket
from tests.support.ended_loops import SCENES
from tests.support.raw import until, within

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from tests.support.fronts import Front


async def in_another_loop(work: Callable[[], Awaitable[Any]]) -> Any:
    """Run in a thread, in a loop of its own."""

    async def run() -> Any:
        return await work()

    return await within(asyncio.to_thread(lambda: asyncio.run(run())))


QUESTIONS: dict[str, Callable[[Server], Coroutine[Any, Any, Any]]] = {
    "server": lambda io: io.emit_with_ack("q", timeout=600),
    "timeout": lambda io: io.timeout(600).emit_with_ack("q"),
    "namespace": lambda io: io.of("/").emit_with_ack("q", timeout=600),
    "room": lambda io: io.to(the_socket(io).id).emit_with_ack("q", timeout=600),
    "socket": lambda io: the_socket(io).emit_with_ack("q", timeout=600),
    "operator": lambda io: the_socket(io).timeout(600).emit_with_ack("q"),
}


@pytest.mark.parametrize("question", QUESTIONS)
async def test_answers_come_to_another_loop(front: Front, transport: str, question: str) -> None:
    io = Server()
    async with front.serve(io) as wire:
        peer = await wire.open(transport)
        await peer.connect()
        task = asyncio.create_task(in_another_loop(lambda: QUESTIONS[question](io)))
        assert await peer.receive() == '420["q"]'
        await peer.send('430["a"]')
        assert await task in ("a", ["a"])


async def test_coroutine_may_be_made_before_there_is_a_loop(front: Front) -> None:
    io = Server()
    async with front.serve(io) as wire:
        peer = await wire.open_websocket()
        await peer.connect()
        waiting = asyncio.to_thread(lambda: asyncio.run(io.timeout(600).emit_with_ack("q")))
        task = asyncio.create_task(waiting)
        assert await peer.receive() == '420["q"]'
        await peer.send('430["a"]')
        assert await within(task) == ["a"]


async def test_time_of_an_answer_is_over_in_another_loop_too(front: Front) -> None:
    io = Server()
    async with front.serve(io) as wire:
        peer = await wire.open_websocket()
        await peer.connect()
        for question in (io.emit_with_ack, the_socket(io).emit_with_ack):
            with pytest.raises(AckTimeout):
                await in_another_loop(lambda question=question: question("q", timeout=0.01))  # type: ignore[misc] # bound now


async def test_who_leaves_ends_a_wait_in_another_loop(front: Front) -> None:
    io = Server()
    async with front.serve(io) as wire:
        for question, error in (("server", AckTimeout), ("socket", Disconnected)):
            peer = await wire.open_websocket()
            await peer.connect()
            task = asyncio.create_task(in_another_loop(lambda q=question: QUESTIONS[q](io)))  # type: ignore[misc] # bound now
            await peer.receive()
            await peer.send("41")
            with pytest.raises(error):
                await task


@pytest.mark.parametrize("question", QUESTIONS)
async def test_cancelling_in_another_loop_takes_the_question_back(
    front: Front, question: str
) -> None:
    io = Server(max_pending_acks=1)
    async with front.serve(io) as wire:
        peer = await wire.open_websocket()
        await peer.connect()
        asked = threading.Event()

        async def ask_and_leave() -> str:
            task = asyncio.ensure_future(QUESTIONS[question](io))
            await asyncio.to_thread(asked.wait, 10)
            task.cancel()
            try:
                await task
            except asyncio.CancelledError:
                return "cancelled"
            return "went on"

        task = asyncio.create_task(in_another_loop(ask_and_leave))
        assert await peer.receive() == '420["q"]'
        asked.set()
        assert await task == "cancelled"
        await peer.send('430["late"]')
        again = asyncio.ensure_future(the_socket(io).emit_with_ack("again", timeout=600))
        assert await peer.receive() == '421["again"]'
        await peer.send('431["a"]')
        assert await within(again) == "a"


async def test_sockets_are_fetched_from_another_loop(front: Front) -> None:
    io = Server()
    async with front.serve(io) as wire:
        peer = await wire.open_websocket()
        await peer.connect()
        socket = the_socket(io)
        assert await in_another_loop(io.fetch_sockets) == [socket]
        assert await in_another_loop(io.to("nobody").fetch_sockets) == []


async def test_another_loop_waits_until_the_client_has_taken_all(front: Front) -> None:
    io = Server()
    async with front.serve(io) as wire:
        peer = await wire.open_websocket()
        await peer.connect()
        socket = the_socket(io)

        async def flood_and_drain() -> str:
            for _ in range(100):
                socket.emit("x", "y" * 100_000)
            await socket.drain()
            return "drained"

        task = asyncio.create_task(in_another_loop(flood_and_drain))
        await until(lambda: socket.conn.backlog > 0)
        assert not task.done()
        for _ in range(100):
            await peer.receive()
        assert await task == "drained"


async def test_client_that_goes_ends_a_drain_in_another_loop(native: Front) -> None:
    io = Server()
    async with native.serve(io) as wire:
        peer = await wire.open_websocket()
        await peer.connect()
        socket = the_socket(io)
        for _ in range(100):
            socket.emit("x", "y" * 100_000)
        task = asyncio.create_task(in_another_loop(socket.drain))
        await until(lambda: socket.conn.backlog > 0)
        socket.conn.discard()
        with pytest.raises(Disconnected):
            await task


class Answering(InMemoryAdapter):
    """Of a cluster with one other server."""

    async def server_side_emit_with_ack(self, args: tuple[Any, ...], timeout: float) -> list[Any]:
        self.loop = asyncio.get_running_loop()
        return [args]

    def server_side_emit(self, args: tuple[Any, ...]) -> None:
        self.emitted = args, threading.get_ident()


async def test_other_servers_answer_another_loop(native: Front) -> None:
    io = Server(adapter=Answering)
    async with native.serve(io) as wire:
        await (await wire.open_websocket()).connect()
        changing = [1]

        async def ask() -> Any:
            waiting = io.server_side_emit_with_ack("q", changing)
            io.server_side_emit("e", changing)
            changing.append(2)
            return await waiting

        assert await in_another_loop(ask) == [("q", [1])]
        assert isinstance(io.adapter, Answering)
        assert io.adapter.loop is asyncio.get_running_loop()
        assert io.adapter.emitted == (("e", [1]), threading.get_ident())


async def test_server_closes_for_another_loop(front: Front) -> None:
    io = Server()
    async with front.serve(io) as wire:
        peer = await wire.open_websocket()
        await peer.connect()
        ends: list[str] = []
        the_socket(io).on("disconnect", lambda reason: ends.append(reason))
        await in_another_loop(io.close)
        assert ends == ["server shutting down"] and not io.sockets


async def test_thread_closes_a_session(front: Front) -> None:
    io = Server()
    async with front.serve(io) as wire:
        peer = await wire.open_websocket()
        await peer.connect()
        socket = the_socket(io)

        def work() -> None:
            socket.emit("last")
            socket.conn.close()

        await within(asyncio.to_thread(work))
        assert await peer.receive() == '42["last"]'
        await until(lambda: not io.sockets)


# --- the server's loop ends -----------------------------------------------------------------------


@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize("kind", ["asyncio", "uvloop"])
def test_loop_that_ends_ends_what_others_wait_for(kind: str, scene: str) -> None:
    # What a loop leaves behind that is just cut off is not for this process.
    command = [sys.executable, "-m", "tests.support.ended_loops", kind, scene]
    done = subprocess.run(command, capture_output=True, text=True, timeout=40, check=False)
    assert (done.returncode, done.stdout) == (0, "ok\n"), done.stderr


async def test_loop_that_does_not_run_is_not_waited_for() -> None:
    loop = asyncio.new_event_loop()
    io = Server()
    listening = io.listen()
    running = asyncio.to_thread(loop.run_until_complete, listening.__aenter__())
    await within(running)
    try:
        with pytest.raises(AckTimeout):
            await within(io.emit_with_ack("q", timeout=600))
    finally:
        await asyncio.to_thread(loop.run_until_complete, listening.__aexit__(None, None, None))
        loop.close()
