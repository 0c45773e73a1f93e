"""Entries that are in a stream twice."""

from __future__ import annotations

from typing import Final

__all__ = ["Doubles"]

FAR: Final = 2**20
"""By so much no double is behind what was written after it: the number before was a lie."""

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
        is_double = last - FAR < number <= last
        numbers[sender] = last if is_double else number  # those heard last are forgotten last
        if is_double:
            return False
        if len(numbers) > MOST_SENDERS:
            del numbers[next(iter(numbers))]
        return True
