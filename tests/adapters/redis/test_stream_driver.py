"""The carrier of streams, on a Redis of the test's own, with its faults."""

from __future__ import annotations

import asyncio
import random
from contextlib import asynccontextmanager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from sockwave.adapters.messages import Message, MessageType, decode_message
from sockwave.adapters.redis import link, stream_driver
from sockwave.adapters.redis.places import find_place
from sockwave.adapters.redis.stream_driver import StreamsDriver, StreamSettings
from sockwave.errors import EncodeError
from tests.adapters.redis.small_streams import SmallStreams, small_streams

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine

    from sockwave.types import Room

OPTS: dict[str, Any] = {"rooms": [], "except": [], "flags": {}}


def broadcast(sender: str, number: int, **more: Any) -> Message:
    packet = {"type": 2, "data": ["news", number]}
    return Message(3, {"packet": packet, "opts": OPTS, **more}, sender, "/", number)


class Receiver:
    """Keeps what it hears."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.lost: list[str] = []
        self.bad: list[str] = []

    @property
    def heard(self) -> list[Any]:
        return [each.data["packet"]["data"][1] for each in self.messages if each.type == 3]

    def message_received(self, message: bytes) -> None:
        raise AssertionError("not bytes")

    def decoded(self, message: Message) -> None:
        self.messages.append(message)

    def refused(self, why: str) -> None:
        self.bad.append(why)

    def messages_lost(self, what: str) -> None:
        self.lost.append(what)

    def addresses_gone(self, addresses: Any) -> None:
        """Nobody tells."""

    def has_room(self, room: Room) -> bool:
        return False


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not is_so():
            await asyncio.sleep(0.002)


@asynccontextmanager
async def drivers(
    redis: SmallStreams, *addresses: str, **settings: Any
) -> AsyncIterator[list[tuple[StreamsDriver, Receiver]]]:
    place = find_place(redis.url)
    made: list[tuple[StreamsDriver, Receiver]] = []
    try:
        for address in addresses:
            driver, receiver = StreamsDriver(place, StreamSettings(**settings)), Receiver()
            made.append((driver, receiver))
            await driver.start()
            await driver.subscribe("/", address, receiver)
        yield made
    finally:
        for driver, _ in made:
            await driver.aclose()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections are tried often."""
    monkeypatch.setattr(link, "LAST_RETRY", 0.05)


def run(scenario: Coroutine[Any, Any, None]) -> None:
    asyncio.run(scenario)


# --- what goes where ------------------------------------------------------------------------------


def test_acts_go_by_the_stream_and_questions_by_channels() -> None:
    async def scenario() -> None:
        async with small_streams() as redis, drivers(redis, "a", "b") as ((a, _), (_, heard)):
            messages = [
                broadcast("a", 1),
                Message(4, {"opts": OPTS, "rooms": ["r"]}, "a", "/", 2),
                Message(MessageType.ADAPTER_CLOSE, {}, "a", "/", 3),
            ]
            questions = [
                broadcast("a", 4, requestId="1"),
                Message(MessageType.FETCH_SOCKETS, {"opts": OPTS, "requestId": "2"}, "a", "/", 5),
                Message(MessageType.HEARTBEAT, {"sockwave": {}}, "a", "/", 6),
            ]
            for each in (*messages, *questions):
                a.publish_message("/", each)
            answer = Message(MessageType.BROADCAST_ACK, {"requestId": "1"}, "a", "/", 7)
            a.publish_message("/", answer, to=frozenset({"b"}))
            await until(lambda: len(heard.messages) == 7)
            assert [each[b"type"] for each in redis.entries()] == [b"3", b"4", b"13"]
            assert [each[b"n"] for each in redis.entries()] == [b"1", b"2", b"3"]
            channels = [channel for channel, _ in redis.published]
            assert channels == [b"socket.io#/#"] * 3 + [b"socket.io#/#b#"]
            assert [decode_message(data) for _, data in redis.published] == [*questions, answer]

    run(scenario())


