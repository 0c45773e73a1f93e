"""Handlers in threads: they block nobody, and are in all else like handlers that wait."""

from __future__ import annotations

import asyncio
import functools
import logging
import re
import threading
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

import pytest

from sockwave import Server
from sockwave.socketio.core.running import waits_in
from sockwave.socketio.server import threads
from sockwave.socketio.server.threads import HandlerThreads
from sockwave.testing import LinkedClient
from tests.socketio.server.helpers import Failures, settle, socket_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from sockwave import Socket

PATIENCE: Final = 20.0
"""Seconds; what is waited for comes at once, or the test has failed."""


class Gate:
    """A blocking handler that says when it begins, and ends when it is told to."""

    def __init__(self) -> None:
        self.begun: list[Any] = []
        self._begin = threading.Condition()
        self._let_end = threading.Event()

    def __call__(self, number: Any) -> Any:
        with self._begin:
            self.begun.append(number)
            self._begin.notify_all()
        assert self._let_end.wait(PATIENCE)
        return number

    def open(self) -> None:
        self._let_end.set()

    async def has_begun(self, count: int) -> None:
        await asyncio.to_thread(self._wait_until_begun, count)

    def _wait_until_begun(self, count: int) -> None:
        with self._begin:
            assert self._begin.wait_for(lambda: len(self.begun) >= count, PATIENCE)


def in_a_lane(socket: Socket, *_: Any) -> str:
    """An order: the events of all sockets, one after the other."""
    return "the only one"


async def test_blocking_handler_of_a_socket_blocks_nobody() -> None:
    io, gate = Server(), Gate()
    async with LinkedClient(io) as client:
        socket = socket_of(io, client)
        socket.on("slow", gate, thread=True)
        socket.on("quick", lambda: threading.get_ident())
        answer = asyncio.create_task(client.emit_with_ack("slow", 1))
        await gate.has_begun(1)
        assert await client.emit_with_ack("quick") == threading.get_ident()
        assert not answer.done()
        gate.open()
        assert await answer == 1


@pytest.mark.parametrize("name", ["rename", None])
async def test_handler_for_all_sockets_runs_in_a_thread(name: str | None) -> None:
    io = Server()

    @io.event(name, thread=True)
    def rename(socket: Socket, text: str) -> tuple[str, bool]:
        return text, threading.get_ident() == io.engine.driver.thread_id

    async with LinkedClient(io) as client:
        assert await client.emit_with_ack("rename", "Ada") == ("Ada", False)
    assert io.listeners("rename") == [rename]


async def test_goodbye_may_run_in_a_thread() -> None:
    io, said = Server(), asyncio.Event()
    reasons: list[str] = []

    @io.event(thread=True)
    def disconnect(socket: Socket, reason: str) -> None:
        reasons.append(reason)
        io.engine.driver.call_from_thread(said.set)

    async with LinkedClient(io):
        pass
    await asyncio.wait_for(said.wait(), PATIENCE)
    assert reasons == ["transport close"]


async def test_acknowledgement_comes_after_what_the_handler_has_emitted() -> None:
    io = Server()
    arrived: list[Any] = []

    @io.event(thread=True)
    def work(socket: Socket, count: int) -> str:
        for number in range(count):
            socket.emit("progress", number)
        return "done"

    async with LinkedClient(io) as client:
        client.on("progress", arrived.append)
        assert await client.emit_with_ack("work", 50) == "done"
        assert arrived == [*range(50)]


async def test_handler_in_a_thread_has_context_variables_of_its_caller() -> None:
    tenant: ContextVar[str] = ContextVar("tenant")
    io = Server()

    @io.event(thread=True)
    def whose(socket: Socket) -> str:
        name = tenant.get()
        tenant.set("changed")  # in a copy
        return name

    tenant.set("acme")
    async with LinkedClient(io) as client:
        assert await client.emit_with_ack("whose") == "acme"
        assert await client.emit_with_ack("whose") == "acme"


async def test_failure_in_a_thread_is_reported_and_not_acknowledged() -> None:
    io = Server()
    failures = Failures(io)

    @io.event(thread=True)
    def save(socket: Socket) -> None:
        raise LookupError("no such row")

    @io.event(thread=True)
    def stop(socket: Socket) -> None:
        raise StopIteration

    async with LinkedClient(io) as client:
        answers = [asyncio.create_task(client.emit_with_ack(each)) for each in ("save", "stop")]
        while len(failures.heard) < 2:
            await asyncio.sleep(0)
        await settle()
        assert not any(answer.done() for answer in answers)
    await asyncio.gather(*answers, return_exceptions=True)
    heard = {name: type(error) for name, error in failures.heard}
    assert heard == {"save": LookupError, "stop": RuntimeError}


async def test_arguments_that_do_not_fit_are_the_fault_of_the_client(
    caplog: pytest.LogCaptureFixture,
) -> None:
    io = Server()

    @io.event(thread=True)
    def add(socket: Socket, one: int, two: int) -> int:
        return one + two

    async with LinkedClient(io) as client:
        client.emit("add", 1)
        while not caplog.records:
            await asyncio.sleep(0)
        assert await client.emit_with_ack("add", 1, 2) == 3
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.exc_info is None


@pytest.mark.parametrize("order", ["socket", in_a_lane])
async def test_order_holds_in_threads(order: Any) -> None:
    io, gate = Server(), Gate()
    io.event("step", order=order, thread=True)(lambda socket, number: gate(number))
    async with LinkedClient(io) as client:
        for number in range(5):
            client.emit("step", number)
        await gate.has_begun(1)
        await settle()
        assert gate.begun == [0]
        gate.open()
        assert await client.emit_with_ack("step", 5) == 5
        assert gate.begun == [*range(6)]


