"""Annotations that are text, and what Python 3.14 makes of those that are not there yet.

This module has no `from __future__ import annotations`: what is text is written as text.
"""

import inspect
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType, SimpleNamespace
from typing import Any, ForwardRef, TypedDict

import msgspec
import pytest

import sockwave.contract.annotations as annotations
from sockwave import Server, Socket
from sockwave.contract import handlers
from sockwave.testing import LinkedClient


def early(socket: Socket, value: "Later") -> int:
    return value.number


_io = Server()
_refused = ""
try:
    _io.event(early)
except TypeError as error:
    _refused = str(error)


class Later(msgspec.Struct):
    number: int
    next: "Later | None" = None


def test_class_further_down_is_refused_and_said_to_belong_above() -> None:
    line = early.__code__.co_firstlineno
    assert f"handler early ({__file__}, line {line}): the annotation 'Later' of 'value'" in _refused
    assert "register the handler below the classes that it names" in _refused
    assert not _io.listeners("early")


async def test_class_that_is_there_by_then_may_be_named_in_text_and_name_itself() -> None:
    io = Server()
    io.event(early)
    async with LinkedClient(io) as client:
        assert await client.emit_with_ack("early", {"number": 5, "next": {"number": 6}}) == 5
        answer = await client.emit_with_ack("early", {"number": 5, "next": {"number": "6"}})
        assert answer["path"] == "$.next.number"


def of_a_struct() -> Callable[..., None]:
    class Node(msgspec.Struct):
        next: "Node | None" = None

    def handler(socket: Socket, value: Node) -> None: ...

    return handler


def of_a_dataclass() -> Callable[..., None]:
    @dataclass
    class Node:
        nodes: "list[Node]"

    def handler(socket: Socket, *values: Node) -> None: ...

    return handler


def of_a_dictionary() -> Callable[..., None]:
    class Node(TypedDict):
        next: "Node"  # type: ignore[misc] # checkers know no such thing in a function

    def handler(socket: Socket, value: list[Node]) -> None: ...

    return handler


def of_text() -> Callable[..., None]:
    class Node(msgspec.Struct):
        number: int

    def handler(socket: Socket, value: "Node") -> None: ...

    return handler


def of_no_expression() -> Callable[..., None]:
    def handler(socket: Socket, value: "list[int") -> None: ...  # type: ignore[valid-type] # noqa: F722 # it is what is tested

    return handler


@pytest.mark.parametrize(
    "make", [of_a_struct, of_a_dataclass, of_a_dictionary, of_text, of_no_expression]
)
def test_class_in_a_function_that_is_named_in_text_is_refused(
    make: Callable[[], Callable[..., None]],
) -> None:
    handler = make()
    place = rf"{re.escape(__file__)}, line {handler.__code__.co_firstlineno}"
    with pytest.raises(TypeError, match=rf"{place}\): .* cannot be resolved: .* in the module"):
        Server().event("x")(handler)


async def test_class_in_a_function_that_is_not_text_is_fine() -> None:
    class Point(msgspec.Struct):
        x: int

    def handler(socket: Socket, value: list[Point]) -> int:
        return value[0].x

    io = Server()
    io.event("x")(handler)
    async with LinkedClient(io) as client:
        assert await client.emit_with_ack("x", [{"x": 5}]) == 5


# --- Python 3.14, by a stand-in ------------------------------------------------------------------


@pytest.fixture
def python_3_14(monkeypatch: pytest.MonkeyPatch) -> None:
    """`inspect.signature` as it is there: what cannot be evaluated is a `ForwardRef`."""
    library = ModuleType("annotationlib")
    library.Format = SimpleNamespace(FORWARDREF="forward")  # type: ignore[attr-defined] # a stand-in

    def signature(handler: Any, *, annotation_format: str, **how: Any) -> inspect.Signature:
        assert annotation_format == "forward"
        found = inspect.signature(handler, **how)
        parameters = [
            each.replace(annotation=ForwardRef(each.annotation))
            if isinstance(each.annotation, str)
            else each
            for each in found.parameters.values()
        ]
        return found.replace(parameters=parameters)

    there = {name: getattr(inspect, name) for name in ("Signature", "CO_VARARGS")}
    monkeypatch.setitem(sys.modules, "annotationlib", library)
    monkeypatch.setattr(annotations, "sys", SimpleNamespace(version_info=(3, 14)))
    monkeypatch.setattr(annotations, "inspect", SimpleNamespace(signature=signature, **there))


@pytest.mark.usefixtures("python_3_14")
async def test_forward_reference_of_python_3_14_is_resolved() -> None:
    io = Server()

    def handler(socket: "Missing", value: "Later", *rest: int) -> int:  # type: ignore[name-defined] # noqa: F821 # the place says what it is
        return value.number + sum(rest)

    io.event("x")(handler)
    async with LinkedClient(io) as client:
        assert await client.emit_with_ack("x", {"number": 5}, 6) == 11
        assert (await client.emit_with_ack("x", {"number": "5"}))["path"] == "$[0].number"


@pytest.mark.usefixtures("python_3_14")
def test_forward_reference_of_python_3_14_that_leads_nowhere_is_refused() -> None:
    def handler(socket: Socket, value: "Missing") -> None: ...  # type: ignore[name-defined] # noqa: F821 # it is what is tested

    with pytest.raises(TypeError, match="the annotation 'Missing' of 'value' cannot be resolved"):
        Server().event("x")(handler)


async def test_annotations_that_cannot_be_evaluated_are_read_one_by_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(handlers, "_annotations", lambda function: None)
    io = Server()
    io.event("early")(early)
    async with LinkedClient(io) as client:
        assert await client.emit_with_ack("early", {"number": 5}) == 5
        assert (await client.emit_with_ack("early", 5))["error"] == "validation"
