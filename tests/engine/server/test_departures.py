"""Ends of a crowd: in order, in slices, and at once where there is no crowd."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sockwave.engine.server.sessions.departures import SLICE, WINDOW, Departures

if TYPE_CHECKING:
    from collections.abc import Callable


class Loop:
    """An event loop of one clock: ends take time, and turns follow each other at once."""

    def __init__(self) -> None:
        self.now = 1.0
        self.later: list[Callable[[], None]] = []
        self.done: list[int] = []
        self.departures = Departures(lambda: self.now, self.later.append)

    def end(self, number: int, seconds: float = SLICE * 0.26) -> None:
        """A client is gone, and it takes so long to say goodbye to it."""

        def end() -> None:
            self.now += seconds
            self.done.append(number)

        self.departures.add(end)

    def turn(self) -> float:
        """Run what waits for the next turn; how long it takes."""
        began = self.now
        later, self.later[:] = list(self.later), []
        for callback in later:
            callback()
        return self.now - began


def test_lone_client_is_gone_at_once() -> None:
    loop = Loop()
    for number in range(100):
        loop.end(number)
        assert loop.done[-1] == number
        loop.now += WINDOW
    assert not loop.later


def test_crowd_waits_its_turn_in_order() -> None:
    loop = Loop()
    for number in range(100):
        loop.end(number)
    assert loop.done == [0, 1, 2, 3]
    assert len(loop.departures) == 96
    turns = []
    while loop.later:
        turns.append(loop.turn())
    assert loop.done == list(range(100))
    assert max(turns) <= SLICE * 1.26
    assert len(loop.departures) == 0


def test_who_comes_while_others_wait_comes_behind_them() -> None:
    loop = Loop()
    for number in range(10):
        loop.end(number)
    loop.turn()
    loop.now += 1
    loop.end(10)
    assert 10 not in loop.done
    while loop.later:
        loop.turn()
    assert loop.done == list(range(11))


def test_handler_that_takes_long_ends_the_slice() -> None:
    loop = Loop()
    for number in range(4):
        loop.end(number, seconds=0.5)
    assert loop.done == [0]
    loop.turn()
    assert loop.done == [0, 1]


@given(
    st.lists(
        st.tuples(st.sampled_from([0, 0, 0.001, 0.03]), st.sampled_from([0.0, 0.0005, 0.003])),
        max_size=60,
    )
)
def test_nobody_is_forgotten_or_overtaken(steps: list[tuple[float, float]]) -> None:
    loop = Loop()
    for number, (pause, seconds) in enumerate(steps):
        loop.end(number, seconds)
        if pause:
            loop.now += pause
            assert loop.turn() <= SLICE + 0.003
    while loop.later:
        loop.turn()
    assert loop.done == list(range(len(steps)))


def test_end_that_fails_is_logged_and_the_others_follow(
    caplog: pytest.LogCaptureFixture,
) -> None:
    loop = Loop()

    def failure() -> None:
        raise ValueError("of the application")

    for number in range(5):
        loop.end(number)
    loop.departures.add(failure)
    loop.end(5)
    while loop.later:
        loop.turn()
    assert loop.done == list(range(6))
    assert [record.message for record in caplog.records] == [
        "internal error at the end of a connection"
    ]
    with pytest.raises(ValueError, match="of the application"):  # the loop logs it, as any other
        Departures(lambda: 1.0, loop.later.append).add(failure)
