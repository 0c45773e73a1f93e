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
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisClusterException

from sockwave.adapters.addresses import check_address
from sockwave.adapters.redis.places import ClusterPlace, count_of, find_place
from sockwave.emitters.inquiries import SEND_TIMEOUT
from sockwave.emitters.redis_hearing import RedisHearing
from sockwave.errors import FailureCause, TransportError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sockwave.adapters.messages import Message
    from sockwave.adapters.redis.places import Place
    from sockwave.emitters.asking import Hearer
    from sockwave.emitters.redis_wire import Command, RedisWire
    from sockwave.types import NamespaceName

__all__ = [
    "IDLE",
    "RedisEngine",
    "as_our_errors",
    "bound_timeouts",
    "check_client",
    "count_query",
    "redis_name",
]

TIMEOUTS: Final = ("socket_connect_timeout", "socket_timeout")

MAX_CONNECTIONS: Final = 50
"""Connections of an emitter; what is emitted beyond that at the same time waits for one."""

WAIT: Final = 30.0
"""Seconds that it waits at most."""

IDLE: Final = 1.0
"""Seconds without a command after which connections are asked."""


class RedisEngine:
    """A client of Redis; see `Engine`.

    Args:
        url_or_client: An address, or a client of `redis.asyncio`, which stays the user's.
        wire: Makes commands.
    """

    def __init__(self, url_or_client: Any, wire: RedisWire) -> None:
        self._is_own = isinstance(url_or_client, str)
        self._target = url_or_client
        self._client: Any = url_or_client
        self._wire = wire
        self._place: Place | None = None
        if self._is_own:
            # A command that is tried again may arrive twice.
            retry = Retry(NoBackoff(), 0)
            check_address(url_or_client)
            pool = redis.asyncio.BlockingConnectionPool.from_url(
                url_or_client,
                retry=retry,
                max_connections=MAX_CONNECTIONS,
                timeout=WAIT,
            )
            bound_timeouts(pool.connection_kwargs, SEND_TIMEOUT)
            self._client = redis.asyncio.Redis.from_pool(pool)
            self._used = time.monotonic()
        elif isinstance(url_or_client, (redis.Redis, redis.RedisCluster)):
            raise TypeError("a client of redis.asyncio is wanted, not one that blocks")
        else:
            check_client(url_or_client)

    @property
    def name(self) -> str:
        """Redis, and where it is."""
        return redis_name(self._client)

    def encode(self, message: Message) -> Command:
        """A command."""
        return self._wire.encode(message)

    async def send(self, encoded: Command) -> None:
        """Send a command."""
        with as_our_errors(self.name):
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

    # --- answers ----------------------------------------------------------------------------------

    def _found(self) -> Place:
        if self._place is None:
            self._place = find_place(self._target)
        return self._place

    async def listen(self, namespace: NamespaceName, hearer: Hearer) -> RedisHearing:
        """Listen on a connection of its own."""
        hearing = RedisHearing(self._found(), self._wire, namespace, hearer)
        await hearing.begin()
        return hearing

    async def count(self, namespace: NamespaceName) -> int:
        """How many servers listen."""
        query, channel = count_query(self._wire, namespace)
        place = self._found()
        with as_our_errors(self.name):
            if isinstance(place, ClusterPlace):
                await self._client.initialize()
                count = await place.count_elsewhere(query, channel)
                if count is None:
                    raise ConnectionError("no node of the cluster tells how many servers there are")
                return count
            if self._is_own:
                await self._look()
            return count_of(await self._client.execute_command("PUBSUB", query, channel))

    async def aclose(self) -> None:
        """Disconnect, unless the client is the user's."""
        if self._is_own:
            await self._client.aclose()


def count_query(wire: RedisWire, namespace: NamespaceName) -> tuple[str, str]:
    """What PUBSUB is asked to count servers, and of which channel."""
    return "SHARDNUMSUB" if wire.is_sharded else "NUMSUB", wire.counted(namespace)


def check_client(client: Any) -> None:
    """Refuse what cannot run commands.

    Raises:
        TypeError: It is neither a URL nor a client.
    """
    if not callable(getattr(client, "execute_command", None)):
        raise TypeError(f"a URL or a client of Redis is wanted, not {type(client).__name__}")


def bound_timeouts(settings: dict[str, Any], seconds: float) -> None:
    """Let connections that are made with these settings wait no longer than that."""
    for name in TIMEOUTS:
        settings[name] = min(settings.get(name) or seconds, seconds)


def redis_name(client: Any) -> str:
    """What a client of redis-py reaches, for people."""
    if (nodes := getattr(client, "nodes_manager", None)) is not None:
        names = ", ".join(str(node.name) for node in nodes.startup_nodes.values())
        return f"Redis Cluster at {names}"
    pool = getattr(client, "connection_pool", None)
    if (service := getattr(pool, "service_name", None)) is not None:
        return f"Redis at {service} (Sentinel)"
    settings = getattr(pool, "connection_kwargs", {})
    host, port = settings.get("host", "localhost"), settings.get("port", 6379)
    return f"Redis at {settings.get('path') or f'{host}:{port}'}"


@contextmanager
def as_our_errors(name: str) -> Iterator[None]:
    """Tell what goes wrong with Redis as a `TransportError`.

    Args:
        name: Of it, and where it is.
    """
    try:
        yield
    except (redis.RedisError, RedisClusterException, OSError) as error:
        is_late = isinstance(error, (redis.TimeoutError, TimeoutError))
        cause = FailureCause.TIMEOUT if is_late else FailureCause.OTHER
        details = "it does not answer in time" if is_late else str(error) or repr(error)
        if details.startswith("HELLO must be called"):  # the first word that redis-py says to it
            details = "NOAUTH Authentication required."
        raise TransportError(name, details=details, cause=cause) from error
