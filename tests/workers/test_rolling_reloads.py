"""Reload after reload while clients come, ask and stay: nobody is refused, nothing is lost.

`SOCKWAVE_CATALOGUE=full` makes it 20 reloads instead of 3.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Final

import pytest

import sockwave
from sockwave.workers.orders import order_reload
from tests.security.settings import scaled
from tests.support.process import DEADLINE
from tests.workers.crowded import LIMIT, NOTING, events_of_workers
from tests.workers.programs import Program, Visitor

if TYPE_CHECKING:
    from pathlib import Path

    from sockwave import ClientSocket
    from sockwave.types import TransportName

pytestmark = [pytest.mark.unix, pytest.mark.slow]

RELOADS: Final = scaled(20, 3)
CLIENTS: Final = 30
NEWCOMERS: Final = 4

PAUSE: Final = 0.05
"""Seconds between two things that one client does: the machine has other things to do, too."""

TRANSPORTS: Final[tuple[tuple[TransportName, ...], ...]] = (
    ("polling",),
    ("websocket",),
    ("polling", "websocket"),
)


class Reloading:
    """One run.

    Attributes:
        told: Ids of what clients have said, each of which is tried until it is acknowledged.
        visits: How many newcomers have had an answer.
    """

    def __init__(self, program: Program) -> None:
        self.told: list[str] = []
        self.visits = 0
        self._program = program
        self._stopped = asyncio.Event()

    async def run(self, reloads: int) -> None:
        """Reload so often, one after the other; end when all that was said is acknowledged."""
        sockets = [self._client(number) for number in range(CLIENTS)]
        tellers = [self._tell(number, socket) for number, socket in enumerate(sockets)]
        newcomers = [self._come() for _ in range(NEWCOMERS)]
        work = [asyncio.create_task(each) for each in (*tellers, *newcomers)]
        try:
            for _ in range(reloads):
                visits = self.visits
                await asyncio.to_thread(order_reload, self._program.pid)
                while self.visits < visits + 2 * NEWCOMERS:  # somebody came since it began
                    for each in work:
                        if each.done():
                            each.result()
                    await asyncio.sleep(0.02)
            self._stopped.set()
            await asyncio.gather(*work)
        finally:
            for each in work:
                each.cancel()
            for socket in sockets:
                await socket.aclose()

    def _client(self, number: int) -> ClientSocket:
        return sockwave.connect(
            f"http://127.0.0.1:{self._program.port}",
            transports=TRANSPORTS[number % len(TRANSPORTS)],
            retries=1_000,
            ack_timeout=LIMIT,
            reconnection_delay=0.02,
            reconnection_delay_max=0.2,
            timeout=DEADLINE,
        )

    async def _tell(self, number: int, socket: ClientSocket) -> None:
        """Say one thing after another, and wait for the acknowledgement of each."""
        count = 0
        while not self._stopped.is_set():
            count += 1
            id_ = f"{number}.{count}"
            self.told.append(id_)
            await socket.emit_with_ack("tell", id_, timeout=2 * LIMIT)
            await asyncio.sleep(PAUSE)

    async def _come(self) -> None:
        """Come again and again, each time with new connections, none of which may fail."""
        while not self._stopped.is_set():
            await asyncio.to_thread(self._visit)
            self.visits += 1
            await asyncio.sleep(PAUSE)  # each leaves a session behind

    def _visit(self) -> None:
        """A handshake alone: a session that has begun may end in its first second."""
        status, body = Visitor(self._program.port).request()
        assert status == 200, body


@pytest.mark.timeout(RELOADS * 4 * DEADLINE + 2 * LIMIT)
def test_reloads_refuse_nobody_and_lose_nothing_that_is_tried_again(tmp_path: Path) -> None:
    """Sessions of workers that are replaced end within a second here."""
    with Program(tmp_path, "3", more=NOTING, arguments="drain_period=1.0") as program:
        before = set(program.workers())
        reloading = Reloading(program)
        asyncio.run(reloading.run(RELOADS))
        program.wait_until_gone(*before)
        assert "Traceback" not in program.output
        assert "has died" not in program.output
    handled = Counter(each.id for each in events_of_workers(tmp_path) if each.op == "handle")
    print(len(reloading.told), "said,", reloading.visits, "visits,", handled.total(), "handled")
    assert set(reloading.told) == set(handled)
