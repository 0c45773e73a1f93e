"""Streams of events to one client."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sockwave import Server

TICK = 0.01
"""Seconds between two bursts."""


async def pour(
    io: Server, socket_id: str, *, bursts: int, events: int, size: int, kept: int
) -> int:
    """Emit numbered events in bursts until the socket has gone.

    Args:
        bursts: How many.
        events: Of one burst.
        size: Bytes of an event.
        kept: Every so many events there is one that is not volatile; 0 for none.

    Returns:
        How many were emitted.
    """
    padding = "x" * size
    socket = next(each for each in io.sockets.values() if each.id == socket_id)
    number = 0
    for _ in range(bursts):
        for _ in range(events):
            if not socket.connected:
                return number
            if kept and number % kept == 0:
                socket.emit("n", number, padding)
            else:
                socket.volatile.emit("n", number, padding)
            number += 1
        await asyncio.sleep(TICK)
    return number


async def say(io: Server, socket_id: str, event: str) -> None:
    """Emit one event."""
    socket = next(each for each in io.sockets.values() if each.id == socket_id)
    socket.emit(event)


async def broadcast(io: Server, count: int, size: int) -> None:
    """Emit to all, some in each turn of the loop."""
    padding = "secret" * (size // 6)
    for number in range(count):
        io.emit("tick", number, padding)
        if number % 50 == 0:
            await asyncio.sleep(0)
