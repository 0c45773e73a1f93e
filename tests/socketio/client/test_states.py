"""The table of the states of a client's socket."""

from __future__ import annotations

import itertools

import pytest

from sockwave.socketio.client.states import TRANSITIONS, Input, State

ACTIVE = [state for state in State if state is not State.INACTIVE]


def test_every_input_is_decided_in_every_state() -> None:
    assert set(TRANSITIONS) == set(itertools.product(State, Input))


def test_every_state_is_reached_from_the_first() -> None:
    reached = {State.INACTIVE}
    for _ in State:
        reached |= {end for (start, _), end in TRANSITIONS.items() if start in reached}
    assert reached == set(State)


def test_only_this_side_makes_an_inactive_socket_active() -> None:
    leaves = {happened for happened in Input if TRANSITIONS[State.INACTIVE, happened] in ACTIVE}
    assert leaves == {Input.CONNECT}


@pytest.mark.parametrize("state", ACTIVE)
def test_active_socket_becomes_inactive_by_an_answer_and_by_this_side_only(state: State) -> None:
    ends = {happened for happened in Input if TRANSITIONS[state, happened] is State.INACTIVE}
    assert ends == {Input.REFUSED, Input.REMOVED, Input.DISCONNECT}


@pytest.mark.parametrize("state", ACTIVE)
def test_server_that_accepts_an_active_socket_connects_it(state: State) -> None:
    assert TRANSITIONS[state, Input.ACCEPTED] is State.CONNECTED


def test_no_state_outlives_the_connection_but_the_last_ones() -> None:
    after = {state: TRANSITIONS[state, Input.LOST] for state in ACTIVE}
    assert after.pop(State.GIVEN_UP) is State.GIVEN_UP
    assert set(after.values()) == {State.WAITING}


def test_socket_that_was_given_up_joins_the_next_connection_by_itself() -> None:
    assert TRANSITIONS[State.GIVEN_UP, Input.OPENED] is State.JOINING


@pytest.mark.parametrize("happened", Input)
@pytest.mark.parametrize("state", State)
def test_an_input_that_comes_twice_changes_nothing_more(state: State, happened: Input) -> None:
    once = TRANSITIONS[state, happened]
    assert TRANSITIONS[once, happened] is once
