from __future__ import annotations

from sockwave.engine.core.udp_trials import FIRST_REST, LONGEST_REST, UdpTrials


def test_udp_rests_after_a_failure_and_longer_after_each_further_one() -> None:
    trials = UdpTrials()
    assert trials.is_due(0.0)
    now = 0.0
    for rest in (FIRST_REST, 2 * FIRST_REST, 4 * FIRST_REST):
        trials.failed(now)
        assert not trials.is_due(now + rest - 0.1)
        now += rest
        assert trials.is_due(now)


def test_rest_is_a_day_at_most() -> None:
    trials = UdpTrials()
    now = 0.0
    for _ in range(20):
        trials.failed(now)
        now += LONGEST_REST
        assert trials.is_due(now)


def test_what_fails_while_it_rests_counts_once() -> None:
    trials = UdpTrials()
    trials.failed(0.0)
    trials.failed(1.0)
    assert trials.is_due(FIRST_REST)


def test_success_ends_the_rest() -> None:
    trials = UdpTrials()
    trials.failed(0.0)
    trials.succeeded()
    assert trials.is_due(0.0)
    trials.failed(0.0)
    assert trials.is_due(FIRST_REST)
