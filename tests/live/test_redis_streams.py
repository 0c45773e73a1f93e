"""The adapter for Redis streams on a real Redis that is restarted, stopped, cut off and full."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
import redis.asyncio
from redis.asyncio.sentinel import Sentinel as SentinelClient

from sockwave import Server, Socket
from sockwave.adapters import ClusterAdapter, RedisStreamsAdapter
from sockwave.adapters.messages import Message, MessageType
from sockwave.adapters.redis.places import find_place
from sockwave.adapters.redis.stream_driver import StreamsDriver, StreamSettings
from sockwave.testing import LinkedClient
from tests.live.engines import Redis, RedisCluster, Sentinel
from tests.live.suites import MessageDriverSuite
from tests.support.raw import UNIT

if TYPE_CHECKING:
    from collections.abc import Callable

    from sockwave.adapters.message_driver import MessageDriver

pytestmark = pytest.mark.live

make_sentinel: Any = SentinelClient  # which has no types
OPTS: dict[str, Any] = {"rooms": [], "except": [], "flags": {}}


class TestStream(MessageDriverSuite):
    """What goes by the stream."""

    type = MessageType.BROADCAST

    @pytest.fixture(autouse=True)
    def _redis(self, redis_url: str) -> None:
        self.place = find_place(redis_url)
        self.name = uuid4().hex

    async def make_message_driver(self) -> MessageDriver:
        settings = StreamSettings(stream_name=self.name, channel_prefix=self.name)
        return StreamsDriver(self.place, settings)


class TestChannels(TestStream):
    """What goes by pub/sub."""

    type = MessageType.SERVER_SIDE_EMIT


class TestShardedChannels(TestStream):
    """The same on the channels of shards."""

    type = MessageType.SERVER_SIDE_EMIT

    async def make_message_driver(self) -> MessageDriver:
        settings = StreamSettings(
            stream_name=self.name, channel_prefix=self.name, use_sharded_pub_sub=True
        )
        return StreamsDriver(self.place, settings)


async def until(is_so: Callable[[], bool], seconds: float = 60.0) -> None:
    async with asyncio.timeout(seconds):
        while not is_so():
            await asyncio.sleep(0.002)


class Heard:
    """Keeps numbers of events."""

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self.lost: list[str] = []

    def decoded(self, message: Message) -> None:
        if message.type == MessageType.BROADCAST:
            self.numbers.append(message.data["packet"]["data"][1])

    def message_received(self, message: bytes) -> None:
        raise AssertionError("not bytes")

    def refused(self, why: str) -> None:
        raise AssertionError(why)

    def messages_lost(self, what: str) -> None:
        self.lost.append(what)

    def addresses_gone(self, addresses: Any) -> None:
        """Nobody tells."""

    def has_room(self, room: str) -> bool:
        return False


class Pair:
    """One that writes, and one that reads."""

    def __init__(self, redis: Any, **settings: Any) -> None:
        place = find_place(redis)
        self.writer = StreamsDriver(place, StreamSettings(**settings))
        self.reader = StreamsDriver(place, StreamSettings(**settings))
        self.heard, self.told = Heard(), Heard()
        self.written = 0

    async def __aenter__(self) -> Pair:
        await self.writer.start()
        await self.writer.subscribe("/", "writer", self.told)
        await self.reader.start()
        await self.reader.subscribe("/", "reader", self.heard)
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.writer.aclose()
        await self.reader.aclose()

    def write(self, count: int = 1, size: int = 0) -> None:
        for _ in range(count):
            data: list[Any] = ["news", self.written, "x" * size]
            packet = {"type": 2, "data": data}
            message = Message(3, {"packet": packet, "opts": OPTS}, "writer", "/", self.written)
            self.writer.publish_message("/", message)
            self.written += 1

    async def all_heard(self) -> None:
        """Each once, in order."""
        await until(lambda: len(self.heard.numbers) >= self.written)
        assert self.heard.numbers == list(range(self.written))


async def test_500_in_a_row_arrive_in_order(redis_url: str) -> None:
    async with Pair(redis_url, stream_name=uuid4().hex) as pair:
        pair.write(500)
        await pair.all_heard()


async def test_nothing_is_lost_when_redis_is_restarted_20_times_under_traffic() -> None:
    with Redis(keeps_data=True) as engine:
        async with Pair(engine.url) as pair:
            for _ in range(20):
                pair.write(20)
                await asyncio.sleep(0.01)
                pair.write(20)
                await asyncio.to_thread(engine.restart)
                pair.write(20)
                began = time.monotonic()
                await pair.all_heard()
                assert time.monotonic() - began < 2 + 10 * UNIT
            assert "reached" not in "".join(pair.heard.lost)


async def test_nothing_is_lost_when_connections_are_cut_under_traffic() -> None:
    with Redis() as engine:
        async with Pair(engine.url) as pair:
            for _ in range(30):
                pair.write(20)
                await asyncio.to_thread(engine.cli, "CLIENT", "KILL", "TYPE", "normal")
                pair.write(20)
                await asyncio.to_thread(engine.cli, "CLIENT", "KILL", "TYPE", "pubsub")
                await asyncio.sleep(0.02)
            await pair.all_heard()
            assert int(engine.cli("XLEN", "socket.io")) == pair.written


async def test_redis_that_stands_still_for_ten_seconds_is_noticed_and_loses_nothing() -> None:
    with Redis() as engine:
        async with Pair(engine.url) as pair:
            pair.write(10)
            await pair.all_heard()
            engine.pause()
            pair.write(10)
            try:
                await until(lambda: pair.writer.is_away and pair.reader.is_away, 8)
                await asyncio.sleep(4)
                pair.write(10)
            finally:
                engine.resume()
            await pair.all_heard()
            assert int(engine.cli("XLEN", "socket.io")) == pair.written


async def test_redis_without_room_is_told_and_goes_on_when_it_has_some() -> None:
    with Redis("maxmemory 4mb", "maxmemory-policy noeviction") as engine:
        async with Pair(engine.url) as pair:
            pair.write(1)
            await pair.all_heard()
            engine.cli("CONFIG", "SET", "maxmemory", "1")
            pair.write(10)
            await until(lambda: any("OOM" in text for text in pair.told.lost))
            engine.cli("CONFIG", "SET", "maxmemory", "0")
            pair.write(1)
            await until(lambda: pair.heard.numbers[-1] == 11)
            assert pair.heard.numbers == [0, 11]


async def test_sentinel_tells_who_is_written_to_after_a_fail_over() -> None:
    with Sentinel() as sentinel:
        watchers = make_sentinel(sentinel.addresses)
        client = watchers.master_for(sentinel.name)
        async with Pair(client) as pair:
            pair.write(10)
            await pair.all_heard()
            await asyncio.to_thread(sentinel.fail_over)
            pair.write(10)
            await until(lambda: bool(pair.heard.numbers) and pair.heard.numbers[-1] == 19)
            # A connection of redis-py that is cancelled while it asks Sentinel is closed by nobody.
            await until(lambda: not pair.writer.is_away and not pair.reader.is_away)
        for each in (client, *watchers.sentinels):
            await each.aclose()


# --- with recovery --------------------------------------------------------------------------------


def make_server(target: Any) -> Server:
    io = Server(adapter=RedisStreamsAdapter(target), connection_state_recovery=True)

    @io.on("connection")
    def connection(socket: Socket) -> None:
        socket.join("room")

    return io


def client_of(io: Server, auth: dict[str, Any]) -> LinkedClient:
    return LinkedClient(io, auth=dict(auth), timeout=30)


async def joined(ours: list[Server]) -> None:
    """Servers without a port begin with a client."""
    for io in ours:
        async with LinkedClient(io, timeout=30):
            adapter = io.of("/").adapter
            assert isinstance(adapter, ClusterAdapter)
            assert await adapter.wait_joined(30)


async def kept(client: Any, comer: Comer) -> None:
    """Until what belongs to it is in Redis."""
    async with asyncio.timeout(30):
        while not await client.exists(f"sio:session:{comer.auth['pid']}"):
            await asyncio.sleep(0.01)


async def read(ours: list[Server]) -> None:
    """Until all have read what was written so far: each hears of it."""
    for io in ours:
        async with LinkedClient(io, timeout=30) as client:
            assert client.sid is not None
            for each in ours:
                each.to(client.sid).emit("mark")
            for _ in ours:
                while (await client.received())[0] != "mark":
                    pass


class Comer:
    """A client that goes from server to server.

    Attributes:
        numbers: Of all events that it has got.
        recovered: How often it went on where it was.
    """

    def __init__(self) -> None:
        self.auth: dict[str, Any] = {}
        self.numbers: list[int] = []
        self.recovered = 0

    async def visit(self, home: Server, other: Server, number: int) -> None:
        """Stay until an event of the other one has come."""
        async with client_of(home, self.auth) as client:
            self.recovered += client.pid == self.auth.get("pid")
            self.auth["pid"] = client.pid
            other.to("room").emit("news", number)
            while not self.numbers or self.numbers[-1] != number:
                _, args = await client.received()
                self.numbers.append(args[0])
                self.auth["offset"] = args[1]


async def test_clients_come_back_to_other_servers_over_restarts_of_redis() -> None:
    with Redis(keeps_data=True) as engine:
        ours, comer = [make_server(engine.url) for _ in range(2)], Comer()
        await joined(ours)
        for number in range(20):
            home, other = ours[number % 2], ours[(number + 1) % 2]
            await comer.visit(home, other, 2 * number)
            async with redis.asyncio.from_url(engine.url) as client:
                await kept(client, comer)
            if number % 5 == 4:
                await asyncio.to_thread(engine.restart)
            other.to("room").emit("news", 2 * number + 1)
            await read(ours)
        assert comer.numbers == list(range(39))
        assert comer.recovered == 19
        for io in ours:
            await io.close()


async def test_clients_come_back_where_redis_is_a_cluster() -> None:
    with RedisCluster() as engine:
        clients = [redis.asyncio.RedisCluster.from_url(engine.url) for _ in range(2)]
        ours, comer = [make_server(client) for client in clients], Comer()
        await joined(ours)
        for number in range(12):
            home, other = ours[number % 2], ours[(number + 1) % 2]
            await comer.visit(home, other, 2 * number)
            if number == 5:
                for node in engine.nodes:
                    await asyncio.to_thread(node.cli, "CLIENT", "KILL", "TYPE", "pubsub")
            await kept(clients[0], comer)
            other.to("room").emit("news", 2 * number + 1)
            await read(ours)
        assert comer.numbers == list(range(23))
        assert comer.recovered == 11
        for io in ours:
            await io.close()
        for each in clients:
            await each.aclose()


async def test_streams_of_a_cluster_are_at_its_nodes() -> None:
    with RedisCluster() as engine:
        client = redis.asyncio.RedisCluster.from_url(engine.url)
        async with Pair(client, stream_count=3) as pair:
            receivers = {f"/{name}": Heard() for name in "abcdef"}
            for namespace, heard in receivers.items():
                await pair.reader.subscribe(namespace, "reader", heard)
            for number in range(50):
                for namespace in receivers:
                    packet = {"type": 2, "data": ["news", number]}
                    data = {"packet": packet, "opts": OPTS}
                    message = Message(3, data, f"writer of {namespace}", namespace, number)
                    pair.writer.publish_message(namespace, message)
            for heard in receivers.values():
                await until(partial(lambda heard: len(heard.numbers) == 50, heard))
                assert heard.numbers == list(range(50))
            for node in engine.nodes:
                await asyncio.to_thread(node.cli, "CLIENT", "KILL", "TYPE", "normal")
            pair.write(20)
            await pair.all_heard()
            assert await pair.writer.count("/") == 2
        await client.aclose()
