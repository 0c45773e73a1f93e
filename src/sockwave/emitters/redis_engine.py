"""How emitters reach servers at a Redis.

A command is sent once: after a connection that ended in the middle nobody knows whether it arrived.
So a connection that was not used for a while, which may have ended unnoticed, is asked first.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import redis
import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.retry import Retry

from sockwave.errors import FailureCause, TransportError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sockwave.adapters.messages import Message
    from sockwave.emitters.redis_wire import Command

__all__ = ["BlockingRedisEngine", "RedisEngine"]

_TIMEOUTS: Final = {"socket_connect_timeout": 10.0, "socket_timeout": 10.0}
"""Seconds; what stands in the URL holds instead."""


IDLE: Final = 1.0
"""Seconds without a command after which connections are asked."""


class RedisEngine:
    """A client of Redis; see `Engine`.

    Args:
        url_or_client: An address, or a client of `redis.asyncio`, which stays the user's.
        encode: Makes commands.
    """

    def __init__(self, url_or_client: Any, encode: Callable[[Message], Command]) -> None:
        self._is_own = isinstance(url_or_client, str)
        self._client: Any = url_or_client
        self.encode = encode
        if self._is_own:
            # A command that is tried again may arrive twice.
            retry = AsyncRetry(NoBackoff(), 0)
            self._client = redis.asyncio.from_url(url_or_client, retry=retry, **_TIMEOUTS)
            self._used = time.monotonic()
        elif isinstance(url_or_client, (redis.Redis, redis.RedisCluster)):
            raise TypeError("a client of redis.asyncio is wanted, not one that blocks")
        else:
            _check_client(url_or_client)

    async def send(self, encoded: Command) -> None:
        """Send a command."""
        with _as_our_errors():
            if self._is_own:
                await self._look()
            await self._client.execute_command(*encoded)

    async def _look(self) -> None:
        used, self._used = self._used, time.monotonic()
        if self._used - used > IDLE:
            try:
                await self._client.ping()
            except (redis.RedisError, OSError):
                await self._client.connection_pool.disconnect(inuse_connections=False)

    async def aclose(self) -> None:
        """Disconnect, unless the client is the user's."""
        if self._is_own:
            await self._client.aclose()


class BlockingRedisEngine:
    """A client of Redis that blocks. It may be used by many threads, and in forked processes.

    Args:
        url_or_client: An address, or a client of `redis`, which stays the user's.
        encode: Makes commands.
    """

    def __init__(self, url_or_client: Any, encode: Callable[[Message], Command]) -> None:
        self._is_own = isinstance(url_or_client, str)
        self._client: Any = url_or_client
        self.encode = encode
        if self._is_own:
            retry = Retry(NoBackoff(), 0)
            self._client = redis.Redis.from_url(url_or_client, retry=retry, **_TIMEOUTS)
            self._used = time.monotonic()
        elif isinstance(url_or_client, (redis.asyncio.Redis, redis.asyncio.RedisCluster)):
            raise TypeError("a client that blocks is wanted, not one of redis.asyncio")
        else:
            _check_client(url_or_client)

    def send(self, encoded: Command) -> None:
        """Send a command.

        Raises:
            TransportError: Redis did not take it, or nobody knows whether it did.
        """
        with _as_our_errors():
            if self._is_own:
                self._look()
            self._client.execute_command(*encoded)

    def _look(self) -> None:
        used, self._used = self._used, time.monotonic()
        if self._used - used > IDLE:
            try:
                self._client.ping()
            except (redis.RedisError, OSError):
                self._client.connection_pool.disconnect(inuse_connections=False)

    def close(self) -> None:
        """Disconnect, unless the client is the user's."""
        if self._is_own:
            self._client.close()


def _check_client(client: Any) -> None:
    if not callable(getattr(client, "execute_command", None)):
        raise TypeError(f"a URL or a client of Redis is wanted, not {type(client).__name__}")


@contextmanager
def _as_our_errors() -> Iterator[None]:
    try:
        yield
    except (redis.RedisError, OSError) as error:
        is_late = isinstance(error, (redis.TimeoutError, TimeoutError))
        cause = FailureCause.TIMEOUT if is_late else FailureCause.OTHER
        raise TransportError("Redis", details=str(error), cause=cause) from error
