"""The blocking twins of `sockwave.emitters`: for Celery, Django's views, cron.

    with sockwave.sync.RedisEmitter("redis://localhost:6379") as emitter:
        emitter.to("lobby").emit("news", 1)

The same names, options and errors, without `await`. An emitter may be made where a program is
imported, used by many threads, and in processes that are forked later.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from sockwave.adapters.nats.contract import DEFAULT_PREFIX as NATS_PREFIX
from sockwave.adapters.nats.contract import DEFAULT_SERVER
from sockwave.adapters.postgres.wire import DEFAULT_PREFIX, DEFAULT_TABLE
from sockwave.emitters.inquiries import ACK_TIMEOUT
from sockwave.emitters.nats import nats_engine
from sockwave.emitters.operators import namespace_name
from sockwave.emitters.postgres import postgres_engine
from sockwave.emitters.redis import (
    DEFAULT_KEY,
    DEFAULT_LENGTH,
    needs_redis,
    pubsub_wire,
    streams_wire,
)
from sockwave.engine.core.option_checks import MAX_TIMEOUT, check_number, check_text
from sockwave.sync.engines import PortalEngine
from sockwave.sync.reaching import NamespaceEmitter

if TYPE_CHECKING:
    import ssl
    from collections.abc import Sequence
    from types import TracebackType

    from sockwave.adapters.messages import Message
    from sockwave.emitters.inquiries import Inquiry
    from sockwave.emitters.redis_wire import Command, RedisWire
    from sockwave.sync.engines import BlockingEngine
    from sockwave.types import NamespaceName

__all__ = [
    "BlockingEmitter",
    "NatsEmitter",
    "PostgresEmitter",
    "RedisEmitter",
    "RedisStreamsEmitter",
]

E = TypeVar("E")
T = TypeVar("T")


class _Carrier(Generic[E]):
    def __init__(self, engine: BlockingEngine[E], ack_timeout: float) -> None:
        check_number("ack_timeout", ack_timeout, 0, MAX_TIMEOUT)
        self.ack_timeout = ack_timeout
        self._engine = engine

    def carry(self, message: Message) -> None:
        self._engine.send(self._engine.encode(message))

    def carry_nothing(self) -> None: ...

    def ask(self, inquiry: Inquiry[T]) -> T:
        return self._engine.ask(inquiry)

    def count_servers(self, namespace: NamespaceName) -> int:
        return self._engine.count_servers(namespace)


class BlockingEmitter(NamespaceEmitter, Generic[E]):
    """An emitter whose calls block until the engine has taken what they send.

    Args:
        engine: Which carries.
        namespace: The namespace that is reached without `of`.
        ack_timeout: Seconds that `emit_with_ack` waits for clients where no other time is given.
    """

    def __init__(
        self, engine: BlockingEngine[E], namespace: str, ack_timeout: float = ACK_TIMEOUT
    ) -> None:
        super().__init__(_Carrier(engine, ack_timeout), namespace_name(namespace))
        self._engine = engine

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Disconnect; nothing is emitted afterwards."""
        self._engine.close()


class NatsEmitter(BlockingEmitter[Any]):
    """Emits to the clients of servers with a `NatsAdapter`.

    It has one connection in each process that emits, made with its first event. Events of one
    thread arrive in the order of the calls.

    Args:
        servers: A URL, `nats://user:password@host:4222` or `tls://...`, or several of one cluster
            of NATS.
        namespace: The namespace that is reached without `of`.
        prefix: What all subjects begin with, as the servers have it.
        tls: For TLS with settings of your own.
        credentials: Path of a credentials file (JWT and seed).
        nkeys_seed: Path of a file with a seed.
        jetstream: Put what is for clients into the stream of servers with this option: they
            recover it, and it is there when the call returns.
        ack_timeout: Seconds that `emit_with_ack` waits for clients where no other time is given.

    Raises:
        ModuleNotFoundError: nats-py is missing: `pip install "sockwave[nats]"`.
        ValueError: A URL is none, or the prefix cannot begin a subject.
    """

    def __init__(
        self,
        servers: str | Sequence[str] = DEFAULT_SERVER,
        *,
        namespace: str = "/",
        prefix: str = NATS_PREFIX,
        tls: ssl.SSLContext | None = None,
        credentials: str | None = None,
        nkeys_seed: str | None = None,
        jetstream: bool = False,
        ack_timeout: float = ACK_TIMEOUT,
    ) -> None:
        # A client of nats-py belongs to one event loop, and to one process.
        if not isinstance(servers, (str, list, tuple)):
            kind = type(servers).__name__
            raise TypeError(f"servers must be a URL of NATS, or a list of them, not {kind}")
        urls = [servers] if isinstance(servers, str) else list(servers)
        make = partial(nats_engine, urls, prefix, tls, credentials, nkeys_seed, jetstream=jetstream)
        super().__init__(PortalEngine(make(), make, "NatsEmitter"), namespace, ack_timeout)


