"""Where Redis is: redis-py finds the node, connects and authenticates, as the user has told it.

Its connections are then taken over: the transport gets a protocol of ours, on which messages travel
without a task or a future for each. So everything that redis-py knows of URLs, TLS, passwords, ACL
users, credential providers, Sentinel and Redis Cluster is used as it is.
"""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any, Final, Protocol

from sockwave.adapters.addresses import check_address

if TYPE_CHECKING:
    import redis.asyncio

__all__ = ["ClusterPlace", "KeyPlace", "Opened", "Place", "count_of", "find_place"]

CONNECT: Final = 5.0
"""Seconds that connecting may take, with all that is said before the first command."""

EXTRA: Final = 'Redis needs more packages: pip install "sockwave[redis]"'


class Opened:
    """A connection that redis-py has opened, and that is ours from now on.

    Args:
        connection: Of redis-py.
        inner: The protocol that its transport had.
    """

    def __init__(self, connection: Any, inner: asyncio.BaseProtocol) -> None:
        self._connection = connection
        self._inner = inner

    def lost(self, error: Exception | None) -> None:
        """It has ended: redis-py's side of it hears of it, too."""
        self._inner.connection_lost(error)

    async def forget(self) -> None:
        """Let redis-py take leave of it."""
        await self._connection.disconnect(nowait=True)


class Place(Protocol):
    """One Redis, however it is reached."""

    @property
    def name(self) -> str:
        """What it is called in the log; without passwords."""

    async def open(self, protocol: asyncio.Protocol) -> Opened:
        """Connect, authenticate, and hand the connection to a protocol.

        Raises:
            OSError: That is not possible now; a `PermissionError` where Redis is there and refuses.
        """

    async def count_elsewhere(self, query: str, channel: str) -> int | None:
        """Listeners of a channel at all nodes of a Redis Cluster; None if this is none.

        Args:
            query: `NUMSUB` or `SHARDNUMSUB`.
        """


def find_place(target: object) -> Place:
    """Where a URL or a client of the user's own leads.

    Args:
        target: `redis://`, `rediss://` or `unix://`, or a client of `redis.asyncio`, whose settings
            are used.

    Raises:
        ModuleNotFoundError: redis-py is not installed.
        TypeError: It is neither.
        ValueError: The URL is wrong.
    """
    try:
        import hiredis  # noqa: F401
        import redis.asyncio as library
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(f"{EXTRA} ({error})", name=error.name) from None
    if isinstance(target, str):
        check_address(target)
        return _Single(library.ConnectionPool.from_url(target))
    if isinstance(target, library.Redis):
        return _Single(target.connection_pool)
    if isinstance(target, library.RedisCluster):
        return ClusterPlace(target)
    kind = type(target).__name__
    raise TypeError(f"Redis is reached by a URL or by a client of redis.asyncio, not by {kind}")


