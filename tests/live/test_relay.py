"""Clients that poll anywhere, over three servers that relay over each of the carriers."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import pytest

from sockwave import Server, connect
from sockwave.adapters import (
    NatsAdapter,
    PostgresAdapter,
    RedisAdapter,
    RedisStreamsAdapter,
    ShardedRedisAdapter,
)
from tests.relaying.cluster import handlers
from tests.support.mixing import MixingProxy
from tests.support.raw import within

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

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
                asked = [number, BLOB, {"text": "ä" * 100}]
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
