"""Replies of Redis that have entries of streams in them."""

from __future__ import annotations

from typing import Any

from sockwave.adapters.redis.stream_fields import Entry
from sockwave.adapters.streams.positions import position_of

__all__ = ["is_whole", "read_entries", "read_new"]


def read_entries(reply: Any) -> list[Entry]:
    """Entries of XRANGE. One that was deleted, and so has no fields, is an empty one.

    Raises:
        ConnectionError: It is no such reply: whoever answers is no Redis.
    """
    if not isinstance(reply, list):
        raise ConnectionError("a reply that makes no sense")
    return [_read(each) for each in reply]


def read_new(reply: Any) -> list[Entry]:
    """Entries of XREAD of one stream; none where it has waited for nothing.

    Raises:
        ConnectionError: It is no such reply.
    """
    if reply is None:
        return []
    match reply:
        case [[_, entries]]:
            return read_entries(entries)
    raise ConnectionError("a reply that makes no sense")


def _read(entry: Any) -> Entry:
    if not isinstance(entry, (list, tuple)) or len(entry) != 2 or type(entry[0]) is not bytes:
        raise ConnectionError("an entry that makes no sense")
    position, fields = position_of(entry[0]), entry[1]
    if position is None:
        raise ConnectionError("an entry whose id makes no sense")
    if not isinstance(fields, list):
        return Entry(position, {})
    return Entry(position, dict(zip(fields[::2], fields[1::2], strict=False)))


def is_whole(info: Any) -> bool:
    """Whether nothing was ever trimmed or deleted, by a reply of XINFO STREAM; Redis before 7 does
    not tell."""
    if isinstance(info, list):
        info = dict(zip(info[::2], info[1::2], strict=False))
    added = info.get(b"entries-added") if isinstance(info, dict) else None
    return added is not None and added == info.get(b"length")
