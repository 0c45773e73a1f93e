"""Several handlers of one event: what a client sends must be right for all of them."""

import logging
from collections.abc import Callable
from typing import Annotated, Any, Union

import msgspec
import pytest

from sockwave import ConnectError, Server, Socket
from sockwave.testing import LinkedClient


class Order(msgspec.Struct):
    number: int


def number(socket: Socket, value: int) -> None: ...


def order(socket: Socket, value: Order) -> None: ...


def more(socket: Socket, value: int, note: str = "") -> None: ...


def untyped(socket, value):  # type: ignore[no-untyped-def] # it is what is tested
    pass


def anything(socket: Socket, value: Any, note: object = None) -> None: ...


def result_only(socket: Socket, value) -> Order: ...  # type: ignore[no-untyped-def,empty-body] # it is what is tested


def numbers(socket: Socket, *values: int) -> None: ...


def texts(socket: Socket, *values: str) -> None: ...


def number_and_texts(socket: Socket, value: int, *values: str) -> None: ...


def either(socket: Socket, value: int | str) -> None: ...


def either_as_before(socket: Socket, value: Union[str, int]) -> None: ...  # noqa: UP007 # the other way to write it


def positive(socket: Socket, value: Annotated[int, msgspec.Meta(gt=0)]) -> None: ...


def positive_again(socket: Socket, value: Annotated[int, msgspec.Meta(gt=0)]) -> None: ...


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (number, number),
        (number, more),
        (number, numbers),
        (number, untyped),
        (number, anything),
        (number, result_only),
        (order, untyped),
        (number, number_and_texts),
        (either, either_as_before),
        (positive, positive_again),
    ],
)
def test_same_types_and_what_is_not_checked_go_together(
    first: Callable[..., Any], second: Callable[..., Any]
) -> None:
    for handlers in ((first, second), (second, first)):
        io = Server()
        for each in handlers:
            io.event("x")(each)
        assert io.listeners("x") == list(handlers)


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        (number, order, "'value' is Order"),
        (number, either, r"'value' is int \| str"),
        (number, positive, r"'value' is .*Meta\(gt=0\)"),
        (numbers, texts, "'argument 0' is str"),
        (more, numbers, "'argument 1' is int"),
        (number, texts, "'argument 0' is str"),
        (texts, number, "'value' is int"),
        (numbers, number_and_texts, "'argument 1' is str"),
    ],
)
def test_different_types_are_refused_with_the_places_of_both(
    first: Callable[..., Any], second: Callable[..., Any], said: str
) -> None:
    io = Server()
    io.event("x")(first)
    with pytest.raises(ValueError, match=said) as refused:
        io.event("x", order="socket")(second)
    text = str(refused.value)
    assert text.startswith("the event 'x' has two handlers with different types")
    for each in (first, second):
        assert f"{__file__}, line {each.__code__.co_firstlineno}" in text
    assert "give one validate=False" in text
    assert io.listeners("x") == [first]
    io.event("x", validate=False)(second)
    io.event("y")(second)


async def test_handlers_of_a_socket_are_compared_with_each_other_and_with_those_for_all(
    caplog: pytest.LogCaptureFixture,
) -> None:
    io = Server()
    io.event("shared")(number)

    def own_text(value: str) -> None: ...

    def own_number(value: int) -> int:
        return value

    @io.on("connection")
    def connection(socket: Socket) -> None:
        socket.on("shared", own_number)
        socket.on("own", own_number)
        socket.on("own", lambda value: None)
        socket.once("own", own_number)
        kind = socket.handshake.auth.get("kind")
        if kind == "own":
            socket.on("own", own_text)
        elif kind == "once":
            socket.once("own", own_text)
        elif kind == "shared":
            socket.on("shared", own_text)
        elif kind == "off":
            socket.off("own")
            socket.on("own", own_text)

    for kind in ("own", "once", "shared"):
        with caplog.at_level(logging.ERROR), pytest.raises(ConnectError):
            async with LinkedClient(io, auth={"kind": kind}):
                pass
        assert "has two handlers with different types: 'value' is str" in caplog.text
        caplog.clear()
    for kind in ("none", "off"):
        async with LinkedClient(io, auth={"kind": kind}) as client:
            assert await client.emit_with_ack("shared", 5) == 5


def test_further_arguments_of_both_are_compared() -> None:
    io = Server()
    io.event("x")(numbers)
    with pytest.raises(ValueError, match="different types"):
        io.event("x")(texts)
