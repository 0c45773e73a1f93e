"""The table of registered handlers."""

from __future__ import annotations

from typing import Any

import pytest

from sockwave.engine.core.handlers import (
    HandlerTable,
    add_handler,
    add_once,
    check_handler,
    fit,
    listeners_of,
    remove_handler,
)


def a() -> None: ...


def b() -> None: ...


class Owner:
    """Has methods; each look at one makes a new object."""

    def method(self) -> None: ...


def test_handlers_of_a_name_keep_their_order() -> None:
    table: HandlerTable = {}
    for handler in (a, b, a):
        add_handler(table, "x", handler)
    assert table == {"x": (a, b, a)}


def test_handler_can_be_put_first() -> None:
    table: HandlerTable = {}
    add_handler(table, "x", a)
    add_handler(table, "x", b, first=True)
    assert table == {"x": (b, a)}


def test_latest_registration_of_a_handler_is_removed() -> None:
    table: HandlerTable = {"x": (a, b, a)}
    remove_handler(table, "x", a)
    assert table == {"x": (a, b)}


def test_name_without_handlers_is_forgotten() -> None:
    table: HandlerTable = {"x": (a,), "y": (a, b)}
    remove_handler(table, "x", a)
    remove_handler(table, "y")
    assert table == {}


def test_removing_what_is_not_there_is_harmless() -> None:
    table: HandlerTable = {"x": (a,)}
    remove_handler(table, "x", b)
    remove_handler(table, "y", a)
    remove_handler(table, "y")
    assert table == {"x": (a,)}


def test_method_is_found_though_it_is_a_new_object_each_time() -> None:
    owner = Owner()
    table: HandlerTable = {"x": (owner.method,)}
    remove_handler(table, "x", owner.method)
    assert table == {}


def test_handler_is_found_behind_a_wrapper() -> None:
    owner = Owner()

    def once() -> None: ...

    once.__wrapped__ = owner.method  # type: ignore[attr-defined] # as functools.wraps does
    table: HandlerTable = {"x": (once,)}
    remove_handler(table, "x", owner.method)
    assert table == {}


def test_running_handlers_are_not_disturbed_by_a_change() -> None:
    table: HandlerTable = {"x": (a, b)}
    running = table["x"]
    remove_handler(table, "x", a)
    assert running == (a, b)


@pytest.mark.parametrize("name", [None, 5, b"x", a])
def test_name_must_be_text(name: object) -> None:
    with pytest.raises(TypeError, match="must be text"):
        check_handler(name, a)


@pytest.mark.parametrize("handler", [None, "x", 5])
def test_handler_must_be_callable(handler: object) -> None:
    with pytest.raises(TypeError, match="handler of 'x' must be callable"):
        check_handler("x", handler)


@pytest.mark.parametrize(
    ("handler", "taken"),
    [
        (lambda: None, ()),
        (lambda reason: None, ("reason",)),
        (lambda reason, description="": None, ("reason", "description")),
        (lambda *args: None, ("reason", "description")),
        (lambda a, b, c: None, ("reason", "description")),
        (lambda *, key=None: None, ()),
        (Owner().method, ()),
    ],
)
def test_life_cycle_handler_gets_the_arguments_it_takes(
    handler: Any, taken: tuple[str, ...]
) -> None:
    assert fit(handler, ("reason", "description")) == taken


def test_handler_without_a_signature_gets_everything() -> None:
    class Opaque:
        __signature__ = "none"

        def __call__(self, *args: object) -> None: ...

    assert fit(Opaque(), ("reason",)) == ("reason",)


def test_handler_for_one_call_is_removed_before_it_runs() -> None:
    table: HandlerTable = {}
    calls: list[object] = []

    def handler(value: int) -> str:
        calls.append((value, dict(table)))
        return "answer"

    add_once(table, "x", handler)
    assert listeners_of(table, "x") == [handler]
    assert table["x"][0](1) == "answer"
    assert calls == [(1, {})]


def test_handler_for_one_call_can_be_removed_and_takes_what_it_takes() -> None:
    table: HandlerTable = {}
    add_once(table, "x", lambda reason: None)
    assert fit(table["x"][0], ("reason", "description")) == ("reason",)
    add_once(table, "y", print)
    remove_handler(table, "y", print)
    assert "y" not in table


def test_listeners_are_a_copy_of_what_was_registered() -> None:
    table: HandlerTable = {}
    add_handler(table, "x", print)
    listeners_of(table, "x").clear()
    assert listeners_of(table, "x") == [print]
    assert listeners_of(table, "y") == listeners_of(None, "x") == []


def test_all_names_can_be_forgotten_at_once() -> None:
    table: HandlerTable = {}
    add_handler(table, "x", print)
    add_handler(table, "y", print)
    remove_handler(table)
    assert table == {}
