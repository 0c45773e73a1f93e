"""Waiting for acknowledgements, with a clock that the test moves."""

from __future__ import annotations

from typing import Any

import pytest

from sockwave.errors import AckTimeout, Disconnected, LimitExceeded
from sockwave.socketio.core.acks import AckResult, AckTable, ack_callback, ack_value
from tests.socketio.core.fakes import FakeClock


class Waiting:
    """A table with a clock, and what came of each wait."""

    def __init__(self, most: int = 10) -> None:
        self.clock = FakeClock()
        self.table = AckTable(self.clock, most)
        self.results: list[AckResult] = []

    def expect(self, id_: int, timeout: float | None = 5.0) -> None:
        self.table.expect(id_, self.results.append, timeout)

    @property
    def kinds(self) -> list[str]:
        return [type(result).__name__ for result in self.results]

    def assert_nothing_is_left(self) -> None:
        assert (len(self.table), len(self.clock.wheel)) == (0, 0)


@pytest.mark.parametrize(
    ("args", "value"),
    [((), None), ((5,), 5), ((None,), None), ((1, 2), (1, 2)), (([1, 2],), [1, 2])],
)
def test_one_argument_comes_as_itself_none_as_none_several_as_a_tuple(
    args: tuple[Any, ...], value: object
) -> None:
    assert ack_value(args) == value


def test_callback_gets_the_arguments_alone_and_nothing_without_an_answer() -> None:
    calls: list[tuple[Any, ...]] = []
    done = ack_callback(lambda *args: calls.append(args), error_first=False)
    done((1, 2))
    done(AckTimeout())
    assert calls == [(1, 2)]


def test_callback_that_wants_errors_gets_them_first() -> None:
    calls: list[tuple[Any, ...]] = []
    done = ack_callback(lambda *args: calls.append(args), error_first=True)
    error = AckTimeout()
    done((1, 2))
    done(error)
    assert calls == [(None, 1, 2), (error,)]


def test_waits_for_what_is_yet_to_be_sent_outlive_a_connection() -> None:
    waiting = Waiting()
    waiting.expect(0)
    waiting.expect(1)
    waiting.table.disconnected("transport close", keep={1})
    assert (waiting.kinds, len(waiting.table)) == (["Disconnected"], 1)


def test_answer_is_delivered_once() -> None:
    waiting = Waiting()
    waiting.expect(0)
    waiting.table.received(0, ("yes",))
    waiting.table.received(0, ("again",))
    assert waiting.results == [("yes",)]
    waiting.assert_nothing_is_left()


def test_answers_may_come_in_any_order() -> None:
    waiting = Waiting()
    for id_ in range(3):
        waiting.expect(id_)
    for id_ in (2, 0, 1):
        waiting.table.received(id_, (id_,))
    assert waiting.results == [(2,), (0,), (1,)]


@pytest.mark.parametrize("id_", [7, None])
def test_answer_that_nobody_waits_for_is_dropped(id_: int | None) -> None:
    waiting = Waiting()
    waiting.expect(0)
    waiting.table.received(id_, ("x",))
    assert waiting.results == []


def test_wait_ends_at_its_deadline() -> None:
    waiting = Waiting()
    waiting.expect(0, timeout=2.0)
    waiting.expect(1, timeout=9.0)
    waiting.clock.advance(1.9)
    assert waiting.results == []
    waiting.clock.advance(0.2)
    assert isinstance(waiting.results[0], AckTimeout)
    assert len(waiting.table) == 1


def test_late_answer_is_dropped() -> None:
    waiting = Waiting()
    waiting.expect(0, timeout=1.0)
    waiting.clock.advance(2.0)
    waiting.table.received(0, ("late",))
    assert waiting.kinds == ["AckTimeout"]
    waiting.assert_nothing_is_left()


def test_timeout_of_zero_is_over_with_the_next_deadline() -> None:
    waiting = Waiting()
    waiting.expect(0, timeout=0)
    waiting.clock.advance(0.01)
    assert waiting.kinds == ["AckTimeout"]


def test_leaving_ends_every_wait_with_the_reason() -> None:
    waiting = Waiting()
    waiting.expect(0)
    waiting.expect(1, timeout=None)
    waiting.table.disconnected("transport close")
    assert [str(result) for result in waiting.results] == [
        "socket disconnected: transport close"
    ] * 2
    assert isinstance(waiting.results[0], Disconnected)
    assert waiting.results[0].reason == "transport close"
    waiting.assert_nothing_is_left()


def test_cancelled_wait_gets_nothing() -> None:
    waiting = Waiting()
    waiting.expect(0)
    waiting.table.cancel(0)
    waiting.table.cancel(0)
    waiting.table.received(0, ("late",))
    waiting.clock.advance(10)
    assert waiting.results == []
    waiting.assert_nothing_is_left()


def test_more_waits_than_allowed_are_refused() -> None:
    waiting = Waiting(most=2)
    waiting.expect(0)
    waiting.expect(1)
    with pytest.raises(LimitExceeded, match="2 acknowledgements"):
        waiting.expect(2)
    waiting.table.received(0, ())
    waiting.expect(3)
    assert len(waiting.table) == 2


def test_broadcast_is_not_refused_for_one_slow_socket() -> None:
    waiting = Waiting(most=1)
    waiting.expect(0)
    waiting.expect(1, timeout=None)
    waiting.clock.advance(100)
    assert waiting.kinds == ["AckTimeout"], "a broadcast watches its time itself"
    waiting.table.received(1, ("answer",))
    assert waiting.results[1] == ("answer",)


def test_new_wait_may_begin_in_the_answer_to_another() -> None:
    waiting = Waiting()

    def again(result: AckResult) -> None:
        waiting.expect(1)

    waiting.table.expect(0, again, 5.0)
    waiting.table.received(0, ())
    waiting.table.received(1, ("second",))
    assert waiting.results == [("second",)]
