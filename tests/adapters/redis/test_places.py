"""Where Redis is, when it is not there."""

from __future__ import annotations

import asyncio

import pytest
import redis.asyncio

from sockwave.adapters.redis.places import ClusterPlace, KeyPlace
from tests.support.process import free_port


def test_cluster_that_is_away_is_a_connection_error() -> None:
    async def scenario() -> None:
        port = free_port()
        client = redis.asyncio.RedisCluster(host="127.0.0.1", port=port)
        place = ClusterPlace(client)
        for trying in (
            place.look(),
            place.run("GETDEL", "a"),
            place.open(asyncio.Protocol()),
            KeyPlace(place, "a").open(asyncio.Protocol()),
        ):
            with pytest.raises(
                ConnectionError, match=f"127.0.0.1:{port} cannot be reached|{port}: "
            ):
                await trying
        assert place.node_of("a") is None
        await client.aclose()

    asyncio.run(scenario())
