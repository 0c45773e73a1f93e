"""How often trouble with NATS is told, by a clock of the test's own."""

from __future__ import annotations

import pytest

from sockwave.adapters.nats import refusals
from sockwave.adapters.nats.refusals import MOST, STEADY, TOGETHER, Losses, Refusals
from tests.socketio.core.fakes import FakeClock


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    clock = FakeClock()
    monkeypatch.setattr(refusals, "_now", clock.clock)
    return clock


def test_each_kind_is_counted_for_itself_and_there_are_not_many() -> None:
    told = Refusals()
    assert told.add('no publish to "a"') == 'no publish to "a"'
    assert told.add('no publish to "b"') == 'no publish to "b"; so it was 2 times now'
    assert told.add('no publish to "c"') is None
    assert told.add('no subscription to "c"') == 'no subscription to "c"'
    news = [told.add(str(number)) for number in range(1000)]
    assert len([each for each in news if each]) < MOST + 12


def test_loss_of_two_connections_at_a_time_is_one(clock: FakeClock) -> None:
    losses = Losses()
    losses.connected()
    clock.advance(STEADY + 1)
    assert losses.is_news()
    assert losses.is_told()
    clock.advance(TOGETHER)
    assert not losses.is_told()


def test_connection_that_ends_when_it_is_used_is_told_rarely(clock: FakeClock) -> None:
    losses, told = Losses(), []
    for times in range(1, 10):
        losses.connected()
        clock.advance(TOGETHER)
        if losses.is_news():
            told.append(times)
    assert told == [1, 2, 4, 8]
    losses.connected()
    clock.advance(STEADY + 1)
    assert losses.is_news()
