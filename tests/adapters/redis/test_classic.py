"""The driver of Redis' classic channels: what goes where, and what is made of what comes."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from sockwave.adapters.messages import EMITTER, Message, MessageType, encode_message
from sockwave.adapters.redis import ears as careful_ears
from tests.adapters.redis.ears import FakeEar, classic, listening, until
from tests.adapters.redis.small_redis import SmallRedis, small_redis

if TYPE_CHECKING:
    from collections.abc import Coroutine

EVERYBODY: dict[str, Any] = {"rooms": [], "except": [], "flags": {}}


def run(scenario: Coroutine[Any, Any, None]) -> None:
    asyncio.run(scenario)


def message(type_: int, sender: str = "A", /, **data: Any) -> Message:
    return Message(type_, data, sender, "/")


def event(*args: Any, rooms: tuple[str, ...] = (), sender: str = "A") -> Message:
    packet = {"type": 2, "data": ["event", *args]}
    return message(3, sender, packet=packet, opts={**EVERYBODY, "rooms": list(rooms)})


def number(at: int) -> Message:
    """An event between servers."""
    return message(9, packet=["number", at])


async def sent(redis: SmallRedis, count: int) -> list[tuple[str, bytes]]:
    await until(lambda: len(redis.published) >= count)
    return [(name.decode(), data) for name, data in redis.published]


def hello(sender: str) -> bytes:
    return encode_message(message(1, sender, sockwave={"version": 1}))


# --- the way out ----------------------------------------------------------------------------------


def test_server_listens_where_servers_in_javascript_do() -> None:
    async def scenario() -> None:
        async with small_redis() as redis, listening(classic(redis.url), "A"):
            assert redis.listeners(b"PSUBSCRIBE", b"key#/#*")
            for name in ("key-request#/#", "key-response#/#", "key-response#/#A#"):
                assert redis.listeners(b"SUBSCRIBE", name.encode()) == 1

    run(scenario())


def test_servers_are_counted_by_their_subscriptions() -> None:
    async def scenario() -> None:
        async with small_redis() as redis:
            one, two = classic(redis.url), classic(redis.url)
            async with listening(one, "A"), listening(two, "B"):
                assert await one.count("/") == await two.count("/") == 2
                assert await one.count("/other") == 0
                two.unsubscribe("/", "C")
                two.unsubscribe("/", "B")
                await until(lambda: not redis.listeners(b"SUBSCRIBE", b"key-request#/#") > 1)
                assert await one.count("/") == 1

    run(scenario())


def test_broadcast_to_one_room_has_a_channel_of_its_own() -> None:
    async def scenario() -> None:
        async with small_redis() as redis, listening(classic(redis.url), "A"):
            driver = classic(redis.url)
            async with listening(driver, "B"):
                driver.publish_message("/", event(1))
                driver.publish_message("/", event(2, rooms=("r",)))
                driver.publish_message("/", event(3, rooms=("r", "s")))
                driver.publish_message("/", number(4))
                names = [name for name, _ in await sent(redis, 4)]
                assert names == ["key#/#", "key#/#r#", "key#/#", "key-request#/#"]

    run(scenario())


@pytest.mark.parametrize(
    ("is_specific", "type_", "where"),
    [
        (False, MessageType.FETCH_SOCKETS_RESPONSE, "key-response#/#"),
        (True, MessageType.FETCH_SOCKETS_RESPONSE, "key-response#/#N#"),
        (True, MessageType.SERVER_SIDE_EMIT_RESPONSE, "key-response#/#"),
    ],
)
def test_answers_go_where_servers_in_javascript_look_for_them(
    is_specific: bool, type_: MessageType, where: str
) -> None:
    async def scenario() -> None:
        async with small_redis() as redis:
            driver = classic(redis.url, is_specific=is_specific)
            async with listening(driver, "A"):
                answer = message(type_, requestId="q", sockets=[])
                driver.publish_message("/", answer, to=frozenset({"N"}))
                ((name, data),) = await sent(redis, 1)
                assert name == where
                assert json.loads(data)["requestId"] == "q"

    run(scenario())


def test_answers_to_ours_go_to_them_alone() -> None:
    async def scenario() -> None:
        async with small_redis() as redis:
            driver = classic(redis.url)
            async with listening(driver, "A") as ear:
                redis.send(b"key-sockwave#/#", hello("B"))
                await until(lambda: ear.heard)
                answer = message(8, requestId="q", sockets=[])
                driver.publish_message("/", answer, to=frozenset({"B"}))
                assert await sent(redis, 1) == [("key-sockwave#/#B#", encode_message(answer))]
                redis.send(b"key-sockwave#/#", encode_message(message(13, "B")))
                await until(lambda: len(ear.heard) == 2)
                driver.publish_message("/", answer, to=frozenset({"B"}))
                assert (await sent(redis, 2))[1][0] == "key-response#/#"

    run(scenario())


def test_what_only_ours_understand_goes_beside_the_channels_of_javascript() -> None:
    async def scenario() -> None:
        async with small_redis() as redis:
            driver = classic(redis.url)
            async with listening(driver, "A"):
                driver.publish_message("/", message(2))
                driver.publish_message("/", message(103, requestId="q", count=1), to={"B"})
                driver.publish_message("/", message(101, version=1), to={"B", "C"})
                names = [name for name, _ in await sent(redis, 3)]
                assert names == ["key-sockwave#/#", "key-sockwave#/#B#", "key-sockwave#/#"]

    run(scenario())


# --- the way in -----------------------------------------------------------------------------------


def test_broadcast_to_a_room_where_nobody_is_is_not_even_read() -> None:
    async def scenario() -> None:
        async with small_redis() as redis, listening(classic(redis.url), "A", "here") as ear:
            redis.send(b"key#/#elsewhere#", b"\xc1 nonsense")
            redis.send(b"key#/#here#", b"\xc1 nonsense")
            await until(lambda: ear.bad)
            assert len(ear.bad) == 1

    run(scenario())


def test_own_copies_are_left_out_and_those_of_others_are_not() -> None:
    async def scenario() -> None:
        async with small_redis() as redis:
            one, two = classic(redis.url), classic(redis.url)
            async with listening(one, "A") as ear, listening(two, "B") as other:
                one.publish_message("/", event(1))
                one.publish_message("/", number(2))
                one.publish_message("/", message(4, opts=EVERYBODY, rooms=["r"]))
                one.publish_message("/", message(10, requestId="q", packet=1), to={"N"})
                two.publish_message("/", event(5, sender="B"))
                await until(lambda: len(other.heard) == 4 and ear.heard)
                assert [each.type for each in other.heard] == [3, 9, 4, 10]
                assert [each.sender for each in ear.heard] == ["B"]

    run(scenario())


def test_namespaces_and_keys_are_apart_whatever_stands_in_them() -> None:
    async def scenario() -> None:
        async with small_redis() as redis:
            driver = classic(redis.url)
            async with listening(driver, "A", namespace="/[ab]*?\\") as ear:
                redis.send(b"key#/ax?\\#", b"\xc1")
                redis.send(b"key#/[ab]*?\\#", b"\xc1")
                await until(lambda: ear.bad)
                assert len(ear.bad) == 1

    run(scenario())


def test_old_servers_get_the_answers_that_they_wait_for() -> None:
    async def scenario() -> None:
        async with small_redis() as redis:
            driver = classic(redis.url)
            async with listening(driver, "A", "mine") as ear:
                redis.send(b"key-request#/#", b'{"requestId":"q","type":0,"rooms":[]}')
                redis.send(b"key-request#/#", b'{"uid":"N","requestId":"r","type":1}')
                await until(lambda: len(ear.heard) == 2)
                sockets = [{"id": "a", "rooms": ["a", "r"]}]
                for asker, request in ((EMITTER, "q"), ("N", "r")):
                    answer = message(8, requestId=request, sockets=sockets)
                    driver.publish_message("/", answer, to=frozenset({asker}))
                for owner in (b"mine", b"other"):
                    order = b'{"requestId":"s","type":2,"sid":"%b","room":"r"}' % owner
                    redis.send(b"key-request#/#", order)
                await until(lambda: len(ear.heard) == 4)
                answers = [json.loads(data) for _, data in await sent(redis, 3)]
                assert answers == [
                    {"requestId": "q", "sockets": ["a"], "uid": "A"},
                    {"requestId": "r", "rooms": ["a", "r"], "uid": "A"},
                    {"requestId": "s"},
                ]

    run(scenario())


LIES: list[tuple[bytes, bytes]] = [
    (b"key#/#", b"\x93\x01\x02\x03"),
    (b"key#/#", b"\x93\xa1N\x80"),
    (b"key#/#", b"\xdd\xff\xff\xff\xff"),
    (b"key#/#", b"\x91" * 500 + b"\xc0"),
    (b"key-request#/#", b'{"type":[]}'),
    (b"key-request#/#", b'{"type":2,"uid":{}}'),
    (b"key-request#/#", b"{" * 500),
    (b"key-request#/#", b"\xff\xfe"),
    (b"key-response#/#", b"[1"),
    (b"key-response#/#A#", b"\x81\xa3uid\x01"),
    (b"key-sockwave#/#", b"\x80"),
    (b"key-sockwave#/#A#", b'{"type":1e9}'),
]


@pytest.mark.parametrize(("channel", "data"), LIES)
def test_what_is_no_message_is_refused_and_the_next_one_is_heard(
    channel: bytes, data: bytes
) -> None:
    async def scenario() -> None:
        async with small_redis() as redis, listening(classic(redis.url), "A") as ear:
            redis.send(channel, data)
            redis.send(b"key-request#/#", b'{"uid":"N","type":6,"data":["number",1]}')
            await until(lambda: ear.heard)
            assert (len(ear.bad), ear.numbers) == (1, [1])

    run(scenario())


def test_message_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(careful_ears, "MAX_MESSAGE", 1_000)

    async def scenario() -> None:
        async with small_redis() as redis, listening(classic(redis.url), "A") as ear:
            redis.send(b"key#/#", b"\x93" + bytes(1_000))
            await until(lambda: ear.bad)
            assert ear.bad == ["it has 1001 bytes"]

    run(scenario())


def test_messages_keep_the_order_of_the_calls() -> None:
    async def scenario() -> None:
        async with small_redis() as redis:
            one, two = classic(redis.url), classic(redis.url)
            async with listening(one, "A"), listening(two, "B") as ear:
                for at in range(500):
                    one.publish_message("/", number(at) if at % 2 else event(at))
                await until(lambda: len(ear.heard) == 500)
                order = [
                    m.data["packet"][1] if m.type == 9 else m.data["packet"]["data"][1]
                    for m in ear.heard
                ]
                assert order == list(range(500))

    run(scenario())


def test_what_is_published_before_the_start_and_the_end_arrives() -> None:
    async def scenario() -> None:
        async with small_redis() as redis, listening(classic(redis.url), "B") as ear:
            early = classic(redis.url)
            early.publish_message("/", number(1))
            await early.start()
            early.publish_message("/", number(2))
            await early.aclose()
            await early.aclose()
            early.publish_message("/", number(3))
            await until(lambda: len(ear.heard) == 2)
            assert ear.numbers == [1, 2]

    run(scenario())


def test_listener_that_is_unknown_is_nobody() -> None:
    async def scenario() -> None:
        async with small_redis() as redis:
            driver = classic(redis.url)
            ear = FakeEar()
            driver.unsubscribe("/", "A")
            async with listening(driver, "A"):
                await driver.subscribe("/other", "A", ear)
                redis.send(b"key-request#/other#", b'{"uid":"N","type":6,"data":["number",1]}')
                await until(lambda: ear.heard)

    run(scenario())
