"""More events than handlers may run at a time."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

from tests.security.judge import MB
from tests.security.settings import HASTY
from tests.security.ways import connected, text

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.security.judge import Target

EVENTS: Final = 100_000
MAX_HANDLERS: Final = 1_000
"""`max_pending_handlers`."""


async def test_v43_handlers_that_wait(front: str, targets: Callable[..., Target]) -> None:
    """A hundred thousand events whose handler waits a second: a thousand run, the rest stays out.

    That the client has gone is seen at the next ping, while nothing is read: then those that run
    end, and no other begins.
    """
    target = targets(front, **HASTY)
    async with target.attack(peak=64 * MB) as attack:
        before = (await target.do("counts"))["tasks"]
        peer = await connected(attack.wire)
        began = time.monotonic()
        peer.websocket.http.writer.write(text('42["wait",1]') * EVENTS)
        most = looks = 0
        while most < MAX_HANDLERS // 2 or looks < 8:  # as long as it takes to read so many
            most = max(most, (await target.do("counts"))["tasks"] - before)
            looks += 1
            await asyncio.sleep(0.05)
        assert most <= MAX_HANDLERS + 10, most
        peer.websocket.http.reset()
        while (await target.do("counts"))["tasks"] > before + 10:
            await asyncio.sleep(0.05)
        ran = (await target.do("outcome"))["runs"]["wait"]
        assert ran <= MAX_HANDLERS * (1 + time.monotonic() - began), ran
        attack.runs["wait"] = ran


async def test_v43_all_run_in_the_end(front: str, targets: Callable[..., Target]) -> None:
    """Handlers that wait a moment: reading goes on when half of them have ended."""
    async with targets(front).attack(peak=64 * MB, runs={"wait": 20_000}) as attack:
        peer = await connected(attack.wire)
        peer.websocket.http.writer.write(text('42["wait",0.01]') * 20_000)
        await peer.send('420["honest",1]')
        assert await peer.receive() == "430[1]"
