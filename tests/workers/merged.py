"""The histories of several workers and of their clients, as the checker of one server reads them.

Workers have no order in common, so the checker is asked once for each: about what this one emitted,
and who got it. All write down when they did something, by the one clock of the machine.

A socket counts from the moment at which all other workers have heard of it; what was emitted before
is not judged for it, since it may have come to its worker on either side of its own coming. Who is
on a worker that dies is lost at that moment, and is owed no more than a beginning; what a worker
that dies has emitted may be a beginning everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tests.history.checker import Violation, check
from tests.history.record import Event, History

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["Deaths", "check_workers"]

LOST = "transport close"


@dataclass(frozen=True)
class Deaths:
    """Which workers have died.

    Attributes:
        times: When they were seen to be gone, by their names.
    """

    times: Mapping[str, float]


def check_workers(events: Iterable[Event], deaths: Deaths) -> list[Violation]:
    """Find all violations; the history must end when nothing is under way any more.

    Args:
        events: Of the workers `connect` (when all know the socket), `emit` and `handle`; of the
            clients `deliver`, `disconnected`, `ask`, `answered` and `unanswered`. In any order.
    """
    whole = sorted(events, key=lambda event: event.t)
    emits = {event.id: event for event in whole if event.op == "emit"}
    connects = {event.sid: event for event in whole if event.op == "connect"}
    questions = [each for each in whole if each.op in ("ask", "handle", "answered", "unanswered")]
    violations = check(_merged(_lives(whole, connects, deaths), questions))
    violations += _ends_without_a_death(whole, connects, deaths)
    for node in sorted({event.node for event in emits.values()}):
        about = [
            event
            for event in whole
            if (event.op == "emit" and event.node == node)
            or (event.op == "deliver" and _is_judged(event, node, emits, connects))
        ]
        violations += check(_merged(_lives(whole, connects, deaths, node), about))
    return violations


def _merged(*parts: Iterable[Event]) -> History:
    events = [event for part in parts for event in part]
    return History(sorted(events, key=lambda event: event.t))


def _lives(
    whole: list[Event], connects: Mapping[str, Event], deaths: Deaths, speaker: str = ""
) -> list[Event]:
    """When sockets came and went, on both sides.

    Args:
        speaker: The worker that is judged: when it dies, it owes nobody the end of what it said.
    """
    lives = []
    for event in connects.values():
        # A client gets events from now on, whenever it hears that it is in.
        lives += [event, replace(event, op="connected", node="")]
        ends = [deaths.times[node] for node in (event.node, speaker) if node in deaths.times]
        ends = [t for t in ends if t > event.t]
        if ends:
            gone = Event("disconnect", t=min(ends), node=event.node, sid=event.sid, detail=LOST)
            lives.append(gone)
    lives += [each for each in whole if each.op == "disconnected" and each.sid in connects]
    return lives


def _is_judged(
    delivered: Event, node: str, emits: Mapping[str, Event], connects: Mapping[str, Event]
) -> bool:
    emit, connect = emits.get(delivered.id), connects.get(delivered.sid)
    if connect is None or (emit is not None and emit.node != node):
        return False
    return emit is None or emit.t > connect.t


def _ends_without_a_death(
    whole: list[Event], connects: Mapping[str, Event], deaths: Deaths
) -> list[Violation]:
    """Members of rooms, on workers that live, have nothing to do with the death of others."""
    return [
        Violation("G8", f"{event.sid} ends for {event.detail!r}, and its worker lives")
        for event in whole
        if event.op == "disconnected"
        and event.sid in connects
        and connects[event.sid].node not in deaths.times
        and len(connects[event.sid].rooms) > 1  # beside its own
    ]
