"""Who has logged in: ids that the page keeps, so that it need not ask for the password again."""

from __future__ import annotations

import time
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from sockwave.socketio.server.watching import AdminSessions

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["DURATION", "AdminSessions", "MemorySessions", "RedisSessions"]

DURATION: Final = 86_400.0
"""Seconds for which a login holds, as in the JavaScript version's store for Redis."""

MOST: Final = 1_000
"""Logins that are kept; the oldest goes first."""


class MemorySessions:
    """Keeps logins in this process, as digests: who reads the memory cannot use them.

    Args:
        duration: Seconds for which one holds.
        most: How many are kept; the oldest goes first.
        clock: Seconds of any origin.
    """

    def __init__(
        self,
        *,
        duration: float = DURATION,
        most: int = MOST,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._duration = duration
        self._most = most
        self._clock = clock
        self._until: dict[str, float] = {}

    def has(self, id_: str) -> bool:
        """Whether there is a login of this id."""
        return self._until.get(digest(id_), 0.0) > self._clock()

    def save(self, id_: str) -> None:
        """Keep a login."""
        self.save_digest(digest(id_))

    def save_digest(self, of_id: str) -> None:
        """Keep a login of which another process has told."""
        now = self._clock()
        self._until.pop(of_id, None)
        for old in [each for each, until in self._until.items() if until <= now]:
            del self._until[old]
        while len(self._until) >= self._most:
            del self._until[next(iter(self._until))]
        self._until[of_id] = now + self._duration


class RedisSessions:
    """Keeps logins in Redis, where the servers in JavaScript with its `RedisStore` see them, too.

    Args:
        client: Of `redis.asyncio`; it stays the caller's.
        prefix: What the keys begin with.
        duration: Seconds for which a login holds.
    """

    def __init__(
        self, client: Any, *, prefix: str = "socket.io-admin", duration: float = DURATION
    ) -> None:
        self._client = client
        self._prefix = prefix
        self._duration = max(1, round(duration))

    async def has(self, id_: str) -> bool:
        """Whether there is a login of this id."""
        return bool(await self._client.exists(self._key(id_)))

    async def save(self, id_: str) -> None:
        """Keep a login."""
        await self._client.set(self._key(id_), "true", ex=self._duration)

    def _key(self, id_: str) -> str:
        return f"{self._prefix}#{id_}"


def digest(id_: str) -> str:
    """What stands for a login where the id itself should not."""
    return sha256(id_.encode(errors="surrogatepass")).hexdigest()
