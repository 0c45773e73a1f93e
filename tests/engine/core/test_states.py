"""The table of a session's states, and its drawing."""

from __future__ import annotations

import itertools

import pytest

from scripts.draw_states import DRAWING, draw
from sockwave.engine.core.states import TRANSITIONS, Input, State, next_state

MISSING = sorted(set(itertools.product(State, Input)) - set(TRANSITIONS), key=str)


@pytest.mark.parametrize(("state", "happened"), TRANSITIONS)
def test_transition_of_the_table_is_taken(state: State, happened: Input) -> None:
    assert next_state(state, happened) is TRANSITIONS[state, happened]


@pytest.mark.parametrize(("state", "happened"), MISSING)
def test_input_that_cannot_happen_raises_with_both_names(state: State, happened: Input) -> None:
    with pytest.raises(RuntimeError, match=f"{happened.name} while {state.name}"):
        next_state(state, happened)


def test_closed_session_stays_closed() -> None:
    assert not any(state is State.CLOSED for state, _ in TRANSITIONS)


def test_every_open_state_can_close_in_both_ways() -> None:
    for state in (State.OPEN, State.UPGRADING):
        assert TRANSITIONS[state, Input.CLOSE] is State.CLOSING
        assert TRANSITIONS[state, Input.LOST] is State.CLOSED


def test_closing_leads_nowhere_but_to_the_end() -> None:
    ends = {end for (start, _), end in TRANSITIONS.items() if start is State.CLOSING}
    assert ends == {State.CLOSING, State.CLOSED}


def test_every_state_can_be_reached_from_the_handshake() -> None:
    reached = {State.OPEN}
    for _ in State:
        reached |= {end for (start, _), end in TRANSITIONS.items() if start in reached}
    assert reached == set(State)


def test_drawing_of_the_states_is_up_to_date() -> None:
    assert DRAWING.read_text() == draw(), "run: python -m scripts.draw_states"
