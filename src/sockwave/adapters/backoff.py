"""Pauses between attempts at something that does not work just now."""

from __future__ import annotations

import random

__all__ = ["Backoff"]


class Backoff:
    """Pauses that double, less a random part, so that not all processes come back at once.

    Args:
        first: Seconds of the first pause, at most.
        longest: Seconds of any.
    """

    __slots__ = ("_first", "_longest", "_next")

    def __init__(self, first: float, longest: float) -> None:
        self._first = first
        self._longest = longest
        self._next = first

    def pause(self) -> float:
        """Seconds until the next attempt."""
        pause, self._next = self._next, min(self._next * 2, self._longest)
        return pause * random.uniform(0.5, 1.0)

    def reset(self) -> None:
        """It works: the next pause is the first again."""
        self._next = self._first
