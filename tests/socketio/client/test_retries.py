"""The queue of events that are sent until they are acknowledged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from sockwave.errors import AckTimeout, Disconnected, LimitExceeded
from sockwave.socketio.client.retries import RetryQueue

if TYPE_CHECKING:
    from collections.abc import Callable

    from sockwave.socketio.core.acks import AckResult


class Line:
    """Notes what is sent, and answers when it is told to."""

    def __init__(self, retries: int = 3, limit: int = 10) -> None:
        self.sent: list[str] = []
        self.results: list[Any] = []
        self._done: Callable[[AckResult], None] | None = None
        self.queue: RetryQueue[str] = RetryQueue(retries, limit, self._send)

    def _send(self, event: str, done: Callable[[AckResult], None]) -> None:
        self.sent.append(event)
        self._done = done

    def add(self, *events: str) -> None:
        for event in events:
            self.queue.add(event, self.results.append)

    def answer(self, result: AckResult = ()) -> None:
        assert self._done is not None
        self._done(result)


def test_next_event_leaves_when_the_one_before_is_answered() -> None:
    line = Line()
    line.queue.connected()
    line.add("a", "b", "c")
    assert (line.sent, len(line.queue)) == (["a"], 3)
    line.answer((1,))
    assert (line.sent, len(line.queue), line.results) == (["a", "b"], 2, [(1,)])


def test_event_is_given_up_after_its_tries_with_the_last_error() -> None:
    line = Line(retries=3)
    line.queue.connected()
    line.add("a", "b")
    for _ in range(4):
        line.answer(AckTimeout())
    assert line.sent == ["a", "a", "a", "a", "b"]
    assert [type(result) for result in line.results] == [AckTimeout]


def test_queue_rests_while_disconnected() -> None:
    line = Line()
    line.add("a")
    assert line.sent == []
    line.queue.connected()
    assert line.sent == ["a"]


def test_loss_ends_a_try_and_the_event_stays_first() -> None:
    line = Line()
    line.queue.connected()
    line.add("a", "b")
    line.queue.disconnected()
    line.answer(Disconnected("transport close"))
    assert (line.sent, len(line.queue)) == (["a"], 2)
    line.queue.connected()
    assert line.sent == ["a", "a"]


def test_full_queue_refuses() -> None:
    line = Line(limit=2)
    line.add("a", "b")
    with pytest.raises(LimitExceeded, match="2 events"):
        line.add("c")
