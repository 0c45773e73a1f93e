"""Does what a process sends to itself come back? If not, its connections are of no use, however
alive they look: Redis answers, and brings nothing.

Theory. What comes late is not what does not come. As long as messages of anybody arrive, the own
ones stand behind them; and what Redis has not taken yet cannot come back. Only when neither is so,
for `PATIENCE`, the process is deaf.
"""

from __future__ import annotations

from typing import Final

__all__ = ["EchoWatch"]

PATIENCE: Final = 4.5
"""Seconds without an echo; they are sent every two."""


class EchoWatch:
    """Judges each time that something is sent to oneself."""

    def __init__(self) -> None:
        self._silent_since: float | None = None
        self._heard = 0
        self._sent = 0

    def heard(self) -> None:
        """Something has come back."""
        self._silent_since = None

    def is_deaf(self, now: float, *, heard: int, sent: int, answered: int) -> bool:
        """Whether there was nothing to be heard for too long; from then on it is judged anew.

        Args:
            now: Monotonic seconds.
            heard: Messages that have come so far, of anybody.
            sent: That were published so far.
            answered: Of these, how many Redis has taken.
        """
        is_slow = heard != self._heard or answered < self._sent
        self._heard, self._sent = heard, sent
        if self._silent_since is None or is_slow:
            self._silent_since = now
        elif now - self._silent_since >= PATIENCE:
            self._silent_since = None
            return True
        return False
