"""What a server can tell of the requests that it reads."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from sockwave.engine.server.fronts.listener import HttpConnection

if TYPE_CHECKING:
    from sockwave import Server


async def processor_time(io: Server) -> float:
    """Seconds that the process has computed."""
    return time.process_time()


async def most_waiting(io: Server, seconds: float) -> int:
    """The most requests of a connection that were read and not answered, for so long."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    most = 0
    while loop.time() < end:
        for connection in io.engine.driver.connections:
            if isinstance(connection, HttpConnection):
                most = max(most, len(connection._queue))
        await asyncio.sleep(0)
    return most
