"""The use of a connection ends, also where a cancellation is taken for nothing."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import pytest

from sockwave.adapters.nats import serving
from sockwave.adapters.nats.serving import Serving, run_all

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "CANCEL_AGAIN", 0.0)


async def stubborn(*_: object) -> None:
    """Take two cancellations for nothing, as `asyncio.wait_for` may."""
    for _time in "ab":
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            pass
    await asyncio.Event().wait()


async def failing(error: Exception) -> None:
    raise error


def test_parts_end_with_the_first_that_fails_and_what_nobody_expects_is_told() -> None:
    with pytest.raises(ZeroDivisionError):
        asyncio.run(run_all(stubborn(), failing(ConnectionError()), failing(ZeroDivisionError())))
    with pytest.raises(ConnectionError, match="gone"):
        asyncio.run(run_all(stubborn(), failing(ConnectionError("gone"))))


def test_parts_end_when_they_are_cancelled_together() -> None:
    async def run() -> None:
        async with asyncio.timeout(10):
            running = asyncio.ensure_future(run_all(stubborn(), stubborn()))
            await asyncio.sleep(0)
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running

    asyncio.run(run())


class FakeConnection:
    """Stands until `over`."""

    def __init__(self) -> None:
        self.client: Any = None
        self.over = asyncio.Event()
        self.is_closed = False

    async def ended(self) -> str:
        await self.over.wait()
        return "cut"

    async def close(self) -> None:
        self.is_closed = True


class FakeSource:
    """Has a new connection at any time."""

    name = "nats"

    def __init__(self) -> None:
        self.made: list[FakeConnection] = []

    async def connect(self, failed: Callable[[str], None]) -> FakeConnection:
        self.made.append(FakeConnection())
        return self.made[-1]


def test_next_connection_is_made_and_the_end_comes_though_a_use_goes_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def run() -> None:
        async def left() -> None: ...

        source, lost = FakeSource(), list[str]()
        one = Serving(source, stubborn, left, lost.append, lost.append)
        async with asyncio.timeout(10):
            await one.start()
            source.made[0].over.set()
            while len(source.made) < 2:
                await asyncio.sleep(0.01)
            await one.aclose()
        assert lost == ["cut"]
        assert [each.is_closed for each in source.made] == [True, True]

    with caplog.at_level(logging.WARNING):
        asyncio.run(run())
    assert not caplog.records
