"""A carrier on a PostgreSQL in memory: order, rows, losses, and connections that end."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from sockwave.adapters.messages import Message, MessageType, decode_message, encode_message
from sockwave.adapters.postgres import listener as listening
from sockwave.adapters.postgres import sender as sending
from sockwave.adapters.postgres import source
from sockwave.testing import DriverSuite
from tests.adapters.postgres.fakes import FakePostgres

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine
    from collections.abc import Set as AbstractSet

    from sockwave.adapters import Driver
    from sockwave.adapters.postgres.driver import PostgresDriver


class TestDriver(DriverSuite):
    """What every carrier must do."""

    async def make_driver(self) -> Driver:
        loop: Any = asyncio.get_running_loop()
        if getattr(self, "loop", None) is not loop:
            self.server, self.loop = FakePostgres(), loop
        return self.server.driver()


class Ear:
    """Keeps what it hears."""

    def __init__(self) -> None:
        self.got: list[bytes] = []
        self.lost: list[str] = []

    def message_received(self, message: bytes) -> None:
        self.got.append(message)

    def messages_lost(self, what: str) -> None:
        self.lost.append(what)

    def addresses_gone(self, addresses: AbstractSet[str]) -> None:
        raise AssertionError("PostgreSQL does not tell")

    @property
    def numbers(self) -> list[int]:
        return [decode_message(each).data["packet"]["data"][1] for each in self.got]


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "FIRST_RETRY", 0.001)
    monkeypatch.setattr(source, "LAST_RETRY", 0.002)
    monkeypatch.setattr(sending, "LAST_RETRY", 0.1)


def run(test: Callable[[FakePostgres], Coroutine[Any, Any, None]]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(60):
            await test(FakePostgres())

    asyncio.run(limited())


async def until(is_so: Callable[[], object]) -> None:
    while not is_so():
        await asyncio.sleep(0.001)


@asynccontextmanager
async def started(
    server: FakePostgres, count: int = 1, **options: Any
) -> AsyncIterator[list[tuple[PostgresDriver, Ear]]]:
    """Drivers that listen to `/`."""
    made = [(server.driver(**options), Ear()) for _ in range(count)]
    try:
        for number, (driver, ear) in enumerate(made):
            await driver.start()
            await driver.subscribe("/", f"uid{number}", ear)
        yield made
    finally:
        for driver, _ in made:
            await driver.aclose()
    assert server.connections == []


def message(number: int, extra: object = None, sender: str = "uid0") -> bytes:
    packet = {"type": 2, "data": ["x", number, extra]}
    data = {"packet": packet, "opts": {"rooms": [], "except": [], "flags": {}}}
    return encode_message(Message(MessageType.BROADCAST, data, sender, "/"), as_text=True)


LARGE = "x" * 9_000


# --- the way out ----------------------------------------------------------------------------------


def test_messages_of_one_turn_are_one_statement() -> None:
    async def test(server: FakePostgres) -> None:
        async with started(server) as [(driver, ear)]:
            server.statements.clear()
            for number in range(500):
                driver.publish("/", message(number))
            await until(lambda: len(ear.got) == 500)
            assert ear.numbers == list(range(500))
            assert server.statements == ["SELECT pg_notify(c,"]

    run(test)


def test_message_that_is_repeated_arrives_as_often_as_it_was_sent() -> None:
    async def test(server: FakePostgres) -> None:
        async with started(server) as [(driver, ear)]:
            for number in (1, 2, 1, 1, 3):
                driver.publish("/", message(number))
            await until(lambda: len(ear.got) == 5)
            assert ear.numbers == [1, 2, 1, 1, 3]

    run(test)


def test_small_and_large_messages_keep_their_order() -> None:
    async def test(server: FakePostgres) -> None:
        server.largest = 3 * len(LARGE)
        extras = (None, LARGE, b"\xff", None)
        async with started(server, 2) as [(driver, own), (_, other)]:
            for number in range(200):
                driver.publish("/", message(number, extras[number % 4]))
            await until(lambda: len(other.got) == 200)
            assert other.numbers == list(range(200))
            # It does not read its own large ones back.
            assert own.numbers == [number for number in range(200) if number % 4 in (0, 3)]

    run(test)


def test_full_backlog_drops_what_comes_and_says_so_once() -> None:
    async def test(server: FakePostgres) -> None:
        async with started(server, max_backlog=2_000) as [(driver, ear)]:
            server.gate.clear()
            for number in range(100):
                driver.publish("/", message(number))
            await until(lambda: ear.lost)
            kept = 100 - driver.dropped
            assert 0 < kept < 20
            server.gate.set()
            await until(lambda: len(ear.got) == kept)
            driver.publish("/", message(100))
            await until(lambda: len(ear.got) == kept + 1)
            assert ear.numbers == [*range(kept), 100]
            (told,) = ear.lost
            assert told == "a message is lost, or may be: PostgreSQL does not take what is sent"

    run(test)


def test_what_is_kept_goes_to_all_when_they_are_back() -> None:
    async def test(server: FakePostgres) -> None:
        async with started(server, 3) as all_:
            server.is_away = True
            server.restart()
            for number in range(50):
                all_[0][0].publish("/", message(number))
            await until(lambda: all(ear.lost for _, ear in all_))
            server.is_away = False
            await until(lambda: all(len(ear.got) == 50 for _, ear in all_))
            for _, ear in all_:
                assert ear.numbers == list(range(50))
                assert ear.lost == [
                    "the connection to PostgreSQL is lost: other servers are not heard",
                    "PostgreSQL is back: what others sent meanwhile was not heard",
                ]

    run(test)


def test_batch_whose_fate_nobody_knows_is_told_as_lost_and_not_sent_again() -> None:
    async def test(server: FakePostgres) -> None:
        async with started(server) as [(driver, ear)]:
            server.gate.clear()
            driver.publish("/", message(1))
            await until(lambda: server.statements[-1] == "SELECT pg_notify(c,")
            server.restart()
            server.gate.set()
            driver.publish("/", message(2))
            await until(lambda: server.sent)
            await until(lambda: any("ended while they were sent" in each for each in ear.lost))
            assert [payload for _, payload in server.sent] == [message(2).decode()]
            assert driver.dropped == 1

    run(test)


def test_batch_that_is_refused_is_sent_again(caplog: pytest.LogCaptureFixture) -> None:
    async def test(server: FakePostgres) -> None:
        async with started(server) as [(driver, ear)]:
            server.refusals = [asyncpg.ProgramLimitExceededError("queue is full")] * 3
            driver.publish("/", message(1))
            driver.publish("/", message(2, LARGE, sender="emitter"))
            await until(lambda: len(ear.got) == 2)
            assert ear.numbers == [1, 2]
            assert ear.lost == []

    with caplog.at_level(logging.WARNING, "sockwave.adapters"):
        run(test)
    assert len([each for each in caplog.messages if "queue is full" in each]) == 2


def test_table_that_takes_nothing_stops_only_what_needs_it() -> None:
    async def test(server: FakePostgres) -> None:
        async with started(server) as [(driver, ear)]:
            server.has_table = server.may_create = False
            driver.publish("/", message(1))
            driver.publish("/", message(2, LARGE))
            driver.publish("/", message(3))
            await until(lambda: len(ear.got) == 2)
            assert ear.numbers == [1, 3]
            await until(lambda: ear.lost)
            assert "CREATE TABLE IF NOT EXISTS socket_io_attachments" in ear.lost[0]

    run(test)


def test_table_that_somebody_has_dropped_is_made_again() -> None:
    async def test(server: FakePostgres) -> None:
        async with started(server) as [(driver, ear)]:
            server.has_table = False
            driver.publish("/", message(1, LARGE, sender="emitter"))
            await until(lambda: ear.got)
            assert ear.numbers == [1]

    run(test)


def test_old_rows_are_deleted_under_load_too() -> None:
    async def test(server: FakePostgres) -> None:
        async with started(server, cleanup_interval=0.01) as [(driver, _)]:
            for number in range(10_000):
                driver.publish("/", message(number))
                if "DELETE FROM" in server.statements:
                    break
                await asyncio.sleep(0)
            assert "DELETE FROM" in server.statements

    run(test)


def test_message_that_nobody_would_read_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "MAX_MESSAGE", 1_000)

    async def test(server: FakePostgres) -> None:
        async with started(server) as [(driver, ear)]:
            driver.publish("/", message(1, LARGE))
            await until(lambda: ear.lost)
            assert "more than" in ear.lost[0]
            assert server.rows == {}

    run(test)


# --- the way in -----------------------------------------------------------------------------------


def test_row_that_is_gone_is_a_lost_message() -> None:
    async def test(server: FakePostgres) -> None:
        async with started(server) as [(driver, ear)]:
            server.notify("socket.io#/", '{"uid":"other","type":3,"attachmentId":"77"}')
            driver.publish("/", message(1))
            await until(lambda: ear.got and ear.lost)
            assert ear.numbers == [1]
            assert ear.lost == [
                "a message is lost, or may be: one was not in the table any more when it was read"
            ]

    run(test)


def test_row_that_is_too_large_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "MAX_MESSAGE", 1_000)
    monkeypatch.setattr("sockwave.adapters.postgres.statements.MAX_MESSAGE", 1_000)

    async def test(server: FakePostgres) -> None:
        async with started(server, 2) as [(driver, _), (_, ear)]:
            driver.publish("/", message(1, LARGE))
            for number in range(2, 60):
                driver.publish("/", message(number, b"\xff" * 400))
            await until(lambda: len(ear.got) == 58)
            assert ear.numbers == list(range(2, 60))
            await until(lambda: ear.lost)
            assert "bytes" in ear.lost[0]

    run(test)


def test_flood_of_headers_is_bounded_and_told_once_a_second() -> None:
    async def test(server: FakePostgres) -> None:
        async with started(server, max_backlog=10_000) as [(driver, ear)]:
            server.gate.clear()
            for number in range(1, 1_000):
                server.notify("socket.io#/", f'{{"uid":"o","type":3,"attachmentId":"{number}"}}')
            await until(lambda: ear.lost)
            server.gate.set()
            await until(lambda: driver.dropped == 999)
            assert len(ear.lost) == 1
            assert ear.got == []

    run(test)


def test_rows_are_read_after_a_break_in_the_middle() -> None:
    async def test(server: FakePostgres) -> None:
        async with started(server, 2) as [(driver, _), (_, ear)]:
            for number in range(10):
                driver.publish("/", message(number, LARGE))
            await until(lambda: "SELECT m.id," in server.statements)
            server.restart()
            await until(lambda: len(ear.got) == 10)
            assert ear.numbers == list(range(10))

    run(test)


def test_listener_that_went_deaf_connects_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "DEAF", 0.01)
    monkeypatch.setattr(listening, "SECOND_LOOK", 0.01)

    async def test(server: FakePostgres) -> None:
        async with started(server) as [(driver, ear)]:
            server.is_deaf = True
            driver.publish("/", message(1))
            await until(lambda: len(ear.lost) == 2)
            server.is_deaf = False
            driver.publish("/", message(2))
            await until(lambda: ear.got)
            assert ear.numbers == [2]
            assert len(ear.lost) == 2

    run(test)


def test_listener_follows_what_is_wanted() -> None:
    async def test(server: FakePostgres) -> None:
        async with started(server) as [(driver, ear)]:
            await driver.subscribe("/admin", "a", ear)
            await driver.subscribe("/admin", "b", ear)
            assert server.listening() == {"socket.io#/", "socket.io#/admin"}
            driver.unsubscribe("/admin", "a")
            driver.unsubscribe("/admin", "b")
            await until(lambda: server.listening() == {"socket.io#/"})

    run(test)


def test_subscription_waits_for_a_connection_that_is_made_again() -> None:
    async def test(server: FakePostgres) -> None:
        async with started(server) as [(driver, ear)]:
            server.is_away = True
            server.restart()
            await until(lambda: ear.lost)
            subscribing = asyncio.ensure_future(driver.subscribe("/admin", "a", ear))
            server.is_away = False
            await subscribing
            assert "socket.io#/admin" in server.listening()

    run(test)


# --- the start ------------------------------------------------------------------------------------


def test_start_says_what_is_wrong_and_may_be_tried_again() -> None:
    async def test(server: FakePostgres) -> None:
        driver, ear = server.driver(), Ear()
        server.is_away = True
        with pytest.raises(OSError, match="nobody listens"):
            await driver.start()
        server.is_away = server.has_table = server.may_create = False
        with pytest.raises(OSError, match=r"may not make it: CREATE TABLE IF NOT EXISTS socket_io"):
            await driver.start()
        server.may_create = True
        server.encoding = "LATIN1"
        with pytest.raises(OSError, match="must have the encoding UTF8, not LATIN1"):
            await driver.start()
        server.encoding = "UTF8"
        assert server.connections == []
        await driver.start()
        assert server.has_table
        await driver.subscribe("/", "a", ear)
        with pytest.raises(ValueError, match="at most 53 bytes"):
            await driver.subscribe("/" + "x" * 53, "a", ear)
        await driver.aclose()

    run(test)


def test_end_does_not_wait_for_a_server_that_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "LAST_WORDS", 0.01)

    async def test(server: FakePostgres) -> None:
        async with started(server) as [(driver, _)]:
            server.is_away = True
            server.restart()
            driver.publish("/", message(1))
            await driver.aclose()
            assert server.sent == []

    run(test)