def test_what_cannot_be_encoded_is_not_missed() -> None:
    async def scenario() -> None:
        async with small_streams() as redis, drivers(redis, "a", "b") as ((a, _), (_, heard)):
            for number, value in enumerate((1, object(), object(), 2), 1):
                message = Message(9, {"packet": ["x", value]}, "a", "/", number, number)
                with nullcontext() if isinstance(value, int) else pytest.raises(EncodeError):
                    a.publish_message("/", message)
            await until(lambda: len(heard.messages) == 2)
            assert [each.sequence for each in heard.messages] == [1, 2]

    run(scenario())


def test_entries_have_the_form_and_the_bound_that_the_reference_writes() -> None:
    async def scenario() -> None:
        async with small_streams() as redis, drivers(redis, "a") as ((a, _),):
            a.publish_message("/", broadcast("a", 1))
            await until(lambda: bool(redis.entries()))
            command = next(each for each in redis.commands if each[0] == b"XADD")
            assert command[:6] == [b"XADD", b"socket.io", b"MAXLEN", b"~", b"10000", b"*"]
            assert command[6::2] == [b"uid", b"nsp", b"type", b"data", b"n"]

    run(scenario())


def test_names_are_options() -> None:
    names = {
        "stream_name": "s",
        "stream_count": 4,
        "channel_prefix": "p",
        "use_sharded_pub_sub": True,
        "max_len": 7,
    }

    async def scenario() -> None:
        async with small_streams() as redis, drivers(redis, "a", **names) as ((a, heard),):
            a.publish_message("/", broadcast("x", 1))
            a.publish_message("/", Message(MessageType.HEARTBEAT, {}, "x", "/", 2))
            await until(lambda: len(heard.messages) == 2)
            assert len(redis.entries(b"s-3")) == 1
            assert redis.published[0][0] == b"p#/#"
            assert any(
                each[:5] == [b"XADD", b"s-3", b"MAXLEN", b"~", b"7"] for each in redis.commands
            )
            assert await a.count("/") == 1

    run(scenario())


def test_namespace_with_a_negative_hash_is_read_where_it_is_written() -> None:
    async def scenario() -> None:
        async with small_streams() as redis, drivers(redis, "a", stream_count=4) as ((a, _),):
            receiver = Receiver()
            await a.subscribe("/my-namespace", "b", receiver)
            event = broadcast("x", 1)
            a.publish_message("/my-namespace", Message(3, event.data, "x", "/my-namespace", 1))
            await until(lambda: receiver.heard == [1])
            assert len(redis.entries(b"socket.io--3")) == 1

    run(scenario())


def test_what_others_write_is_read_whatever_its_type() -> None:
    """The emitter in JavaScript writes events between servers to the stream, too."""

    async def scenario() -> None:
        async with small_streams() as redis, drivers(redis, "a") as ((_, heard),):
            redis.add(
                [b"uid", b"emitter", b"nsp", b"/", b"type", b"9", b"data", b'{"packet":["hi"]}']
            )
            redis.add([b"other", b"program"])
            redis.add([b"uid", b"x", b"nsp", b"/", b"type", b"3", b"data", b"%"])
            redis.add([b"uid", b"x", b"nsp", b"/else", b"type", b"3", b"data", b"%"])
            redis.add([b"uid", b"x", b"nsp", b"/", b"type", b"13"])
            await until(lambda: len(heard.messages) == 2)
            assert heard.messages[0] == Message(9, {"packet": ["hi"]}, "emitter", "/")
            assert heard.bad == ["neither JSON nor base64"]

    run(scenario())


def test_bad_publication_is_refused() -> None:
    async def scenario() -> None:
        async with small_streams() as redis, drivers(redis, "a") as ((a, heard),):
            redis.send(b"socket.io#/#", b"\xc1")
            a.publish_message("/", Message(MessageType.HEARTBEAT, {}, "x", "/", 2))
            await until(lambda: len(heard.messages) == 1)
            assert len(heard.bad) == 1

    run(scenario())


def test_own_entries_are_not_heard_and_own_publications_are() -> None:
    async def scenario() -> None:
        async with small_streams() as redis, drivers(redis, "a") as ((a, heard),):
            a.publish_message("/", broadcast("a", 1))
            a.publish_message("/", Message(MessageType.ECHO, {}, "a", "/", 2), to=frozenset({"a"}))
            a.publish_message("/", broadcast("other", 3))
            await until(lambda: heard.heard == [3])
            await until(lambda: len(heard.messages) == 2)

    run(scenario())


