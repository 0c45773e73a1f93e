"""Middlewares of one socket: they see each of its events before the handlers."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from sockwave import AckTimeout, Server, Socket
from sockwave.testing import LinkedClient
from tests.socketio.server.helpers import Failures, Log, settle


class Stage:
    """A client, its socket, and a log of what its handlers get."""

    def __init__(self) -> None:
        self.io = Server()
        self.failures = Failures(self.io)
        self.calls = Log()
        self.client = LinkedClient(self.io)

    async def __aenter__(self) -> Stage:
        await self.client.connect()
        (self.socket,) = self.io.sockets.values()
        self.socket.on("x", self.calls)
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.client.close()

    async def emit(self, *event: Any) -> list[Any]:
        self.client.emit(*event)
        await settle()
        return self.calls


async def test_middleware_sees_name_and_arguments_before_the_handler() -> None:
    async with Stage() as stage:
        order = Log()
        stage.socket.on_any(lambda *args: order("any"))
        stage.socket.use(lambda event: order(list(event)))
        stage.socket.use(lambda event: order("second"))
        stage.socket.on("x", lambda *args: order("handler"))
        await stage.emit("x", 1, b"\x02")
        assert order == [("any",), (["x", 1, b"\x02"],), ("second",), ("handler",)]


@pytest.mark.parametrize("is_async", [False, True])
async def test_middleware_may_change_the_event_or_return_another(is_async: bool) -> None:
    async with Stage() as stage:

        def rename(event: list[Any]) -> None:
            event.insert(0, "x")

        async def rename_later(event: list[Any]) -> None:
            await asyncio.sleep(0)
            rename(event)

        stage.socket.use(rename_later if is_async else rename)

        @stage.socket.use()
        def replace(event: list[Any]) -> tuple[Any, ...]:
            return (*event, "more")

        assert await stage.emit("other", 1) == [("other", 1, "more")]


async def test_answer_of_the_handler_is_the_acknowledgement_as_ever() -> None:
    async with Stage() as stage:
        stage.socket.use(lambda event: None)
        stage.socket.on("add", lambda a, b: a + b)
        assert await stage.client.emit_with_ack("add", 1, 2) == 3


async def test_handlers_of_the_namespace_are_behind_middlewares_too() -> None:
    async with Stage() as stage:
        stage.socket.use(lambda event: event.append("more"))
        stage.io.event("shared")(lambda socket, *args: args)
        assert await stage.client.emit_with_ack("shared", 1) == (1, "more")


@pytest.mark.parametrize("is_async", [False, True])
async def test_error_goes_to_the_error_handlers_of_the_socket_only(is_async: bool) -> None:
    async with Stage() as stage:
        error, errors, later = ValueError("secret"), Log(), Log()

        def refuse(event: list[Any]) -> None:
            raise error

        async def refuse_later(event: list[Any]) -> None:
            await asyncio.sleep(0)
            raise error

        stage.socket.use(refuse_later if is_async else refuse)
        stage.socket.use(later)
        stage.socket.on("error", errors)
        with pytest.raises(AckTimeout):
            await stage.client.emit_with_ack("x", timeout=0.05)
        assert errors == [(error,)]
        assert (stage.calls, later) == ([], [])
        assert stage.failures.heard == []
        assert stage.client.received_nowait() == []
        assert stage.socket.connected


async def test_error_that_nobody_handles_is_logged() -> None:
    async with Stage() as stage:

        @stage.socket.use
        def fail(event: list[Any]) -> None:
            raise ValueError("secret")

        assert await stage.emit("x") == []
        assert stage.failures.events == ["middleware"]


async def test_error_may_be_handled_for_all_sockets() -> None:
    async with Stage() as stage:
        errors = Log()
        stage.io.event("error")(errors)

        @stage.socket.use
        def fail(event: list[Any]) -> None:
            raise ValueError("no")

        await stage.emit("x")
        assert [(socket, str(error)) for socket, error in errors] == [(stage.socket, "no")]
        assert stage.failures.heard == []


async def test_event_is_dropped_when_the_socket_has_left_meanwhile() -> None:
    async with Stage() as stage:

        @stage.socket.use
        async def wait(event: list[Any]) -> None:
            await settle(3)

        stage.client.emit("x")
        await asyncio.sleep(0)
        stage.client.disconnect()
        await settle()
        assert stage.calls == []


async def test_emptied_event_is_dropped() -> None:
    async with Stage() as stage:
        stage.socket.use(lambda event: event.clear())
        assert await stage.emit("x") == []


async def test_event_with_a_number_for_a_name_passes() -> None:
    async with Stage() as stage:
        stage.socket.use(lambda event: None)
        stage.socket.on("1", stage.calls)
        stage.client.send_raw('42[1,"a"]')
        await settle()
        assert stage.calls == [("a",)]


async def test_middlewares_of_one_socket_are_not_those_of_another() -> None:
    async with Stage() as stage, LinkedClient(stage.io) as other:
        stage.socket.use(lambda event: event.append("more"))
        stage.io.event("shared")(lambda socket, *args: args)
        assert await other.emit_with_ack("shared", 1) == 1


async def test_middleware_added_meanwhile_waits_for_the_next_event() -> None:
    async with Stage() as stage:

        def add(event: list[Any]) -> None:
            stage.socket.use(lambda event: event.append("late"))

        stage.socket.use(add)
        assert await stage.emit("x") == [()]
        assert (await stage.emit("x"))[1] == ("late",)


async def test_waiting_middlewares_stop_the_reading_like_handlers() -> None:
    io = Server(max_pending_handlers=4)
    go_on, seen = asyncio.Event(), Log()

    @io.on("connection")
    def connection(socket: Socket) -> None:
        @socket.use
        async def wait(event: list[Any]) -> None:
            seen(event[1])
            await go_on.wait()

    async with LinkedClient(io) as client:
        for number in range(10):
            client.emit("x", number)
        await settle()
        assert len(seen) == 4
        go_on.set()
        await settle(50)
        assert [number for (number,) in seen] == list(range(10))


async def test_event_whose_middleware_waits_may_be_overtaken() -> None:
    io = Server()
    go_on, handled = asyncio.Event(), Log()

    @io.on("connection")
    def connection(socket: Socket) -> None:
        socket.on("x", handled)

        @socket.use
        async def wait_for_the_first(event: list[Any]) -> None:
            if event[1] == 0:
                await go_on.wait()

    async with LinkedClient(io) as client:
        for number in range(3):
            client.emit("x", number)
        await settle()
        assert handled == [(1,), (2,)]
        go_on.set()
        await settle()
        assert handled == [(1,), (2,), (0,)]


async def test_what_cannot_be_called_is_refused() -> None:
    async with Stage() as stage:
        with pytest.raises(TypeError, match="handler of 'use' must be callable"):
            stage.socket.use("x")  # type: ignore[call-overload] # it is the test
