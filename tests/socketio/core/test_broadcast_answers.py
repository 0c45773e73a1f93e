"""Answers to a broadcast: a list, and whose they are."""

from __future__ import annotations

import copy
import pickle

import orjson
from hypothesis import given
from hypothesis import strategies as st

from sockwave import AckTimeout, BroadcastAnswers, SocketId


def answers_of(*given: tuple[str | None, object]) -> BroadcastAnswers:
    answers = BroadcastAnswers()
    for socket, value in given:
        answers.take(None if socket is None else SocketId(socket), value)
    return answers


def test_answers_are_a_list_in_order_of_arrival() -> None:
    answers = answers_of(("b", 1), (None, 2), ("a", 3))
    assert answers == [1, 2, 3]
    assert list(answers.by_socket.items()) == [("b", 1), ("a", 3)]
    assert orjson.dumps(answers) == b"[1,2,3]"


def test_answers_are_copied_with_what_they_know() -> None:
    answers = answers_of(("a", 1))
    answers.missing = (SocketId("b"),)
    for same in (copy.copy(answers), copy.deepcopy(answers), pickle.loads(pickle.dumps(answers))):
        assert same == [1]
        assert (same.by_socket, same.missing) == ({"a": 1}, ("b",))


def test_answers_of_a_timeout_are_found_by_socket() -> None:
    error = AckTimeout(answers_of(("a", 1), (None, 2)), missing=("b",), missing_servers=("n",))
    assert (error.responses, error.by_socket) == ([1, 2], {"a": 1})
    assert (error.missing, error.missing_servers) == (("b",), ("n",))
    assert (AckTimeout().by_socket, AckTimeout([1]).by_socket) == ({}, {})


@given(st.lists(st.lists(st.tuples(st.none() | st.text(max_size=2), st.integers()))))
def test_answers_from_several_places_add_up(
    places: list[list[tuple[str | None, object]]],
) -> None:
    everything = BroadcastAnswers()
    for place in places:
        everything.take_all(answers_of(*place))
    flat = [each for place in places for each in place]
    assert everything == [value for _, value in flat]
    assert everything.by_socket == {id_: value for id_, value in flat if id_ is not None}
