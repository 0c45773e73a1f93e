"""Errors as values: which handler takes an exception, and who else hears of it."""

from __future__ import annotations

import asyncio
import copy
import logging
import pickle
from typing import Any

import pytest

from sockwave import EventError, Router, Server, Socket
from sockwave.testing import LinkedClient
from tests.socketio.server.helpers import Failures, settle


class Sold(LookupError):
    pass


@pytest.fixture
def io() -> Server:
    """A server whose event `sell` raises what it is told to, in `/` and `/shop`."""
    io = Server()
    kinds: dict[str, BaseException] = {
        "sold": Sold(),
        "lookup": LookupError(),
        "event": EventError("code", "text"),
        "bug": ZeroDivisionError(),
        "cancelled": asyncio.CancelledError(),
    }

    def sell(socket: Socket, kind: str) -> None:
        raise kinds[kind]

    io.event(sell)
    io.of("/shop").event(sell)
    return io


async def test_most_specific_class_is_taken_before_the_nearest_handler(io: Server) -> None:
    io.exception_handler(Sold, lambda error: "server: sold")
    io.of("/shop").exception_handler(LookupError, lambda error: "shop: lookup")
    async with LinkedClient(io, "/shop") as client:
        assert await client.emit_with_ack("sell", "sold") == "server: sold"
        assert await client.emit_with_ack("sell", "lookup") == "shop: lookup"


async def test_nearest_of_the_handlers_of_one_class_is_taken() -> None:
    io = Server()
    outer, inner = Router(), Router()

    def fails(socket: Socket) -> None:
        raise Sold

    async def fails_later(socket: Socket) -> None:
        raise Sold

    inner.event("inner")(fails)
    inner.event("inner later")(fails_later)
    inner.event("inner thread", thread=True)(fails)
    inner.event("inner ordered", order="socket")(fails_later)
    outer.event("outer")(fails)
    io.of("/shop").event("shop")(fails)
    io.event("main")(fails)
    inner.exception_handler(Sold, lambda error: "inner")
    outer.exception_handler(Sold, lambda error: "outer")
    io.of("/shop").exception_handler(Sold, lambda error: "shop")
    io.exception_handler(Sold, lambda error: "server")
    outer.include(inner)
    io.of("/shop").include(outer)
    async with LinkedClient(io) as main, LinkedClient(io, "/shop") as client:
        for event in ("inner", "inner later", "inner thread", "inner ordered"):
            assert await client.emit_with_ack(event) == "inner"
        assert await client.emit_with_ack("outer") == "outer"
        assert await client.emit_with_ack("shop") == "shop"
        assert await main.emit_with_ack("main") == "server"


async def test_handler_of_a_router_may_be_async_and_is_for_its_events_alone(io: Server) -> None:
    router = Router()

    @router.exception_handler(Sold)
    async def answer(error: Sold, socket: Socket) -> str:
        await asyncio.sleep(0)
        return socket.id

    @router.event
    def plain(socket: Socket) -> None:
        raise Sold

    @router.event
    async def later(socket: Socket) -> None:
        raise Sold

    io.include(router)
    failures = Failures(io)
    async with LinkedClient(io) as client:
        assert await client.emit_with_ack("plain") == client.sid
        assert await client.emit_with_ack("later") == client.sid
        client.emit("sell", "sold")
        await settle()
    assert failures.events == ["sell"]


async def test_event_error_is_its_own_value_unless_a_handler_is_for_it(io: Server) -> None:
    io.exception_handler(Exception, lambda error: "any")
    async with LinkedClient(io, "/shop") as client:
        answer = await client.emit_with_ack("sell", "event")
        assert answer == {"error": "code", "message": "text"}
        io.exception_handler(EventError, lambda error: [error.code])
        assert await client.emit_with_ack("sell", "event") == ["code"]


async def test_handler_for_any_exception_answers_and_the_failure_is_told_as_ever(
    io: Server, caplog: pytest.LogCaptureFixture
) -> None:
    failures = Failures(io)
    io.event("free")(lambda socket: None)
    io.exception_handler(Exception, lambda error: {"error": "internal", "id": 7})
    async with LinkedClient(io) as client:
        assert await client.emit_with_ack("sell", "bug") == {"error": "internal", "id": 7}
        assert await client.emit_with_ack("free", "too much") == {"error": "internal", "id": 7}
    assert failures.events == ["sell", "free"]
    assert caplog.text.count("a handler of 'sell' failed") == 1


async def test_value_is_logged_at_debug_without_what_is_in_it(
    io: Server, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "sockwave.socketio.socket")
    failures = Failures(io)
    io.exception_handler(Sold, lambda error: None)
    async with LinkedClient(io) as client:
        await client.emit_with_ack("sell", "event")
        assert await client.emit_with_ack("sell", "sold") is None
    records = [record for record in caplog.records if "answered with" in record.getMessage()]
    assert [record.getMessage() for record in records] == [
        "sell is answered with EventError code",
        "sell is answered with Sold",
    ]
    assert {record.levelno for record in records} == {logging.DEBUG}
    assert failures.heard == []


async def test_handler_of_exceptions_may_raise_an_event_error(io: Server) -> None:
    @io.exception_handler(Sold)
    def answer(error: Sold) -> None:
        raise EventError("sold")

    @io.exception_handler(LookupError)
    async def answer_later(error: LookupError) -> None:
        raise EventError("missing")

    async with LinkedClient(io) as client:
        assert await client.emit_with_ack("sell", "sold") == {"error": "sold", "message": ""}
        assert await client.emit_with_ack("sell", "lookup") == {"error": "missing", "message": ""}


