"""The timing wheel, against a list of deadlines."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from sockwave.engine.core.heartbeat import GRANULARITY, MIN_EMPTY, TimingWheel


class FakeEntry:
    """Stands in a wheel."""

    def __init__(self) -> None:
        self.wheel_slot = 0

    def handle_timeout(self, now: float) -> None:
        raise AssertionError("the wheel leaves calls to its driver")


deadlines = st.floats(0, 100) | st.integers(0, 10_000).map(lambda hundredths: hundredths / 100)


def test_empty_wheel_has_no_deadline() -> None:
    wheel = TimingWheel()
    assert (wheel.next_deadline(), wheel.expire(1e9), len(wheel)) == (None, [], 0)


@given(deadlines)
def test_entry_expires_at_the_deadline_that_the_wheel_names(deadline: float) -> None:
    wheel, entry = TimingWheel(), FakeEntry()
    wheel.schedule(entry, deadline)
    due = wheel.next_deadline()
    assert due is not None
    assert deadline <= due <= deadline + GRANULARITY
    assert wheel.expire(due) == [entry]


@given(deadlines, st.floats(0, 100))
def test_entry_never_expires_early(deadline: float, now: float) -> None:
    wheel, entry = TimingWheel(), FakeEntry()
    wheel.schedule(entry, deadline)
    if now < deadline:
        assert wheel.expire(now) == []
        assert len(wheel) == 1


def test_schedule_tells_when_the_next_deadline_comes_earlier() -> None:
    wheel = TimingWheel()
    first, second, third = FakeEntry(), FakeEntry(), FakeEntry()
    assert wheel.schedule(first, 5.0)
    assert not wheel.schedule(second, 6.0)
    assert wheel.schedule(third, 4.0)
    assert not wheel.schedule(third, 4.001), "the same slot"


def test_moved_entry_expires_once_at_its_new_deadline() -> None:
    wheel, entry = TimingWheel(), FakeEntry()
    wheel.schedule(entry, 1.0)
    wheel.schedule(entry, 3.0)
    assert wheel.expire(2.0) == []
    assert wheel.expire(4.0) == [entry]
    assert wheel.expire(9.0) == []


def test_expired_entry_can_enter_again() -> None:
    wheel, entry = TimingWheel(), FakeEntry()
    wheel.schedule(entry, 1.0)
    assert wheel.expire(2.0) == [entry]
    assert entry.wheel_slot == 0
    wheel.schedule(entry, 3.0)
    assert wheel.expire(4.0) == [entry]


def test_crowd_is_worked_off_in_slices() -> None:
    wheel, entries = TimingWheel(), [FakeEntry() for _ in range(25)]
    for at, entry in enumerate(entries):
        wheel.schedule(entry, 1.0 + at // 10)
    slices = [set(wheel.expire(9.0, limit=10)) for _ in range(4)]
    assert slices == [set(entries[:10]), set(entries[10:20]), set(entries[20:]), set()]
    assert wheel.next_deadline() is None


def test_rest_of_a_slice_is_due_at_once() -> None:
    wheel = TimingWheel()
    for _ in range(3):
        wheel.schedule(FakeEntry(), 1.0)
    wheel.expire(5.0, limit=2)
    due = wheel.next_deadline()
    assert due is not None and due <= 5.0


def test_cancelled_entries_leave_nothing_behind() -> None:
    wheel = TimingWheel()
    for at in range(10_000):
        entry = FakeEntry()
        wheel.schedule(entry, 3_600 + at)
        wheel.cancel(entry)
    assert len(wheel._slots) == len(wheel._order) <= MIN_EMPTY


def test_cancelling_twice_is_harmless() -> None:
    wheel, entry = TimingWheel(), FakeEntry()
    wheel.schedule(entry, 1.0)
    wheel.cancel(entry)
    wheel.cancel(entry)
    assert wheel.expire(9.0) == []


class WheelAgainstModel(RuleBasedStateMachine):
    """The model: a list of entries with their deadlines, and a clock."""

    def __init__(self) -> None:
        super().__init__()
        self.wheel = TimingWheel()
        self.now = 0.0
        self.entries = [FakeEntry() for _ in range(8)]
        self.deadlines: dict[FakeEntry, float] = {}

    @rule(at=st.integers(0, 7), delay=st.floats(0, 3) | st.sampled_from([0.0, 0.01, 0.1, 1.0]))
    def schedule(self, at: int, delay: float) -> None:
        before = self.wheel.next_deadline()
        is_earlier = self.wheel.schedule(self.entries[at], self.now + delay)
        self.deadlines[self.entries[at]] = self.now + delay
        after = self.wheel.next_deadline()
        assert after is not None
        if before is None or after < before:
            assert is_earlier, "the driver has to set its timer anew"

    @rule(at=st.integers(0, 7))
    def cancel(self, at: int) -> None:
        self.wheel.cancel(self.entries[at])
        self.deadlines.pop(self.entries[at], None)

    @rule(passed=st.floats(0, 2), limit=st.integers(1, 8))
    def expire(self, passed: float, limit: int) -> None:
        self.now += passed
        due = self.wheel.expire(self.now, limit)
        assert len(due) <= limit
        for entry in due:
            assert isinstance(entry, FakeEntry)
            assert self.deadlines.pop(entry) <= self.now, "early, or not in the wheel"
        if len(due) < limit:
            late = [at for at in self.deadlines.values() if at + GRANULARITY < self.now]
            assert not late

    @precondition(lambda self: self.deadlines)
    @rule()
    def jump_to_next_deadline(self) -> None:
        due = self.wheel.next_deadline()
        assert due is not None
        self.now = max(self.now, due)
        self.expire(0, 8)

    @rule()
    def clear_empty_slots(self) -> None:
        self.wheel._clear_empty()

    @invariant()
    def entries_are_counted(self) -> None:
        assert len(self.wheel) == len(self.deadlines)
        assert all(bool(e.wheel_slot) is (e in self.deadlines) for e in self.entries)
        assert self.wheel._empty == sum(not slot for slot in self.wheel._slots.values())
        assert sorted(self.wheel._order) == sorted(self.wheel._slots)


TestWheelAgainstModel = WheelAgainstModel.TestCase
