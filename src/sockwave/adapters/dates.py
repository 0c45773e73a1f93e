"""Dates in msgpack, as clients of a server in JavaScript see them.

There a date is a date from one server to the next, and text to clients, whose JSON has no dates. So
that clients here see the same, dates become that text when an event arrives.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

__all__ = ["with_dates_as_text"]

_HEADERS: Final = (b"\xd7\xff", b"\xd6\xff", b"\xc7\x0c\xff", b"\xd7\x00")
"""Of dates; the last one is of old versions of notepack. Other bytes may look like them."""


def with_dates_as_text(value: Any, data: bytes) -> Any:
    """Give a value with dates as `Date.toJSON` writes them.

    Args:
        value: Was decoded from `data`.
    """
    if any(header in data for header in _HEADERS):
        return _as_text(value)
    return value


def _as_text(value: Any) -> Any:
    if isinstance(value, datetime):
        utc = value.astimezone(UTC) if value.tzinfo is not None else value
        return utc.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"
    if isinstance(value, dict):
        return {key: _as_text(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_as_text(item) for item in value]
    return value
