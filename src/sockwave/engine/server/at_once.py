"""How many connections may be written to before a turn of the loop ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["WRITES_AT_ONCE", "AtOnce"]

WRITES_AT_ONCE: Final = 1_024
"""What a loop has gathered by the end of its turn it writes without a look at anybody else, and a
write takes about 4 microseconds: no more at once than what a flush may take."""


class AtOnce:
    """A number for each turn; what is beyond goes through the queues, which others may interrupt.

    Args:
        flush_later: Of the driver.
    """

    def __init__(self, flush_later: Callable[[Any], None]) -> None:
        self._flush_later = flush_later
        self._left = WRITES_AT_ONCE
        self._refusing: set[object] = set()

    def take(self, count: int) -> bool:
        """Whether so many writes are left; then they are taken."""
        left = self._left
        if count > left or self._refusing:
            return False
        if left == WRITES_AT_ONCE:
            self._flush_later(self)
        self._left = left - count
        return True

    def flush(self) -> None:
        """The turn is over."""
        self._left = WRITES_AT_ONCE

    def refuse_for(self, session: object) -> None:
        """Everything goes through the queues: somebody looks at what a session sends."""
        self._refusing.add(session)

    def allow_for(self, session: object) -> None:
        """That one is over."""
        self._refusing.discard(session)