async def test_order_of_a_socket_holds_for_its_own_handler() -> None:
    io, gate = Server(), Gate()
    async with LinkedClient(io) as client:
        socket_of(io, client).on("step", gate, order="socket", thread=True)
        client.emit("step", 0)
        client.emit("step", 1)
        await gate.has_begun(1)
        await settle()
        assert gate.begun == [0]
        gate.open()
        assert await client.emit_with_ack("step", 2) == 2


async def test_no_more_handlers_run_at_a_time_than_the_option_says() -> None:
    io, gate = Server(handler_threads=2), Gate()
    io.event("e", thread=True)(lambda socket, number: gate(number))
    async with LinkedClient(io) as one, LinkedClient(io) as two:
        for number in range(3):
            one.emit("e", number)
            two.emit("e", number + 10)
        await gate.has_begun(2)
        await settle()
        assert len(gate.begun) == 2
        gate.open()
        answers: tuple[Any, ...] = (one.emit_with_ack("e", 3), two.emit_with_ack("e", 13))
        assert await asyncio.gather(*answers) == [3, 13]
        assert [number for number in gate.begun if number < 10] == [*range(4)]


async def test_child_namespaces_share_the_threads_of_the_server() -> None:
    io, gate = Server(handler_threads=1), Gate()
    io.of(re.compile("/room-.")).event("e", thread=True)(lambda socket, name: gate(name))
    async with LinkedClient(io, "/room-a") as one, LinkedClient(io, "/room-b") as two:
        one.emit("e", "a")
        await gate.has_begun(1)
        two.emit("e", "b")
        await settle()
        assert gate.begun == ["a"]
        gate.open()
        assert await two.emit_with_ack("e", "c") == "c"
        assert gate.begun == ["a", "b", "c"]


async def test_end_of_the_server_waits_for_no_thread_and_begins_none() -> None:
    io, gate = Server(handler_threads=1, shutdown_timeout=0.0), Gate()
    io.event("e", thread=True)(lambda socket, number: gate(number))
    async with LinkedClient(io) as client:
        client.emit("e", 0)
        client.emit("e", 1)
        await gate.has_begun(1)
        await settle()
        await io.close()
        gate.open()
    (thread,) = threads_of_handlers()
    async with LinkedClient(io) as client:  # behind whatever has waited
        assert await client.emit_with_ack("e", 2) == 2
    assert threads_of_handlers() == [thread]
    assert gate.begun == [0, 2]


def threads_of_handlers() -> list[threading.Thread]:
    """Those that are for these tests' last server."""
    mine = [thread for thread in threading.enumerate() if thread.name.startswith("sockwave-handl")]
    return mine[-1:]


async def test_threads_without_work_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "IDLE", 0.0)
    pool = HandlerThreads(4)
    for _ in range(3):
        thread = await pool.call(threading.current_thread, ())
        await asyncio.to_thread(thread.join, PATIENCE)
        assert not thread.is_alive()


async def test_thread_without_work_takes_the_next_call() -> None:
    pool = HandlerThreads(4)
    first = await pool.call(threading.current_thread, ())
    while True:  # it may not wait yet when the next call comes
        if await pool.call(threading.current_thread, ()) is first:
            break


async def test_call_raises_where_the_system_gives_no_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fails(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    pool = HandlerThreads(4)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", fails)
        with pytest.raises(RuntimeError, match="start new thread"):
            await pool.call(len, ("abc",))
    assert await pool.call(len, ("abc",)) == 3


async def test_handler_that_hangs_is_named() -> None:
    io, gate = Server(), Gate()
    async with LinkedClient(io) as client:
        socket_of(io, client).on("e", gate, thread=True)
        client.emit("e", 0)
        await gate.has_begun(1)
        (task,) = [task for task in io.engine.driver.tasks() if "_finish" in repr(task)]
        assert waits_in(task) == f"{__name__}.Gate, in a thread"
        gate.open()


async def count(socket: Socket) -> int:
    return 1


class Counts:
    async def __call__(self, socket: Socket) -> int:
        return 2


@pytest.mark.parametrize("handler", [count, Counts(), functools.partial(count)])
async def test_async_function_is_refused(handler: Callable[..., Any]) -> None:
    io = Server()
    with pytest.raises(
        TypeError, match=r"thread=True is for plain functions, and .*ount.* is async"
    ):
        io.event("count", thread=True)(handler)
    async with LinkedClient(io) as client:
        with pytest.raises(TypeError, match="thread=True is for plain functions"):
            socket_of(io, client).on("count", handler, thread=True)
    assert io.listeners("count") == []


def test_handler_of_connection_is_refused() -> None:
    io = Server()
    with pytest.raises(ValueError, match="thread=True is not for connection"):

        @io.event(thread=True)
        def connection(socket: Socket) -> None: ...


async def test_handler_in_a_thread_can_be_removed() -> None:
    io = Server()

    def handler(*_: Any) -> None: ...

    io.event("e", order="socket", thread=True)(handler)
    assert io.listeners("e") == [handler]
    io.off("e", handler)
    assert io.listeners("e") == []
    async with LinkedClient(io) as client:
        socket = socket_of(io, client)
        socket.on("e", handler, order="socket", thread=True)
        assert socket.listeners("e") == [handler]
        socket.off("e", handler)
        assert socket.listeners("e") == []


@pytest.mark.parametrize("wrong", [0, -1, 1.5, "2", 10_001])
def test_number_of_threads_is_checked(wrong: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="handler_threads"):
        Server(handler_threads=wrong)