def _own_settings(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings of a connection, as we need them: tried again by us, in the old protocol, and
    without what redis-py does with connections that it reads itself."""
    kept = {
        name: value
        for name, value in settings.items()
        if not name.startswith(("maint", "oss_cluster"))
    }
    return {**kept, "protocol": 2, "retry": None}


def _failures() -> tuple[type[Exception], ...]:
    """What redis-py raises when a node, or a whole cluster, is not there or refuses; a time-out is
    an `OSError`, too."""
    from redis.exceptions import RedisClusterException, RedisError

    return (RedisError, RedisClusterException, OSError)


def _is_refusal(error: Exception) -> bool:
    """Whether a Redis that is there has said no: a wrong password, or that it is loading."""
    from redis.exceptions import AuthenticationError, BusyLoadingError, ResponseError

    return isinstance(error, (AuthenticationError, BusyLoadingError, ResponseError))


async def _take_over(connection: Any, protocol: asyncio.Protocol, name: str) -> Opened:
    """Connect, and put a protocol of ours in the place of redis-py's."""
    try:
        async with asyncio.timeout(CONNECT):
            await connection.connect()
    except _failures() as error:
        await connection.disconnect(nowait=True)
        reason = str(error) or "it does not answer"
        kind = PermissionError if _is_refusal(error) else ConnectionError
        raise kind(f"Redis at {name} cannot be reached: {reason}") from error
    except BaseException:
        await connection.disconnect(nowait=True)
        raise
    # redis-py shows its stream to nobody; all that it had to read has been read.
    transport = connection._writer.transport
    inner = transport.get_protocol()
    transport.set_protocol(protocol)
    protocol.connection_made(transport)
    return Opened(connection, inner)


class _Single:
    """One server, or the one that Sentinel names; see `Place`."""

    def __init__(self, pool: redis.asyncio.ConnectionPool) -> None:
        self._pool = pool
        self._sentinels = tuple(self._asked)

    @property
    def _asked(self) -> list[Any]:
        """The clients of the sentinels, of which redis-py asks the first one that answers."""
        manager = getattr(self._pool, "sentinel_manager", None)
        return [] if manager is None else manager.sentinels

    @property
    def name(self) -> str:
        """Host and port, the path, or the name that Sentinel knows."""
        settings = self._pool.connection_kwargs
        if (service := getattr(self._pool, "service_name", None)) is not None:
            return f"{service} (Sentinel)"
        path = settings.get("path")
        host, port = settings.get("host", "localhost"), settings.get("port", 6379)
        return str(path) if path else f"{host}:{port}"

    async def open(self, protocol: asyncio.Protocol) -> Opened:
        """Connect."""
        settings = _own_settings(self._pool.connection_kwargs)
        connection = self._pool.connection_class(**settings)
        try:
            return await _take_over(connection, protocol, self.name)
        finally:
            self._have_all_sentinels()

    def _have_all_sentinels(self) -> None:
        """Put back who was lost: redis-py puts the one that has answered in the first place, by
        numbers that are wrong when several have asked at a time; then one is there twice, and
        another one is neither asked any more nor closed."""
        asked = self._asked
        if len(set(asked)) < len(asked):
            asked[:] = dict.fromkeys((*asked, *self._sentinels))

    async def count_elsewhere(self, query: str, channel: str) -> int | None:
        """It is no cluster."""
        return None


class _Node:
    """One node of a Redis Cluster."""

    def __init__(self, node: Any, cluster: ClusterPlace) -> None:
        self._node = node
        self._cluster = cluster

    @property
    def name(self) -> str:
        """Host and port."""
        return str(self._node.name)

    async def open(self, protocol: asyncio.Protocol) -> Opened:
        """Connect."""
        settings = _own_settings(self._node.connection_kwargs)
        connection = self._node.connection_class(**settings)
        return await _take_over(connection, protocol, self.name)

    async def count_elsewhere(self, query: str, channel: str) -> int | None:
        """Those of all nodes."""
        return await self._cluster.count_elsewhere(query, channel)


class ClusterPlace:
    """A Redis Cluster. As a `Place` it is any of its nodes, since all of them pass on what is
    published; the sharded channels are each at one node.

    Args:
        client: Knows its nodes.
    """

    def __init__(self, client: redis.asyncio.RedisCluster) -> None:
        self._client = client

    @property
    def name(self) -> str:
        """The nodes that the user has named."""
        nodes = self._client.nodes_manager.startup_nodes.values()
        return ", ".join(str(node.name) for node in nodes)

    async def open(self, protocol: asyncio.Protocol) -> Opened:
        """Connect to one that is there."""
        await self.look()
        return await random.choice(list(self.nodes().values())).open(protocol)

    async def look(self) -> None:
        """Find its nodes, as they are now.

        Raises:
            OSError: None can be reached.
        """
        client = self._client
        try:
            async with asyncio.timeout(CONNECT):
                await client.initialize()
                await client.nodes_manager.initialize()
        except _failures() as error:
            reason = f"Redis Cluster at {self.name} cannot be reached: {error}"
            raise ConnectionError(reason) from error

    def nodes(self) -> dict[str, Place]:
        """Those that have slots, by their names, as of the last look."""
        return {node.name: _Node(node, self) for node in self._client.get_primaries()}

    def node_of(self, channel: str) -> str | None:
        """Name of the node that has a sharded channel, as of the last look."""
        try:
            node = self._client.get_node_from_key(channel)
        except _failures():  # nobody has its slot
            return None
        return None if node is None else str(node.name)

    async def run(self, *command: str | bytes | int) -> Any:
        """Run a command at the node that has its key.

        Raises:
            OSError: It cannot be reached, or does not do it.
        """
        try:
            async with asyncio.timeout(CONNECT):
                return await self._client.execute_command(*command)
        except _failures() as error:
            raise ConnectionError(f"Redis Cluster at {self.name}: {error}") from error

    async def count_elsewhere(self, query: str, channel: str) -> int | None:
        """Listeners of a channel, at all nodes that answer."""
        async with asyncio.timeout(CONNECT):
            answers = await asyncio.gather(
                *(
                    node.execute_command("PUBSUB", query, channel)
                    for node in self._client.get_nodes()
                ),
                return_exceptions=True,
            )
        counts = [count_of(each) for each in answers if not isinstance(each, BaseException)]
        return sum(counts) if counts else None


class KeyPlace:
    """The node of a Redis Cluster that has a key; see `Place`.

    Args:
        cluster: Which.
        key: What it has.
    """

    def __init__(self, cluster: ClusterPlace, key: str) -> None:
        self._cluster = cluster
        self._key = key

    @property
    def name(self) -> str:
        """Of the cluster: the node may be another one each time."""
        return self._cluster.name

    async def open(self, protocol: asyncio.Protocol) -> Opened:
        """Connect to the one that has it now."""
        await self._cluster.look()
        name = self._cluster.node_of(self._key)
        node = None if name is None else self._cluster.nodes().get(name)
        if node is None:
            raise ConnectionError(f"no node of Redis Cluster at {self.name} has {self._key!r}")
        return await node.open(protocol)

    async def count_elsewhere(self, query: str, channel: str) -> int | None:
        """Those of all nodes."""
        return await self._cluster.count_elsewhere(query, channel)


def count_of(answer: Any) -> int:
    """The number beside the one channel that was asked for, in whichever form redis-py gives it."""
    pair = answer[0] if isinstance(answer[0], (list, tuple)) else answer
    return int(pair[1])
