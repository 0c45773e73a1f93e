"""Who closes when, while a server drains: a plan, without a clock of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["DrainPlan"]

T = TypeVar("T")


class DrainPlan(Generic[T]):
    """Spreads members evenly over a period, in their order.

    The first is due at the start and the last one step before the end: one member alone waits for
    nothing, and the rate is the same all the time.

    Args:
        members: In the order in which they are due.
        start: Seconds of the caller's clock.
        period: Seconds; 0 makes all of them due at the start.
    """

    __slots__ = ("_done", "_members", "_period", "_start")

    def __init__(self, members: Sequence[T], *, start: float, period: float) -> None:
        self._members = members
        self._start = start
        self._period = period
        self._done = 0

    def due(self, now: float, limit: int) -> Sequence[T]:
        """Take out those whose time has come.

        Args:
            limit: Most members to take, so that a crowd is worked off in slices.
        """
        begin, count = self._done, len(self._members)
        if now < self._start:
            return ()
        elapsed = now - self._start
        reached = count if elapsed >= self._period else int(elapsed / self._period * count) + 1
        self._done = end = max(begin, min(reached, begin + limit, count))
        return self._members[begin:end]

    def hasten(self, now: float, period: float) -> None:
        """Have the rest due within so many seconds from now, if that is sooner."""
        if now + period < self._start + self._period:
            self._members = self._members[self._done :]
            self._start, self._period, self._done = now, period, 0

    def next_time(self) -> float | None:
        """When the next one is due; None when all of them were."""
        if self._done == len(self._members):
            return None
        return self._start + self._period * self._done / len(self._members)
