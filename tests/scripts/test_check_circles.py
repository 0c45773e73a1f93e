"""The check of circles finds new ones, and permissions that are not needed any more."""

from __future__ import annotations

import pytest

from scripts.check_circles import problems

CIRCLE = {"a": {"b"}, "b": {"a"}, "c": {"a"}}


def test_files_in_one_direction_are_fine() -> None:
    assert problems({"a": {"b", "c"}, "b": {"c"}, "c": set()}, allowed=()) == []


def test_new_circle_is_named() -> None:
    assert problems(CIRCLE, allowed=()) == ["a new circle of imports: a, b"]


@pytest.mark.parametrize("allowed", [{"a", "b"}, {"a", "b", "z"}])
def test_circle_that_may_be_is_fine_and_may_be_smaller(allowed: set[str]) -> None:
    assert problems(CIRCLE, allowed=[frozenset(allowed)]) == []


def test_circle_that_has_grown_is_a_new_one() -> None:
    graph = {"a": {"b"}, "b": {"c"}, "c": {"a"}}
    (new, gone) = problems(graph, allowed=[frozenset({"a", "b"})])
    assert new == "a new circle of imports: a, b, c"
    assert gone == "this circle is gone, and needs no permission: a, b"


def test_permission_that_nothing_needs_is_named() -> None:
    assert problems({"a": {"b"}, "b": set()}, allowed=[frozenset({"a", "b"})]) == [
        "this circle is gone, and needs no permission: a, b"
    ]
