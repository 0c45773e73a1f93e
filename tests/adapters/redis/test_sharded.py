"""The driver of Redis' sharded channels: which room has one, and what goes where."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from sockwave.adapters.messages import encode_message
from sockwave.adapters.redis.sharded import SubscriptionMode, has_channel
from tests.adapters.redis.ears import listening, sharded, until
from tests.adapters.redis.small_redis import small_redis
from tests.adapters.redis.test_classic import event, message, number, sent

if TYPE_CHECKING:
    from collections.abc import Coroutine

ID = "OkF0hxdCVCEOQhzgAAAB"
CAPTURED = (
    b'{"type":3,"data":{"packet":{"type":2,"data":["hello"]},'
    b'"opts":{"rooms":["r1"],"except":[],"flags":{}}},"uid":"7e3c114358d42fbf","nsp":"/"}'
)
BINARY = bytes.fromhex(
    "84a47479706503a46461746182a67061636b657482a47479706502a46461746192a362696ec403010203a46f707473"
    "83a5726f6f6d7390a665786365707490a5666c61677380a3756964b037653363313134333538643432666266a36e73"
    "70a12f"
)


def run(scenario: Coroutine[Any, Any, None]) -> None:
    asyncio.run(scenario)


@pytest.mark.parametrize(
    ("room", "mode", "has_one"),
    [
        ("r", "dynamic", True),
        (ID, "dynamic", False),
        ("\U0001f600" * 10, "dynamic", False),
        ("é" * 20, "dynamic", False),
        (ID, "dynamic-private", True),
        ("r", "static", False),
    ],
)
def test_room_that_looks_like_an_id_has_no_channel_in_the_dynamic_mode(
    room: str, mode: SubscriptionMode, has_one: bool
) -> None:
    assert has_channel(room, mode) is has_one


@pytest.mark.parametrize(
    ("mode", "wanted"),
    [
        ("dynamic", ["key#/#", "key#/#r#", "key#/#", "key#/#", "key#/#"]),
        ("static", ["key#/#"] * 5),
        ("dynamic-private", ["key#/#", "key#/#r#", "key#/#", f"key#/#{ID}#", "key#/#"]),
    ],
)
def test_broadcast_goes_to_the_channel_of_its_room_where_it_has_one(
    mode: SubscriptionMode, wanted: list[str]
) -> None:
    async def scenario() -> None:
        async with small_redis() as redis:
            driver = sharded(redis.url, mode)
            async with listening(driver, "A"):
                for rooms in ((), ("r",), ("r", "s"), (ID,)):
                    driver.publish_message("/", event(1, rooms=rooms))
                question = event(1, rooms=("r",))
                question.data["requestId"] = "q"
                driver.publish_message("/", question)
                assert [name for name, _ in await sent(redis, 5)] == wanted

    run(scenario())


def test_room_that_others_were_told_to_join_has_no_channel_until_they_listen_there() -> None:
    async def scenario() -> None:
        async with small_redis() as redis:
            driver = sharded(redis.url)
            async with listening(driver, "A"):
                opts = {"rooms": ["here"], "except": [], "flags": {}}
                driver.publish_message("/", message(4, opts=opts, rooms=["r"]))
                for rooms in (("r",), ("here",)):
                    driver.publish_message("/", event(1, rooms=rooms))
                names = [name for name, _ in await sent(redis, 3)]
                assert names == ["key#/#", "key#/#", "key#/#here#"]

    run(scenario())


def test_what_is_for_one_server_goes_to_its_channel_and_ours_go_beside() -> None:
    async def scenario() -> None:
        async with small_redis() as redis:
            driver = sharded(redis.url)
            async with listening(driver, "A"):
                driver.publish_message("/", message(8, requestId="q", sockets=[]), to={"N"})
                driver.publish_message("/", message(101, version=1), to={"B"})
                driver.publish_message("/", message(101, version=1))
                driver.publish_message("/", message(2))
                names = [name for name, _ in await sent(redis, 4)]
                assert names == ["key#/#N#", "key#/#B#", "key-sockwave#/#", "key-sockwave#/#"]

    run(scenario())


def test_captured_messages_are_read_and_written_alike() -> None:
    async def scenario() -> None:
        async with small_redis() as redis:
            driver = sharded(redis.url)
            async with listening(driver, "A") as ear:
                driver.room_added("/", "r1")
                await until(lambda: redis.listeners(b"SSUBSCRIBE", b"key#/#r1#"))
                redis.send(b"key#/#r1#", CAPTURED, sharded=True)
                redis.send(b"key#/#", BINARY, sharded=True)
                await until(lambda: len(ear.heard) == 2)
                for each in list(ear.heard):
                    driver.publish_message("/", each)
                published = await sent(redis, 2)
                assert published == [("key#/#r1#", CAPTURED), ("key#/#", BINARY)]

    run(scenario())


def test_date_beside_something_binary_is_the_text_that_clients_get() -> None:
    async def scenario() -> None:
        async with small_redis() as redis, listening(sharded(redis.url), "A") as ear:
            date = bytes.fromhex("d7ff1d5353006553f100")
            redis.send(b"key#/#", BINARY.replace(b"\xa3bin", date), sharded=True)
            await until(lambda: ear.heard)
            assert ear.heard[0].data["packet"]["data"][0] == "2023-11-14T22:13:20.123Z"

    run(scenario())


def test_rooms_are_listened_to_while_somebody_is_there() -> None:
    async def scenario() -> None:
        async with small_redis() as redis:
            driver = sharded(redis.url)
            driver.room_added("/", "early")
            driver.room_added("/", "never")
            driver.room_dropped("/", "never")
            driver.room_dropped("/", "unknown")

            def rooms() -> list[str]:
                names = ("early", "late", "never", ID)
                return [
                    name
                    for name in names
                    if redis.listeners(b"SSUBSCRIBE", f"key#/#{name}#".encode())
                ]

            async with listening(driver, "A"):
                driver.room_added("/", "late")
                driver.room_added("/", ID)
                await until(lambda: rooms() == ["early", "late"])
                redis.cut()
                await until(lambda: not rooms())
                await until(lambda: rooms() == ["early", "late"])
                driver.room_dropped("/", "early")
                await until(lambda: rooms() == ["late"])
                assert await driver.count("/") == 1
                driver.unsubscribe("/", "B")
                driver.unsubscribe("/", "A")
                await until(lambda: not rooms())
                assert await driver.count("/") == 0

    run(scenario())


def test_own_copies_count_as_heard_and_bad_messages_are_refused() -> None:
    async def scenario() -> None:
        async with small_redis() as redis, listening(sharded(redis.url), "A") as ear:
            redis.send(b"key#/#A#", b"{", sharded=True)
            redis.send(b"key#/#A#", encode_message(message(115)), sharded=True)
            await until(lambda: ear.heard)
            assert len(ear.bad) == 1

    run(scenario())


def test_signs_of_life_are_not_kept() -> None:
    async def scenario() -> None:
        async with small_redis() as redis:
            driver = sharded(redis.url)
            async with listening(driver, "A") as ear:
                await redis.stop()
                await until(lambda: ear.lost)
                driver.publish_message("/", message(2))
                driver.publish_message("/", number(1))
                await redis.start()
                await until(lambda: redis.published)
                assert [name for name, _ in redis.published] == [b"key#/#"]

    run(scenario())
