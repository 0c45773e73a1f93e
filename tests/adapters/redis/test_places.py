"""Where Redis is, by ways that redis-py knows, and when it is not there."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import redis.asyncio
from redis.asyncio.sentinel import Sentinel

from sockwave.adapters.redis.places import ClusterPlace, KeyPlace, find_place
from tests.support.process import free_port

make_sentinel: Any = Sentinel  # which has no types


class FakeSentinel:
    """One that answers when it is told to."""

    def __init__(self, state: dict[str, Any]) -> None:
        self.asked = asyncio.Event()
        self.answers = asyncio.Event()
        self._state = state

    async def sentinel_masters(self) -> dict[str, Any]:
        self.asked.set()
        await self.answers.wait()
        return {"ours": self._state}


def state_of(*, is_down: bool) -> dict[str, Any]:
    return {
        "is_master": True,
        "is_sdown": is_down,
        "is_odown": is_down,
        "num-other-sentinels": 2,
        "ip": "127.0.0.1",
        "port": 1,
    }


def test_sentinels_that_are_asked_at_the_same_time_stay_all_of_them() -> None:
    """redis-py alone loses the first one here, for good."""

    async def scenario() -> None:
        watchers = make_sentinel([("127.0.0.1", 1)] * 3)
        first, second, third = (
            FakeSentinel(state_of(is_down=down)) for down in (True, False, False)
        )
        watchers.sentinels[:] = [first, second, third]
        place = find_place(watchers.master_for("ours"))
        opening = [asyncio.create_task(place.open(asyncio.Protocol())) for _ in range(2)]
        first.answers.set()
        await second.asked.wait()
        await asyncio.sleep(0)  # both ask the second one now
        second.answers.set()
        for each in opening:
            with pytest.raises(OSError, match="cannot be reached"):
                await each
        assert len(watchers.sentinels) == 3
        assert set(watchers.sentinels) == {first, second, third}

    asyncio.run(scenario())


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
