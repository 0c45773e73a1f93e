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
                    (
                        "the connection to PostgreSQL at nowhere:5432 is lost:"
                        " other servers are not heard"
                    ),
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


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.InterfaceError("connection is closed"),
        asyncpg.InternalClientError(
            "cannot switch to state 12; another operation (2) is in progress"
        ),
    ],
)
def test_batch_of_which_nothing_was_sent_goes_by_the_next_connection(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    async def test(server: FakePostgres) -> None:
        async with started(server) as [(driver, ear)]:
            server.refusals = [error]
            driver.publish("/", message(1))
            await until(lambda: ear.got)
            assert (ear.numbers, ear.lost, driver.dropped) == ([1], [], 0)

    run(test)
    assert caplog.messages == []


def test_message_that_postgresql_never_takes_stops_nothing_else() -> None:
    async def test(server: FakePostgres) -> None:
        async with started(server) as [(driver, ear)]:
            server.poison = "never"
            for number in range(100):
                driver.publish("/", message(number, "never" if number in (17, 80) else None))
            await until(lambda: len(ear.got) == 98 and ear.lost)
            assert ear.numbers == [number for number in range(100) if number not in (17, 80)]
            assert driver.dropped == 2
            assert "payload string too long" in ear.lost[0]

    run(test)


@pytest.mark.parametrize("times", [2, 3])
def test_table_that_is_full_for_a_moment_is_tried_again(times: int) -> None:
    async def test(server: FakePostgres) -> None:
        async with started(server) as [(driver, ear)]:
            server.full = [asyncpg.DiskFullError("no space left")] * times
            driver.publish("/", message(1, LARGE, sender="emitter"))
            driver.publish("/", message(2))
            await until(lambda: ear.numbers[-1:] == [2])
            assert ear.numbers == ([1, 2] if times == 2 else [2])
            await until(lambda: bool(ear.lost) == (times == 3))
            assert all("no space left" in each for each in ear.lost)

    run(test)


def test_message_that_is_larger_than_the_backlog_is_told_as_that() -> None:
    async def test(server: FakePostgres) -> None:
        async with started(server, max_backlog=2_000) as [(driver, ear)]:
            driver.publish("/", message(1, LARGE))
            driver.publish("/", message(2))
            await until(lambda: ear.lost and ear.got)
            assert "more bytes than max_backlog" in ear.lost[0]

    run(test)


def test_many_old_rows_are_deleted_some_at_a_time() -> None:
    async def test(server: FakePostgres) -> None:
        server.rows = dict.fromkeys(range(1, 2_501), b"")
        async with started(server, cleanup_interval=0.01):
            await until(lambda: not server.rows)
            assert server.statements.count("DELETE FROM") >= 3

    run(test)


def test_table_that_may_not_be_cleaned_is_told_rarely(caplog: pytest.LogCaptureFixture) -> None:
    async def test(server: FakePostgres) -> None:
        server.uncleanable = asyncpg.InsufficientPrivilegeError("permission denied")
        async with started(server, cleanup_interval=0.001):
            await until(lambda: server.statements.count("DELETE FROM") > 40)

    run(test)
    told = [each for each in caplog.messages if "cannot be taken out of the table" in each]
    assert 1 <= len(told) <= 7


# --- connections ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "failure",
    [
        asyncpg.TargetServerAttributeNotMatched("no host is a primary"),
        asyncpg.TooManyConnectionsError("sorry, too many clients already"),
        asyncpg.CannotConnectNowError("the database system is starting up"),
        TimeoutError(),
        ValueError("of what a pool runs for its user"),
    ],
    ids=lambda failure: type(failure).__name__,
)
def test_whatever_goes_wrong_in_connecting_it_is_tried_again(
    failure: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    async def test(server: FakePostgres) -> None:
        async with started(server, 2) as [(driver, _), (_, ear)]:
            server.failure = failure
            server.restart()
            driver.publish("/", message(1))
            await until(lambda: len(caplog.messages) >= 2)
            server.failure = None
            await until(lambda: ear.got)
            assert ear.numbers == [1]

    run(test)
    assert "internal error" not in caplog.text
    assert "PostgreSQL at nowhere:5432 cannot be reached" in caplog.text


def test_connection_on_which_nothing_is_answered_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(listening, "STATEMENT_TIMEOUT", 0.01)

    async def test(server: FakePostgres) -> None:
        async with started(server, 2) as [(driver, _), (_, ear)]:
            server.gate.clear()
            server.restart()
            listens = server.statements.count("LISTEN")
            await until(lambda: server.statements.count("LISTEN") > listens + 4)
            server.gate.set()
            await until(lambda: len(ear.lost) == 2)
            driver.publish("/", message(1))
            await until(lambda: ear.got)

    run(test)


def test_end_does_not_wait_for_a_server_that_answers_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sending, "LAST_WORDS", 0.01)
    monkeypatch.setattr(listening, "LAST_WORDS", 0.01)

    async def test(server: FakePostgres) -> None:
        async with started(server) as [(driver, ear)]:
            server.gate.clear()
            subscribing = asyncio.ensure_future(driver.subscribe("/admin", "a", ear))
            driver.publish("/", message(1))
            await until(lambda: "SELECT pg_notify(c," in server.statements)
            await driver.aclose()
            with pytest.raises(ConnectionError, match="is closed"):
                await subscribing

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
                "a message is lost, or may be: one was not to be had from the table any more"
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


def test_row_that_is_named_twice_is_read_once_for_both(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both together would be more than is read at once, and neither would come."""
    monkeypatch.setattr("sockwave.adapters.postgres.statements.MAX_MESSAGE", len(LARGE) + 1_000)

    async def test(server: FakePostgres) -> None:
        async with started(server) as [(driver, ear)]:
            server.rows[7] = message(7, LARGE, sender="emitter")
            for _ in range(2):
                server.notify("socket.io#/", '{"uid":"emitter","type":3,"attachmentId":"7"}')
            driver.publish("/", message(8))
            await until(lambda: len(ear.got) == 3)
            assert ear.numbers == [7, 7, 8]

    run(test)


def test_losses_are_told_in_each_channel() -> None:
    async def test(server: FakePostgres) -> None:
        async with started(server, max_backlog=1_000) as [(driver, ear)]:
            other = Ear()
            await driver.subscribe("/admin", "a", other)
            server.gate.clear()
            for number in range(1, 100):
                for channel in ("socket.io#/", "socket.io#/admin"):
                    header = f'{{"uid":"o","type":3,"attachmentId":"{number}"}}'
                    server.notify(channel, header)
            await until(lambda: ear.lost and other.lost)
            server.gate.set()

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
            assert "a pooler must leave a session to its client" in ear.lost[0]
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
