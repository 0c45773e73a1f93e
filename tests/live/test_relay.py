"""Clients that poll anywhere, over three servers that relay over each of the carriers."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import pytest
import redis.asyncio

from sockwave import AckTimeout, Disconnected, Server, connect
from sockwave.adapters import (
    NatsAdapter,
    PostgresAdapter,
    RedisAdapter,
    RedisStreamsAdapter,
    ShardedRedisAdapter,
)
from tests.live.balancers import Server as ServerProgram
from tests.live.engines import Redis, RedisCluster
from tests.relaying.cluster import handlers
from tests.support.mixing import MixingProxy
from tests.support.raw import within

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path

    from sockwave import ClientSocket

pytestmark = pytest.mark.live

ADAPTERS: Final[dict[str, tuple[Callable[[str], Any], str]]] = {
    "redis": (RedisAdapter, "redis_url"),
    "sharded": (ShardedRedisAdapter, "redis_url"),
    "streams": (RedisStreamsAdapter, "redis_url"),
    "postgres": (PostgresAdapter, "postgres_dsn"),
    "nats": (NatsAdapter, "nats_url"),
}

BLOB: Final = bytes(range(256)) * 64


@pytest.fixture(params=list(ADAPTERS))
def make_adapter(request: pytest.FixtureRequest) -> Callable[[], Any]:
    """Makes adapters over one carrier."""
    adapter, engine = ADAPTERS[request.param]
    address = request.getfixturevalue(engine)
    return lambda: adapter(address)


@asynccontextmanager
async def relaying(
    make_adapter: Callable[[], Any], count: int = 3, **options: Any
) -> AsyncIterator[tuple[list[Server], MixingProxy]]:
    """Servers, and a balancer that mixes their clients' requests."""
    async with AsyncExitStack() as stack:
        servers = [Server(adapter=make_adapter(), relay=True, **options) for _ in range(count)]
        ports = []
        for number, server in enumerate(servers):
            handlers(server, f"server {number}")
            ports.append((await stack.enter_async_context(server.listen())).port)
        for server in servers:
            stack.push_async_callback(server.close, shutdown_timeout=0)
        yield servers, await stack.enter_async_context(MixingProxy(ports).open())


@pytest.mark.parametrize("transports", [("polling",), ("polling", "websocket")])
async def test_clients_are_served_wherever_their_requests_come(
    make_adapter: Callable[[], Any], transports: tuple[Any, ...]
) -> None:
    async with relaying(make_adapter) as (servers, proxy):
        sockets = [connect(proxy.url, transports=transports) for _ in range(6)]
        for number, socket in enumerate(sockets):
            for _ in range(5):
                asked: list[Any] = [number, BLOB, {"text": "ä" * 100}]
                assert await within(socket.emit_with_ack("echo", *asked)) == asked
        large = bytes(700_000)
        assert await within(sockets[0].emit_with_ack("echo", large)) == [large]
        heard: list[asyncio.Queue[Any]] = [asyncio.Queue() for _ in sockets]
        for socket, queue in zip(sockets, heard, strict=True):
            socket.on("heard", queue.put_nowait)
            await within(socket.emit_with_ack("join", "room"))
        sockets[0].emit("shout", "room", BLOB)
        assert [await within(queue.get()) for queue in heard] == [BLOB] * len(heard)
        assert all(server.engine.sessions for server in servers)
        for socket in sockets:
            await socket.aclose()
    assert proxy.statuses <= {101, 200}


@pytest.mark.parametrize("kind", [RedisAdapter, ShardedRedisAdapter])
async def test_polls_come_anywhere_over_a_cluster_of_redis(kind: Callable[[Any], Any]) -> None:
    with RedisCluster() as cluster:
        clients = [redis.asyncio.RedisCluster.from_url(cluster.url) for _ in range(3)]
        given = iter(clients)
        async with relaying(lambda: kind(next(given))) as (_, proxy):
            sockets = [connect(proxy.url, transports=("polling",)) for _ in range(6)]
            for socket in sockets:
                for number in range(5):
                    assert await within(socket.emit_with_ack("echo", number)) == [number]
            for socket in sockets:
                await socket.aclose()
        assert proxy.statuses == {200}
        for client in clients:
            await client.aclose()


async def test_clients_come_back_after_redis_was_away() -> None:
    with Redis() as own:
        async with relaying(lambda: RedisAdapter(own.url)) as (servers, proxy):
            sockets = [
                connect(proxy.url, transports=("polling",), reconnection_delay=0.1)
                for _ in range(6)
            ]
            for socket in sockets:
                await within(socket.emit_with_ack("where"))
            await asyncio.to_thread(own.restart)
            for socket in sockets:
                while await asked(socket) is None:
                    pass
            assert all(server.cluster.nodes for server in servers)
            passed = len(proxy.passed)
            for socket in sockets:
                assert await within(socket.emit_with_ack("echo", BLOB)) == [BLOB]
            assert {status for _, status, _ in proxy.passed[passed:]} == {200}
            for socket in sockets:
                await socket.aclose()


async def asked(socket: ClientSocket) -> str | None:
    """Where a client is; None where it could not be asked."""
    try:
        where: str = await socket.emit_with_ack("where", timeout=5.0)
    except (AckTimeout, Disconnected):
        return None
    return where


async def test_server_begins_again_in_the_same_loop(make_adapter: Callable[[], Any]) -> None:
    async with relaying(make_adapter, 2) as (servers, _):
        first, second = servers
        await first.close()
        async with first.listen(shutdown_timeout=0) as one, second.listen() as two:
            async with MixingProxy([one.port, two.port]).open() as proxy:
                async with connect(proxy.url, transports=("polling",)) as socket:
                    for number in range(5):
                        assert await within(socket.emit_with_ack("echo", number)) == [number]
                assert proxy.statuses == {200}


class Machine(ServerProgram):
    """A machine whose port several workers have."""

    def command(self) -> Sequence[str | Path]:
        return (*super().command(), "--workers", "2")


async def test_workers_of_several_machines_are_one_server(tmp_path: Path, redis_url: str) -> None:
    (tmp_path / "tried.py").write_text(WORKED)
    env = {"ADAPTER": "redis", "CARRIER": redis_url, "RELAY": "yes"}
    with (
        Machine("a", "tried", tmp_path, env) as one,
        Machine("b", "tried", tmp_path, env) as other,
    ):
        async with MixingProxy([one.port, other.port]).open() as proxy:
            sockets = [
                connect(proxy.url, transports=transports)
                for transports in (("polling",), ("polling", "websocket")) * 4
            ]
            places = set()
            for socket in sockets:
                for number in range(5):
                    answer = await within(socket.emit_with_ack("echo", number, BLOB))
                    assert answer == [number, BLOB]
                places.add(await within(socket.emit_with_ack("where")))
            for socket in sockets:
                await socket.aclose()
        assert len(places) > 2
        assert proxy.statuses <= {101, 200}


WORKED: Final = """
import os

from server import SERVER, io

@io.on("connection")
def connection(socket):
    socket.on("where", lambda: f"{SERVER} {os.getpid()}")
    socket.on("echo", lambda *args: [*args])
"""
