"""How emitters that block reach servers at a Redis.

Theory. Each call does all its I/O in the thread of the caller, on connections out of the pool of
redis-py, which makes others in a process that was forked. A question takes one of them to listen,
and ends it when it is over.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

import redis
import redis.asyncio
from redis.backoff import NoBackoff
from redis.retry import Retry

from sockwave.adapters.redis.places import count_of
from sockwave.emitters import redis_engine
from sockwave.emitters.redis_engine import TIMEOUTS, as_our_errors, check_client, count_query
from sockwave.emitters.redis_hearing import refused

if TYPE_CHECKING:
    from sockwave.adapters.messages import Message
    from sockwave.emitters.inquiries import Inquiry
    from sockwave.emitters.redis_wire import Command, RedisWire
    from sockwave.types import NamespaceName

__all__ = ["BlockingRedisEngine"]

T = TypeVar("T")

SUBSCRIBE: Final = 10.0
"""Seconds that Redis may take to confirm that it is listened to."""

LOOK: Final = 5.0
"""Seconds that are waited for a message at a time: less than `socket_timeout`."""


class BlockingRedisEngine:
    """A client of Redis that blocks. It may be used by many threads, and in forked processes.

    Args:
        url_or_client: An address, or a client of `redis`, which stays the user's.
        wire: Makes commands.
    """

    def __init__(self, url_or_client: Any, wire: RedisWire) -> None:
        self._is_own = isinstance(url_or_client, str)
        self._is_closed = False
        self._client: Any = url_or_client
        self._wire = wire
        if self._is_own:
            # A command that is tried again may arrive twice.
            retry = Retry(NoBackoff(), 0)
            self._client = redis.Redis.from_url(url_or_client, retry=retry, **TIMEOUTS)
            self._used = time.monotonic()
        elif isinstance(url_or_client, (redis.asyncio.Redis, redis.asyncio.RedisCluster)):
            raise TypeError("a client that blocks is wanted, not one of redis.asyncio")
        else:
            check_client(url_or_client)

    def encode(self, message: Message) -> Command:
        """A command."""
        return self._wire.encode(message)

    def send(self, encoded: Command) -> None:
        """Send a command.

        Raises:
            TransportError: Redis did not take it, or nobody knows whether it did.
            RuntimeError: It is closed.
        """
        with as_our_errors():
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
            except (redis.RedisError, OSError):
                self._client.connection_pool.disconnect(inuse_connections=False)

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
        with as_our_errors():
            self._look()
            pubsub = self._client.pubsub()
            try:
                self._listen(pubsub, inquiry.message.namespace)
                self._until_over(pubsub, inquiry, encoded)
            finally:
                pubsub.close()
        return inquiry.result()

    def _check_bytes(self) -> None:
        get_encoder = getattr(self._client, "get_encoder", None)
        if get_encoder is not None and get_encoder().decode_responses:
            raise TypeError(
                "answers of servers may be binary: a client of Redis that asks must not have"
                " decode_responses=True"
            )

    def _listen(self, pubsub: Any, namespace: NamespaceName) -> None:
        """Listen, and wait until Redis has confirmed it."""
        channels = self._wire.ears(namespace)
        try:
            if self._wire.is_sharded:
                pubsub.ssubscribe(*channels)
            else:
                pubsub.subscribe(*channels)
            missing, until = len(channels), time.monotonic() + SUBSCRIBE
            while missing:
                message = self._next(pubsub, until - time.monotonic())
                if message is not None and message["type"] in ("subscribe", "ssubscribe"):
                    missing -= 1
                elif time.monotonic() >= until:
                    raise TimeoutError("it does not confirm that it is listened to")
        except redis.exceptions.NoPermissionError as error:
            raise refused(str(error)) from error

    def _until_over(self, pubsub: Any, inquiry: Inquiry[Any], encoded: Command) -> None:
        namespace = inquiry.message.namespace
        inquiry.begin(time.monotonic())
        self._client.execute_command(*encoded)
        inquiry.counted(self.count_servers(namespace), time.monotonic())
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
        query, channel = count_query(self._wire, namespace)
        with as_our_errors():
            self._look()
            if not isinstance(self._client, redis.RedisCluster):
                return count_of(self._client.execute_command("PUBSUB", query, channel))
            cluster: Any = self._client
            return sum(
                count_of(cluster.execute_command("PUBSUB", query, channel, target_nodes=[node]))
                for node in cluster.get_nodes()
            )

    def close(self) -> None:
        """Disconnect, unless the client is the user's."""
        self._is_closed = True
        if self._is_own:
            self._client.close()
