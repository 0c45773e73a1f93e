"""What the histories of several workers are judged by finds what it is for."""

from __future__ import annotations

import pytest

from tests.history.record import Event
from tests.workers.merged import Deaths, check_workers

NOBODY = Deaths({})


def history() -> list[Event]:
    """Two workers, a client of each, and events of both that cross."""
    return [
        Event("connect", t=1.0, node="a", sid="on a", rooms=("on a", "room")),
        Event("connect", t=1.1, node="b", sid="on b", rooms=("on b", "room")),
        Event("ask", t=2.0, sid="on a", id="1"),
        Event("handle", t=2.1, node="a", sid="on a", id="1"),
        Event("emit", t=2.2, node="a", id="1", rooms=("room",)),
        Event("emit", t=2.3, node="b", id="2", rooms=("room",)),
        Event("deliver", t=2.4, sid="on b", id="2"),
        Event("deliver", t=2.5, sid="on b", id="1"),
        Event("deliver", t=2.6, sid="on a", id="1"),
        Event("deliver", t=2.7, sid="on a", id="2"),
        Event("answered", t=2.8, id="1", answer="1"),
        Event("emit", t=3.0, node="a", id="3"),
        Event("deliver", t=3.1, sid="on b", id="3"),
        Event("deliver", t=3.2, sid="on a", id="3"),
    ]


def without(op: str, **fields: object) -> list[Event]:
    """The history without such an event."""
    return [
        event
        for event in history()
        if event.op != op or any(getattr(event, name) != fields[name] for name in fields)
    ]


def promises(events: list[Event], deaths: Deaths = NOBODY) -> set[str]:
    return {violation.promise for violation in check_workers(events, deaths)}


def test_events_of_two_workers_may_cross() -> None:
    assert promises(history()) == set()


def test_order_of_writing_does_not_matter() -> None:
    assert promises(history()[::-1]) == set()


@pytest.mark.parametrize(("sid", "id_"), [("on b", "1"), ("on a", "2"), ("on b", "3")])
def test_event_of_any_worker_that_is_missing_is_found(sid: str, id_: str) -> None:
    assert promises(without("deliver", sid=sid, id=id_)) == {"G6"}


def test_event_that_comes_twice_is_found() -> None:
    assert promises([*history(), Event("deliver", t=4.0, sid="on b", id="1")]) == {"G2"}


def test_order_of_one_worker_is_judged() -> None:
    late = [*without("deliver", sid="on b", id="1"), Event("deliver", t=4.0, sid="on b", id="1")]
    assert promises(late) == {"G1"}


def test_event_that_nobody_has_emitted_is_found() -> None:
    assert promises([*history(), Event("deliver", t=4.0, sid="on b", id="9")]) == {"G2"}


def test_question_without_an_outcome_is_found() -> None:
    assert promises(without("answered", id="1")) == {"G4"}


def test_client_of_a_worker_that_lives_must_not_end() -> None:
    ended = [*history(), Event("disconnected", t=4.0, sid="on b", detail="transport close")]
    assert promises(ended) == {"G8"}
    assert promises(ended, Deaths({"b": 4.0})) == set()


def test_what_a_dead_worker_has_said_may_be_a_beginning() -> None:
    lost = without("deliver", sid="on b", id="3")
    assert promises(lost, Deaths({"a": 3.5})) == set()


def test_workers_may_die_one_after_the_other() -> None:
    lost = without("deliver", sid="on b", id="3")
    assert promises(lost, Deaths({"a": 3.5, "b": 3.6})) == set()
    assert promises(lost, Deaths({"a": 3.6, "b": 3.5})) == set()


def test_what_a_dead_worker_has_said_has_no_hole() -> None:
    holed = without("deliver", sid="on b", id="1")
    assert promises(holed, Deaths({"a": 3.5})) == {"G6"}


def test_client_of_a_dead_worker_is_owed_a_beginning_of_what_others_say() -> None:
    lost = without("deliver", sid="on b", id="3")
    assert promises(lost, Deaths({"b": 3.5})) == set()


def test_what_was_emitted_before_all_knew_of_a_socket_is_not_judged() -> None:
    late = [
        *history(),
        Event("deliver", t=3.9, sid="late", id="3"),
        Event("connect", t=4.0, node="b", sid="late", rooms=()),
        Event("emit", t=5.0, node="a", id="4"),
        *(Event("deliver", t=5.1, sid=sid, id="4") for sid in ("on a", "on b", "late")),
    ]
    assert promises(late) == set()
    assert promises([event for event in late if event.t < 5.1]) == {"G6"}
