"""Clients that are gone, worked off in slices: a crowd that is cut at once stalls nobody who stays.

A proxy that restarts takes thousands of connections with it in one moment. Each end is cheap, but
together, with the application's handlers, they would take one turn of the loop that lasts as long
as all of them. So past a share of the time they wait for later turns, in the order in which they
came. Until its turn a client is one whose loss nobody has noticed yet: no new state, as networks
tell late of every loss.
"""

from __future__ import annotations

import logging
from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Departures"]

SLICE: Final = 0.004
"""Seconds spent on ends before others get their turn."""

WINDOW: Final = 0.01
"""Seconds in which no more than a slice is spent on ends as they come, and those after one that was
used up, in which the rest waits."""

_logger: Final = logging.getLogger("sockwave.engine")


class Departures:
    """Runs what is to be done when clients are gone, in order, now or in one of the next turns.

    Args:
        clock: Monotonic seconds that go on during a turn of the loop.
        call_soon: Runs something in the next turn.
    """

    __slots__ = ("_call_soon", "_clock", "_spent", "_waiting", "_window_ends")

    def __init__(
        self, clock: Callable[[], float], call_soon: Callable[[Callable[[], None]], object]
    ) -> None:
        self._clock = clock
        self._call_soon = call_soon
        self._window_ends = 0.0
        self._spent = 0.0
        self._waiting: deque[Callable[[], None]] = deque()

    def __len__(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def add(self, end: Callable[[], None]) -> None:
        """Run `end`: at once while there are few."""
        if self._waiting:
            self._waiting.append(end)
            return
        now = self._clock()
        if now >= self._window_ends:
            self._window_ends = now + WINDOW
            self._spent = 0.0
        elif self._spent >= SLICE:
            self._waiting.append(end)
            self._call_soon(self._work_off)
            return
        try:
            end()
        finally:
            after = self._clock()
            self._spent += after - now
            if self._spent >= SLICE:
                self._window_ends = after + WINDOW

    def _work_off(self) -> None:
        stop = self._clock() + SLICE
        while self._waiting:
            end = self._waiting.popleft()
            try:
                end()
            except Exception:
                _logger.exception("internal error at the end of a connection")
            if self._clock() >= stop:
                break
        if self._waiting:
            self._call_soon(self._work_off)
