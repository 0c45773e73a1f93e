"""Where lost sockets are kept: keys of Redis, at whichever node has them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from sockwave.adapters.redis.places import ClusterPlace
    from sockwave.adapters.redis.stream_writer import StreamWriter

__all__ = ["ClusterKeys", "SessionKeys", "WrittenKeys"]


class SessionKeys(Protocol):
    """Keys that are taken out once."""

    def put(self, key: str, value: bytes, milliseconds: int, done: Callable[[Any], None]) -> bool:
        """Keep a value; it does not wait.

        Args:
            milliseconds: For so long.
            done: Called with what became of it, an exception where it was not kept.

        Returns:
            False if there is no room.
        """

    async def take(self, key: str) -> tuple[bytes, float] | None:
        """Take a value out, behind all that was put; with the seconds that it had left.

        Raises:
            OSError: Redis cannot be reached.
            RedisRefused: It does not tell.
        """

    async def drain(self, timeout: float) -> bool:
        """Wait until all is kept, for so many seconds at most; whether it is."""


class WrittenKeys:
    """At the node that has the stream, and in order with what is written there.

    Args:
        writer: Of the stream.
    """

    def __init__(self, writer: StreamWriter) -> None:
        self._writer = writer

    def put(self, key: str, value: bytes, milliseconds: int, done: Callable[[Any], None]) -> bool:
        """Keep a value."""
        return self._writer.put(("SET", key, value, "PX", milliseconds), done)

    async def take(self, key: str) -> tuple[bytes, float] | None:
        """Take a value out."""
        left = await self._writer.ask(("PTTL", key))
        return _taken(left, await self._writer.ask(("GETDEL", key)))

    async def drain(self, timeout: float) -> bool:
        """The writer is waited for anyway."""
        return True


class ClusterKeys:
    """Each at the node of a Redis Cluster that has its slot, as redis-py finds it.

    Args:
        place: The cluster.
        most: Values that may be on their way.
    """

    def __init__(self, place: ClusterPlace, most: int = 10_000) -> None:
        self._place = place
        self._most = most
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def put(self, key: str, value: bytes, milliseconds: int, done: Callable[[Any], None]) -> bool:
        """Keep a value."""
        if len(self._tasks) >= self._most:
            return False
        before = self._tasks.get(key)
        command = ("SET", key, value, "PX", milliseconds)
        task = asyncio.get_running_loop().create_task(self._run(command, before, done))
        self._tasks[key] = task
        task.add_done_callback(lambda task: self._ended(key, task))
        return True

    async def _run(
        self,
        command: tuple[str | bytes | int, ...],
        before: asyncio.Task[None] | None,
        done: Callable[[Any], None],
    ) -> None:
        if before is not None:
            await asyncio.wait([before])
        try:
            reply = await self._place.run(*command)
        except OSError as error:
            reply = error
        done(reply)

    def _ended(self, key: str, task: asyncio.Task[None]) -> None:
        if self._tasks.get(key) is task:
            del self._tasks[key]

    async def take(self, key: str) -> tuple[bytes, float] | None:
        """Take a value out."""
        if (task := self._tasks.get(key)) is not None:
            await asyncio.wait([task])
        left = await self._place.run("PTTL", key)
        return _taken(left, await self._place.run("GETDEL", key))

    async def drain(self, timeout: float) -> bool:
        """Wait until all is kept."""
        if not self._tasks:
            return True
        _, waiting = await asyncio.wait(list(self._tasks.values()), timeout=timeout)
        for task in waiting:
            task.cancel()
        return not waiting


def _taken(left: Any, value: Any) -> tuple[bytes, float] | None:
    if isinstance(value, str):  # a client that decodes
        value = value.encode("utf-8", "replace")
    if not isinstance(value, bytes):
        return None
    return value, left / 1000 if isinstance(left, int) else 0.0
