"""Emitters for servers that have a Redis in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sockwave.emitters.engines import AsyncEmitter
from sockwave.emitters.redis_wire import classic_encoder, streams_encoder
from sockwave.engine.core.option_checks import check_integer, check_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from sockwave.adapters.messages import Message
    from sockwave.emitters.engines import Engine
    from sockwave.emitters.redis_wire import Command

__all__ = [
    "DEFAULT_KEY",
    "DEFAULT_LENGTH",
    "RedisEmitter",
    "RedisStreamsEmitter",
    "check_streams",
    "needs_redis",
]

DEFAULT_KEY: Final = "socket.io"
DEFAULT_LENGTH: Final = 10_000
"""Entries of a stream, as in the reference."""


class RedisEmitter(AsyncEmitter[Any]):
    """Emits to the clients of servers with a `RedisAdapter`, or with the classic one of JavaScript.

        async with RedisEmitter("redis://localhost:6379") as emitter:
            await emitter.to("lobby").emit("news", 1)

    Servers with a sharded adapter do not hear it.

    Args:
        url_or_client: An address (`redis://`, `rediss://`, `unix://`), or a client of
            `redis.asyncio`, one of a cluster or of Sentinel too, which is not closed.
        namespace: The namespace that is reached without `of`.
        key: What channels begin with, as the servers have it.

    Raises:
        ModuleNotFoundError: redis is missing: `pip install "sockwave[redis]"`.
    """

    def __init__(self, url_or_client: Any, *, namespace: str = "/", key: str = DEFAULT_KEY) -> None:
        check_text("key", key)
        super().__init__(_engine(url_or_client, classic_encoder(key), "RedisEmitter"), namespace)


class RedisStreamsEmitter(AsyncEmitter[Any]):
    """Emits to the clients of servers with a `RedisStreamsAdapter`, or with that of JavaScript.

    Args:
        url_or_client: An address (`redis://`, `rediss://`, `unix://`), or a client of
            `redis.asyncio`, one of a cluster or of Sentinel too, which is not closed.
        namespace: The namespace that is reached without `of`.
        stream_name: Name of the stream, as the servers have it; where they have several streams, that of the namespace.
        max_length: About how many entries stay in the stream, as the servers have it.

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
    ) -> None:
        check_streams(stream_name, max_length)
        encode = streams_encoder(stream_name, max_length)
        super().__init__(_engine(url_or_client, encode, "RedisStreamsEmitter"), namespace)


def check_streams(stream_name: object, max_length: object) -> None:
    """Refuse wrong options.

    Raises:
        TypeError, ValueError: Name the option.
    """
    check_text("stream_name", stream_name)
    check_integer("max_length", max_length, 1)


def needs_redis(who: str, error: ModuleNotFoundError) -> ModuleNotFoundError:
    """What to raise where there is no `redis`."""
    text = f'{who} needs redis: pip install "sockwave[redis]"'
    return ModuleNotFoundError(text, name=error.name)


def _engine(url_or_client: Any, encode: Callable[[Message], Command], who: str) -> Engine[Command]:
    try:
        from sockwave.emitters.redis_engine import RedisEngine
    except ModuleNotFoundError as error:
        raise needs_redis(who, error) from error
    return RedisEngine(url_or_client, encode)
