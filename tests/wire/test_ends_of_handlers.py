"""However a handler ends, what waits behind it has its turn, and somebody hears of it."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from sockwave import Server, Socket
from tests.support.raw import until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.fronts import Front

pytestmark = pytest.mark.logs_errors


def failures_of(io: Server) -> list[tuple[str, type[BaseException]]]:
    failures: list[tuple[str, type[BaseException]]] = []
    io.on_error(lambda error, failure: failures.append((failure.event, type(error))))
    return failures


async def wait_for_what_was_cancelled() -> None:
    task = asyncio.ensure_future(asyncio.sleep(60))
    asyncio.get_running_loop().call_soon(task.cancel)
    await task


async def cancel_oneself() -> None:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    await asyncio.sleep(0)


async def sleep_in_a_timeout() -> None:
    """Which is confused by a cancellation that was not taken back."""
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await asyncio.sleep(60)


@pytest.mark.parametrize("end", [wait_for_what_was_cancelled, cancel_oneself])
@pytest.mark.parametrize("order", ["socket", lambda socket, number: "one lane", None])
async def test_handlers_behind_a_cancelled_one_run(
    front: Front, transport: str, order: Any, end: Callable[[], Any], caplog: Any
) -> None:
    io = Server(order=order, max_pending_handlers=5)
    failures = failures_of(io)
    ran: list[int] = []

    @io.event
    async def work(socket: Socket, number: int) -> int:
        if not number % 20:
            await end()
        await sleep_in_a_timeout()
        ran.append(number)
        return number

    async with front.serve(io) as wire:
        peer = await wire.open(transport)
        await peer.connect()
        for first in (0, 20):
            await peer.send(*(f'42{n}["work",{n}]' for n in range(first, first + 20)))
            answers = {await peer.receive() for _ in range(19)}
            assert answers == {f"43{n}[{n}]" for n in range(first + 1, first + 20)}
    assert sorted(ran) == [n for n in range(40) if n % 20]
    assert failures == [("work", asyncio.CancelledError)] * 2
    assert caplog.text.count("a handler of 'work' failed") == 2


@pytest.mark.parametrize("order", ["socket", lambda *_: "one lane", None])
async def test_handlers_behind_one_that_raises_generator_exit_run(
    front: Front, transport: str, order: Any
) -> None:
    io = Server(order=order)
    failures = failures_of(io)

    @io.event
    async def work(socket: Socket, number: int) -> int:
        await asyncio.sleep(0)
        if not number:
            raise GeneratorExit
        return number

    async with front.serve(io) as wire:
        peer = await wire.open(transport)
        await peer.connect()
        await peer.send('420["work",0]', '421["work",1]')
        assert await peer.receive() == "431[1]"
        assert failures == [("work", GeneratorExit)]


async def test_middleware_that_raises_generator_exit_refuses(front: Front, transport: str) -> None:
    io = Server()

    @io.use
    async def let_in(socket: Socket) -> None:
        await asyncio.sleep(0)
        raise GeneratorExit

    async with front.serve(io) as wire:
        peer = await wire.open(transport)
        await peer.send("40")
        assert str(await peer.receive()).startswith("44")


@pytest.mark.parametrize("order", ["socket", lambda *_: "one lane", None])
async def test_plain_handler_that_raises_cancelled_error_is_one_that_fails(
    front: Front, transport: str, order: Any
) -> None:
    io = Server(order=order)
    failures = failures_of(io)

    @io.event
    def work(socket: Socket) -> None:
        raise asyncio.CancelledError

    io.event("ask")(lambda socket: 1)
    async with front.serve(io) as wire:
        peer = await wire.open(transport)
        await peer.connect()
        await peer.send('42["work"]', '42["work"]', '427["ask"]')
        assert await peer.receive() == "437[1]"
        assert failures == [("work", asyncio.CancelledError)] * 2


async def test_whatever_hook_of_a_socket_is_cancelled_the_connection_stays(
    front: Front, transport: str
) -> None:
    io = Server()
    failures = failures_of(io)

    def fail(*_: Any) -> None:
        raise asyncio.CancelledError

    async def fail_later(*_: Any) -> None:
        await wait_for_what_was_cancelled()

    @io.on("connection")
    def connection(socket: Socket) -> None:
        socket.on_any(fail)
        socket.on_any(fail_later)
        socket.on("plain", lambda: socket.emit("q", ack=fail))
        socket.on("ask", lambda: 1)

    async with front.serve(io) as wire:
        peer = await wire.open(transport)
        await peer.connect()
        await peer.send('42["plain"]')
        assert await peer.receive() == '420["q"]'
        await peer.send("430[]", '427["ask"]')
        assert await peer.receive() == "437[1]"
        await until(lambda: len(failures) == 5)
        assert {event for event, _ in failures} == {"on_any", "acknowledgement"}


@pytest.mark.parametrize("waits", [False, True])
async def test_middleware_that_is_cancelled_refuses(
    front: Front, transport: str, waits: bool
) -> None:
    io = Server()
    failures = failures_of(io)

    @io.use
    def middleware(socket: Socket) -> Any:
        if waits:
            return wait_for_what_was_cancelled()
        raise asyncio.CancelledError

    async with front.serve(io) as wire:
        peer = await wire.open(transport)
        await peer.send("40")
        assert await peer.receive() == '44{"message":"Internal server error"}'
        assert failures == [("middleware", asyncio.CancelledError)]


async def test_middleware_of_events_that_is_cancelled_stops_its_event_alone(
    front: Front, transport: str
) -> None:
    io = Server(max_pending_handlers=2)
    failures = failures_of(io)

    @io.on("connection")
    def connection(socket: Socket) -> None:
        @socket.use
        async def middleware(event: list[Any]) -> None:
            if event[0] == "bad":
                await wait_for_what_was_cancelled()

        socket.on("ask", lambda: 1)

    async with front.serve(io) as wire:
        peer = await wire.open(transport)
        await peer.connect()
        await peer.send(*['42["bad"]'] * 5, '427["ask"]')
        assert await peer.receive() == "437[1]"
        await until(lambda: len(failures) == 5)


PROGRAM = """
import asyncio, sys
import {loops}
import sockwave
io = sockwave.Server()
io.on_error(lambda error, failure: print("heard", type(error).__name__))

@io.event
{kind} work(socket):
    raise {error}

async def main():
    async with io.listen("127.0.0.1", 0) as listener:
        async with sockwave.connect(listener.url, transports=[sys.argv[1]]) as socket:
            socket.emit("work")
            await asyncio.sleep(60)

with asyncio.Runner(loop_factory={loops}.new_event_loop) as runner:
    runner.run(main())
"""


@pytest.mark.parametrize("loops", ["asyncio", pytest.param("uvloop", marks=pytest.mark.unix)])
@pytest.mark.parametrize("kind", ["def", "async def"])
@pytest.mark.parametrize(
    ("error", "status"), [("SystemExit(7)", 7), ("KeyboardInterrupt", -signal.SIGINT)]
)
def test_handler_that_asks_for_the_end_of_the_program_ends_it(
    transport: str, error: str, status: int, kind: str, loops: str
) -> None:
    text = PROGRAM.format(kind=kind, error=error, loops=loops)
    command = [sys.executable, "-c", text, transport]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90)
    assert done.returncode == status, done
    assert f"heard {error.partition('(')[0]}" in done.stdout
    assert "a handler of 'work' failed" in done.stderr
