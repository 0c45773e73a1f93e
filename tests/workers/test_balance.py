"""Long connections are spread evenly over the workers, and again after a reload."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import pytest

from benchmarks.load import UPGRADE
from tests.security.settings import raise_descriptor_limit
from tests.support.raw import until
from tests.workers.programs import Program, alive

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.unix, pytest.mark.slow]

CLIENTS: Final = 4_000
WORKERS: Final = 4

MOST: Final = 1.3
"""Times the mean, that a worker may have. The kernel deals connections out by a hash of their
ports, with a secret of its own, so a worker's part is as that of thrown dice: 1,000, with a
standard deviation of 27. The bound is eleven of these away; chance alone never gets there.
"""

ALL_AT_ONCE: Final = 50
"""Connections that are opened at the same time: the rest wait."""

PATIENCE: Final = 300.0
"""Seconds for what takes a few: thousands of clients on a machine that has other things to do."""


class LongClient:
    """Has a WebSocket all the time; comes back at once when it is ended.

    Args:
        gate: Lets few through at a time.
        counts: How many each worker has, by the beginning of their sessions' ids.
    """

    def __init__(self, port: int, gate: asyncio.Semaphore, counts: Counter[str]) -> None:
        self._port = port
        self._counts = counts
        self._gate = gate

    async def stay(self) -> None:
        """Be there until cancelled."""
        while True:
            with suppress(OSError, asyncio.IncompleteReadError):
                await self._live()

    async def _live(self) -> None:
        async with self._gate:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            try:
                writer.write(UPGRADE)
                await reader.readuntil(b'"sid":"')
            except BaseException:
                writer.close()
                raise
        worker = (await reader.readexactly(2)).decode()
        self._counts[worker] += 1
        try:
            while await reader.read(65_536):
                pass
        finally:
            self._counts[worker] -= 1
            writer.close()


class Crowd:
    """So many of them."""

    def __init__(self, port: int) -> None:
        gate = asyncio.Semaphore(ALL_AT_ONCE)
        self._counts: Counter[str] = Counter()
        clients = [LongClient(port, gate, self._counts) for _ in range(CLIENTS)]
        self._tasks = [asyncio.create_task(client.stay()) for client in clients]

    def by_worker(self) -> Counter[str]:
        """How many each worker has, of those that have any."""
        return +self._counts

    def are_all_at(self, workers: int) -> bool:
        """Whether all are connected, to so many workers."""
        counts = self.by_worker()
        return counts.total() == CLIENTS and len(counts) == workers

    async def leave(self) -> None:
        """Go."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def before_and_after_a_reload(program: Program) -> tuple[Counter[str], Counter[str]]:
    """How many each worker has."""
    crowd = Crowd(program.port)
    try:
        await until(lambda: crowd.are_all_at(WORKERS), PATIENCE)
        before = crowd.by_worker()
        old = program.workers()
        program.signal(signal.SIGHUP)
        await until(lambda: not any(map(alive, old)), PATIENCE)
        await until(lambda: crowd.are_all_at(WORKERS), PATIENCE)
        return before, crowd.by_worker()
    finally:
        await crowd.leave()


@pytest.mark.timeout(4 * PATIENCE)
def test_no_worker_has_far_more_connections_than_others_also_after_a_reload(
    tmp_path: Path,
) -> None:
    raise_descriptor_limit()
    with Program(tmp_path, workers=str(WORKERS), arguments="drain_period=1.0") as program:
        before, after = asyncio.run(before_and_after_a_reload(program))
    assert not before.keys() & after.keys(), "all workers are new"
    for counts in (before, after):
        assert max(counts.values()) <= MOST * CLIENTS / WORKERS, counts
