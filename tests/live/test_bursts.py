"""Bursts on carriers with a stream: signs of life, which go beside it, overtake what is in it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from sockwave import Server
from sockwave.adapters import NatsAdapter, RedisStreamsAdapter
from sockwave.adapters.options import ClusterOptions
from sockwave.testing import LinkedClient
from tests.support.raw import until

if TYPE_CHECKING:
    from sockwave.testing import AdapterMaker

pytestmark = pytest.mark.live

PATIENCE = 60.0
BURST = 5_000
"""Events at once: some times more than a sender is remembered by, and fewer than a stream keeps."""

OFTEN = ClusterOptions(heartbeat_interval=0.02, heartbeat_timeout=PATIENCE)


def jetstream(request: pytest.FixtureRequest) -> AdapterMaker:
    return NatsAdapter(
        request.getfixturevalue("nats_url"), prefix=NAME, jetstream=True, options=OFTEN
    )


def redis_streams(request: pytest.FixtureRequest) -> AdapterMaker:
    return RedisStreamsAdapter(
        request.getfixturevalue("redis_url"), stream_name=NAME, channel_prefix=NAME, options=OFTEN
    )


NAME = f"bursts-{uuid4().hex[:8]}"


@pytest.mark.parametrize("make", [jetstream, redis_streams])
async def test_nothing_of_a_burst_is_taken_for_what_was_here(
    make: object, request: pytest.FixtureRequest
) -> None:
    assert callable(make)
    servers = [Server(adapter=make(request)) for _ in range(2)]
    try:
        async with LinkedClient(servers[0]), LinkedClient(servers[1]) as client:
            await until(lambda: all(len(io.cluster.nodes) == 2 for io in servers), PATIENCE)
            for number in range(BURST):
                servers[0].emit("n", number)
            heard: list[int] = []
            async with asyncio.timeout(PATIENCE):
                while len(heard) < BURST:
                    await asyncio.sleep(0.01)
                    heard += [args[0] for _, args in client.received_nowait()]
            assert heard == list(range(BURST))
    finally:
        for io in servers:
            await io.close()
