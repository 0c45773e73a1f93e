"""An acknowledgement that says that an event has failed, as an error again."""

import datetime as dt
from decimal import Decimal
from typing import Any

import msgspec
import pydantic
import pytest

from sockwave import EventError, Router, Server, Socket, failure_of
from sockwave.testing import LinkedClient


async def test_event_error_of_a_handler_is_the_same_error_on_the_other_side() -> None:
    io = Server()
    raised = [
        EventError("gone"),
        EventError("sold_out", "none left", {"left": 0}),
        EventError("binary", data=b"\x00"),
        EventError("zero", "there", 0),
    ]

    @io.event
    def place(socket: Socket, number: int) -> None:
        raise raised[number]

    async with LinkedClient(io) as client:
        for number, error in enumerate(raised):
            failure = failure_of(await client.emit_with_ack("place", number))
            assert failure is not None
            assert (failure.code, failure.message) == (error.code, error.message)
            assert failure.data == error.data
            assert str(failure) == str(error)


async def test_arguments_that_do_not_fit_say_where_and_why() -> None:
    io = Server()

    @io.event
    def place(socket: Socket, order: dict[str, int]) -> None: ...

    async with LinkedClient(io) as client:
        failure = failure_of(await client.emit_with_ack("place", {"tea": "two"}))
    assert failure is not None
    reason = "Expected `int`, got `str`"
    assert str(failure) == f"validation: {reason} at $[...]"
    assert failure.data == {"event": "place", "path": "$[...]", "reason": reason}


async def test_answers_of_handlers_of_exceptions_and_of_what_cannot_be_sent() -> None:
    io = Server()
    io.exception_handler(LookupError)(lambda error: {"error": "no", "item": 5})

    @io.event
    def look(socket: Socket) -> None:
        raise KeyError

    @io.event
    def unsendable(socket: Socket) -> object:
        return object()

    async with LinkedClient(io) as client:
        failure = failure_of(await client.emit_with_ack("look"))
        assert failure is not None
        assert (str(failure), failure.data) == ("no", {"item": 5})
        internal = failure_of(await client.emit_with_ack("unsendable"))
        assert internal is not None
        assert (str(internal), internal.data) == ("internal", None)


@pytest.mark.parametrize(
    "answer",
    [
        None,
        True,
        "error",
        5,
        {},
        ["error"],
        ({"error": "of several"}, 1),
        {"message": "no"},
        {"error": None},
        {"error": 5, "message": "no text"},
        {"error": {"code": "x"}},
        {"error": "x", "message": 5},
    ],
)
def test_other_answers_are_no_failures(answer: Any) -> None:
    assert failure_of(answer) is None


@pytest.mark.parametrize(
    ("answer", "text", "data"),
    [
        (
            {"error": "validation", "path": "$", "reason": 5},
            "validation",
            {"path": "$", "reason": 5},
        ),
        ({"error": "x", "reason": "why"}, "x: why", {"reason": "why"}),
        ({"error": "x", "data": None}, "x", None),
        ({"error": "x", "message": "m", "data": 1, "more": 2}, "x: m", 1),
    ],
)
def test_what_other_servers_say_is_kept(answer: Any, text: str, data: Any) -> None:
    failure = failure_of(answer)
    assert failure is not None
    assert (str(failure), failure.data) == (text, data)


class Left(msgspec.Struct):
    number: int


class Model(pydantic.BaseModel):
    number: int


class Failed(msgspec.Struct):
    error: str
    at: dt.date


async def test_data_of_an_event_error_may_be_what_a_typed_handler_may_return() -> None:
    io = Server()
    data = [Left(1), Model(number=1), Decimal("1.5"), dt.date(2026, 1, 2), {"number": 1}]

    @io.event
    def place(socket: Socket, number: int) -> None:
        raise EventError("no", data=data[number])

    async with LinkedClient(io) as client:
        answers = [await client.emit_with_ack("place", number) for number in range(len(data))]
    found = [answer["data"] for answer in answers]
    assert found == [{"number": 1}, {"number": 1}, "1.5", "2026-01-02", {"number": 1}]


async def test_handler_of_exceptions_returns_what_its_annotation_says() -> None:
    io, router = Server(), Router()
    place = Failed("no", dt.date(2026, 1, 2))

    @io.exception_handler(KeyError)
    def at_once(error: KeyError) -> Failed:
        return place

    @router.exception_handler(ValueError)
    async def later(error: ValueError, socket: Socket) -> Failed | None:
        return place

    @router.event
    def fails(socket: Socket, what: str) -> None:
        raise KeyError if what == "key" else ValueError

    io.include(router)
    async with LinkedClient(io) as client:
        for what in ("key", "value"):
            answer = await client.emit_with_ack("fails", what)
            assert answer == {"error": "no", "at": "2026-01-02"}
    with pytest.raises(ValueError, match=r"KeyError has two handlers: .*at_once .* line "):
        io.exception_handler(KeyError, lambda error: None)
