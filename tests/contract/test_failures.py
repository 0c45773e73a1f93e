"""An acknowledgement that says that an event has failed, as an error again."""

from typing import Any

import pytest

from sockwave import EventError, Server, Socket, failure_of
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
