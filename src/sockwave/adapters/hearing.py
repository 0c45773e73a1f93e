"""Does a process hear what it sends? The worst trouble of a carrier is a listener that went deaf
without a word: the connection stands, and nothing comes.

Theory. Every two seconds a message goes out to oneself. One that has not come back within two
seconds means that the process is deaf; the next that comes back, that it hears again. While nobody
hears there is nothing to wait for: the next message goes out all the same, so that the end of it is
noticed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from sockwave.adapters.sides import LocalSide

__all__ = ["Hearing"]

INTERVAL: Final = 2.0
"""Seconds between two messages to oneself."""

PATIENCE: Final = 2.0
"""Seconds that one may take."""


class Hearing:
    """Whether one process hears.

    Args:
        ask: Sends a message to oneself.
        local: Is told of trouble.
        changed: Called when it does not hear any more, and when it does again: meanwhile others
            may have sent something.

    Attributes:
        is_deaf: Whether it does not.
        deadline: When `handle_timeout` wants to be called.
    """

    def __init__(
        self, ask: Callable[[], None], local: LocalSide, changed: Callable[[], None]
    ) -> None:
        self._ask = ask
        self._local = local
        self._changed = changed
        self.is_deaf = False
        self.deadline = float("inf")
        self._next = float("inf")
        self._waits_until = float("inf")
        self._told_until = float("-inf")

    def start(self, now: float) -> None:
        """The carrier is there."""
        self._next = self.deadline = now

    def handle_timeout(self, now: float) -> None:
        """Do what is due."""
        if now >= self._waits_until:
            self._waits_until = float("inf")
            if not self.is_deaf:
                self.is_deaf = True
                self._changed()
                if now >= self._told_until:
                    what = "this process does not hear what it sends: the carrier is deaf"
                    self._local.failed(what)
        if now >= self._next:
            self._next = now + INTERVAL
            if self._waits_until == float("inf"):
                self._waits_until = now + PATIENCE
            self._ask()
        self.deadline = min(self._next, self._waits_until)

    def heard(self, now: float) -> None:
        """A message to oneself has come back."""
        self._waits_until = float("inf")
        if self.is_deaf:
            self.is_deaf = False
            self._changed()

    def told(self, now: float) -> None:
        """Trouble of the carrier was told: that nothing comes because of it is no news."""
        self._told_until = now + INTERVAL + PATIENCE + 1
