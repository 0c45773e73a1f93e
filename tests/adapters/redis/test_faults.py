"""A Redis that goes away, comes back, is silent, deaf, full, or says no."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

import pytest

from sockwave.adapters.redis import carrier, echoes, link, publisher
from tests.adapters.redis.ears import FakeEar, classic, listening, until
from tests.adapters.redis.small_redis import SmallRedis, small_redis
from tests.adapters.redis.test_classic import message, number

if TYPE_CHECKING:
    from collections.abc import Coroutine


def run(scenario: Coroutine[Any, Any, None]) -> None:
    asyncio.run(scenario)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Silence is noticed soon, and connections are tried often."""
    monkeypatch.setattr(link, "LOOK", 0.05)
    monkeypatch.setattr(link, "LAST_RETRY", 0.05)


def test_redis_that_comes_back_gets_what_was_kept_in_order() -> None:
    async def scenario() -> None:
        async with small_redis() as redis:
            one, two = classic(redis.url), classic(redis.url)
            async with listening(one, "A") as here, listening(two, "B") as ear:
                await redis.stop()
                await until(lambda: here.lost and ear.lost)
                for at in range(100):
                    one.publish_message("/", number(at))
                await redis.start()
                await until(lambda: len(ear.heard) == 100)
                assert ear.numbers == list(range(100))
                assert await one.count("/") == 2
                assert len(here.lost) == 1
                assert "127.0.0.1" in here.lost[0]

    run(scenario())


@pytest.mark.parametrize("listening_one", [True, False])
def test_connection_that_is_cut_is_made_again(listening_one: bool) -> None:
    async def scenario() -> None:
        async with small_redis() as redis:
            one, two = classic(redis.url), classic(redis.url)
            async with listening(one, "A"), listening(two, "B") as ear:
                for at in range(3):
                    await two.start()  # it is there
                    redis.cut(listening=listening_one)
                    await until(lambda: len(ear.lost) == at + 1)  # noqa: B023
                    await until(lambda: redis.listeners(b"SUBSCRIBE", b"key-request#/#") == 2)
                    while not ear.heard:
                        one.publish_message("/", number(at))
                        await asyncio.sleep(0.005)
                    ear.heard.clear()

    run(scenario())


def test_redis_that_answers_nothing_is_given_up_and_found_again() -> None:
    async def scenario() -> None:
        async with small_redis() as redis:
            driver = classic(redis.url)
            async with listening(driver, "A") as ear:
                redis.pause()
                await until(lambda: ear.lost)
                assert "it does not answer" in ear.lost[0]
                redis.resume()
                driver.publish_message("/", number(1))
                await until(lambda: any(b"number" in data for _, data in redis.published))

    run(scenario())


def test_connections_that_bring_nothing_back_are_made_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(echoes, "PATIENCE", 0.02)

    async def scenario() -> None:
        async with small_redis() as redis:
            driver = classic(redis.url)
            async with listening(driver, "A") as ear:
                redis.is_deaf = True
                while not ear.lost:
                    driver.publish_message("/", message(115), to=frozenset({"A"}))
                    await asyncio.sleep(0.001)
                assert "does not come back" in ear.lost[0]
                redis.is_deaf = False
                while not ear.heard:
                    driver.publish_message("/", message(115), to=frozenset({"A"}))
                    await asyncio.sleep(0.001)

    run(scenario())


def test_start_fails_once_and_then_waits() -> None:
    async def scenario() -> None:
        redis = SmallRedis()
        await redis.start()
        await redis.stop()
        driver = classic(redis.url)
        try:
            with pytest.raises(OSError, match="cannot be reached"):
                await driver.start()
            waiting = asyncio.create_task(driver.start())
            driver.publish_message("/", number(1))
            await asyncio.sleep(0.01)
            assert not waiting.done()
            await redis.start()
            await waiting
            await until(lambda: redis.published)
        finally:
            await driver.aclose()
            await redis.stop()

    run(scenario())


