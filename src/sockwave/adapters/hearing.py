"""Does a process hear what it sends? The worst trouble of a carrier is a listener that went deaf
without a word: the connection stands, and nothing comes.

Theory. Every two seconds a message goes out to oneself. One that has not come back within two
seconds means that the process is deaf; the next that comes back, that it hears again. While nobody
hears there is nothing to wait for: the next message goes out all the same, so that the end of it is
noticed.

Who does not hear himself hears nobody else either: then the silence of the others says nothing of
them. As soon as a message to oneself is late there is doubt, until one has come back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from sockwave.adapters.options import ClusterOptions
    from sockwave.adapters.sides import LocalSide

__all__ = ["Hearing"]

INTERVAL: Final = 2.0
"""Seconds between two messages to oneself; less where members are soon taken for gone."""

LATE: Final = 1.5
"""So many intervals after the last message that has come back, the next one is late."""

PATIENCE: Final = 2.0
"""Seconds that one may take."""


def _interval_of(options: ClusterOptions) -> float:
    """Seconds between two messages to oneself.

    There must be doubt before anybody is taken for gone whose last heartbeat came right before
    nothing was heard any more.
    """
    spare = options.heartbeat_timeout - options.heartbeat_interval
    return min(INTERVAL, max(spare / 2, options.heartbeat_timeout / 20))


class Hearing:
    """Whether one process hears.

    Args:
        ask: Sends a message to oneself.
        local: Is told of trouble.
        changed: Called when it does not hear any more, and when it does again: meanwhile others
            may have sent something.
        returned: Called with the time when a message to oneself has come back after doubt.
        options: Times of the cluster.

    Attributes:
        is_deaf: Whether it does not.
        deadline: When `handle_timeout` wants to be called.
    """

    def __init__(
        self,
        ask: Callable[[], None],
        local: LocalSide,
        changed: Callable[[], None],
        returned: Callable[[float], None],
        options: ClusterOptions,
    ) -> None:
        self._ask = ask
        self._local = local
        self._changed = changed
        self._returned = returned
        self._interval = _interval_of(options)
        self._heard = float("-inf")
        self.is_deaf: bool = False
        self.deadline: float = float("inf")
        self._next = float("inf")
        self._waits_until = float("inf")
        self._told_until = float("-inf")

    def start(self, now: float) -> None:
        """The carrier is there."""
        self._next = self.deadline = self._heard = now

    def is_in_doubt(self, now: float) -> bool:
        """Whether it may be that nothing is heard, so that silence says nothing of others."""
        return self.is_deaf or now - self._heard > LATE * self._interval

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
            self._next = now + self._interval
            if self._waits_until == float("inf"):
                self._waits_until = now + PATIENCE
            self._ask()
        self.deadline = min(self._next, self._waits_until)

    def heard(self, now: float) -> None:
        """A message to oneself has come back."""
        was_in_doubt, was_deaf = self.is_in_doubt(now), self.is_deaf
        self._heard = now
        self._waits_until = float("inf")
        self.is_deaf = False
        if was_in_doubt:
            self._returned(now)
        if was_deaf:
            self._changed()

    def told(self, now: float) -> None:
        """Trouble of the carrier was told: that nothing comes because of it is no news."""
        self._told_until = now + INTERVAL + PATIENCE + 1
