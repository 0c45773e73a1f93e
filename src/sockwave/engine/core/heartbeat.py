"""One timing wheel for all deadlines of an engine: heartbeats, upgrades, closings, time-outs.

Theory: time is cut into slots of `GRANULARITY`. A slot is a set of entries, made when first used; a
heap holds the numbers of the slots in use, so the next deadline is known without ticking while
nothing is due. Moving or taking out an entry is two set operations, so each entry stands in the
wheel at most once. A slot that runs empty before its time stays for its next entry, because its
number is in the heap; when most are empty all of those go, so what is closed leaves nothing behind.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import Final, Protocol

__all__ = ["GRANULARITY", "LATE", "TimingWheel", "WheelEntry", "has_passed"]

GRANULARITY: Final = 1 / 128
"""Seconds; a deadline is met up to this much late, never early. A power of two, so that the times
of slots are exact: with 0.01 a slot may not be due yet at the very time that it stands for."""

LATE: Final = 1.0
"""Seconds after which a timer is so late that the process was stopped or blocked: what peers sent
meanwhile is read before anybody is judged for silence."""

MIN_EMPTY: Final = 256
"""Empty slots that are not worth a clearing."""


def has_passed(deadline: float, now: float) -> bool:
    """Whether a deadline has passed of which the wheel, which is late by a slot or two, may not
    have told yet. One that is long past is left to it, see `LATE`.
    """
    return deadline <= now <= deadline + LATE


class WheelEntry(Protocol):
    """What can stand in a wheel."""

    wheel_slot: int
    """Number of the slot it stands in, 0 for none; written by the wheel only."""

    def handle_timeout(self, now: float) -> None:
        """Its deadline has come. It is out of the wheel, and may enter it again."""


class TimingWheel:
    """Deadlines in seconds of one monotonic clock."""

    __slots__ = ("_empty", "_order", "_slots")

    def __init__(self) -> None:
        self._slots: dict[int, set[WheelEntry]] = {}
        self._order: list[int] = []
        self._empty = 0

    def __len__(self) -> int:
        return sum(map(len, self._slots.values()))

    def schedule(self, entry: WheelEntry, deadline: float) -> bool:
        """Set or move an entry's deadline.

        Returns:
            Whether the wheel's next deadline is now earlier than it was.
        """
        slot = int(deadline / GRANULARITY) + 1
        if entry.wheel_slot == slot:
            return False
        if entry.wheel_slot:
            self.cancel(entry)
        entry.wheel_slot = slot
        entries = self._slots.get(slot)
        if entries is not None:
            if not entries:
                self._empty -= 1
            entries.add(entry)
            return False
        self._slots[slot] = {entry}
        heappush(self._order, slot)
        return self._order[0] == slot

    def cancel(self, entry: WheelEntry) -> None:
        """Take an entry out; nothing happens when it is not in."""
        if entry.wheel_slot:
            entries = self._slots[entry.wheel_slot]
            entry.wheel_slot = 0
            entries.discard(entry)
            if not entries:
                self._empty += 1
                if self._empty > MIN_EMPTY and self._empty * 2 > len(self._order):
                    self._clear_empty()

    def _clear_empty(self) -> None:
        self._slots = {slot: entries for slot, entries in self._slots.items() if entries}
        self._order = list(self._slots)
        heapify(self._order)
        self._empty = 0

    def next_deadline(self) -> float | None:
        """When `expire` is due, or None while the wheel is empty."""
        return self._order[0] * GRANULARITY if self._order else None

    def expire(self, now: float, limit: int = 1024) -> list[WheelEntry]:
        """Take out entries whose deadline has come, in order of slots.

        Args:
            limit: Most entries to take, so that a crowd is worked off in slices.
        """
        due: list[WheelEntry] = []
        current = int(now / GRANULARITY)
        while self._order and self._order[0] <= current and len(due) < limit:
            slot = self._order[0]
            entries = self._slots[slot]
            if not entries:
                self._empty -= 1
            while entries and len(due) < limit:
                entry = entries.pop()
                entry.wheel_slot = 0
                due.append(entry)
            if not entries:
                heappop(self._order)
                del self._slots[slot]
        return due
