"""How long a turn of the loop may be, for all connections together, and what waits for the next.

A connection that has much to say is read in slices, but two hundred slices are one long turn too.
So what is read draws on a credit that all share. When it is used up somebody looks at the clock,
and when the turn is over, what comes is held, and worked off at the beginning of the following
turns. Who has little to say goes first there, as in fair queueing of packets: one event of a client
that waits for its answer is not behind the megabytes of others. Those with much take turns, in
slices that get smaller the more they are.

As long as turns are short nothing of this is seen: reading costs a subtraction.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["CREDIT", "READ_COST", "SLICE", "SMALL", "TURN", "Turns"]

TURN: Final = 0.005
"""Seconds that what is read may take in one turn. An answer is two or three turns away, each with
a slice of writing and of ends (`departures.py`) besides."""

SLICE: Final = 0.002
"""Seconds of one connection before others get their turn."""

ROUND: Final = 0.02
"""Seconds that a round of slices may take; with more connections the slices are smaller."""

LEAST_SLICE: Final = 0.00005
"""Seconds; less would be spent on taking turns."""

WORKS_PER_TURN: Final = 64
"""Things that are worked off in one turn: what they set in motion may be seen only later."""

CREDIT: Final = 2_048
"""Bytes read between two looks at the clock, with `READ_COST` for each read."""

LATER_CREDIT: Final = CREDIT // 4
"""The same once somebody had to look: this turn is no short one."""

READ_COST: Final = 16
"""Bytes that stand for the cost of a read of its own, so that small events are counted, too; but
not so dearly that a look at the clock for every few of them costs more than it finds."""

SMALL: Final = 4_096
"""Bytes up to which what was read goes before the larger ones of others."""

_logger: Final = logging.getLogger("sockwave.engine")


class Turns:
    """The time of one event loop that is spent on what peers send.

    Args:
        clock: Monotonic seconds that go on during a turn of the loop.
        call_soon: Runs something in the next turn.

    Attributes:
        credit: What may be read until somebody looks at the clock. Each read takes its bytes and
            `READ_COST` off, and asks `is_over` once this is negative.
        refill: The credit of the next turn, which begins when what was read has been answered: less
            while somebody waits, since that is no short turn.
        must_look: What was just written took so long that the clock is to be looked at.
    """

    __slots__ = (
        "_call_soon",
        "_clock",
        "_ends",
        "_large",
        "_released",
        "_small",
        "credit",
        "must_look",
        "refill",
    )

    def __init__(
        self, clock: Callable[[], float], call_soon: Callable[[Callable[[], None]], object]
    ) -> None:
        self.credit: int = CREDIT
        self.refill: int = CREDIT
        self.must_look: bool = False
        self._clock = clock
        self._call_soon = call_soon
        self._ends: float | None = None
        self._released = 0  # bytes whose turn is the next: their tasks begin after `_work`
        self._small: deque[Callable[[], None]] = deque()
        self._large: deque[Callable[[], None]] = deque()

    def __len__(self) -> int:
        """How many wait."""
        return len(self._small) + len(self._large)

    def is_over(self) -> bool:
        """Whether what comes must wait: look at the clock."""
        now = self._clock()
        if self._ends is None:
            self._begin(now)
        elif now >= self._ends:
            return True
        self.credit = LATER_CREDIT
        return False

    def takes(self, size: int) -> bool:
        """Whether so many bytes may be handled now; for who is not on the path of every message."""
        self.credit -= size + READ_COST
        return self.credit >= 0 or not self.is_over()

    def later(self, work: Callable[[], None], size: int) -> None:
        """Do something in one of the next turns.

        Args:
            size: Bytes that are waiting with it.
        """
        if self._ends is None:
            self._begin(self._clock())
        (self._small if size <= SMALL else self._large).append(work)

    async def come(self, size: int) -> None:
        """Wait for a turn."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def release() -> None:
            if not future.done():
                self._released += size + READ_COST
                future.set_result(None)

        self.later(release, size)
        await future

    def slice_ends(self, now: float) -> float:
        """When a slice that begins now is over: at the latest with the turn."""
        waiting = len(self)
        ends = now + (SLICE if waiting * SLICE <= ROUND else max(ROUND / waiting, LEAST_SLICE))
        return ends if self._ends is None else min(ends, self._ends)

    @property
    def is_crowded(self) -> bool:
        """Whether so many wait that slices are small."""
        return len(self) * SLICE > ROUND

    def _begin(self, now: float) -> None:
        self._ends = now + TURN
        self.refill = LATER_CREDIT
        self._call_soon(self._work)

    def _work(self) -> None:
        """A new turn begins."""
        released, self._released = self._released, 0
        if not self:
            self._ends = None
            self.refill = CREDIT
            self.credit = CREDIT - released
            return
        self.credit = LATER_CREDIT - released
        now = self._clock()
        self._begin(now)
        ends = now + TURN
        for _ in range(min(WORKS_PER_TURN, len(self))):  # not what is added meanwhile
            work = (self._small or self._large).popleft()
            try:
                work()
            except Exception:
                _logger.exception("internal error while reading")
            if self._released >= LATER_CREDIT or self._clock() >= ends:
                break
