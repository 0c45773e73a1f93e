"""Annotations that cannot be checked are refused where the handler is registered."""

from __future__ import annotations

import asyncio  # noqa: TC003
import functools
import types
from collections.abc import Callable, Iterator  # noqa: TC003 # handlers name them
from typing import TYPE_CHECKING, Any

import pytest

from sockwave import Server

if TYPE_CHECKING:
    from fractions import Fraction

    from sockwave import Socket


class Connection:
    """Nothing that JSON has."""


def name_of_checkers(socket: Socket, value: Fraction) -> None: ...


def unknown_class(socket: Socket, value: list[Connection]) -> None: ...


def function(socket: Socket, value: Callable[[], int]) -> None: ...


def of_alike(socket: Socket, value: list[int] | set[int]) -> None: ...


def further(socket: Socket, *values: Connection) -> None: ...


def iterator(socket: Socket, value: Iterator[int]) -> None: ...


def local() -> Any:
    class Local:
        pass

    def handler(socket: Socket, value: Local) -> None: ...

    return handler


@pytest.mark.parametrize(
    ("handler", "said"),
    [
        (name_of_checkers, r"'Fraction' of 'value' cannot be resolved: .*TYPE_CHECKING"),
        (local(), r"'Local' of 'value' cannot be resolved: .*must stand in the module"),
        (unknown_class, r"'value' cannot be checked: nothing is known of how a Connection"),
        (function, r"'value' cannot be checked: "),
        (of_alike, r"'value' cannot be checked: Type unions may not contain more than one array"),
        (further, r"'\*args' cannot be checked: "),
    ],
)
def test_annotation_that_cannot_be_checked_is_refused(handler: Any, said: str) -> None:
    io = Server()
    with pytest.raises(TypeError, match=said) as refused:
        io.event("x")(handler)
    assert f"{__file__}, line {handler.__code__.co_firstlineno}" in str(refused.value)
    assert "validate=False" in str(refused.value)
    assert not io.listeners("x")
    io.event("x", validate=False)(handler)
    Server(validate=False).event("x")(handler)


def test_annotation_of_a_result_is_never_refused() -> None:
    def task(socket: Socket, number: int) -> asyncio.Task[None]: ...  # type: ignore[empty-body] # it is not called

    def name_of_checkers(socket: Socket, number: int) -> Fraction: ...  # type: ignore[empty-body] # it is not called

    io = Server()
    io.event("x")(task)
    io.event("x")(name_of_checkers)
    assert len(io.listeners("x")) == 2


def test_socket_is_known_by_its_place_though_its_name_is_for_checkers() -> None:
    io = Server()

    @io.event
    def x(socket: Socket, number: int) -> None: ...

    assert io.listeners("x") == [x]


def test_method_whose_function_is_no_function_of_python_is_taken_as_it_is() -> None:
    io = Server()
    bound = types.MethodType(functools.partial(print), "an object")
    io.event("x")(bound)
    assert io.listeners("x") == [bound]
