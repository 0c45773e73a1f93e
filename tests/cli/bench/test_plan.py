"""Places in what clients send."""

from __future__ import annotations

from typing import Any

import pytest

from sockwave.cli.bench.plan import First, Plan, fill, has
from tests.cli.bench.plans import a_plan


@pytest.mark.parametrize(
    ("value", "filled"),
    [
        ("{client}", "7"),
        ("room-{room} of {client}", "room-2 of 7"),
        ([{"a": ["{client}"]}, 3, None, True], [{"a": ["7"]}, 3, None, True]),
        ({"{client}": "{client}"}, {"{client}": "7"}),
        ("{other} {stamp}", "{other} {stamp}"),
    ],
)
def test_places_are_filled_in_texts(value: Any, filled: Any) -> None:
    assert fill(value, {"client": "7", "room": "2"}) == filled


@pytest.mark.parametrize(
    ("value", "found"),
    [(["{stamp}"], True), ([{"at": "x{stamp}"}], True), (["stamp", 1], False), ([], False)],
)
def test_place_is_found(value: Any, found: bool) -> None:
    assert has(value, "stamp") is found


def test_plan_goes_to_a_process_as_a_line() -> None:
    plan = a_plan(event="say", args=["a\n{stamp}"], first=[First("join", ["r"], True)])
    line = plan.encode()
    assert "\n" not in line
    assert Plan.decode(line) == plan
