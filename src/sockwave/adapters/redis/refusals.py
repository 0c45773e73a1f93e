"""A Redis that is there and takes nothing: how often that is told."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from sockwave.adapters.floods import is_worth_a_line

if TYPE_CHECKING:
    from collections.abc import Hashable

__all__ = ["Refusals"]


class Refusals:
    """Counts, of all who try to connect, how often the one has failed that did so most."""

    def __init__(self) -> None:
        self._times: Counter[Hashable] = Counter()
        self._most = 0

    def add(self, who: Hashable) -> int:
        """It was refused to somebody.

        Returns:
            How many times it was now, if that should be told; else 0.
        """
        self._times[who] += 1
        if self._times[who] <= self._most:
            return 0  # others were told the same
        self._most = self._times[who]
        return self._most if is_worth_a_line(self._most) else 0

    def reset(self) -> None:
        """Redis takes what it is sent."""
        self._times.clear()
        self._most = 0
