"""A server that sends a lot."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from sockwave import Disconnected
from sockwave.types import SocketId

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sockwave import Server, Socket

SLICE: Final = 50
"""Messages that are sent to one client in a turn of the loop."""


def numbered(number: int, size: int) -> str:
    """Text of so many bytes that begins with a number."""
    return f"{number:08}".ljust(size, ".")


def _sockets(io: Server, ids: Sequence[str]) -> list[Socket]:
    sockets = io.of("/").sockets
    return [sockets[SocketId(id_)] for id_ in ids if id_ in sockets]


async def _drained(sockets: Sequence[Socket]) -> None:
    for socket in sockets:
        try:
            await socket.drain()
        except Disconnected:
            pass


async def broadcast(
    io: Server, reading: list[str], silent: list[str], count: int, size: int, together: int
) -> list[int]:
    """Send numbered messages to all of them, as fast as those take them who read.

    Args:
        together: Messages that are sent in one turn of the loop.

    Returns:
        How many of the silent were left after each turn.
    """
    for socket in _sockets(io, [*reading, *silent]):
        socket.join("crowd")
    readers = _sockets(io, reading)
    left = []
    for first in range(0, count, together):
        for number in range(first, min(first + together, count)):
            io.to("crowd").emit("news", numbered(number, size))
        await asyncio.sleep(0)
        await _drained(readers)
        left.append(len(_sockets(io, silent)))
    return left


async def send(io: Server, ids: list[str], counts: list[int], size: int) -> list[str]:
    """Send each of them so many messages of its own, in slices.

    Returns:
        Those that are left.
    """
    for sent in range(0, max(counts), SLICE):
        for id_, count in zip(ids, counts, strict=True):
            for socket in _sockets(io, [id_]):
                for number in range(sent, min(sent + SLICE, count)):
                    socket.emit("news", numbered(number, size))
            await asyncio.sleep(0)
    return [str(socket.id) for socket in _sockets(io, ids)]


async def newest(io: Server) -> str:
    """The id of the socket that has come last."""
    return str(next(reversed(list(io.of("/").sockets))))
