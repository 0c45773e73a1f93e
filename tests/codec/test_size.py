"""How much a value holds, before it is written."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from sockwave.codec.size import holds_more_than

BLOB = b"x" * 1_000


@dataclass
class Photo:
    data: bytes


class Struct(msgspec.Struct):
    data: bytes


@pytest.mark.parametrize(
    "value",
    [
        [BLOB, BLOB],
        [bytearray(BLOB), {"a": {"b": (BLOB,)}}],
        [memoryview(BLOB + BLOB)],
        [memoryview(bytearray(4_000)).cast("I")[::2]],
        [{BLOB, b"y" * 1_000}],
        [Photo(BLOB), Photo(BLOB)],
        [Struct(BLOB), Struct(BLOB)],
        {1: BLOB, (2,): BLOB},
        {1: Photo(BLOB), b"key": [Struct(BLOB)]},
        [BLOB, 2**70, BLOB],
        [BLOB, "\ud83d", BLOB],
    ],
    ids=lambda value: f"{type(value).__name__} {len(value)}",
)
def test_each_occurrence_of_bytes_counts(value: Any) -> None:
    assert holds_more_than(value, 1_999)
    assert not holds_more_than(value, 2_000)


@pytest.mark.parametrize("value", [None, ["text" * 1_000], {"a": [1] * 1_000}, [Decimal("1.5")]])
def test_what_is_not_binary_counts_nothing(value: Any) -> None:
    assert not holds_more_than(value, 1)


def test_answer_is_known_before_everything_was_looked_at() -> None:
    value: list[Any] = [BLOB]
    for _ in range(100):  # 2 ** 100 occurrences
        value = [value, value]
    assert holds_more_than(value, 1_000_000)
    assert holds_more_than({1: value}, 1_000_000)


def test_circular_values_are_left_to_the_encoder() -> None:
    circle: list[Any] = [BLOB]
    circle.append(circle)
    assert not holds_more_than([circle], 10**9)
    assert not holds_more_than({(1,): circle}, 10**9)
