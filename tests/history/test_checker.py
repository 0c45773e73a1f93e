"""The checker finds what it is for: ten defects, planted one by one into a history without any."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.history.checker import check
from tests.history.record import Event, History
from tests.history.workload import Workload, run

if TYPE_CHECKING:
    from collections.abc import Callable

Events = list[Event]


@pytest.fixture(scope="module")
def clean() -> History:
    """A real history, faults and recoveries in it."""
    history = asyncio.run(run(Workload(seed=11, seconds=3.0, clients=12)))
    assert check(history) == []
    return history


def places(events: Events, op: str) -> list[int]:
    """Where in a history something of this kind happened."""
    return [place for place, event in enumerate(events) if event.op == op]


def middle(events: Events, op: str) -> int:
    """The place of one in the middle."""
    found = places(events, op)
    return found[len(found) // 2]


def stranger(events: Events, delivered: Event) -> str:
    """A socket that is there until the end and was not meant by this emit."""
    got = {event.sid for event in events if event.op == "deliver" and event.id == delivered.id}
    last = {event.sid for event in events[-200:] if event.op == "deliver"}
    return min(last - got)


# --- defects --------------------------------------------------------------------------------------


def drop(events: Events) -> None:
    """One delivery of thousands is lost."""
    del events[middle(events, "deliver")]


def double(events: Events) -> None:
    """An event comes twice."""
    place = middle(events, "deliver")
    events.insert(place, events[place])


def swap(events: Events) -> None:
    """Two events of one socket change places."""
    first = middle(events, "deliver")
    sid = events[first].sid
    second = next(p for p in places(events, "deliver") if p > first and events[p].sid == sid)
    events[first], events[second] = events[second], events[first]


def wrong_room(events: Events) -> None:
    """An event reaches somebody whom it was not for."""
    place = next(
        p
        for p in places(events, "deliver")
        if any(e.op == "emit" and e.id == events[p].id and e.rooms for e in events)
    )
    events.insert(place + 1, replace(events[place], sid=stranger(events, events[place])))


def stale_room(events: Events) -> None:
    """A socket still gets what is for a room that it has left."""
    place = next(
        p
        for p in places(events, "emit")
        if events[p].rooms
        and any(e.op == "deliver" and e.id == events[p].id for e in events[p : p + 2000])
    )
    delivered = next(e for e in events[place:] if e.op == "deliver" and e.id == events[place].id)
    events.insert(place, Event("leave", sid=delivered.sid, rooms=events[place].rooms))


def after_the_end(events: Events) -> None:
    """An event is delivered when the client has seen the end."""
    end = places(events, "disconnected")[-1]
    before = next(
        p
        for p in reversed(places(events, "deliver"))
        if p < end and events[p].sid == events[end].sid
    )
    events.insert(end, events.pop(before))


def other_attachment(events: Events) -> None:
    """An attachment is another packet's."""
    place = middle(events, "deliver")
    events[place] = replace(events[place], digest="0000000000000000")


def ack_to_another(events: Events) -> None:
    """A question gets another one's answer."""
    place = middle(events, "answered")
    events[place] = replace(events[place], answer="another")


def false_recovery(events: Events) -> None:
    """A socket is called recovered, and has missed what was emitted meanwhile."""
    for place in places(events, "connect"):
        event = events[place]
        lost = max(
            (p for p in places(events, "disconnect") if p < place and events[p].sid == event.sid),
            default=None,
        )
        if not event.recovered or lost is None:
            continue
        missed = {e.id for e in events[lost:place] if e.op == "emit"}
        held = [
            p
            for p in places(events, "deliver")
            if events[p].sid == event.sid and events[p].id in missed
        ]
        if held:
            for p in reversed(held):
                del events[p]
            return
    raise AssertionError("no recovery with something missed")


def invented(events: Events) -> None:
    """An event that nobody has emitted."""
    place = middle(events, "deliver")
    events.insert(place, replace(events[place], id="invented"))


def cut_off(events: Events) -> None:
    """A client that has kept the protocol is cut off."""
    place = middle(events, "deliver")
    end = Event("disconnect", node="a", sid=events[place].sid, detail="forced close")
    events.insert(place, end)


@pytest.mark.parametrize(
    ("defect", "promise"),
    [
        (drop, "G6"),
        (double, "G2"),
        (swap, "G1"),
        (wrong_room, "G2"),
        (stale_room, "G2"),
        (after_the_end, "G8"),
        (other_attachment, "G3"),
        (ack_to_another, "G4"),
        (false_recovery, "G6"),
        (invented, "G2"),
        (cut_off, "G8"),
    ],
)
def test_planted_defect_is_found(
    clean: History, defect: Callable[[Events], None], promise: str
) -> None:
    events = list(clean.events)
    defect(events)
    assert promise in {violation.promise for violation in check(History(events))}


def test_history_survives_its_lines(clean: History) -> None:
    assert History.from_lines(clean.to_lines().splitlines()) == clean
