"""The suite of adapters on engines that restart, stand still, are cut off, full or slow."""

from __future__ import annotations

from typing import ClassVar

from sockwave import adapters
from tests.live.engines import Postgres, Redis
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


class ChatPostgres(Postgres):
    """A PostgreSQL with a user who has no more rights than it takes, and no files to sort in."""

    def __init__(self) -> None:
        super().__init__("max_connections = 200", "temp_file_limit = 0")
        self._has_user = False

    def start(self) -> None:
        super().start()
        if not self._has_user:
            self._has_user = True
            self.sql("CREATE ROLE chat LOGIN; GRANT CREATE ON SCHEMA public TO chat")


class TestPostgres(FaultSuite[ChatPostgres]):
    adapter = adapters.PostgresAdapter

    def make_engine(self) -> ChatPostgres:
        return ChatPostgres()

    def address_of(self, engine: ChatPostgres) -> str:
        return engine.dsn.replace("postgres@", "chat@")

    def cut(self, engine: ChatPostgres) -> None:
        engine.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'chat'")

    def fill(self, engine: ChatPostgres) -> None:
        """There is no connection left, and those that are there end."""
        engine.sql("ALTER ROLE chat CONNECTION LIMIT 0")
        self.cut(engine)

    def empty(self, engine: ChatPostgres) -> None:
        engine.sql("ALTER ROLE chat CONNECTION LIMIT -1")