def test_listener_that_leaves_hears_nothing_more() -> None:
    async def scenario() -> None:
        async with small_streams() as redis, drivers(redis, "a", "b") as ((a, heard), (b, other)):
            assert await a.count("/") == 2
            b.unsubscribe("/", "b")
            b.unsubscribe("/", "b")
            async with asyncio.timeout(10):
                while await a.count("/") != 1:
                    await asyncio.sleep(0.002)
            a.publish_message("/", broadcast("x", 1))
            await until(lambda: heard.heard == [1])
            assert not other.messages

    run(scenario())


def test_what_cannot_be_sent_is_an_error_of_the_call() -> None:
    async def scenario() -> None:
        async with (
            small_streams() as redis,
            drivers(redis, "a", only_plaintext=True) as ((a, heard),),
        ):
            bad = Message(3, {"packet": {"data": ["a", b"b"]}, "opts": OPTS}, "a", "/", 1)
            with pytest.raises(EncodeError):
                a.publish_message("/", bad)
            a.publish_message("/", broadcast("x", 2))
            await until(lambda: heard.heard == [2])

    run(scenario())


# --- faults ---------------------------------------------------------------------------------------


def test_500_in_a_row_arrive_in_order_on_few_writes() -> None:
    async def scenario() -> None:
        async with small_streams() as redis, drivers(redis, "a", "b") as ((a, _), (_, heard)):
            for number in range(500):
                a.publish_message("/", broadcast("a", number))
            await until(lambda: len(heard.heard) == 500)
            assert heard.heard == list(range(500))

    run(scenario())


def test_nothing_is_lost_or_doubled_when_connections_are_cut_under_traffic() -> None:
    async def scenario() -> None:
        chance = random.Random(7)
        async with small_streams() as redis, drivers(redis, "a", "b") as ((a, _), (_, heard)):
            for number in range(300):
                a.publish_message("/", broadcast("a", number))
                if number % 20 == 7:
                    redis.cuts_after = chance.choice([b"XADD", b"XREAD", b"XRANGE", None])
                if number % 40 == 17:
                    redis.cut()
                await asyncio.sleep(chance.random() * 0.004)
            await until(lambda: len(heard.heard) == 300)
            assert heard.heard == list(range(300))
            assert [each[b"n"] for each in redis.entries()] == [b"%d" % n for n in range(300)]
            assert heard.lost

    run(scenario())


def test_entry_whose_reply_was_cut_off_is_in_the_stream_once() -> None:
    async def scenario() -> None:
        async with small_streams() as redis, drivers(redis, "a", "b") as ((a, _), (_, heard)):
            for number in range(6):
                redis.cuts_after = b"XADD"
                a.publish_message("/", broadcast("a", number))
                count = number + 1
                await until(partial(lambda count: len(redis.entries()) == count, count))
            await until(lambda: len(heard.heard) == 6)
            assert [int(each[b"n"]) for each in redis.entries()] == list(range(6))

    run(scenario())


def test_entry_that_was_written_twice_is_heard_once() -> None:
    async def scenario() -> None:
        async with small_streams() as redis, drivers(redis, "b") as ((_, heard),):
            for number in (1, 2, 2, 1, 3):
                data = b'{"packet":{"data":["a",%d]},"opts":{"rooms":[]}}' % number
                n = b"%d" % number
                redis.add([b"uid", b"a", b"nsp", b"/", b"type", b"3", b"data", data, b"n", n])
            await until(lambda: 3 in heard.heard)
            assert heard.heard == [1, 2, 3]

    run(scenario())


def test_number_that_somebody_else_has_used_silences_nobody() -> None:
    async def scenario() -> None:
        async with small_streams() as redis, drivers(redis, "b") as ((_, heard),):
            for number in (1, 10**9, 2, 2, 3):
                data = b'{"packet":{"data":["a",%d]},"opts":{"rooms":[]}}' % number
                n = b"%d" % number
                redis.add([b"uid", b"a", b"nsp", b"/", b"type", b"3", b"data", data, b"n", n])
            await until(lambda: 3 in heard.heard)
            assert heard.heard == [1, 10**9, 2, 3]

    run(scenario())


