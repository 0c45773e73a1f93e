"""Places in a stream, which are the offsets of its events: text for clients, numbers here."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["PART", "entry_id", "position_of"]

PART: Final = 2**64
"""How many places there are with the same first number."""

_ID: Final = re.compile(r"([0-9]{1,20})-([0-9]{1,20})", re.ASCII)


def position_of(id_: str | bytes) -> int | None:
    """The id of an entry as a number: the order is the same, and the next possible id is one more.

    Returns:
        None for what is no id.
    """
    text = id_.decode("ascii", "replace") if isinstance(id_, bytes) else id_
    parts = _ID.fullmatch(text)
    if parts is None:
        return None
    time, sequence = int(parts[1]), int(parts[2])
    return time * PART + sequence if time < PART and sequence < PART else None


def entry_id(position: int) -> str:
    """The id of an entry, as `position_of` has read it."""
    return f"{position // PART}-{position % PART}"
