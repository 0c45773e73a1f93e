"""Servers on one engine whose adapters do not fit together say so."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import pytest

from sockwave import Server
from sockwave.adapters import NatsAdapter, RedisStreamsAdapter, ShardedRedisAdapter

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.live


async def told(*make: Callable[[], Any]) -> list[str]:
    """The one thing that each server tells of the other."""
    servers = [Server(adapter=each()) for each in make]
    async with AsyncExitStack() as stack, asyncio.timeout(30):
        for server in servers:
            await stack.enter_async_context(server.listen("127.0.0.1", 0))
        while not all(server.cluster.errors for server in servers):
            await asyncio.sleep(0.01)
        for server, other in zip(servers, reversed(servers), strict=True):
            (what,) = server.cluster.errors
            assert f"node {other.cluster.nodes[0].id} does not fit" in what
        return [server.cluster.errors[0] for server in servers]


async def test_nats_with_streams_and_without(nats_url: str) -> None:
    one, other = await told(
        lambda: NatsAdapter(nats_url), lambda: NatsAdapter(nats_url, jetstream=True)
    )
    assert "it has NatsAdapter(jetstream=True), and this server has NatsAdapter, so" in one
    assert "it has NatsAdapter, and this server has NatsAdapter(jetstream=True), so" in other


async def test_sharded_redis_with_channels_of_rooms_and_without(redis_url: str) -> None:
    one, _ = await told(
        lambda: ShardedRedisAdapter(redis_url),
        lambda: ShardedRedisAdapter(redis_url, subscription_mode="static"),
    )
    assert "has ShardedRedisAdapter(subscription_mode='static'), and" in one


async def test_streams_of_other_names(redis_url: str) -> None:
    one, _ = await told(
        lambda: RedisStreamsAdapter(redis_url),
        lambda: RedisStreamsAdapter(redis_url, stream_name="another"),
    )
    assert "stream_name='another'" in one
