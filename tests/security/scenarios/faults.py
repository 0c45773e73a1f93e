"""What a server does while its network or its machine fails."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

from sockwave import AckTimeout

if TYPE_CHECKING:
    from sockwave import Server

_time_of_day: Final = time.time


async def tell(io: Server, number: int) -> None:
    """Tell everybody."""
    io.emit("news", number)


async def shift_clock(io: Server, seconds: float) -> None:
    """Let the time of day be wrong by so much; 0 sets it right."""
    time.time = lambda: _time_of_day() + seconds


async def ask_in_vain(io: Server, seconds: float) -> float:
    """Wait for answers of everybody; seconds until the wait has ended."""
    began = time.monotonic()
    try:
        await io.timeout(seconds).emit_with_ack("nobody answers")
    except AckTimeout:
        return time.monotonic() - began
    raise AssertionError("answered")


async def block(io: Server, seconds: float) -> None:
    """Stop the loop."""
    time.sleep(seconds)  # noqa: ASYNC251 # that is the fault


async def flood(io: Server, room: str, count: int, size: int) -> None:
    """Send many events to a room, and let others have their turn now and then."""
    data = "x" * size
    for number in range(count):
        io.to(room).emit("flood", number, data)
        if number % 50 == 0:
            await asyncio.sleep(0)
