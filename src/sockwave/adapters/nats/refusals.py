"""What NATS refuses, and connections that end: how often that is told."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Final

from sockwave.adapters.floods import is_worth_a_line

__all__ = ["Losses", "Refusals"]

STEADY: Final = 10.0
"""Seconds that a connection must stand for its loss to be news each time."""

TOGETHER: Final = 1.0
"""Seconds within which two connections are lost for one reason."""

MOST: Final = 32
"""Kinds that are counted each for itself."""


class Refusals:
    """Counts what is refused, by what was wanted: each heartbeat of a process may be refused, on
    whichever subject."""

    def __init__(self) -> None:
        self._times: Counter[str] = Counter()

    def add(self, what: str) -> str | None:
        """Something was refused.

        Returns:
            What to tell; None where enough was told.
        """
        kind, _, _ = what.partition('"')  # before the name of the subject
        if kind not in self._times and len(self._times) >= MOST:
            kind = ""
        self._times[kind] += 1
        times = self._times[kind]
        if not is_worth_a_line(times):
            return None
        return what if times == 1 else f"{what}; so it was {times} times now"


class Losses:
    """Of two connections of a process to NATS, which go at the same time: it is told once."""

    def __init__(self) -> None:
        self._lost_at = float("-inf")
        self._connected_at = float("-inf")
        self._times = 0

    def connected(self) -> None:
        """The main one is there."""
        self._connected_at = _now()

    def is_told(self) -> bool:
        """One of them is lost: whether the other one was, just now, and that was told."""
        before, self._lost_at = self._lost_at, _now()
        return self._lost_at - before < TOGETHER

    def is_news(self) -> bool:
        """The main one is lost: whether to tell it; rarely, where it ends as soon as it is used."""
        is_steady = _now() - self._connected_at > STEADY
        self._times = 1 if is_steady else self._times + 1
        return is_worth_a_line(self._times) and not self.is_told()


def _now() -> float:
    return asyncio.get_running_loop().time()
