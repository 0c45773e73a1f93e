"""The table of a socket's states, and its drawing."""

from __future__ import annotations

import itertools

import pytest

from scripts.draw_states import SOCKET, SOCKET_DRAWING, draw
from sockwave.socketio.server.states import (
    ENDABLE,
    IN,
    TRANSITIONS,
    UNHEARD,
    Input,
    State,
    next_state,
)

MISSING = sorted(set(itertools.product(State, Input)) - set(TRANSITIONS), key=str)


@pytest.mark.parametrize(("state", "happened"), TRANSITIONS)
def test_transition_of_the_table_is_taken(state: State, happened: Input) -> None:
    assert next_state(state, happened) is TRANSITIONS[state, happened]


@pytest.mark.parametrize(("state", "happened"), MISSING)
def test_input_that_cannot_happen_raises_with_both_names(state: State, happened: Input) -> None:
    with pytest.raises(RuntimeError, match=f"{happened.name} while {state.name}"):
        next_state(state, happened)


def test_disconnected_socket_stays_disconnected() -> None:
    assert not any(state is State.DISCONNECTED for state, _ in TRANSITIONS)


def test_every_state_can_be_reached_from_the_first() -> None:
    reached = {State.CONNECTING}
    for _ in State:
        reached |= {end for (start, _), end in TRANSITIONS.items() if start in reached}
    assert reached == set(State)


def test_every_state_leads_to_the_end() -> None:
    ending = {State.DISCONNECTED}
    for _ in State:
        ending |= {start for (start, _), end in TRANSITIONS.items() if end in ending}
    assert ending == set(State)


def test_nobody_is_in_who_was_not_admitted_or_has_left() -> None:
    entries = {pair for pair, end in TRANSITIONS.items() if pair[0] not in IN and end in IN}
    assert entries == {(State.CONNECTING, Input.ADMIT)}
    exits = {pair[1] for pair, end in TRANSITIONS.items() if pair[0] in IN and end not in IN}
    assert exits == {Input.LEAVE}


@pytest.mark.parametrize("state", State)
def test_whoever_can_be_ended_is_in_and_is_ended_once(state: State) -> None:
    assert ((state, Input.ANNOUNCE) in TRANSITIONS) == (state in ENDABLE)
    if state in ENDABLE:
        assert state in IN
        assert TRANSITIONS[state, Input.ANNOUNCE] not in ENDABLE


def test_nobody_hears_after_the_session_or_the_socket_has_ended() -> None:
    assert set(UNHEARD) == {State.UNREACHABLE, State.DISCONNECTED}


def test_drawing_of_the_states_is_up_to_date() -> None:
    assert SOCKET_DRAWING.read_text() == draw(SOCKET), "run: python -m scripts.draw_states"
