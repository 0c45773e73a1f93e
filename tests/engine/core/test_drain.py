"""Who closes when: the spread of a drain, on a clock that the test holds."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sockwave.engine.core.drain import DrainPlan

ALL = 1_000


def test_members_are_due_in_their_order_and_evenly() -> None:
    plan = DrainPlan("abcd", start=100.0, period=8.0)
    assert plan.due(99.9, ALL) == ()
    seen = []
    while (time := plan.next_time()) is not None:
        seen.append((time, "".join(plan.due(time, ALL))))
    assert seen == [(100.0, "a"), (102.0, "b"), (104.0, "c"), (106.0, "d")]


def test_one_member_waits_for_nothing() -> None:
    plan = DrainPlan("a", start=5.0, period=60.0)
    assert plan.due(5.0, ALL) == "a"
    assert plan.next_time() is None


def test_without_a_period_all_are_due_at_once() -> None:
    plan = DrainPlan(range(10_000), start=5.0, period=0.0)
    assert plan.due(5.0, 100_000) == range(10_000)
    assert plan.next_time() is None


def test_nobody_is_due_in_an_empty_plan() -> None:
    plan: DrainPlan[str] = DrainPlan((), start=5.0, period=1.0)
    assert plan.next_time() is None
    assert plan.due(6.0, ALL) == ()


def test_crowd_is_handed_out_in_slices() -> None:
    plan = DrainPlan(range(10), start=0.0, period=1.0)
    assert plan.due(5.0, 4) == range(4)
    assert plan.next_time() == 0.4  # behind its time already
    assert plan.due(5.0, 4) == range(4, 8)
    assert plan.due(5.0, 4) == range(8, 10)
    assert plan.next_time() is None


def test_clock_that_stands_still_hands_out_nobody_twice() -> None:
    plan = DrainPlan("abcd", start=0.0, period=4.0)
    assert plan.due(1.5, ALL) == "ab"
    assert plan.due(1.5, ALL) == ""
    assert plan.next_time() == 2.0


@given(
    count=st.integers(0, 300),
    period=st.just(0.0) | st.floats(0.01, 1_000),
    steps=st.lists(st.floats(0, 100), max_size=30),
)
def test_as_many_have_gone_as_the_time_demands(
    count: int, period: float, steps: list[float]
) -> None:
    plan = DrainPlan(range(count), start=7.0, period=period)
    now, seen = 7.0, 0
    for step in steps:
        now += step
        gone = list(plan.due(now, count))
        assert gone == list(range(seen, seen + len(gone)))
        seen += len(gone)
        share = 1.0 if now - 7.0 >= period else (now - 7.0) / period
        assert abs(seen - count * share) <= 1
    plan.due(7.0 + period, count)
    assert plan.next_time() is None


def test_rest_is_due_sooner_when_there_is_haste() -> None:
    plan = DrainPlan("abcdef", start=0.0, period=60.0)
    assert plan.due(10.0, ALL) == "ab"
    plan.hasten(12.0, 4.0)
    assert (plan.next_time(), plan.due(12.0, ALL)) == (12.0, "c")
    assert (plan.next_time(), plan.due(15.0, ALL)) == (13.0, "def")


def test_haste_makes_nobody_due_later() -> None:
    plan = DrainPlan("abc", start=0.0, period=3.0)
    plan.hasten(0.5, 60.0)
    assert plan.due(2.0, ALL) == "abc"
