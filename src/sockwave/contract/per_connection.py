"""Dependencies that are kept for a socket, until it has left.

Must never happen: one that stays when its socket has gone. So what is made for a socket that is not
connected any more ends at once.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sockwave.socketio.server.socket import Socket

__all__ = ["PerConnection", "values_of"]

_logger: Final = logging.getLogger("sockwave.socketio.socket")

_kept: Final[dict[Any, PerConnection]] = {}


class PerConnection:
    """What is kept for one socket."""

    def __init__(self) -> None:
        self._stack = AsyncExitStack()
        self._values: dict[Any, asyncio.Task[Any]] = {}

    async def value(self, key: Any, make: Callable[[AsyncExitStack], Awaitable[Any]]) -> Any:
        """The value of a key: made once, however many ask for it meanwhile; if that fails, by the
        next one anew."""
        task = self._values.get(key)
        if task is None:
            task = self._values[key] = asyncio.ensure_future(_awaited(make(self._stack)))
        try:
            return await asyncio.shield(task)
        except BaseException:
            if task.done() and self._values.get(key) is task and _has_failed(task):
                del self._values[key]
            raise

    async def end(self) -> None:
        """The socket has left."""
        if self._values:
            await asyncio.wait(self._values.values())
        try:
            await self._stack.aclose()
        except Exception:
            _logger.exception("a dependency has failed at the end of its connection")


def _has_failed(task: asyncio.Task[Any]) -> bool:
    """Else it is who asked that was cancelled."""
    return task.cancelled() or task.exception() is not None


async def _awaited(value: Awaitable[Any]) -> Any:
    return await value


def values_of(socket: Socket) -> PerConnection | None:
    """What is kept for a socket; None for one that is not connected: nobody would end it."""
    found = _kept.get(socket)
    if found is None and socket.connected:
        found = _kept[socket] = PerConnection()
        socket.once("disconnect", lambda: _forget(socket))
    return found


async def _forget(socket: Socket) -> None:
    found = _kept.pop(socket, None)
    if found is not None:
        await found.end()
