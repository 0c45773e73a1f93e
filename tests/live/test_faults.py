"""The suite of adapters on engines that restart, stand still, are cut off, full or slow."""

from __future__ import annotations

from typing import ClassVar

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


class ChannelFaults(RedisFaults):
    """Where nothing is kept: what is full is the memory for those who listen.

    Attributes:
        channels: What lists them.
        publish: What sends there.
    """

    channels: ClassVar[str]
    publish: ClassVar[str]

    def fill(self, engine: Redis) -> None:
        super().fill(engine)
        engine.cli("CONFIG", "SET", "client-output-buffer-limit", "pubsub 32kb 32kb 1")
        for channel in engine.cli("PUBSUB", self.channels).split():
            engine.cli(self.publish, channel, "x" * 100_000)

    def empty(self, engine: Redis) -> None:
        super().empty(engine)
        engine.cli("CONFIG", "SET", "client-output-buffer-limit", "pubsub 32mb 8mb 60")


class TestRedis(ChannelFaults):
    adapter = adapters.RedisAdapter
    channels = "CHANNELS"
    publish = "PUBLISH"


class TestShardedRedis(ChannelFaults):
    adapter = adapters.ShardedRedisAdapter
    channels = "SHARDCHANNELS"
    publish = "SPUBLISH"


class TestRedisStreams(RedisFaults):
    adapter = adapters.RedisStreamsAdapter
