"""Entries that are in a stream twice."""

from __future__ import annotations

from typing import Final

__all__ = ["Doubles"]

MOST_SENDERS: Final = 10_000
"""Whose numbers are kept."""


class Doubles:
    """Tells an entry that was written twice from the next one.

    A connection may break so that the writer cannot know whether an entry was written. The numbers
    of a sender only grow: what does not was there before.
    """

    def __init__(self) -> None:
        self._numbers: dict[bytes, int] = {}

    def is_new(self, sender: bytes, number: int | None) -> bool:
        """Whether an entry that is read was not read before; one without a number always is."""
        if number is None:
            return True
        numbers = self._numbers
        last = numbers.pop(sender, -1)
        numbers[sender] = max(last, number)  # and those heard last are forgotten last
        if number <= last:
            return False
        if len(numbers) > MOST_SENDERS:
            del numbers[next(iter(numbers))]
        return True
