"""The time of a turn of the loop, shared by all connections."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from sockwave.engine.io.turns import (
    CREDIT,
    LATER_CREDIT,
    LEAST_SLICE,
    READ_COST,
    ROUND,
    SLICE,
    SMALL,
    TURN,
    Turns,
)

if TYPE_CHECKING:
    from collections.abc import Callable


class TurnsUnderTest:
    """A loop whose turns and clock a test moves."""

    def __init__(self) -> None:
        self.now = 0.0
        self.looks = 0
        self.soon: list[Callable[[], None]] = []
        self.done: list[str] = []
        self.turns = Turns(self._clock, self.soon.append)

    def _clock(self) -> float:
        self.looks += 1
        return self.now

    def turn(self) -> None:
        """Begin the next turn."""
        soon = self.soon[:]
        self.soon.clear()
        for callback in soon:
            callback()

    def later(self, name: str, size: int, seconds: float = 0.0) -> None:
        """Let something that takes so long wait."""

        def work() -> None:
            self.done.append(name)
            self.now += seconds

        self.turns.later(work, size)

    def spend_turn(self) -> None:
        """Use up the present turn."""
        self.turns.takes(CREDIT)
        self.now += TURN
        self.turns.credit = 0


@pytest.fixture
def under_test() -> TurnsUnderTest:
    """Nothing waits."""
    return TurnsUnderTest()


def test_small_reads_are_handled_without_a_look_at_the_clock(under_test: TurnsUnderTest) -> None:
    for _ in range(CREDIT // (READ_COST + 32)):
        assert under_test.turns.takes(32)
    assert under_test.looks == 0
    assert under_test.soon == []


def test_all_connections_together_use_up_a_turn(under_test: TurnsUnderTest) -> None:
    reads = 0
    while under_test.turns.takes(65_536):
        under_test.now += TURN / 8
        reads += 1
    assert reads == 8
    under_test.turn()
    assert under_test.turns.takes(65_536)


def test_what_waits_is_done_in_the_next_turn_and_the_small_first(
    under_test: TurnsUnderTest,
) -> None:
    under_test.spend_turn()
    under_test.later("a", SMALL + 1)
    under_test.later("b", SMALL)
    under_test.later("c", SMALL + 1)
    under_test.later("d", SMALL)
    assert under_test.done == []
    under_test.turn()
    assert under_test.done == ["b", "d", "a", "c"]


def test_what_waits_takes_no_longer_than_a_turn_in_each(under_test: TurnsUnderTest) -> None:
    for number in range(10):
        under_test.later(str(number), SMALL + 1, TURN / 2)
    under_test.turn()
    assert under_test.done == ["0", "1"]
    assert not under_test.turns.takes(1_000_000), "the turn is over for those who come"
    under_test.turn()
    assert under_test.done == ["0", "1", "2", "3"]


def test_those_who_have_more_go_to_the_end(under_test: TurnsUnderTest) -> None:
    def again() -> None:
        under_test.done.append("again")
        under_test.now += TURN
        under_test.turns.later(again, SMALL + 1)

    under_test.turns.later(again, SMALL + 1)
    under_test.later("other", SMALL + 1)
    under_test.turn()
    under_test.turn()
    assert under_test.done == ["again", "other", "again"]


def test_slices_are_smaller_the_more_wait(under_test: TurnsUnderTest) -> None:
    assert under_test.turns.slice_ends(1.0) == 1.0 + SLICE
    crowded = [under_test.turns.is_crowded]
    for _ in range(100):
        under_test.later("x", SMALL + 1)
    assert under_test.turns.slice_ends(0.0) == ROUND / 100
    crowded.append(under_test.turns.is_crowded)
    assert crowded == [False, True]
    for _ in range(100_000):
        under_test.later("x", SMALL + 1)
    assert under_test.turns.slice_ends(0.0) == LEAST_SLICE


def test_slice_ends_with_its_turn(under_test: TurnsUnderTest) -> None:
    under_test.later("x", 1)
    assert under_test.turns.slice_ends(TURN - SLICE / 2) == TURN


def test_nothing_is_left_in_the_loop_when_nobody_waits(under_test: TurnsUnderTest) -> None:
    under_test.spend_turn()
    under_test.later("a", 1)
    for _ in range(3):
        under_test.turn()
    assert under_test.soon == []
    assert len(under_test.turns) == 0


def test_one_that_fails_keeps_no_other_from_its_turn(
    under_test: TurnsUnderTest, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    under_test.turns.later(fail, 1)
    under_test.later("after", 1)
    under_test.turn()
    assert under_test.done == ["after"]
    assert "internal error while reading" in caplog.text


async def test_tasks_whose_turn_has_come_are_no_more_than_a_turn_can_take(
    under_test: TurnsUnderTest,
) -> None:
    """They work after all of them have been told, so that no clock can stop them."""
    size = LATER_CREDIT // 4

    async def one() -> None:
        await under_test.turns.come(size)
        under_test.done.append("one")

    under_test.spend_turn()
    async with asyncio.TaskGroup() as tasks:
        for _ in range(10):
            tasks.create_task(one())
        await asyncio.sleep(0)
        done = []
        while under_test.turns:
            under_test.turn()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            done.append(len(under_test.done))
            assert under_test.turns.credit <= LATER_CREDIT
    assert done == [4, 8, 10]


async def test_what_tasks_were_told_is_taken_off_the_turn_they_work_in(
    under_test: TurnsUnderTest,
) -> None:
    under_test.spend_turn()
    waiting = asyncio.create_task(under_test.turns.come(LATER_CREDIT))
    await asyncio.sleep(0)
    under_test.turn()
    under_test.turn()
    assert under_test.turns.credit == CREDIT - LATER_CREDIT - READ_COST
    await waiting


def test_writing_does_not_make_a_long_turn_short(under_test: TurnsUnderTest) -> None:
    assert under_test.turns.refill == CREDIT
    under_test.spend_turn()
    under_test.later("a", 1)
    assert under_test.turns.refill == LATER_CREDIT
    for _ in range(2):
        under_test.turn()
    assert under_test.turns.refill == CREDIT