def test_wrong_password_is_told_and_not_shown() -> None:
    async def scenario() -> None:
        async with small_redis(password=b"right") as redis:
            driver = classic(f"redis://:wrong@127.0.0.1:{redis.port}")
            with pytest.raises(OSError, match="cannot be reached") as error:
                await driver.start()
            assert "wrong" not in str(error.value).lower().replace("wrongpass", "")
            await driver.aclose()
            async with listening(classic(f"redis://:right@127.0.0.1:{redis.port}"), "A"):
                assert redis.listeners(b"SUBSCRIBE", b"key-request#/#") == 1

    run(scenario())


def test_subscription_that_is_refused_is_an_error() -> None:
    async def scenario() -> None:
        async with small_redis(errors={b"PSUBSCRIBE": b"NOPERM no permission"}) as redis:
            driver = classic(redis.url)
            await driver.start()
            with pytest.raises(PermissionError, match="NOPERM"):
                await driver.subscribe("/", "A", FakeEar())
            redis.cut()
            await until(lambda: redis.listeners(b"SUBSCRIBE", b"key-request#/#") == 1)
            await driver.aclose()

    run(scenario())


def test_message_that_redis_refuses_is_told_once_in_a_while() -> None:
    async def scenario() -> None:
        async with small_redis() as redis:
            driver = classic(redis.url)
            async with listening(driver, "A") as ear:
                redis.errors[b"PUBLISH"] = b"OOM command not allowed"
                for at in range(100):
                    driver.publish_message("/", number(at))
                await until(lambda: len(ear.lost) == 7)
                assert "refused 64 messages" in ear.lost[-1]
                assert "OOM" in ear.lost[-1]
                assert await driver.count("/") == 1

    run(scenario())


def test_what_nobody_would_read_is_not_sent_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publisher, "MAX_MESSAGE", 4)

    async def scenario() -> None:
        async with small_redis() as redis:
            one, two = classic(redis.url), classic(redis.url)
            async with listening(one, "A") as here, listening(two, "B") as ear:
                one.publish_message("/", number(1))
                await until(lambda: here.lost)
                assert "was not sent to other servers" in here.lost[0]
                monkeypatch.setattr(publisher, "MAX_MESSAGE", 1_000)
                one.publish_message("/", number(2))
                await until(lambda: ear.heard)
                assert ear.numbers == [2]

    run(scenario())


def test_what_is_kept_is_bounded_and_the_newest_is_dropped() -> None:
    async def scenario() -> None:
        async with small_redis() as redis:
            one, two = classic(redis.url, max_backlog=2_000), classic(redis.url)
            async with listening(one, "A") as here, listening(two, "B") as ear:
                await redis.stop()
                await until(lambda: here.lost and ear.lost)
                for at in range(100):
                    one.publish_message("/", number(at))
                await until(lambda: len(here.lost) == 2)
                assert "max_backlog" in here.lost[1]
                await redis.start()
                await until(lambda: ear.heard)
                one.publish_message("/", number(1_000))
                await until(lambda: ear.numbers[-1] == 1_000)
                kept = ear.numbers[:-1]
                assert kept == list(range(len(kept)))
                assert 10 < len(kept) < 100
                assert len(here.lost) == 2

    run(scenario())


def test_servers_cannot_be_counted_while_redis_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(carrier, "COUNT", 0.05)

    async def scenario() -> None:
        async with small_redis() as redis:
            driver = classic(redis.url)
            async with listening(driver, "A") as ear:
                redis.pause()
                assert await driver.count("/") is None
                redis.resume()
                await redis.stop()
                await until(lambda: ear.lost)
                assert await driver.count("/") is None
                await redis.start()

    run(scenario())


def test_signs_of_life_are_not_kept() -> None:
    async def scenario() -> None:
        async with small_redis() as redis:
            driver = classic(redis.url)
            async with listening(driver, "A") as ear:
                await redis.stop()
                await until(lambda: ear.lost)
                driver.publish_message("/", message(2))
                driver.publish_message("/", message(115), to=frozenset({"A"}))
                driver.publish_message("/", number(1))
                await redis.start()
                await until(lambda: redis.published)
                assert [name for name, _ in redis.published] == [b"key-request#/#"]

    run(scenario())


