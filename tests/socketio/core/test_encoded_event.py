"""Events that are encoded at the call: which of their values are known to stay as they are."""

from __future__ import annotations

from typing import Any

import pytest

from sockwave.socketio.core.encoded_event import EncodedEvent


@pytest.mark.parametrize(
    "args",
    [
        ("e",),
        ("e", 1, "text", None, True, -(2**53)),
    ],
)
def test_plain_values_are_those_that_arrive(args: tuple[Any, ...]) -> None:
    event = EncodedEvent(args, "/", None)
    assert event.plain() == list(args) == list(EncodedEvent.received(*parts_of(event), "/"))


@pytest.mark.parametrize(
    "value", [1.5, float("nan"), 2**53 + 1, "\ud800", "é", b"", [1], {"a": 1}, (1,), {1}]
)
def test_values_that_may_change_on_their_way_are_not_called_plain(value: Any) -> None:
    assert EncodedEvent(("e", value), "/", None).plain() is None
    assert EncodedEvent(("e",), "/", None).frozen().plain() is None


def parts_of(event: EncodedEvent) -> tuple[bytes, list[bytes]]:
    assert event.parts is not None
    return event.parts
