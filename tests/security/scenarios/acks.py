"""Questions to one client."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from sockwave import AckTimeout, LimitExceeded
from sockwave.types import SocketId
from tests.security.app import acks_of

if TYPE_CHECKING:
    from sockwave import Server

SLICE: Final = 500
"""Questions that are asked in one turn of the loop."""


async def ask(io: Server, socket_id: str) -> Any:
    """Ask once, and return the answer."""
    return await io.of("/").sockets[SocketId(socket_id)].emit_with_ack("question", timeout=20.0)


async def ask_many(io: Server, socket_id: str, count: int, wait: float) -> dict[str, Any]:
    """Ask a client that does not answer.

    Returns:
        How many questions were `refused`, how many `waited`, the `most` that waited at a time, and
        the seconds of the `shortest` and the `longest` wait.
    """
    socket = io.of("/").sockets[SocketId(socket_id)]
    clock = asyncio.get_running_loop().time
    refused = most = 0
    waits: list[float] = []

    async def question() -> None:
        nonlocal refused
        began = clock()
        try:
            await socket.emit_with_ack("question", timeout=wait)
        except LimitExceeded:
            refused += 1
        except AckTimeout:
            waits.append(clock() - began)

    async with asyncio.TaskGroup() as group:
        for _ in range(0, count, SLICE):
            for _ in range(SLICE):
                group.create_task(question())
            await asyncio.sleep(0)
            most = max(most, acks_of(socket))
    return {
        "refused": refused,
        "waited": len(waits),
        "most": most,
        "shortest": min(waits),
        "longest": max(waits),
    }
