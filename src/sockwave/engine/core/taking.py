"""Whether a peer that has not answered yet still takes what it is sent.

A ping stands behind what the transport and the machine have in their buffers, megabytes on a slow
connection. As long as these go down the peer is alive, and its answer cannot be due: its time
begins when the ping is out. A peer that takes nothing at all for as long is gone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["LOOKS", "PROMPT", "Taken", "TakingWatch"]

PROMPT: Final = 65_536
"""Bytes on their way that are no reason to wait longer for an answer: what any connection has."""

LOOKS: Final = 4
"""How often we look within the time that an answer may take."""


class Taken(NamedTuple):
    """What has become of everything written to a transport.

    Attributes:
        taken: Bytes that the peer's machine has. Where that cannot be told, a number that changes
            whenever it has taken some, so that with `waiting` it makes 0.
        waiting: Bytes that it has not.
    """

    taken: int
    waiting: int


class TakingWatch:
    """Follows one ping through the buffers.

    Args:
        queue: What waits in the session, with the ping; None when that is out already.
        state: Of the transport now.
        now: Monotonic seconds.
    """

    __slots__ = ("_end", "_moved_at", "_queue", "_taken", "_waiting")

    def __init__(self, queue: Sequence[object] | None, state: Taken, now: float) -> None:
        self._queue = queue
        self._taken, self._waiting = state
        self._moved_at = now
        self._end = None if queue is not None else state.taken + state.waiting

    def look(self, queue: Sequence[object], state: Taken, now: float) -> None:
        """See what has changed; a session puts another list in the place of one it has written."""
        if state.taken != self._taken:
            self._taken = state.taken
            self._moved_at = now
        self._waiting = state.waiting
        if self._end is None and queue is not self._queue:
            self._queue = None
            self._end = state.taken + state.waiting

    @property
    def is_out(self) -> bool:
        """Whether the peer's machine has the ping: from now on the answer is its own affair."""
        return self._end is not None and (self._waiting <= PROMPT or self._taken >= self._end)

    def quiet(self, now: float) -> float:
        """Seconds for which it has taken nothing."""
        return now - self._moved_at
