"""Whether it is worth trying UDP to a server, after it did not get through.

Networks that block UDP drop its packets without a word: whoever tries it each time waits each time.
So it is left alone for a while, longer each time, and a success ends that.
"""

from __future__ import annotations

from typing import Final

__all__ = ["FIRST_REST", "LONGEST_REST", "UdpTrials"]

FIRST_REST: Final = 300.0
"""Seconds after the first failure; twice as many after each further one."""

LONGEST_REST: Final = 86_400.0
"""Seconds: people carry their machines from one network into another."""


class UdpTrials:
    """What has become of UDP to one server; time is monotonic seconds."""

    __slots__ = ("_again_at", "_rest")

    def __init__(self) -> None:
        self._rest = FIRST_REST
        self._again_at = float("-inf")

    def is_due(self, now: float) -> bool:
        """Whether it may be tried."""
        return now >= self._again_at

    def failed(self, now: float) -> None:
        """Nothing came, where another transport got through."""
        if self.is_due(now):  # else it is the same failure once more
            self._again_at = now + self._rest
            self._rest = min(2 * self._rest, LONGEST_REST)

    def succeeded(self) -> None:
        """A session was carried."""
        self._rest = FIRST_REST
        self._again_at = float("-inf")
