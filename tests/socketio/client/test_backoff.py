"""Delays between attempts."""

from __future__ import annotations

import pytest

from sockwave.socketio.client.backoff import Backoff


def delays(count: int, number: float, **options: float) -> list[float]:
    backoff = Backoff(**options, random=lambda: number)
    return [backoff.next() for _ in range(count)]


@pytest.mark.parametrize(
    ("attempt", "low", "high"),
    [(1, 0.55, 1.5), (2, 1.1, 3.0), (3, 2.2, 5.0), (4, 4.4, 5.0), (5, 5.0, 5.0)],
)
def test_delays_have_the_range_of_the_reference(attempt: int, low: float, high: float) -> None:
    seen = [delays(attempt, step / 1000)[-1] for step in range(1000)]
    assert min(seen) == pytest.approx(low, abs=0.01)
    assert max(seen) == pytest.approx(high, abs=0.01)


def test_delays_double_without_jitter() -> None:
    assert delays(4, 0.5, jitter=0.0) == [1.0, 2.0, 4.0, 5.0]


def test_delay_is_capped_after_the_jitter() -> None:
    assert delays(1, 0.0, delay=1.0, delay_max=0.1, jitter=0.0) == [0.1]


def test_sign_comes_from_the_first_decimal() -> None:
    assert delays(1, 0.25, jitter=0.4) == [pytest.approx(0.9)]
    assert delays(1, 0.35, jitter=0.4) == [pytest.approx(1.14)]


def test_reset_begins_again() -> None:
    backoff = Backoff(jitter=0.0)
    backoff.next()
    backoff.next()
    backoff.reset()
    assert backoff.next() == 1.0


def test_delays_stay_finite_for_ever() -> None:
    assert delays(5_000, 0.9)[-1] == 5.0
