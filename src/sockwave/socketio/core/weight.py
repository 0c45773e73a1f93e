"""How many bytes decoded values take: estimates that cost little and err on the large side."""

from __future__ import annotations

from typing import Any, Final

__all__ = ["weight_of_text", "weight_of_value"]

_SMALL: Final = 256
"""Bytes of a text that is not looked into."""

_CONTAINER: Final = 64
"""Bytes that an empty list or object takes."""

_ITEM: Final = 56
"""Bytes that an item of one takes: its place, and an object of few bytes."""

_VALUE: Final = 16
"""What a value counts for beside its text: so many small ones are bounded too."""

_LOOKED_AT: Final = 10_000
"""Values that are counted one by one."""

_PER_BYTE: Final = 72
"""Bytes that one byte of msgpack can become: an empty object, and its place in a list."""


def weight_of_text(text: bytes) -> int:
    """Bytes that a JSON text takes when it is decoded, at most."""
    size = len(text)
    if size > _SMALL:
        containers = text.count(b"{") + text.count(b"[")
        size += _CONTAINER * containers + _ITEM * (text.count(b",") + text.count(b":"))
    return size


def weight_of_value(value: Any, size: int) -> int:
    """Bytes that a decoded value takes, roughly.

    Args:
        size: Bytes that it came as: with more values in it than are worth counting, what these can
            become.
    """
    weight = 0
    left = [value]
    for _ in range(_LOOKED_AT):
        if not left:
            return weight + size
        value = left.pop()
        weight += _CONTAINER
        if value.__class__ is list:
            if len(value) > _LOOKED_AT:
                break
            left += value
        elif value.__class__ is dict:
            if len(value) > _LOOKED_AT:
                break
            left += value.values()
            weight += _ITEM * len(value)
    else:
        if not left:
            return weight + size
    return max(weight, size * _PER_BYTE)
