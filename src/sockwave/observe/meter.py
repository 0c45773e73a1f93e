"""An observer of events that is not told of each: sockets keep its accounts.

Theory: a value for each event, and a call, cost as much as the half of an event. Whoever only
counts gives a cell for each event of a namespace instead, found by two looks into a table, and
sockets add to it. So it is the same observer, by a shorter way; where others observe events too, or
the way of an event is a longer one, it is told as all are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = ["EventCell", "Meter"]


class EventCell(Protocol):
    """What is counted of one event in one namespace.

    Attributes:
        received: Events of clients, but for those that are in `buckets`.
        received_bytes: Their sizes.
        sent: Events for one client.
        sent_bytes: Their sizes.
        seconds: Of handlers that have returned at once, all together.
        buckets: How many of these took up to each of the bounds, and the last all others; each is
            an event that was received, too, and is not in `received`.
    """

    received: int
    received_bytes: int
    sent: int
    sent_bytes: int
    seconds: float
    buckets: list[int]


class Meter(Protocol):
    """Has a cell for each event.

    Attributes:
        come: Cells of events of clients, by namespace and event; one that is not there is asked
            for.
        gone: Those of events that are sent.
        bounds: Seconds, ascending.
        functions: Its observers of `EventReceived`, `HandlerEnded`, `HandlerFailed` and
            `EventSent`, which are told where the shorter way is not taken.
    """

    come: dict[str, dict[str, Any]]
    gone: dict[str, dict[str, Any]]
    bounds: tuple[float, ...]
    functions: frozenset[Callable[[Any], object]]

    def coming(self, namespace: str, event: str, socket: str) -> EventCell:
        """The cell of an event of a client that `come` has not; it need not be there then."""

    def going(self, namespace: str, event: str) -> EventCell:
        """The cell of an event that is sent, and that `gone` has not."""
