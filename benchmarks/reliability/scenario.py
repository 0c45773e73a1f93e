"""The server's part: run inside the process that is measured."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sockwave import Server


async def broadcast(io: Server, size: int, count: int, interval: float) -> None:
    """Emit large events to everybody.

    Args:
        interval: Seconds between two.
    """
    payload = "x" * size
    for _ in range(count):
        io.emit("large", time.monotonic(), payload)
        await asyncio.sleep(interval)


async def send_much(io: Server, size: int, count: int) -> None:
    """Emit to the client that came last."""
    *_, last = io.sockets.values()
    for _ in range(count):
        last.emit("much", "x" * size)


async def until_gone(io: Server, left: int) -> float:
    """Wait until no more than so many sessions are left; seconds since the first one went."""
    sessions = io.engine.sessions
    before = len(sessions)
    began = time.monotonic()
    while len(sessions) > left:
        if len(sessions) == before:
            began = time.monotonic()
        await asyncio.sleep(0.001)
    return time.monotonic() - began
