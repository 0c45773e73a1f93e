"""Counting in place of telling: for who wants numbers of each event, and nothing else.

A value for each of three observations of an echo, and a call with it, cost more than the echo does
in a server. So a `Counter` is known to the server as such: while it alone observes events, their
numbers are added to a `Tally` where they arise. In all other cases its functions are told as those
of anybody else, and add the same.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = ["FASTEST", "HANDLER_BOUNDS", "Counter", "Tally"]

HANDLER_BOUNDS: Final = (
    *(0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025),
    *(0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0),
)
"""Seconds: most handlers take a few microseconds, and those to be found take many milliseconds."""

FASTEST: Final = HANDLER_BOUNDS[0]
"""Seconds: most handlers need no search for where they belong."""


class Tally:
    """Numbers of one event in one namespace.

    Attributes:
        received, received_bytes: Of clients.
        sent, sent_bytes: To single clients.
        handled: Handlers by how long they took: at most each of `HANDLER_BOUNDS`, and longer.
        seconds: Of all these together.
    """

    __slots__ = ("handled", "received", "received_bytes", "seconds", "sent", "sent_bytes")

    def __init__(self) -> None:
        self.received = self.received_bytes = 0
        self.sent = self.sent_bytes = 0
        self.handled = [0] * (len(HANDLER_BOUNDS) + 1)
        self.seconds = 0.0


class Counter(ABC):
    """Who counts events.

    Attributes:
        come: Tallies of events of clients, by namespace and event, as far as they are at hand.
        gone: The same of what is sent.
        functions: The observers with which it counts what is told.
    """

    come: dict[tuple[str, str], Tally]
    gone: dict[tuple[str, str], Tally]
    functions: frozenset[Callable[[Any], object]]

    @abstractmethod
    def going(self, namespace: str, event: str) -> Tally:
        """The tally of an event that is sent, and that is not at hand."""
