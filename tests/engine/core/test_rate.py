"""Rates: how much passes in any window of time, with a clock that is seldom asked."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sockwave.engine.core.options import RateLimits
from sockwave.engine.core.rate import Bucket, Budget, Rate, RateExceeded, Rates, Supply
from sockwave.engine.core.rate_addresses import Address


class Sender:
    """A session that counts as sessions do, on a clock that a test moves.

    Attributes:
        looks: How often the clock was looked at.
    """

    def __init__(self, packets: Supply | None = None, bytes: Supply | None = None) -> None:
        self.budget = Budget(packets or Supply(), bytes or Supply())
        self.now = 0.0
        self.looks = 0

    def send(self, size: int = 1) -> str | None:
        """Send a packet; the limit that it exceeds, and then another session begins."""
        budget = self.budget
        budget.packets -= 1
        budget.bytes -= size
        if budget.packets >= 0 and budget.bytes >= 0:
            return None
        self.looks += 1
        try:
            budget.cover(self.now)
        except RateExceeded as error:
            budget.close()
            return error.limit
        return None

    def send_all(self, size: int = 1) -> int:
        """Send until it is too much; how many packets passed."""
        passed = 0
        while self.send(size) is None:
            passed += 1
        return passed


def bucket(rate: float, burst: float, limit: str = "address_packets", sharers: int = 1) -> Bucket:
    return Bucket(Rate(limit, rate, burst, sharers))


def supply(
    rate: float, burst: float, shared: Bucket | None = None, *, limit: str = "session_packets"
) -> Supply:
    return Supply(Rate(limit, rate, burst), shared)


def limited(rate: float, burst: float) -> Sender:
    """A sender of so many packets per second."""
    return Sender(supply(rate, burst))


# --- the bound ------------------------------------------------------------------------------------

# Dyadic numbers: sums of them are exact, so the bound is checked without an allowance.
rates = st.integers(1, 4_000).map(lambda number: number / 8)
bursts = st.integers(1, 80).map(lambda number: number / 8)
pauses = st.integers(0, 64).map(lambda number: number / 32)
steps = st.lists(st.tuples(pauses, st.integers(1, 60)), min_size=1, max_size=60)


def check_every_window(passed: list[tuple[float, int]], rate: float, burst: float) -> None:
    """No window has more than the rate lets through; the least at once is one unit."""
    at_times: dict[float, int] = {}
    for time, size in passed:
        at_times[time] = at_times.get(time, 0) + size
    most_at_once = max(rate * burst, 1)
    for start in at_times:
        amount = 0
        for end, size in at_times.items():
            if end >= start:
                amount += size
                assert amount <= most_at_once + rate * (end - start)


@given(rates, bursts, steps)
def test_packets_in_any_window_keep_to_the_rate(
    rate: float, burst: float, steps: list[tuple[float, int]]
) -> None:
    sender = limited(rate, burst)
    passed: list[tuple[float, int]] = []
    for pause, count in steps:
        sender.now += pause
        passed += [(sender.now, 1) for _ in range(count) if sender.send() is None]
    check_every_window(passed, rate, burst)


@given(rates, bursts, steps)
def test_bytes_in_any_window_keep_to_the_rate(
    rate: float, burst: float, steps: list[tuple[float, int]]
) -> None:
    sender = Sender(bytes=supply(rate, burst))
    passed: list[tuple[float, int]] = []
    for pause, size in steps:
        sender.now += pause
        if sender.send(size) is None:
            passed.append((sender.now, size))
    check_every_window(passed, rate, burst)


@given(rates, bursts, st.lists(st.tuples(pauses, st.integers(0, 4)), max_size=200))
def test_sessions_of_one_address_keep_to_its_rate_together(
    rate: float, burst: float, steps: list[tuple[float, int]]
) -> None:
    address = bucket(rate, burst, sharers=2)
    senders = [Sender(supply(rate, burst, address)) for _ in range(5)]
    now = 0.0
    passed: list[tuple[float, int]] = []
    for pause, which in steps:
        now += pause
        sender = senders[which]
        sender.now = now
        if sender.send() is None:
            passed.append((now, 1))
    check_every_window(passed, rate, burst)


@given(rates, bursts, st.integers(1, 300))
def test_who_keeps_to_the_rate_is_never_refused(rate: float, burst: float, count: int) -> None:
    sender = limited(rate, burst)
    for _ in range(count):
        assert sender.send() is None
        sender.now += 1.000001 / rate


# --- bursts ---------------------------------------------------------------------------------------


def test_most_of_a_burst_passes_at_once_and_no_more_than_it() -> None:
    for burst in (1.0, 5.0, 10.0):
        assert 100 * burst * 15 / 16 <= limited(100, burst).send_all() <= 1_600


def test_small_burst_passes_to_the_last_packet() -> None:
    assert limited(1, 5).send_all() == 5


def test_rate_below_one_lets_one_packet_through_at_a_time() -> None:
    sender = limited(0.1, 1)
    assert sender.send_all() == 1
    sender.now = 9.9
    assert sender.send_all() == 0
    sender.now = 10.0
    assert sender.send_all() == 1


def test_budget_is_full_again_after_a_burst_of_silence() -> None:
    sender = limited(100, 5)
    assert sender.send_all() == 500
    for pause in (5, 1_000):
        sender.now += pause
        assert 500 * 15 // 16 <= sender.send_all() <= 500


def test_clock_is_looked_at_once_for_a_portion() -> None:
    sender = limited(1_600, 1)
    for _ in range(1_000):
        assert sender.send() is None
    assert sender.looks == 9  # the first portion is there from the start


def test_message_larger_than_the_burst_never_passes() -> None:
    sender = Sender(bytes=supply(100, 5, limit="session_bytes"))
    assert sender.send(501) == "session_bytes"
    sender.now += 1_000
    assert sender.send(501) == "session_bytes"
    assert sender.send(468) is None


# --- who is told what -----------------------------------------------------------------------------


def test_limit_that_is_exceeded_is_named() -> None:
    def first_limit(**limits: float) -> str | None:
        rates = Rates(RateLimits(burst=1, **limits))  # type: ignore[arg-type] # only rates
        address = Address("192.0.2.1", rates)
        sender = Sender(
            Supply(rates.session_packets, address.packets),
            Supply(rates.session_bytes, address.bytes),
        )
        return next(limit for _ in range(100) if (limit := sender.send(10)))

    assert first_limit(session_packets=2, address_packets=5) == "session_packets"
    assert first_limit(session_packets=5, address_packets=2) == "address_packets"
    assert first_limit(session_bytes=20, session_packets=5) == "session_bytes"
    assert first_limit(address_bytes=20, session_bytes=50) == "address_bytes"


def test_others_of_an_address_do_not_pay_for_a_refused_packet() -> None:
    packets, bytes_ = bucket(10, 1), bucket(1_000, 1, "address_bytes")
    greedy = Sender(supply(2, 1, packets), Supply(shared=bytes_))
    honest = Sender(Supply(shared=packets), Supply(shared=bytes_))
    assert greedy.send_all() == 2
    assert greedy.send(1_000_000) == "session_packets"
    assert honest.send(1_000_000) == "address_bytes"
    assert honest.send_all() == 7  # one went for the packet whose bytes were too many


def test_session_that_is_over_gives_back_what_it_took_ahead() -> None:
    address = bucket(1_600, 1, sharers=8)
    passed = 0
    while (sender := Sender(Supply(shared=address))).send() is None:
        sender.budget.close()
        passed += 1
    assert passed == 1_500
    assert address.ahead == 0


def test_idle_sessions_hold_back_no_more_than_a_sixteenth() -> None:
    address = bucket(1_600, 1, sharers=8)
    for _ in range(200):
        assert Sender(Supply(shared=address)).send() is None
    assert 0 < address.ahead <= 100
    assert 1_500 - 200 - 100 <= Sender(Supply(shared=address)).send_all() <= 1_500 - 200


def test_unlimited_budget_never_runs_out() -> None:
    sender = Sender()
    for _ in range(10):
        assert sender.send(2**40) is None


def test_error_of_a_transport_carries_code_and_reason() -> None:
    error = RateExceeded("session_bytes")
    assert (error.code, error.reason) == (1008, "rate limit exceeded")


# --- handshakes -----------------------------------------------------------------------------------


def test_bucket_tells_how_long_to_wait() -> None:
    handshakes = bucket(0.5, 2)
    assert handshakes.wait(7.0) == 0
    assert handshakes.take_one(7.0)
    assert handshakes.wait(7.0) == 2
    assert handshakes.wait(8.5) == 0.5
    assert not handshakes.take_one(8.5)
    assert handshakes.take_one(9.0)


# --- the limits as rates --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limits", "counts_packets", "knows_addresses"),
    [
        (RateLimits(), False, False),
        (RateLimits(session_packets=1), True, False),
        (RateLimits(session_bytes=1), True, False),
        (RateLimits(address_packets=1), True, True),
        (RateLimits(address_bytes=1), True, True),
        (RateLimits(address_handshakes=1), False, True),
        (RateLimits(address_sessions=1), False, True),
        (RateLimits(address_connections=1), False, True),
    ],
)
def test_only_what_is_limited_is_counted(
    limits: RateLimits, counts_packets: bool, knows_addresses: bool
) -> None:
    rates = Rates(limits)
    assert rates.counts_packets is counts_packets
    assert rates.knows_addresses is knows_addresses


def test_address_is_remembered_until_all_its_budgets_are_full() -> None:
    assert Rates(RateLimits(session_packets=1)).memory == 0
    assert Rates(RateLimits(address_handshakes=2, burst=5)).memory == 5
    assert Rates(RateLimits(address_handshakes=0.01, address_packets=5)).memory == 100
