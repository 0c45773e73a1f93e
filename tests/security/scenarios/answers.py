"""A server that has something to say to each client, at a moment nobody knows."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

from sockwave import SocketId

if TYPE_CHECKING:
    from sockwave import Server


async def tell(io: Server, ids: list[str], seconds: float, seed: int) -> None:
    """Tell each of these sockets its own id, within so many seconds, in an order of chance."""
    dice = random.Random(seed)
    sockets = io.of("/").sockets
    loop = asyncio.get_running_loop()
    for id_ in ids:
        if (socket := sockets.get(SocketId(id_))) is not None:
            loop.call_later(dice.uniform(0, seconds), socket.emit, "you", id_)
    await asyncio.sleep(seconds)