async def test_of_several_handlers_another_one_may_answer_first(io: Server) -> None:
    io.event("sell")(lambda socket, kind: "second")
    io.exception_handler(Sold, lambda error: None)
    async with LinkedClient(io) as client:
        assert await client.emit_with_ack("sell", "sold") == "second"


async def test_order_holds_while_an_error_is_answered() -> None:
    io = Server(order="socket")
    going_on = asyncio.Event()
    done: list[str] = []

    @io.event
    async def fails(socket: Socket) -> None:
        raise Sold

    @io.event
    def fails_at_once(socket: Socket) -> None:
        raise Sold

    @io.event
    def last(socket: Socket) -> None:
        done.append("last")

    @io.exception_handler(Sold)
    async def answer(error: Sold) -> str:
        await going_on.wait()
        done.append("answer")
        return "sold"

    async with LinkedClient(io) as client:
        events = ("fails", "fails_at_once", "last")
        answers = asyncio.gather(*(client.emit_with_ack(event) for event in events))
        await settle()
        assert done == []
        going_on.set()
        assert await answers == ["sold", "sold", None]
    assert done == ["answer", "answer", "last"]


async def test_server_that_ends_cancels_an_answer_that_waits() -> None:
    io = Server()
    ends: list[str] = []

    @io.event
    def fails(socket: Socket) -> None:
        raise Sold

    @io.exception_handler(Sold)
    async def answer(error: Sold) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ends.append("ended")

    failures = Failures(io)
    async with LinkedClient(io) as client:
        client.emit("fails")
        await settle()
        await io.close(shutdown_timeout=0)
    assert ends == ["ended"]
    assert failures.heard == []


async def test_what_is_no_exception_is_a_failure_even_in_a_handler_of_exceptions(
    io: Server,
) -> None:
    failures = Failures(io)
    io.exception_handler(Exception, lambda error: "any")

    @io.exception_handler(Sold)
    async def cancelled(error: Sold) -> None:
        raise asyncio.CancelledError

    async with LinkedClient(io) as client:
        client.emit("sell", "cancelled")
        client.emit("sell", "sold")
        await settle()
        assert await client.emit_with_ack("sell", "bug") == "any"
    assert [type(error) for _, error in failures.heard] == [
        asyncio.CancelledError,
        asyncio.CancelledError,
        ZeroDivisionError,
    ]


async def test_middleware_of_a_socket_may_answer_what_it_stops(io: Server) -> None:
    told: list[Any] = []

    @io.on("connection")
    def connection(socket: Socket) -> None:
        socket.on("error", told.append)

        @socket.use
        def guard(event: list[Any]) -> None:
            if event[0] == "plain":
                raise EventError("forbidden")
            if event[0] == "bug":
                raise ZeroDivisionError

        @socket.use
        async def guard_later(event: list[Any]) -> None:
            if event[0] == "later":
                raise PermissionError

    io.exception_handler(PermissionError, lambda error, socket: [socket.id])
    io.exception_handler(Exception, lambda error: "any")
    async with LinkedClient(io) as client:
        assert await client.emit_with_ack("plain") == {"error": "forbidden", "message": ""}
        assert await client.emit_with_ack("later") == [client.sid]
        client.emit("bug")
        await settle()
    assert [type(error) for error in told] == [ZeroDivisionError]


async def test_other_servers_get_an_event_error_as_the_answer(
    io: Server, caplog: pytest.LogCaptureFixture
) -> None:
    @io.on("stock")
    async def stock() -> None:
        raise EventError("closed")

    answer = await io.of("/").server_event_received("stock")
    assert answer == {"error": "closed", "message": ""}
    assert caplog.records == []


async def test_children_of_a_parent_have_its_handlers_of_exceptions() -> None:
    io = Server()
    router = Router("/board-{number}")

    @router.event
    def draw(socket: Socket) -> None:
        raise Sold

    io.include(router)
    io.exception_handler(Sold, lambda error, socket: socket.params["number"])
    async with LinkedClient(io, "/board-7") as client:
        assert await client.emit_with_ack("draw") == "7"


def test_second_handler_of_a_class_is_refused_and_told_with_both_places(io: Server) -> None:
    def first(error: Sold) -> None: ...

    def second(error: Sold) -> None: ...

    line = first.__code__.co_firstlineno
    io.exception_handler(Sold)(first)
    io.of("/").exception_handler(Sold)(first)  # another place
    with pytest.raises(ValueError, match=rf"first \(.*, line {line}\) and .*line {line + 2}\)"):
        io.exception_handler(Sold)(second)


@pytest.mark.parametrize("kind", [KeyboardInterrupt, "Sold", Sold()])
def test_what_is_no_class_of_exceptions_is_refused(io: Server, kind: Any) -> None:
    for place in (io, Router()):
        with pytest.raises(TypeError, match="exception_handler needs a class of exceptions"):
            place.exception_handler(kind)


def test_event_error_tells_what_it_is_and_can_be_copied() -> None:
    error = EventError("sold_out", "none left", {"left": 0})
    assert str(error) == "sold_out: none left"
    assert str(EventError("sold_out")) == "sold_out"
    for same in (copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert same.value == error.value
