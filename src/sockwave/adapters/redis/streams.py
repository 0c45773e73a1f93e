"""The adapter for Redis streams, which servers in JavaScript share."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

from sockwave.adapters.options import ClusterOptions
from sockwave.adapters.redis.places import ClusterPlace, find_place
from sockwave.adapters.redis.pubsub import relay_driver
from sockwave.adapters.redis.stream_driver import StreamsDriver, StreamSettings
from sockwave.adapters.streams.cluster import StreamsAdapter
from sockwave.adapters.streams.recovery import StreamRecoveryAdapter
from sockwave.adapters.streams.renewed import RenewedStreams
from sockwave.engine.core.option_checks import check_bool, check_integer

if TYPE_CHECKING:
    from redis.asyncio import Redis, RedisCluster

    from sockwave.adapters.driver import Driver
    from sockwave.socketio.core.recovery_contract import RecoveringHost

__all__ = ["RedisStreamsAdapter"]

DEFAULTS: Final = StreamSettings()


class RedisStreamsAdapter:
    """Makes one server of processes anywhere that share a Redis (6.2 or later), through a stream.

    Servers in JavaScript with `@socket.io/redis-streams-adapter` 0.3 and the same options are part
    of it. What is broadcast is written to a stream, so a process that was cut off from Redis reads
    on where it was; with `connection_state_recovery` a client may come back to any of them, also
    when all of them were restarted (docs/recovery.md).

        io = Server(adapter=RedisStreamsAdapter("redis://localhost"))

    Args:
        redis: A URL (`redis://`, `rediss://` or `unix://`), or a client of `redis.asyncio`, also of
            Sentinel or of a Redis Cluster. Of a client its settings are used, and it stays yours to
            be closed, after the server.
        stream_name: Name of the stream; the same at all servers, and of no other program.
        stream_count: Streams to which namespaces are dealt out; their names get a number. Servers
            in JavaScript do not hear of some namespaces with more than one.
        channel_prefix: What channels begin with, by which questions and answers go.
        use_sharded_pub_sub: Use the channels of shards (Redis 7).
        max_len: Entries that the stream has, about: what is older is trimmed.
        read_count: Entries that are read at once.
        session_key_prefix: What the keys of lost clients begin with.
        only_plaintext: Never send binary by the stream, and refuse events with it.
        keeps_connected: With `connection_state_recovery`, keep in Redis what belongs to clients
            while they are connected, so that they can also come back when their process was killed.
            Not on a Redis Cluster.
        max_backlog: Bytes that are kept for each stream while Redis cannot be reached. What does
            not fit is not sent to the others, which `cluster_error` tells.
        options: Times and bounds of the cluster.

    Raises:
        ModuleNotFoundError: redis-py is not installed: `pip install "sockwave[redis]"`.
        TypeError: An argument is of the wrong kind.
        ValueError: An argument is wrong.
    """

    def __init__(
        self,
        redis: str | Redis | RedisCluster,
        *,
        stream_name: str = DEFAULTS.stream_name,
        stream_count: int = DEFAULTS.stream_count,
        channel_prefix: str = DEFAULTS.channel_prefix,
        use_sharded_pub_sub: bool = DEFAULTS.use_sharded_pub_sub,
        max_len: int = DEFAULTS.max_len,
        read_count: int = DEFAULTS.read_count,
        session_key_prefix: str = DEFAULTS.session_key_prefix,
        only_plaintext: bool = DEFAULTS.only_plaintext,
        keeps_connected: bool = DEFAULTS.keeps_connected,
        max_backlog: int = DEFAULTS.max_backlog,
        options: ClusterOptions | None = None,
    ) -> None:
        if options is not None and not isinstance(options, ClusterOptions):
            raise TypeError(f"options must be ClusterOptions, not {type(options).__name__}")
        settings = StreamSettings(
            stream_name=stream_name,
            stream_count=stream_count,
            channel_prefix=channel_prefix,
            use_sharded_pub_sub=use_sharded_pub_sub,
            max_len=max_len,
            read_count=read_count,
            session_key_prefix=session_key_prefix,
            only_plaintext=only_plaintext,
            keeps_connected=keeps_connected,
            max_backlog=max_backlog,
        )
        _check(settings)
        self._options = options
        place = find_place(redis)
        if isinstance(place, ClusterPlace) and use_sharded_pub_sub:
            raise TypeError("use_sharded_pub_sub with a Redis Cluster is not supported")
        make = partial(StreamsDriver, place, settings)
        mode = f"RedisStreamsAdapter({stream_name=}, {stream_count=}, {use_sharded_pub_sub=})"
        self._driver = RenewedStreams(make, replace(StreamsDriver.capabilities, mode=mode))
        self._relay = relay_driver(place, channel_prefix, max_backlog)

    def __call__(self, namespace: RecoveringHost) -> StreamsAdapter:
        """Make the adapter of a namespace; the server does."""
        means = namespace.recovery_means
        if means is None:
            return StreamsAdapter(namespace, self._driver, self._options)
        return StreamRecoveryAdapter(namespace, self._driver, means, self._options)

    @property
    def relay_driver(self) -> Driver:
        """What carries requests between servers with `relay=True`, on two connections more."""
        return self._relay

    async def aclose(self) -> None:
        """Send what is kept, and disconnect; the server does, when it has closed its namespaces."""
        await self._driver.aclose()
        await self._relay.aclose()


def _check(settings: StreamSettings) -> None:
    for name in ("stream_name", "channel_prefix", "session_key_prefix"):
        value = getattr(settings, name)
        if not isinstance(value, str) or not value:
            raise ValueError(f"{name} must be text")
    for name in ("stream_count", "max_len", "read_count"):
        check_integer(name, getattr(settings, name), 1)
    check_integer("max_backlog", settings.max_backlog, 0)
    for name in ("use_sharded_pub_sub", "only_plaintext", "keeps_connected"):
        check_bool(name, getattr(settings, name))
