"""The adapters of servers that meet on Redis."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, get_args

from sockwave.adapters.adapter import ClusterAdapter
from sockwave.adapters.options import ClusterOptions
from sockwave.adapters.redis.classic import ClassicDriver
from sockwave.adapters.redis.places import find_place
from sockwave.adapters.redis.pubsub import relay_driver
from sockwave.adapters.redis.sharded import ShardedDriver, SubscriptionMode
from sockwave.adapters.renewed import RenewedDriver
from sockwave.engine.core.option_checks import check_integer

if TYPE_CHECKING:
    import redis.asyncio

    from sockwave.adapters.cluster import Cluster
    from sockwave.adapters.driver import Driver
    from sockwave.adapters.local import LocalSockets
    from sockwave.adapters.outlet import Outlet
    from sockwave.socketio.core.cluster_contract import ClusterHost
    from sockwave.types import SocketId

__all__ = ["RedisAdapter", "ShardedRedisAdapter"]

DEFAULT_BACKLOG: Final = 16 * 1024 * 1024
"""Bytes kept while Redis does not take them."""


def _checked(name: str, prefix: object, options: ClusterOptions | None, max_backlog: int) -> None:
    check_integer("max_backlog", max_backlog, 0)
    if not isinstance(prefix, str) or not prefix:
        raise ValueError(f"{name} must be text, and not empty")
    if options is not None and not isinstance(options, ClusterOptions):
        raise TypeError(f"options must be ClusterOptions, not {type(options).__name__}")


class RedisAdapter:
    """Makes one server of all that use the same Redis, together with servers in JavaScript that use
    `@socket.io/redis-adapter`.

        io = Server(adapter=RedisAdapter("redis://localhost:6379"))

    Broadcasts, rooms and questions reach the clients of all. Messages of one server arrive in the
    order in which they were sent, each at most once; while Redis is away, what others send is
    missed. So lost connections cannot be recovered, and `connection_state_recovery` is refused.

    It begins in the event loop of the server. Each server of a process needs one of its own. It has
    two connections to Redis, which are made again whenever they are lost.

    Args:
        redis: A URL (`redis://`, `rediss://` or `unix://`), or a client of `redis.asyncio`, also of
            Sentinel or of a Redis Cluster. Of a client its settings are used, and it stays yours to
            be closed.
        key: What the channels begin with; the same at all servers, and of no other program.
        publish_on_specific_response_channel: Answer those who ask on channels of their own, instead
            of one that all servers read; servers in JavaScript older than 7.2 do not listen there.
        options: Times and bounds of the cluster.
        max_backlog: Bytes of messages that are kept while Redis does not take them. Past it
            messages are dropped, and `cluster_error` says so.

    Raises:
        ModuleNotFoundError: redis-py is not installed: `pip install "sockwave[redis]"`.
        TypeError: An argument is of the wrong kind.
        ValueError: An argument is wrong.
    """

    def __init__(
        self,
        redis: str | redis.asyncio.Redis | redis.asyncio.RedisCluster,
        *,
        key: str = "socket.io",
        publish_on_specific_response_channel: bool = False,
        options: ClusterOptions | None = None,
        max_backlog: int = DEFAULT_BACKLOG,
    ) -> None:
        _checked("key", key, options, max_backlog)
        is_specific = publish_on_specific_response_channel
        if not isinstance(is_specific, bool):
            raise TypeError("publish_on_specific_response_channel must be True or False")
        place = find_place(redis)
        self._options = options
        self._relay = relay_driver(place, key, max_backlog)
        self._driver = RenewedDriver(
            lambda: ClassicDriver(place, key=key, is_specific=is_specific, max_backlog=max_backlog),
            replace(ClassicDriver.capabilities, mode="RedisAdapter"),
        )

    def __call__(self, namespace: ClusterHost) -> ClusterAdapter:
        """Make the adapter of a namespace; the server does."""
        return ClusterAdapter(namespace, self._driver, self._options)

    @property
    def relay_driver(self) -> Driver:
        """What carries requests between servers with `relay=True`, on two connections more."""
        return self._relay

    async def aclose(self) -> None:
        """Disconnect from Redis; the server does, when it has closed its namespaces."""
        await self._driver.aclose()
        await self._relay.aclose()


class ShardedRedisAdapter:
    """The same on the sharded channels of Redis 7 and later, together with servers in JavaScript
    that use `createShardedAdapter`.

        io = Server(adapter=ShardedRedisAdapter("redis://localhost:6379"))

    Rooms have channels of their own, so a broadcast to a room goes to the servers that have it, and
    to no others. A room is known to Redis one trip after its first client here has joined it: an
    event that another server sends to it before that misses that client, unless that server has
    told it to join. For the rest see
    `RedisAdapter`.

    Args:
        redis: A URL or a client, as with `RedisAdapter`. In a Redis Cluster there are two
            connections to each of its nodes, and no order between messages of different channels.
        channel_prefix: What the channels begin with; the same at all servers, and of no other
            program.
        subscription_mode: The same at all servers: "dynamic" is a channel for each room, "static"
            one for all, "dynamic-private" one for each room and each client.
        options: Times and bounds of the cluster.
        max_backlog: Bytes of messages that are kept while Redis does not take them. Past it
            messages are dropped, and `cluster_error` says so.

    Raises:
        ModuleNotFoundError: redis-py is not installed: `pip install "sockwave[redis]"`.
        TypeError: An argument is of the wrong kind.
        ValueError: An argument is wrong.
    """

    def __init__(
        self,
        redis: str | redis.asyncio.Redis | redis.asyncio.RedisCluster,
        *,
        channel_prefix: str = "socket.io",
        subscription_mode: SubscriptionMode = "dynamic",
        options: ClusterOptions | None = None,
        max_backlog: int = DEFAULT_BACKLOG,
    ) -> None:
        _checked("channel_prefix", channel_prefix, options, max_backlog)
        if subscription_mode not in get_args(SubscriptionMode):
            known = ", ".join(get_args(SubscriptionMode))
            raise ValueError(f"subscription_mode must be one of {known}")
        place = find_place(redis)
        self._options = options
        self._relay = relay_driver(place, channel_prefix, max_backlog)
        self._names_clients = subscription_mode == "dynamic-private"
        self._driver = RenewedDriver(
            lambda: ShardedDriver(
                place, prefix=channel_prefix, mode=subscription_mode, max_backlog=max_backlog
            ),
            replace(
                ShardedDriver.capabilities,
                mode=f"ShardedRedisAdapter(subscription_mode={subscription_mode!r})",
            ),
        )

    def __call__(self, namespace: ClusterHost) -> ClusterAdapter:
        """Make the adapter of a namespace; the server does."""
        kind = _NamingClients if self._names_clients else ClusterAdapter
        return kind(namespace, self._driver, self._options)

    @property
    def relay_driver(self) -> Driver:
        """What carries requests between servers with `relay=True`, on two connections more."""
        return self._relay

    async def aclose(self) -> None:
        """Disconnect from Redis; the server does, when it has closed its namespaces."""
        await self._driver.aclose()
        await self._relay.aclose()


class _NamingClients(ClusterAdapter):
    """An adapter whose carrier is told of each client, too, as of a room."""

    def _make_cluster(self, outlet: Outlet) -> tuple[LocalSockets, Cluster]:
        made = super()._make_cluster(outlet)
        for id_ in self._namespace.sockets:
            outlet.room_added(id_)
        return made

    def client_came(self, id_: SocketId) -> None:
        """A client is here."""
        if (life := self._alive()) is not None:
            life.outlet.room_added(id_)

    def remove_all(self, id_: SocketId) -> None:
        """It has gone."""
        super().remove_all(id_)
        if (life := self._life) is not None:
            life.outlet.room_dropped(id_)
