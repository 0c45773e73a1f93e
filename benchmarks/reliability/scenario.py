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
