"""What a server must never do; the test of the judge makes it do so."""

from __future__ import annotations

import asyncio
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sockwave import Server

_kept: list[object] = []


async def block(io: Server, seconds: float) -> None:
    """Compute for so long."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


async def hold(io: Server, size: int) -> None:
    """Take memory, and let it go."""
    bytearray(b"x") * size


async def log(io: Server, text: str) -> None:
    """Write lines where the log goes."""
    sys.stderr.write(text + "\n")


async def keep_a_task(io: Server) -> None:
    """Leave tasks behind."""
    _kept.extend(asyncio.create_task(asyncio.sleep(3600)) for _ in range(20))


async def end_everybody(io: Server) -> None:
    """Take the honest clients away."""
    io.disconnect_sockets(close=True)


async def clean(io: Server) -> None:
    """Undo it."""
    for task in _kept:
        if isinstance(task, asyncio.Task):
            task.cancel()
    _kept.clear()