def test_what_others_write_meanwhile_is_read_after_an_outage() -> None:
    async def scenario() -> None:
        async with small_streams() as redis, drivers(redis, "a") as ((a, heard),):
            await redis.stop()
            for number in range(250):
                data = b'{"packet":{"data":["a",%d]},"opts":{"rooms":[]}}' % number
                redis.add([b"uid", b"js", b"nsp", b"/", b"type", b"3", b"data", data])
            a.publish_message("/", broadcast("other", 250))
            await until(lambda: len(heard.lost) == 1)
            assert a.is_away
            await redis.start()
            await until(lambda: len(heard.heard) == 251)
            assert heard.heard == list(range(251))
            await until(lambda: not a.is_away)
            assert len(heard.lost) == 1

    run(scenario())


def test_gap_is_told_once() -> None:
    async def scenario() -> None:
        async with small_streams() as redis, drivers(redis, "a") as ((a, heard),):
            a.publish_message("/", broadcast("x", 0))
            await until(lambda: heard.heard == [0])
            await redis.stop()
            for number in range(1, 10):
                data = b'{"packet":{"data":["a",%d]},"opts":{"rooms":[]}}' % number
                redis.add([b"uid", b"js", b"nsp", b"/", b"type", b"3", b"data", data])
            redis.trim(3)
            await redis.start()
            await until(lambda: heard.heard == [0, 7, 8, 9])
            assert [text for text in heard.lost if "trimmed" in text] == heard.lost[1:]
            assert len(heard.lost) == 2
            await until(lambda: not a.is_away)
            redis.cut()
            await until(lambda: len(heard.lost) == 3)
            await until(lambda: not a.is_away)
            assert "trimmed" not in heard.lost[2]

    run(scenario())


def test_redis_that_has_forgotten_all_is_told_and_used() -> None:
    async def scenario() -> None:
        async with small_streams() as redis, drivers(redis, "a", "b") as ((a, _), (_, heard)):
            a.publish_message("/", broadcast("a", 0))
            await until(lambda: heard.heard == [0])
            await redis.stop()
            redis.forget_all()
            a.publish_message("/", broadcast("a", 1))
            await redis.start()
            await until(lambda: heard.heard == [0, 1])
            a.publish_message("/", broadcast("a", 2))
            await until(lambda: heard.heard == [0, 1, 2])
            assert any("emptied" in text for text in heard.lost)

    run(scenario())


@pytest.mark.slow
def test_redis_that_is_slow_to_answer_is_waited_for_and_one_that_does_not_is_left() -> None:
    async def scenario() -> None:
        async with small_streams() as redis, drivers(redis, "a", "b") as ((a, _), (_, heard)):
            redis.pause()
            a.publish_message("/", broadcast("a", 0))
            await until(lambda: a.is_away)
            a.publish_message("/", broadcast("a", 1))
            redis.resume()
            await until(lambda: heard.heard == [0, 1])

    run(scenario())


def test_error_of_redis_is_told_and_others_are_written() -> None:
    async def scenario() -> None:
        async with small_streams() as redis, drivers(redis, "a", "b") as ((a, told), (_, heard)):
            redis.errors[b"XADD"] = b"OOM command not allowed"
            a.publish_message("/", broadcast("a", 0))
            await until(lambda: any("OOM" in text for text in told.lost))
            del redis.errors[b"XADD"]
            a.publish_message("/", broadcast("a", 1))
            await until(lambda: heard.heard == [1])

    run(scenario())


def test_node_that_may_not_be_written_to_is_left_and_its_entries_are_kept() -> None:
    async def scenario() -> None:
        async with small_streams() as redis, drivers(redis, "a", "b") as ((a, _), (_, heard)):
            redis.errors[b"XADD"] = b"READONLY You can't write against a read only replica."
            a.publish_message("/", broadcast("a", 0))
            a.publish_message("/", broadcast("a", 1))
            await until(lambda: a.is_away)
            del redis.errors[b"XADD"]
            await until(lambda: heard.heard == [0, 1])

    run(scenario())


