"""Servers on each of the carriers do what servers of a cluster must."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from sockwave import adapters
from sockwave.testing import AdapterSuite

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sockwave.testing import AdapterMaker


class LiveSuite(AdapterSuite):
    """Finds the address of the engine in a fixture."""

    adapter: ClassVar[type[Any]]
    engine: ClassVar[str]
    options: ClassVar[Mapping[str, Any]] = {}

    @pytest.fixture(autouse=True)
    def find_address(self, request: pytest.FixtureRequest) -> None:
        self.address = request.getfixturevalue(self.engine)

    async def make_adapter(self) -> AdapterMaker:
        made: AdapterMaker = self.adapter(self.address, **self.options)
        return made


class TestRedis(LiveSuite):
    adapter = adapters.RedisAdapter
    engine = "redis_url"


class TestSpecificRedis(TestRedis):
    options: ClassVar[Mapping[str, Any]] = {"publish_on_specific_response_channel": True}


class TestShardedRedis(LiveSuite):
    adapter = adapters.ShardedRedisAdapter
    engine = "redis_url"


class TestStaticShardedRedis(TestShardedRedis):
    options: ClassVar[Mapping[str, Any]] = {"subscription_mode": "static"}


class TestPrivateShardedRedis(TestShardedRedis):
    options: ClassVar[Mapping[str, Any]] = {"subscription_mode": "dynamic-private"}


class TestRedisStreams(LiveSuite):
    adapter = adapters.RedisStreamsAdapter
    engine = "redis_url"


class TestPostgres(LiveSuite):
    adapter = adapters.PostgresAdapter
    engine = "postgres_dsn"


class TestNats(LiveSuite):
    adapter = adapters.NatsAdapter
    engine = "nats_url"


class TestJetStream(TestNats):
    options: ClassVar[Mapping[str, Any]] = {"jetstream": True}
