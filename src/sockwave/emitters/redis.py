"""Emitters for servers that have a Redis in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sockwave.emitters.engines import AsyncEmitter
from sockwave.emitters.inquiries import ACK_TIMEOUT
from sockwave.emitters.redis_wire import ClassicWire, ShardedWire, StreamsWire
from sockwave.engine.core.option_checks import check_bool, check_integer, check_text

if TYPE_CHECKING:
    from sockwave.emitters.engines import Engine
    from sockwave.emitters.redis_wire import Command, RedisWire

__all__ = [
    "DEFAULT_KEY",
    "DEFAULT_LENGTH",
    "RedisEmitter",
    "RedisStreamsEmitter",
    "needs_redis",
    "pubsub_wire",
    "streams_wire",
]

DEFAULT_KEY: Final = "socket.io"
DEFAULT_LENGTH: Final = 10_000
"""Entries of a stream, as in the reference."""


class RedisEmitter(AsyncEmitter[Any]):
    """Emits to clients of servers with a `RedisAdapter` or a `ShardedRedisAdapter`, or with those
    of JavaScript.

        async with RedisEmitter("redis://localhost:6379") as emitter:
            await emitter.to("lobby").emit("news", 1)

    Questions take one connection more, as long as they are open.

    Args:
        url_or_client: An address (`redis://`, `rediss://`, `unix://`), or a client of
            `redis.asyncio`, one of a cluster or of Sentinel too, which is not closed.
        namespace: The namespace that is reached without `of`.
        key: What channels begin with, as the servers have it; with `sharded` their
            `channel_prefix`.
        sharded: Whether the servers have a `ShardedRedisAdapter` (Redis 7).
        ack_timeout: Seconds that `emit_with_ack` waits for clients where no other time is given.

    Raises:
        ModuleNotFoundError: redis is missing: `pip install "sockwave[redis]"`.
        ValueError: The URL is wrong, or a name is empty.
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
        super().__init__(_engine(url_or_client, wire, "RedisEmitter"), namespace, ack_timeout)


class RedisStreamsEmitter(AsyncEmitter[Any]):
    """Emits to the clients of servers with a `RedisStreamsAdapter`, or with that of JavaScript.

    Questions take one connection more, as long as they are open.

    Args:
        url_or_client: An address (`redis://`, `rediss://`, `unix://`), or a client of
            `redis.asyncio`, one of a cluster or of Sentinel too, which is not closed.
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
        super().__init__(
            _engine(url_or_client, wire, "RedisStreamsEmitter"), namespace, ack_timeout
        )


def pubsub_wire(key: str, *, sharded: bool) -> RedisWire:
    """What an emitter for servers on channels says.

    Raises:
        TypeError, ValueError: Name the option that is wrong.
    """
    _check_prefix("key", key)
    check_bool("sharded", sharded)
    return ShardedWire(key) if sharded else ClassicWire(key)


def streams_wire(
    stream_name: str, max_length: int, channel_prefix: str, *, use_sharded_pub_sub: bool
) -> RedisWire:
    """What an emitter for servers on a stream says.

    Raises:
        TypeError, ValueError: Name the option that is wrong.
    """
    _check_prefix("stream_name", stream_name)
    check_integer("max_length", max_length, 1)
    _check_prefix("channel_prefix", channel_prefix)
    check_bool("use_sharded_pub_sub", use_sharded_pub_sub)
    return StreamsWire(stream_name, max_length, channel_prefix, is_sharded=use_sharded_pub_sub)


def _check_prefix(name: str, value: object) -> None:
    check_text(name, value)
    if not value:
        raise ValueError(f"{name} must be text, and not empty")


def needs_redis(who: str, error: ModuleNotFoundError) -> ModuleNotFoundError:
    """What to raise where there is no `redis`."""
    text = f'{who} needs redis: pip install "sockwave[redis]"'
    return ModuleNotFoundError(text, name=error.name)


def _engine(url_or_client: Any, wire: RedisWire, who: str) -> Engine[Command]:
    try:
        from sockwave.emitters.redis_engine import RedisEngine
    except ModuleNotFoundError as error:
        raise needs_redis(who, error) from error
    return RedisEngine(url_or_client, wire)
