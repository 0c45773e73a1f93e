"""Emitters on a Redis that is not there."""

from __future__ import annotations

import asyncio

import pytest
import redis.asyncio

from sockwave import TransportError
from sockwave.emitters import RedisEmitter
from tests.support.process import free_port


def test_cluster_that_is_away_is_an_error_of_ours() -> None:
    async def scenario() -> None:
        client = redis.asyncio.RedisCluster(host="127.0.0.1", port=free_port())
        async with RedisEmitter(client) as emitter:
            with pytest.raises(TransportError):
                await emitter.emit("a")
        await client.aclose()

    asyncio.run(scenario())
