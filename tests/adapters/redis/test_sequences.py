"""Messages of servers that have not come: what is missed, and what is not."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from sockwave import Server
from sockwave.adapters import ClusterAdapter, ClusterOptions, RedisAdapter, ShardedRedisAdapter
from sockwave.adapters.messages import Message, decode_value
from sockwave.adapters.redis import sequences
from sockwave.adapters.redis.sequences import ChannelCounts, SentCounts, WholeCount
from sockwave.errors import EncodeError
from sockwave.testing import LinkedClient
from tests.adapters.redis.ears import FakeEar, classic, listening, sharded, until
from tests.adapters.redis.small_redis import SmallRedis, small_redis
from tests.adapters.redis.test_classic import event, message
from tests.support.values import UNSENDABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

OPTS: dict[str, Any] = {"rooms": [], "except": [], "flags": {}}
SENDER = b"\xa1A"


def run(scenario: Coroutine[Any, Any, None]) -> None:
    asyncio.run(scenario)


def numbered(made: Message, sequence: int) -> Message:
    return Message(made.type, made.data, made.sender, made.namespace, sequence, sequence)


def sequences_of(ear: FakeEar) -> list[int | None]:
    return [each.sequence for each in ear.heard]


# --- counts ---------------------------------------------------------------------------------------


def test_first_number_is_where_a_count_begins() -> None:
    counts = WholeCount()
    assert [counts.came(SENDER, number) for number in (7, 8, 11)] == [7, 8, 11]


def test_what_is_thrown_away_unread_is_not_missed() -> None:
    counts = WholeCount()
    counts.passed_over(SENDER)  # of somebody unknown
    assert counts.came(SENDER, 1) == 1
    counts.passed_over(SENDER)
    counts.passed_over(SENDER)
    counts.passed_over(b"\xa1B")
    assert counts.came(SENDER, 4) == 2
    assert counts.came(SENDER, 6) == 4  # one is missing


def test_number_that_goes_back_or_too_far_ahead_is_no_gap() -> None:
    counts, channels = WholeCount(), ChannelCounts()
    numbers = (5, 3, 4, 2**60, 1, 2)
    assert [counts.came(SENDER, number) for number in numbers] == [5, 6, 7, 8, 9, 10]
    assert [channels.came(b"c", "A", number) for number in numbers] == [1, 2, 3, 4, 5, 6]


def test_each_channel_is_counted_for_itself() -> None:
    counts = ChannelCounts()
    assert counts.came(b"one", "A", 0) == 1
    assert counts.came(b"two", "A", 40) == 2
    assert counts.came(b"one", "B", 9) == 1
    assert counts.came(b"one", "A", 1) == 3
    assert counts.came(b"two", "A", 43) == 6  # two are missing


def test_channel_that_was_left_begins_anew() -> None:
    counts = ChannelCounts()
    counts.came(b"one", "A", 0)
    counts.left(b"one")
    counts.left(b"one")
    assert counts.came(b"one", "A", 17) == 2
    counts.drop("A")
    assert counts.came(b"one", "A", 99) == 1


def test_what_is_kept_is_bounded_and_what_is_forgotten_is_no_gap(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sequences, "MAX_CHANNELS", 3)
    monkeypatch.setattr(sequences, "MAX_SENDERS", 3)
    sent, whole, channels = SentCounts(), WholeCount(), ChannelCounts()
    for name in "abcabcabcd":
        sent.used(name, sent.next(name))
    assert [sent.next(name) for name in "abcd"] == [0, 0, 0, 1]
    for at in range(6):
        whole.came(b"%d" % at, 1)
        whole.keep(b"0")
        assert channels.came(b"%d" % at, "A", 5) == at + 1
    whole.passed_over(b"0")
    assert whole.came(b"0", 3) == 2  # it was never forgotten
    whole.drop(b"0")
    assert whole.came(b"0", 7) == 7
    for at in range(6):
        assert channels.came(b"0", f"B{at}", 5) == 1
    assert channels.came(b"0", "A", 9) == 1


# --- drivers --------------------------------------------------------------------------------------


def test_broadcast_on_the_classic_channels_has_its_number_behind_what_javascript_reads() -> None:
    async def scenario() -> None:
        async with small_redis() as redis, listening(classic(redis.url), "A") as ear:
            driver = classic(redis.url)
            async with listening(driver, "B"):
                driver.publish_message("/", numbered(event(1, sender="B"), 1))
                driver.publish_message("/", numbered(message(9, "B", packet=["e"]), 2))
                driver.publish_message("/", numbered(message(2, "B"), 3))
                await until(lambda: len(ear.heard) == 3)
                assert sequences_of(ear) == [1, 2, 3]
                values = [decode_value(data) for _, data in redis.published]
                uid, _, opts, number = values[0]
                assert (uid, opts, number) == ("B", OPTS, 1)
                assert values[1] == {"uid": "B", "type": 6, "s": 2, "data": ["e"]}

    run(scenario())


def test_broadcasts_to_rooms_where_nobody_is_are_not_missed() -> None:
    async def scenario() -> None:
        async with small_redis() as redis, listening(classic(redis.url), "A", "here") as ear:
            driver = classic(redis.url)
            async with listening(driver, "B"):
                for number, rooms in enumerate([("here",), ("x",), ("y",), (), ("z",), ("here",)]):
                    made = event(number, rooms=rooms, sender="B")
                    driver.publish_message("/", numbered(made, number + 1))
                await until(lambda: len(ear.heard) == 3)
                assert sequences_of(ear) == [1, 2, 3]
                redis.send(b"key#/#x#", b"\x94")  # of nobody

    run(scenario())


def test_sharded_channels_are_counted_one_by_one() -> None:
    async def scenario() -> None:
        async with small_redis() as redis, listening(sharded(redis.url), "A") as ear:
            driver = sharded(redis.url)
            async with listening(driver, "B"):
                for number, rooms in enumerate([(), ("r",), ("x",), ("r",), ()]):
                    made = event(number, rooms=rooms, sender="B")
                    driver.publish_message("/", numbered(made, number + 1))
                driver.publish_message("/", numbered(message(2, "B"), 6))
                await until(lambda: len(ear.heard) == 3)
                assert sequences_of(ear) == [1, 2, 3]
                values = [decode_value(data) for _, data in redis.published]
                assert [value["s"] for value in values] == [0, 0, 0, 1, 1, 0]

    run(scenario())


def test_room_that_is_joined_late_or_left_meanwhile_misses_nothing() -> None:
    async def scenario() -> None:
        async with small_redis() as redis:
            one, two = sharded(redis.url), sharded(redis.url)
            async with listening(one, "A") as ear, listening(two, "B"):

                async def joined(times: int, is_heard: bool) -> None:
                    (one.room_added if is_heard else one.room_dropped)("/", "r")
                    name = b"key#/#r#"
                    await until(lambda: redis.listeners(b"SSUBSCRIBE", name) == is_heard)
                    for number in range(3):
                        two.publish_message("/", numbered(event(rooms=("r",), sender="B"), number))
                    await until(lambda: len(redis.published) == 3 * times)

                for times, is_heard in enumerate((False, True, False, True), 1):
                    await joined(times, is_heard)
                await until(lambda: len(ear.heard) == 6)
                assert sequences_of(ear) == [1, 2, 3, 4, 5, 6]

    run(scenario())


@pytest.mark.parametrize("make", [classic, sharded])
def test_what_cannot_be_encoded_or_is_left_out_is_not_missed(make: Callable[..., Any]) -> None:
    async def scenario() -> None:
        async with small_redis() as redis, listening(make(redis.url), "A") as ear:
            driver = make(redis.url)
            for number in (1, 2):  # nobody would know what to do with it later
                driver.publish_message("/", numbered(message(2, "B"), number))
            driver.publish_message("/", numbered(event(sender="B"), 3))
            with pytest.raises(EncodeError):
                driver.publish_message("/", numbered(event(object(), sender="B"), 4))
            async with listening(driver, "B"):
                driver.publish_message("/", numbered(event(sender="B"), 4))
                await until(lambda: len(ear.heard) == 2)
                first, second = sequences_of(ear)
                assert first is not None and second == first + 1

    run(scenario())


def test_servers_in_javascript_have_no_numbers() -> None:
    async def scenario() -> None:
        async with small_redis() as redis, listening(classic(redis.url), "A") as ear:
            redis.send(b"key#/#", b"\x93" + BROADCAST)
            redis.send(b"key-request#/#", b'{"uid":"N","type":6,"data":["x"],"s":"no number"}')
            redis.send(b"key#/#", b"\x94" + BROADCAST + b"\xa1x")
            await until(lambda: len(ear.heard) == 3)
            assert sequences_of(ear) == [None, None, None]

    run(scenario())


BROADCAST = bytes.fromhex(
    "a14e82a47479706502a46461746191a17883a5726f6f6d7390a665786365707490a5666c61677380"
)
"""Of `N`, but for its first byte, which says how long the list is."""


# --- servers --------------------------------------------------------------------------------------

QUICK = ClusterOptions(heartbeat_interval=0.05, heartbeat_timeout=2.0)
ADAPTERS: dict[str, Callable[[str], Any]] = {
    "classic": lambda url: RedisAdapter(url, options=QUICK),
    "sharded": lambda url: ShardedRedisAdapter(url, options=QUICK),
}


class Pair:
    """Two servers, of which one hears of trouble."""

    def __init__(self, kind: str, redis: SmallRedis) -> None:
        self.redis = redis
        self.a, self.b = (Server(adapter=ADAPTERS[kind](redis.url)) for _ in range(2))
        self.errors: list[str] = []
        self.b.on("cluster_error", self.errors.append)

    async def meet(self) -> None:
        for io in (self.a, self.b):
            async with LinkedClient(io):
                adapter = io.adapter
                assert isinstance(adapter, ClusterAdapter)
                assert await adapter.wait_joined(40)
        await until(lambda: all(len(io.cluster.nodes) == 2 for io in (self.a, self.b)))

    async def lose(self, client: LinkedClient, count: int) -> None:
        """Lose some of what one sends, and see that this is all that the other has missed."""
        self.redis.loses = b"lost"
        for number in range(count):
            self.a.emit("lost", number)
        self.a.emit("last")
        while (await client.received())[0] != "last":
            pass
        await until(lambda: self.errors)
        node = self.a.cluster.nodes[0].id
        assert self.errors == [f"{count} messages of node {node} have not come"]

    async def close(self) -> None:
        for io in (self.a, self.b):
            await io.close()


@pytest.mark.parametrize("kind", ADAPTERS)
def test_server_is_told_how_many_messages_it_has_missed(kind: str) -> None:
    async def scenario() -> None:
        async with small_redis() as redis:
            pair = Pair(kind, redis)
            await pair.meet()
            async with LinkedClient(pair.b) as client:
                pair.a.emit("first")
                assert await client.received() == ("first", [])
                await pair.lose(client, 3)
                assert not pair.a.cluster.errors
            await pair.close()

    run(scenario())


@pytest.mark.parametrize("kind", ADAPTERS)
def test_nothing_is_missed_that_was_never_sent_or_was_for_others(kind: str) -> None:
    async def scenario() -> None:
        async with small_redis() as redis:
            pair = Pair(kind, redis)
            await pair.meet()
            async with LinkedClient(pair.b) as client:
                for number in range(20):
                    pair.a.to(f"room {number}").emit("x")
                    pair.a.to("here").emit("x")
                    pair.b.sockets_join("here") if number % 2 else pair.b.sockets_leave("here")
                    with pytest.raises(EncodeError):
                        pair.a.emit("x", UNSENDABLE)
                    pair.a.server_side_emit("x")
                    await asyncio.sleep(0.01)
                await pair.lose(client, 1)
            await pair.close()

    run(scenario())