def test_what_nobody_would_read_is_not_written_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_driver, "MAX_MESSAGE", 4)

    async def scenario() -> None:
        async with (
            small_streams() as redis,
            drivers(redis, "a") as ((a, told),),
            drivers(redis, "b") as ((_, heard),),
        ):
            a.publish_message("/", broadcast("a", 1))
            await until(lambda: any("it has more than" in text for text in told.lost))
            monkeypatch.setattr(stream_driver, "MAX_MESSAGE", 1_000)
            a.publish_message("/", broadcast("a", 2))
            await until(lambda: heard.heard == [2])

    run(scenario())


def test_backlog_is_bounded_and_keeps_the_oldest() -> None:
    async def scenario() -> None:
        settings = {"max_backlog": 4_000}
        async with (
            small_streams() as redis,
            drivers(redis, "a", **settings) as ((a, told),),
            drivers(redis, "b") as ((_, heard),),
        ):
            await redis.stop()
            await until(lambda: a.is_away)
            for number in range(100):
                a.publish_message("/", broadcast("a", number))
            await until(lambda: any("max_backlog" in text for text in told.lost))
            await redis.start()
            while 100 not in heard.heard:  # there is no room before all that was kept is written
                a.publish_message("/", broadcast("a", 100))
                await asyncio.sleep(0.01)
            kept = [number for number in heard.heard if number != 100]
            assert kept == list(range(len(kept)))
            assert 5 < len(kept) < 40

    run(scenario())


def test_start_fails_once_where_nobody_listens_and_then_waits() -> None:
    async def scenario() -> None:
        async with small_streams() as redis:
            url = redis.url
        driver = StreamsDriver(find_place(url), StreamSettings())
        driver.publish_message("/", broadcast("a", 0))
        with pytest.raises(OSError, match="cannot be reached"):
            await driver.start()
        await redis.start()
        await driver.start()
        await until(lambda: len(redis.entries()) == 1)
        await driver.aclose()
        await driver.aclose()
        driver.publish_message("/", broadcast("a", 1))
        assert len(redis.entries()) == 1
        await redis.stop()

    run(scenario())


def test_end_sends_what_is_kept() -> None:
    async def scenario() -> None:
        async with small_streams() as redis:
            async with drivers(redis, "a") as ((a, _),):
                for number in range(1_000):
                    a.publish_message("/", broadcast("a", number))
            assert len(redis.entries()) == 1_000

    run(scenario())


@pytest.mark.parametrize(
    "refusals",
    [
        dict.fromkeys((b"PING", b"PUBLISH", b"SUBSCRIBE", b"XADD", b"XREAD"), b"NOAUTH no"),
        {b"XREAD": b"NOPERM no permission"},
        {b"XADD": b"READONLY You can't write against a read only replica."},
    ],
)
def test_redis_that_refuses_all_is_away_and_told_rarely(
    refusals: dict[bytes, bytes], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")

    async def scenario() -> None:
        async with small_streams() as redis, drivers(redis, "a", "b") as ((a, told), (_, heard)):
            redis.errors |= refusals
            if b"XREAD" in refusals:
                redis.cut()
                await until(lambda: a.is_away)
            for number in range(3):
                a.publish_message("/", broadcast("a", number))
            await until(lambda: any("attempt 8: " in text for text in told.lost))
            (reason,) = set(refusals.values())
            assert len(told.lost) == 5
            assert all(reason.decode() in text for text in told.lost[1:])
            assert not any("reached again" in text for text in caplog.messages)
            redis.errors.clear()
            await until(lambda: heard.heard == [0, 1, 2])
            await until(lambda: not a.is_away)

    run(scenario())
    assert sum("reached again" in text for text in caplog.messages) in (1, 2)


@pytest.mark.parametrize("written", [0, 3])
def test_end_tells_how_much_was_not_written(written: int, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        async with small_streams() as redis, drivers(redis, "a") as ((a, _),):
            await redis.stop()
            await until(lambda: a.is_away)
            question = Message(MessageType.SERVER_SIDE_EMIT, {"packet": ["x"]}, "a", "/")
            a.publish_message("/", question)
            a.publish_message("/", Message(MessageType.ADAPTER_CLOSE, {}, "a", "/"))
            for number in range(written):
                a.publish_message("/", broadcast("a", number))
            await a.aclose()
            await redis.start()

    run(scenario())
    told = [text for text in caplog.messages if "before the end" in text]
    expected = f"{written} messages to other servers could not be sent before the end"
    assert told == [expected] * bool(written)
