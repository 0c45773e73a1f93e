"""A user's function that fails is one failure: it is logged and told, and the client lives on."""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

import sockwave.sync

if TYPE_CHECKING:
    from collections.abc import Callable

ERRORS = [
    ValueError("no"),
    SystemExit(3),
    KeyboardInterrupt(),
    asyncio.CancelledError(),
    GeneratorExit(),
    StopIteration(),
]


def raiser(error: BaseException) -> Callable[..., Any]:
    def fail(*args: Any) -> None:
        raise error

    return fail


def failures_of(socket: sockwave.sync.Socket) -> queue.SimpleQueue[tuple[Any, ...]]:
    told: queue.SimpleQueue[tuple[Any, ...]] = queue.SimpleQueue()
    socket.manager.on_error(lambda *args: told.put(args))
    return told


@pytest.mark.parametrize("error", ERRORS, ids=repr)
def test_client_lives_on_when_a_handler_raises(
    url: str, error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    with sockwave.sync.connect(url) as socket:
        told = failures_of(socket)
        seen: queue.SimpleQueue[int] = queue.SimpleQueue()
        socket.on("echo", raiser(error))
        socket.on("tick", seen.put)
        socket.emit("echo", 1)
        socket.emit("burst", 2)
        assert told.get(timeout=40) == (error, socket, "echo")
        assert [seen.get(timeout=40), seen.get(timeout=40)] == [0, 1]
        assert "a handler of 'echo' in / failed" in caplog.text


@pytest.mark.parametrize("error", ERRORS, ids=repr)
def test_client_lives_on_when_a_callback_raises(
    url: str, error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    with sockwave.sync.connect(url) as socket:
        told = failures_of(socket)
        seen: queue.SimpleQueue[int] = queue.SimpleQueue()
        socket.on("echo", seen.put)
        socket.emit("ack", 1, ack=raiser(error))
        socket.emit("echo", 2)
        assert told.get(timeout=40) == (error, socket, "acknowledgement")
        assert seen.get(timeout=40) == 2
        assert "a handler of 'acknowledgement' in / failed" in caplog.text


@pytest.mark.parametrize("event", ["connect", "disconnect"])
def test_client_lives_on_when_a_handler_of_its_life_exits(url: str, event: str) -> None:
    with sockwave.sync.connect(url, reconnection_delay=0.01) as socket:
        told = failures_of(socket)
        back = threading.Event()
        socket.on(event, raiser(SystemExit()))
        socket.on("connect", back.set)
        socket.emit("drop")
        error, _, failed = told.get(timeout=40)
        assert (type(error), failed) == (SystemExit, event)
        assert back.wait(40)


def test_client_lives_on_when_a_handler_of_the_manager_exits(url: str) -> None:
    with sockwave.sync.connect(url, reconnection_delay=0.01) as socket:
        back = threading.Event()
        socket.manager.on("close", raiser(SystemExit()))
        socket.on("connect", back.set)
        socket.emit("drop")
        assert back.wait(40)


def test_client_lives_on_when_its_error_hook_exits(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    with sockwave.sync.connect(url) as socket:
        seen: queue.SimpleQueue[int] = queue.SimpleQueue()
        socket.manager.on_error(raiser(SystemExit()))
        socket.on("echo", raiser(ValueError()))
        socket.on("tick", seen.put)
        socket.emit("echo", 1)
        socket.emit("burst", 1)
        assert seen.get(timeout=40) == 0
        assert socket.emit_with_ack("ack", 1, timeout=40) == 1
        deadline = time.monotonic() + 20
        while "the on_error hook failed" not in caplog.text:  # in a thread of its own time
            assert time.monotonic() < deadline
            time.sleep(0.01)


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_client_lives_on_when_the_function_of_auth_exits(url: str, kind: str) -> None:
    tries: list[None] = []
    failed: queue.SimpleQueue[sockwave.SockwaveError] = queue.SimpleQueue()

    def auth() -> dict[str, str]:
        tries.append(None)
        if len(tries) == 1:
            raise SystemExit
        return {"token": "s3cret"}

    async def auth_later() -> dict[str, str]:
        return auth()

    socket = sockwave.sync.Manager(url, reconnection_delay=0.01, auto_connect=False).socket(
        "/private", auth=auth if kind == "def" else auth_later
    )
    with socket.manager:
        socket.on("connect_error", failed.put)
        socket.connect()
        assert "SystemExit" in str(failed.get(timeout=40))
        socket.wait_connected(40)


def test_handler_waits_for_its_own_callback(url: str) -> None:
    answers: queue.SimpleQueue[int] = queue.SimpleQueue()
    with sockwave.sync.connect(url) as socket:

        @socket.on("echo")
        def echo(value: int) -> None:
            answer: queue.SimpleQueue[int] = queue.SimpleQueue()
            socket.emit("ack", value + 1, ack=answer.put)
            answers.put(answer.get(timeout=40))

        socket.emit("echo", 1)
        socket.emit("echo", 2)
        assert [answers.get(timeout=40), answers.get(timeout=40)] == [2, 3]


def test_callbacks_wait_for_callbacks_of_their_own(url: str) -> None:
    finished: queue.SimpleQueue[int] = queue.SimpleQueue()
    with sockwave.sync.connect(url) as socket:

        def ask(depth: int) -> None:
            if depth < 6:
                answered = threading.Event()

                def answer(value: int) -> None:
                    ask(value)
                    answered.set()

                socket.timeout(10).emit("ack", depth + 1, ack=lambda _, value: answer(value))
                assert answered.wait(40)
            finished.put(depth)

        socket.on("echo", ask)
        socket.emit("echo", 0)
        assert [finished.get(timeout=40) for _ in range(7)] == [6, 5, 4, 3, 2, 1, 0]


def test_callbacks_that_wait_for_nobody_share_the_thread_of_handlers(url: str) -> None:
    names: queue.SimpleQueue[str] = queue.SimpleQueue()
    with sockwave.sync.connect(url) as socket:
        socket.on("echo", lambda _: names.put(threading.current_thread().name))
        for number in range(20):
            socket.emit("ack", ack=lambda: names.put(threading.current_thread().name))
            socket.emit("echo", number)
        assert len({names.get(timeout=40) for _ in range(40)}) == 1


def test_async_functions_are_refused(url: str) -> None:
    async def function(*args: Any) -> None: ...

    with sockwave.sync.connect(url) as socket:
        with pytest.raises(TypeError, match="function is async def"):
            socket.on("echo", function)
        with pytest.raises(TypeError, match="function is async def"):
            socket.emit("ack", ack=function)


def test_handler_may_close_its_socket(url: str) -> None:
    closed = threading.Event()
    socket = sockwave.sync.connect(url)
    socket.wait_connected(40)

    @socket.on("echo")
    def echo(_: int) -> None:
        socket.close()
        closed.set()

    socket.emit("echo", 1)
    assert closed.wait(40)
    assert not socket.connected


def test_calls_that_wait_end_when_another_thread_closes(url: str) -> None:
    ended: queue.SimpleQueue[Exception] = queue.SimpleQueue()
    socket = sockwave.sync.connect(url)
    socket.wait_connected(40)
    events = socket.events("tick")

    def wait(call: Callable[[], object]) -> None:
        try:
            call()
        except Exception as error:
            ended.put(error)

    calls = [lambda: socket.emit_with_ack("silent"), events.get, lambda: next(events)]
    threads = [threading.Thread(target=wait, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    socket.emit_with_ack("ack", timeout=40)
    socket.close()
    for thread in threads:
        thread.join(40)
        assert not thread.is_alive()
