"""Messages on their way to the carrier, and what it says of the others."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import pytest

from sockwave.adapters.driver import Capabilities
from sockwave.adapters.outlet import Outlet

if TYPE_CHECKING:
    from collections.abc import Coroutine


class FakeDriver:
    """A carrier that counts, or cannot."""

    def __init__(self, count: int | Exception | None, *, counts: bool) -> None:
        self.capabilities = Capabilities(counts=counts)
        self._count = count

    async def count(self, channel: str) -> int | None:
        if isinstance(self._count, Exception):
            raise self._count
        return self._count


def counted(count: int | Exception | None, *, counts: bool = True, times: int = 1) -> list[int]:
    """What is told of the others."""
    told: list[int] = []

    async def ask() -> None:
        driver: Any = FakeDriver(count, counts=counts)
        outlet = Outlet(driver, "/")
        for _ in range(times):
            outlet.count_others(told.append)
        for _ in range(5):
            await asyncio.sleep(0)
        outlet.close()

    asked: Coroutine[Any, Any, None] = ask()
    asyncio.run(asked)
    return told


@pytest.mark.parametrize(("count", "others"), [(3, 2), (1, 0), (0, 0)])
def test_others_are_all_but_this_one(count: int, others: int) -> None:
    assert counted(count) == [others]


def test_who_cannot_count_knows_of_nobody_else() -> None:
    assert counted(None, counts=False) == [0]


def test_who_can_count_and_does_not_now_says_nothing() -> None:
    assert counted(None) == []


def test_failures_are_told_once_in_a_while(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert counted(OSError("away"), times=5) == [0] * 5
    assert len(caplog.records) == 3