class PostgresEmitter(BlockingEmitter[Any]):
    """Emits to the clients of servers with a `PostgresAdapter`, or with that of JavaScript.

    It has one connection in each process that emits, made with its first event. Events of one
    thread arrive in the order of the calls.

    Args:
        dsn: An address, `postgresql://user:password@host:5432/database?sslmode=require`.
        namespace: The namespace that is reached without `of`.
        channel_prefix: In front of the names of channels, as the servers have it.
        table_name: The table for what is large or binary, as the servers have it.
        ack_timeout: Seconds that `emit_with_ack` waits for clients where no other time is given.

    Raises:
        ModuleNotFoundError: asyncpg is missing: `pip install "sockwave[postgres]"`.
    """

    def __init__(
        self,
        dsn: str,
        *,
        namespace: str = "/",
        channel_prefix: str = DEFAULT_PREFIX,
        table_name: str = DEFAULT_TABLE,
        ack_timeout: float = ACK_TIMEOUT,
    ) -> None:
        check_text("dsn", dsn)  # a pool belongs to one event loop, and to one process
        make = partial(postgres_engine, dsn, channel_prefix, table_name)
        super().__init__(PortalEngine(make(), make, "PostgresEmitter"), namespace, ack_timeout)


class RedisEmitter(BlockingEmitter[Any]):
    """Emits to clients of servers with a `RedisAdapter` or a `ShardedRedisAdapter`, or with those
    of JavaScript.

    Each question that is open takes two connections more.

    Args:
        url_or_client: An address (`redis://`, `rediss://`, `unix://`), or a client of `redis` that
            blocks, one of a cluster or of Sentinel too, which is not closed.
        namespace: The namespace that is reached without `of`.
        key: What channels begin with, as the servers have it; with `sharded` their
            `channel_prefix`.
        sharded: Whether the servers have a `ShardedRedisAdapter` (Redis 7).
        ack_timeout: Seconds that `emit_with_ack` waits for clients where no other time is given.

    Raises:
        ModuleNotFoundError: redis is missing: `pip install "sockwave[redis]"`.
    """

    def __init__(
        self,
        url_or_client: Any,
        *,
        namespace: str = "/",
        key: str = DEFAULT_KEY,
        sharded: bool = False,
        ack_timeout: float = ACK_TIMEOUT,
    ) -> None:
        wire = pubsub_wire(key, sharded=sharded)
        super().__init__(_redis(url_or_client, wire, "RedisEmitter"), namespace, ack_timeout)


class RedisStreamsEmitter(BlockingEmitter[Any]):
    """Emits to the clients of servers with a `RedisStreamsAdapter`, or with that of JavaScript.

    Each question that is open takes two connections more.

    Args:
        url_or_client: An address (`redis://`, `rediss://`, `unix://`), or a client of `redis` that
            blocks, one of a cluster or of Sentinel too, which is not closed.
        namespace: The namespace that is reached without `of`.
        stream_name: Name of the stream, as the servers have it; where they have several, that of
            the namespace.
        max_length: About how many entries stay in the stream, as the servers have it.
        channel_prefix: What the channels begin with by which questions go, as the servers have it.
        use_sharded_pub_sub: Whether the servers use channels of shards for them.
        ack_timeout: Seconds that `emit_with_ack` waits for clients where no other time is given.

    Raises:
        ModuleNotFoundError: redis is missing: `pip install "sockwave[redis]"`.
    """

    def __init__(
        self,
        url_or_client: Any,
        *,
        namespace: str = "/",
        stream_name: str = DEFAULT_KEY,
        max_length: int = DEFAULT_LENGTH,
        channel_prefix: str = DEFAULT_KEY,
        use_sharded_pub_sub: bool = False,
        ack_timeout: float = ACK_TIMEOUT,
    ) -> None:
        wire = streams_wire(
            stream_name, max_length, channel_prefix, use_sharded_pub_sub=use_sharded_pub_sub
        )
        super().__init__(_redis(url_or_client, wire, "RedisStreamsEmitter"), namespace, ack_timeout)


def _redis(url_or_client: Any, wire: RedisWire, who: str) -> BlockingEngine[Command]:
    try:
        from sockwave.emitters.redis_blocking import BlockingRedisEngine
    except ModuleNotFoundError as error:
        raise needs_redis(who, error) from error
    return BlockingRedisEngine(url_or_client, wire)
