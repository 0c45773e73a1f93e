"""Sharded channels that are spread over the nodes of a cluster, which change."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from sockwave.adapters.redis import echoes, link, shards
from sockwave.adapters.redis.places import Place, find_place
from sockwave.adapters.redis.shards import ShardCarriers
from sockwave.adapters.redis.subscriber import SHARD
from tests.adapters.redis.ears import until
from tests.adapters.redis.small_redis import SmallRedis, small_redis

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "LOOK", 0.05)
    monkeypatch.setattr(link, "LAST_RETRY", 0.05)
    monkeypatch.setattr(shards, "AGAIN", 0.01)


def run(scenario: Coroutine[Any, Any, None]) -> None:
    asyncio.run(scenario)


class FakeCluster:
    """Nodes, and which of them has which channels: `x1` is at node `x`, unless it has moved."""

    def __init__(self, **nodes: SmallRedis) -> None:
        self.redis = nodes
        self.there = set(nodes)
        self.moved: dict[str, str] = {}
        self.is_away = False
        self.looks = 0
        self._nodes: dict[str, Place] = {}
        self._homes: dict[str, str] = {}

    async def look(self) -> None:
        self.looks += 1
        if self.is_away:
            raise ConnectionError("no node can be reached")
        self._nodes = {name: find_place(self.redis[name].url) for name in self.there}
        self._homes = dict(self.moved)

    def nodes(self) -> dict[str, Place]:
        return dict(self._nodes)

    def node_of(self, channel: str) -> str | None:
        home = self._homes.get(channel, channel[0])
        return home if home in self._nodes else None

    async def count_elsewhere(self, query: str, channel: str) -> int | None:
        if self.is_away:
            raise ConnectionError("no node can be reached")
        name = channel.encode()
        return sum(each.listeners(b"SSUBSCRIBE", name) for each in self.redis.values())


class Listener:
    def __init__(self) -> None:
        self.heard: list[tuple[bytes, bytes]] = []

    def __call__(self, channel: bytes, message: bytes) -> None:
        self.heard.append((channel, message))


def connected(carriers: ShardCarriers) -> bool:
    return carriers.is_there


@asynccontextmanager
async def cluster(*names: str) -> AsyncIterator[tuple[FakeCluster, ShardCarriers, list[str]]]:
    async with AsyncExitStack() as stack:
        nodes = {name: await stack.enter_async_context(small_redis()) for name in names}
        fake, lost = FakeCluster(**nodes), list[str]()
        place: Any = fake
        carriers = ShardCarriers(place, 10_000, lost.append)
        stack.push_async_callback(carriers.aclose)
        yield fake, carriers, lost


def test_channels_are_where_the_table_says() -> None:
    async def scenario() -> None:
        async with cluster("a", "b") as (fake, carriers, _):
            ear = Listener()
            carriers.listen(SHARD, "a1", ear)
            carriers.publish("b2", b"early")
            assert not connected(carriers)
            await carriers.start()
            assert connected(carriers)
            carriers.listen(SHARD, "b2", ear)
            await carriers.settle()
            assert await carriers.count("SHARDNUMSUB", "a1") == 1
            assert fake.redis["a"].listeners(b"SSUBSCRIBE", b"a1") == 1
            assert fake.redis["b"].listeners(b"SSUBSCRIBE", b"b2") == 1
            carriers.publish("a1", b"one")
            carriers.publish("b2", b"two")
            await until(lambda: len(ear.heard) == 2)
            assert sorted(ear.heard) == [(b"a1", b"one"), (b"b2", b"two")]
            assert fake.redis["b"].published == [(b"b2", b"early"), (b"b2", b"two")]
            carriers.leave(SHARD, "b2")
            carriers.leave(SHARD, "b2")
            await until(lambda: not fake.redis["b"].listeners(b"SSUBSCRIBE", b"b2"))

    run(scenario())


def test_channel_that_moves_is_listened_to_at_its_new_home() -> None:
    async def scenario() -> None:
        async with cluster("a", "b") as (fake, carriers, _):
            ear = Listener()
            carriers.listen(SHARD, "a1", ear)
            await carriers.start()
            await carriers.settle()
            fake.moved["a1"] = "b"
            fake.redis["a"].drop(b"a1")  # and says so
            await until(lambda: fake.redis["b"].listeners(b"SSUBSCRIBE", b"a1"))
            carriers.publish("a1", b"x")
            await until(lambda: ear.heard)
            assert fake.redis["b"].published == [(b"a1", b"x")]

    run(scenario())


def test_channel_that_is_refused_is_tried_again_where_it_is() -> None:
    async def scenario() -> None:
        async with cluster("a", "b") as (fake, carriers, _):
            await carriers.start()
            fake.redis["a"].errors[b"SSUBSCRIBE"] = b"MOVED 1 127.0.0.1:1"
            carriers.listen(SHARD, "a1", Listener())
            carriers.listen(SHARD, "a2", Listener())
            with pytest.raises(PermissionError, match="MOVED"):
                await carriers.settle()
            fake.moved["a1"] = "b"
            del fake.redis["a"].errors[b"SSUBSCRIBE"]
            await until(lambda: fake.redis["b"].listeners(b"SSUBSCRIBE", b"a1"))
            await until(lambda: fake.redis["a"].listeners(b"SSUBSCRIBE", b"a2"))

    run(scenario())


def test_nodes_that_come_and_go_are_noticed() -> None:
    async def scenario() -> None:
        async with cluster("a", "b", "c") as (fake, carriers, lost):
            fake.there.discard("c")
            ear = Listener()
            carriers.listen(SHARD, "a1", ear)
            carriers.listen(SHARD, "c1", ear)
            await carriers.start()
            carriers.publish("c1", b"nowhere")
            assert "no node" in lost[-1]
            fake.there = {"b", "c"}
            fake.moved["a1"] = "c"
            await fake.redis["a"].stop()
            await until(lambda: fake.redis["c"].listeners(b"SSUBSCRIBE", b"a1"))
            await until(lambda: fake.redis["c"].listeners(b"SSUBSCRIBE", b"c1"))
            await until(lambda: carriers.is_there)
            carriers.publish("a1", b"x")
            await until(lambda: (b"a1", b"x") in ear.heard)
            await fake.redis["a"].start()

    run(scenario())


def test_cluster_that_is_away_is_looked_for_again() -> None:
    async def scenario() -> None:
        async with cluster("a") as (fake, carriers, lost):
            fake.is_away = True
            with pytest.raises(OSError, match="no node"):
                await carriers.start()
            fake.is_away = False
            await carriers.start()
            fake.is_away = True
            assert await carriers.count("SHARDNUMSUB", "a1") is None
            fake.redis["a"].cut()
            looks = fake.looks
            await until(lambda: lost and fake.looks > looks + 2)
            fake.is_away = False
            await until(lambda: carriers.is_there)

    run(scenario())


def test_cluster_that_brings_nothing_back_is_connected_to_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(echoes, "PATIENCE", 0.0)

    async def scenario() -> None:
        async with cluster("a", "b") as (_, carriers, lost):
            carriers.echo_sent()  # nobody is there yet
            await carriers.start()
            for _ in range(3):
                carriers.echo_sent()
                carriers.echo_heard()
            assert not lost
            carriers.echo_sent()
            carriers.echo_sent()
            await until(lambda: len(lost) == 2)
            assert all("does not come back" in what for what in lost)

    run(scenario())


def test_what_is_kept_before_the_nodes_are_known_is_bounded() -> None:
    async def scenario() -> None:
        async with cluster("a") as (fake, carriers, lost):
            for number in range(100):
                carriers.publish("a1", b"%03d" % number * 100)
            assert len(lost) == 1
            assert "max_backlog" in lost[0]
            await carriers.start()
            await until(lambda: fake.redis["a"].published)
            await carriers.aclose()
            kept = [message[:3] for _, message in fake.redis["a"].published]
            assert kept == [b"%03d" % number for number in range(len(kept))]
            assert 10 < len(kept) < 100
            carriers.publish("a1", b"too late")

    run(scenario())