def test_nonsense_of_redis_ends_the_connection_only(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        async with small_redis() as redis:
            driver = classic(redis.url)
            async with listening(driver, "A") as ear:
                redis.say(b"?what\r\n")
                await until(lambda: ear.lost)
                assert "cannot be read" in ear.lost[0]
                await driver.count("/")
                driver.publish_message("/", number(1))
                await until(lambda: redis.published)

    run(scenario())
    assert "what Redis says cannot be read" in caplog.text


def test_end_does_not_wait_for_a_redis_that_answers_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(publisher, "FLUSH", 0.05)

    async def scenario() -> None:
        async with small_redis() as redis:
            driver = classic(redis.url)
            async with listening(driver, "A"):
                redis.pause()
                driver.publish_message("/", number(1))
                await driver.aclose()
                redis.resume()

    run(scenario())


def test_connections_that_are_lost_leave_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FIRST_RETRY", "LAST_RETRY"):
        monkeypatch.setattr(link, name, 0.001)
    monkeypatch.setattr(publisher, "CUT", 0.0)

    async def scenario() -> None:
        async with small_redis() as redis:
            driver = classic(redis.url)
            async with listening(driver, "A") as ear:

                async def cut(times: int) -> tuple[int, int]:
                    for _ in range(times):
                        lost = len(ear.lost)
                        redis.cut()
                        await until(lambda: len(ear.lost) > lost)  # noqa: B023
                        await driver.start()
                        await until(lambda: not redis.is_closing)
                    return len(asyncio.all_tasks()), len(os.listdir("/proc/self/fd"))

                assert await cut(10) == await cut(200)

    run(scenario())


@pytest.mark.parametrize(
    "refusals",
    [
        dict.fromkeys((b"PING", b"PUBLISH", b"SUBSCRIBE", b"PSUBSCRIBE"), b"NOAUTH no"),
        {b"PING": b"LOADING dataset"},
        dict.fromkeys((b"SUBSCRIBE", b"PSUBSCRIBE"), b"NOPERM no permission"),
    ],
)
def test_redis_that_refuses_all_is_away_and_told_rarely(
    refusals: dict[bytes, bytes], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")

    async def scenario() -> None:
        async with small_redis() as redis:
            one, two = classic(redis.url), classic(redis.url)
            async with listening(one, "A") as here, listening(two, "B") as ear:
                redis.errors |= refusals
                redis.commands.clear()
                redis.cut()
                await until(lambda: any("attempt 8: " in text for text in here.lost))
                for at in range(3):
                    one.publish_message("/", number(at))
                (reason,) = set(refusals.values())
                assert all(reason.decode() in text for text in here.lost[1:])
                assert [text.split("attempt ")[1][0] for text in here.lost[1:]] == list("1248")
                assert not any("reached again" in text for text in caplog.messages)
                redis.errors.clear()
                await until(lambda: len(ear.heard) == 3)
                assert ear.numbers == [0, 1, 2]
                await until(lambda: sum("reached again" in text for text in caplog.messages) == 2)
                assert not [record for record in caplog.records if record.levelname == "ERROR"]

    run(scenario())


def test_channel_that_is_refused_stays_refused_until_redis_takes_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scenario() -> None:
        async with small_redis(errors={b"PSUBSCRIBE": b"NOPERM no permission"}) as redis:
            driver, ear = classic(redis.url), FakeEar()
            await driver.start()
            for _ in range(5):
                with pytest.raises(PermissionError, match="NOPERM"):
                    await driver.subscribe("/", "A", ear)
            del redis.errors[b"PSUBSCRIBE"]
            await driver.subscribe("/", "A", ear)
            assert redis.listeners(b"PSUBSCRIBE", b"key#/#*") == 1
            await driver.aclose()

    run(scenario())
    assert len(caplog.messages) == 3  # the first, the second, the fourth
