"""Workers that are killed, one after the other, while many clients ask all the time.

`SOCKWAVE_CATALOGUE=full` makes it 50 kills instead of 10.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections import Counter
from typing import TYPE_CHECKING, Final

import pytest

from tests.history.record import History
from tests.security.settings import scaled
from tests.support.process import DEADLINE
from tests.workers.crowded import LIMIT, NOTING, Guest, events_of_workers, missed_by_broadcasts
from tests.workers.merged import Deaths, check_workers
from tests.workers.programs import Program, alive

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = [pytest.mark.unix, pytest.mark.slow]

KILLS: Final = scaled(50, 10)
CLIENTS: Final = 200
SEED: Final = 12


async def until(condition: Callable[[], object], what: str) -> None:
    """Wait for something that takes long on a machine that does a lot at once."""
    deadline = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.02)


class Killing:
    """One run.

    Attributes:
        history: Of the clients.
        deaths: When workers were seen to be gone.
    """

    def __init__(self, program: Program) -> None:
        self.history = History()
        self.deaths: dict[str, float] = {}
        self._program = program
        self._chance = random.Random(SEED)
        self.guests: list[Guest] = []

    async def run(self, kills: int) -> None:
        """Kill so many, one after the other, and end when nothing is under way any more."""
        stopped, port = asyncio.Event(), self._program.port
        self.guests = [Guest(port, number, self.history, SEED) for number in range(CLIENTS)]
        lives = [asyncio.create_task(guest.live(stopped)) for guest in self.guests]
        try:
            await self._until_all_were_answered()
            for number in range(kills):
                await self._kill_one(number)
                await self._until_all_were_answered()
            stopped.set()
            await asyncio.gather(*lives)
        finally:
            for life in lives:
                life.cancel()
            self.history, history = History(), self.history
            for guest in self.guests:
                guest.history = self.history  # what comes now is not judged
                await guest.socket.aclose()
            self.history = history

    async def _until_all_were_answered(self) -> None:
        """Everybody is there, and has had an answer since."""
        await until(lambda: all(guest.is_in for guest in self.guests), "some are not back")
        before = [guest.answered for guest in self.guests]
        await until(
            lambda: all(
                guest.answered > count for guest, count in zip(self.guests, before, strict=True)
            ),
            "some get no answers",
        )

    async def _kill_one(self, number: int) -> None:
        pid = self._chance.choice(sorted(self._program.workers()))
        os.kill(pid, signal.SIGKILL)
        await until(lambda: not alive(pid), "it was killed, and lives")
        self.deaths[str(pid)] = time.monotonic()
        await until(
            lambda: self._program.output.count(" of 4 serves") == 4 + number + 1,
            "no successor serves",
        )


@pytest.mark.timeout(KILLS * 2 * DEADLINE + LIMIT)
def test_killed_workers_take_nothing_from_the_clients_of_others(tmp_path: Path) -> None:
    with Program(tmp_path, "4", more=NOTING) as program:
        killing = Killing(program)
        try:
            asyncio.run(killing.run(KILLS))
        finally:
            events = [*killing.history.events, *events_of_workers(tmp_path)]
            (tmp_path / "all.jsonl").write_text(History(events).to_lines())
        assert alive(program.pid)
    kinds = Counter(event.op for event in events)
    print(dict(kinds))
    violations = check_workers(events, Deaths(killing.deaths))
    assert not violations, "\n".join(f"{v.promise}: {v.what}" for v in violations[:20])
    assert missed_by_broadcasts(killing.guests, events, set(killing.deaths)) == []
    nodes = {event.node for event in events if event.op == "connect"}
    # Some are killed again before anybody has come to them.
    assert len(nodes) > 4 + KILLS // 2, "the workers had clients"
    assert kinds["disconnected"], "and those of the dead ones came back"
