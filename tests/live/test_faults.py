"""The suite of adapters on engines that restart, stand still, are cut off, full or slow."""

from __future__ import annotations

from sockwave import adapters
from tests.live.engines import Redis
from tests.live.faults import FaultSuite


class RedisFaults(FaultSuite[Redis]):
    """What may happen to a Redis."""

    def make_engine(self) -> Redis:
        return Redis("maxmemory-policy noeviction", keeps_data=True)

    def address_of(self, engine: Redis) -> str:
        return engine.url

    def cut(self, engine: Redis) -> None:
        for kind in ("pubsub", "normal"):
            engine.cli("CLIENT", "KILL", "TYPE", kind)

    def fill(self, engine: Redis) -> None:
        engine.cli("CONFIG", "SET", "maxmemory", "1")

    def empty(self, engine: Redis) -> None:
        engine.cli("CONFIG", "SET", "maxmemory", "0")


class TestRedis(RedisFaults):
    adapter = adapters.RedisAdapter
    channels = "CHANNELS"
    publish = "PUBLISH"

    def fill(self, engine: Redis) -> None:
        """Memory is no matter to what is only passed on, but what waits for one who listens is."""
        super().fill(engine)
        engine.cli("CONFIG", "SET", "client-output-buffer-limit", "pubsub 32kb 32kb 1")
        for channel in engine.cli("PUBSUB", self.channels).split():
            engine.cli(self.publish, channel, "x" * 100_000)


class TestShardedRedis(TestRedis):
    adapter = adapters.ShardedRedisAdapter
    channels = "SHARDCHANNELS"
    publish = "SPUBLISH"


class TestRedisStreams(RedisFaults):
    adapter = adapters.RedisStreamsAdapter
