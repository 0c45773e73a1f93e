"""How emitters that block reach servers at a Redis.

Theory. Each call does all its I/O in the thread of the caller, on connections out of the pool of
redis-py, which makes others in a process that was forked. A question makes two of its
own, one to listen, which wait no longer than it does, and ends them when it is over.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

import redis
import redis.asyncio
from redis.backoff import NoBackoff
from redis.retry import Retry

from sockwave.adapters.addresses import check_address
from sockwave.adapters.redis.places import count_of
from sockwave.emitters import redis_engine
from sockwave.emitters.inquiries import SEND_TIMEOUT
from sockwave.emitters.redis_engine import (
    as_our_errors,
    bound_timeouts,
    check_client,
    count_query,
    redis_name,
)
from sockwave.emitters.redis_hearing import refused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sockwave.adapters.messages import Message
    from sockwave.emitters.inquiries import Inquiry
    from sockwave.emitters.redis_wire import Command, RedisWire
    from sockwave.types import NamespaceName

__all__ = ["BlockingRedisEngine"]

T = TypeVar("T")

SHORTEST: Final = 0.001
"""Seconds that a connection waits at least: with none it would not wait for anything."""

LOOK: Final = 5.0
"""Seconds that are waited for a message at a time."""


class BlockingRedisEngine:
    """A client of Redis that blocks. It may be used by many threads, and in forked processes.

    Args:
        url_or_client: An address, or a client of `redis`, which stays the user's.
        wire: Makes commands.
    """

    def __init__(self, url_or_client: Any, wire: RedisWire) -> None:
        self._is_own = isinstance(url_or_client, str)
        self._is_closed = False
        self._target = url_or_client
        self._client: Any = url_or_client
        self._wire = wire
        if self._is_own:
            self._client = _client_of(url_or_client, SEND_TIMEOUT)
            self._used = time.monotonic()
        elif isinstance(url_or_client, (redis.asyncio.Redis, redis.asyncio.RedisCluster)):
            raise TypeError("a client that blocks is wanted, not one of redis.asyncio")
        else:
            check_client(url_or_client)

    @property
    def name(self) -> str:
        """Redis, and where it is."""
        return redis_name(self._client)

    def encode(self, message: Message) -> Command:
        """A command."""
        return self._wire.encode(message)

    def send(self, encoded: Command) -> None:
        """Send a command.

        Raises:
            TransportError: Redis did not take it, or nobody knows whether it did.
            RuntimeError: It is closed.
        """
        with as_our_errors(self.name):
            self._look()
            self._client.execute_command(*encoded)

    def _look(self) -> None:
        """See whether there is still something to send over."""
        if self._is_closed:
            raise RuntimeError("the emitter is closed")
        if not self._is_own:
            return
        used, self._used = self._used, time.monotonic()
        if self._used - used > redis_engine.IDLE:
            try:
                self._client.ping()
            except (redis.RedisError, OSError) as error:
                self._client.connection_pool.disconnect(inuse_connections=False)
                if isinstance(error, (redis.TimeoutError, TimeoutError)):
                    raise  # a second try would take as long again

    # --- answers ----------------------------------------------------------------------------------

    def ask(self, inquiry: Inquiry[T]) -> T:
        """Ask, and wait until all have answered or the time is over.

        Raises:
            SockwaveError: See `Inquiry.result`; or it could not be asked.
            TypeError: The client decodes what comes.
        """
        if inquiry.is_over:
            return inquiry.result()
        encoded = self.encode(inquiry.message)
        self._check_bytes()
        if self._is_closed:
            raise RuntimeError("the emitter is closed")
        limit = min(inquiry.timeout, SEND_TIMEOUT)
        began = time.monotonic()
        with as_our_errors(self.name), self._bounded(limit) as client:
            pubsub = client.pubsub()
            try:
                self._listen(pubsub, inquiry.message.namespace, began + limit)
                inquiry.begin(began)
                client.execute_command(*encoded)
                servers = self._count(client, inquiry.message.namespace)
                inquiry.counted(servers, time.monotonic())
                self._until_over(pubsub, inquiry)
            finally:
                pubsub.close()
        return inquiry.result()

    @contextmanager
    def _bounded(self, limit: float) -> Iterator[Any]:
        """A client whose connections wait no longer than a question may; that of the user has
        bounds of its own."""
        if not self._is_own:
            yield self._client
            return
        with _client_of(self._target, max(limit, SHORTEST)) as client:
            yield client

    def _check_bytes(self) -> None:
        get_encoder = getattr(self._client, "get_encoder", None)
        if get_encoder is not None and get_encoder().decode_responses:
            raise TypeError(
                "answers of servers may be binary: a client of Redis that asks must not have"
                " decode_responses=True"
            )

    def _listen(self, pubsub: Any, namespace: NamespaceName, until: float) -> None:
        """Listen, and wait until Redis has confirmed it."""
        channels = self._wire.ears(namespace)
        try:
            if self._wire.is_sharded:
                pubsub.ssubscribe(*channels)
            else:
                pubsub.subscribe(*channels)
            missing = len(channels)
            while missing:
                message = self._next(pubsub, until - time.monotonic())
                if message is not None and message["type"] in ("subscribe", "ssubscribe"):
                    missing -= 1
                elif time.monotonic() >= until:
                    raise TimeoutError("it does not confirm that it is listened to")
        except redis.exceptions.NoPermissionError as error:
            raise refused(self.name, str(error)) from error

    def _until_over(self, pubsub: Any, inquiry: Inquiry[Any]) -> None:
        namespace = inquiry.message.namespace
        while not inquiry.is_over:
            message = self._next(pubsub, inquiry.next_deadline() - time.monotonic())
            if message is not None and message["type"] in ("message", "smessage"):
                channel = message["channel"].decode(errors="replace")
                decode = partial(self._wire.decode, channel, namespace=namespace)
                inquiry.came(message["data"], decode)
            inquiry.handle_timeout(time.monotonic())

    def _next(self, pubsub: Any, seconds: float) -> dict[str, Any] | None:
        """The next message, within these seconds at most."""
        get = pubsub.get_sharded_message if self._wire.is_sharded else pubsub.get_message
        message: dict[str, Any] | None = get(timeout=min(max(seconds, 0.0), LOOK))
        return message

    def count_servers(self, namespace: NamespaceName) -> int:
        """How many servers listen.

        Raises:
            TransportError: Redis does not tell.
        """
        with as_our_errors(self.name):
            self._look()
            return self._count(self._client, namespace)

    def _count(self, client: Any, namespace: NamespaceName) -> int:
        query, channel = count_query(self._wire, namespace)
        if not isinstance(client, redis.RedisCluster):
            return count_of(client.execute_command("PUBSUB", query, channel))
        cluster: Any = client
        return sum(
            count_of(cluster.execute_command("PUBSUB", query, channel, target_nodes=[node]))
            for node in cluster.get_nodes()
        )

    def close(self) -> None:
        """Disconnect, unless the client is the user's."""
        self._is_closed = True
        if self._is_own:
            self._client.close()


def _client_of(url: str, limit: float) -> Any:
    """A client whose connections wait so many seconds, or what the URL says, if that is less."""
    check_address(url)
    # A command that is tried again may arrive twice.
    client = redis.Redis.from_url(url, retry=Retry(NoBackoff(), 0))
    bound_timeouts(client.connection_pool.connection_kwargs, limit)
    return client
