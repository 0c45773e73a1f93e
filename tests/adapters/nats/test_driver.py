"""The driver on NATS, with a server that loses, cuts off, pauses and refuses as a test says."""

from __future__ import annotations

import asyncio
import logging
import os
import ssl
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from nats.aio.client import Client

from sockwave.adapters.nats import connection as connection_module
from sockwave.adapters.nats import driver as driver_module
from sockwave.adapters.nats import serving
from sockwave.adapters.nats.connection import GivenClient, OwnClients
from sockwave.adapters.nats.driver import NatsDriver
from sockwave.adapters.nats.frames import FrameWriter
from sockwave.adapters.nats.subjects import Subjects
from sockwave.testing import DriverSuite
from tests.adapters.nats.fake_server import FakeNats
from tests.adapters.test_memory import Ear
from tests.support.raw import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from sockwave.adapters import Driver

LOST = "the connection to NATS at 127.0.0.1:"
BACK = "NATS is there again"


def driver_of(server: FakeNats, *, max_backlog: int = 16_000_000) -> NatsDriver:
    source = OwnClients([server.url], tls=None, credentials=None, nkeys_seed=None)
    return NatsDriver(source, Subjects("test"), max_backlog=max_backlog)


@asynccontextmanager
async def drivers(
    server: FakeNats, count: int = 2, *, max_backlog: int = 16_000_000
) -> AsyncIterator[tuple[list[NatsDriver], list[Ear]]]:
    """Some drivers, each of which listens under the letters from "a" on."""
    made = [driver_of(server, max_backlog=max_backlog) for _ in range(count)]
    ears = [Ear() for _ in made]
    try:
        for name, driver, ear in zip("abcdef", made, ears, strict=False):
            await driver.start()
            await driver.subscribe("/", name, ear)
        yield made, ears
    finally:
        for driver in made:
            await driver.aclose()


@pytest.fixture
def server() -> Iterator[FakeNats]:
    with FakeNats() as server:
        yield server


class TestNatsDriver(DriverSuite):
    """All that every carrier must do."""

    max_payload = 1_048_576

    @pytest.fixture(autouse=True)
    def with_server(self) -> Iterator[None]:
        with FakeNats(max_payload=self.max_payload) as self.server:
            yield

    async def make_driver(self) -> Driver:
        return driver_of(self.server)


class TestNatsDriverWithSmallPayloads(TestNatsDriver):
    """The same in parts."""

    max_payload = 4_000


def test_message_that_gets_lost_is_noticed_with_the_next(server: FakeNats) -> None:
    async def play() -> None:
        async with drivers(server) as ((a, _), (own, ear)):
            a.publish("/", b"1")
            await until(lambda: ear.heard)
            server.loses = lambda subject: True
            a.publish("/", b"2")
            await until(lambda: len(server.published) == 2)
            server.loses = lambda subject: False
            a.publish("/", b"3")
            await until(lambda: len(ear.heard) == 2)
            assert ear.heard == [b"1", b"3"]
            assert ear.lost == [
                "NATS has lost 1 messages of another process, or parts of one, in namespace /"
            ]
            assert own.lost == []

    asyncio.run(play())


def test_last_message_that_gets_lost_is_noticed_soon(
    server: FakeNats, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def play() -> None:
        async with drivers(server) as ((a, _), (_, ear)):
            a.publish("/", b"1", to=frozenset({"b"}))
            await until(lambda: ear.heard)
            server.loses = lambda subject: not server.published[-1][1].startswith(b"\x04")
            a.publish("/", b"2", to=frozenset({"b"}))
            await until(lambda: ear.lost)
            assert ear.heard == [b"1"]

    monkeypatch.setattr(driver_module, "MARK_INTERVAL", 0.05)
    asyncio.run(play())


def test_process_hears_what_it_sends_to_itself(server: FakeNats) -> None:
    """But not what it sends to all, which others get."""

    async def play() -> None:
        async with drivers(server) as ((a, _), (own, other)):
            a.publish("/", b"to all")
            a.publish("/", b"to itself", to=frozenset({"a"}))
            a.publish("/", b"to both", to=frozenset({"a", "b"}))
            await until(lambda: len(own.heard) == len(other.heard) == 2)
            assert (own.heard, other.heard) == ([b"to itself", b"to both"], [b"to all", b"to both"])

    asyncio.run(play())


def test_subscription_is_confirmed_by_a_question_behind_it(server: FakeNats) -> None:
    """nats-py asks before it has written what it was told, and takes the answer for one to that."""

    async def play() -> None:
        async with drivers(server, 1) as ((a,), _):
            await a.subscribe("/another", "a", Ear())
            commands = list(server.commands)
            assert commands.count("SUB") == 4
            assert commands[::-1].index("PING") < commands[::-1].index("SUB")

    asyncio.run(play())


def test_lost_connection_is_told_and_made_again(server: FakeNats) -> None:
    async def play() -> None:
        async with drivers(server) as ((a, b), (own, other)):
            server.cut()
            await until(lambda: len(own.lost) == len(other.lost) == 2)
            for ear in (own, other):
                assert ear.lost[0].startswith(LOST)
                assert ear.lost[1].startswith(BACK)
            await until(lambda: len(server.subjects) == 4)
            a.publish("/", b"to b")
            b.publish("/", b"to a", to=frozenset({"a"}))
            await until(lambda: own.heard and other.heard)
            assert (own.heard, other.heard) == ([b"to a"], [b"to b"])

    asyncio.run(play())


def test_what_is_sent_while_nats_is_away_is_kept_in_order(server: FakeNats) -> None:
    async def play() -> None:
        async with drivers(server) as ((a, _), (own, other)):
            server.is_refusing = True
            server.cut(only_first=True)
            await until(lambda: own.lost)
            sent = [b"%d" % number for number in range(300)]
            for number, message in enumerate(sent):
                a.publish("/", message, to=frozenset({"b"}) if number % 3 else None)
                if number % 50 == 0:
                    await asyncio.sleep(0.01)
            assert len(own.lost) == 1, "one word for each outage, not for each attempt"
            server.is_refusing = False
            await until(lambda: len(other.heard) == len(sent), 10)
            assert other.heard == sent
            assert other.lost == []

    asyncio.run(play())


def test_whatever_goes_wrong_in_connecting_it_is_tried_again(
    server: FakeNats, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    connect, failures = OwnClients.connect, [KeyError("of a client"), AssertionError()]

    async def failing(self: OwnClients, failed: Any) -> Any:
        if failures:
            raise failures.pop()
        return await connect(self, failed)

    async def play() -> None:
        async with drivers(server, 1) as ((a,), (own,)):
            monkeypatch.setattr(OwnClients, "connect", failing)
            server.cut()
            await until(lambda: len(own.lost) == 2, 10)
            a.publish("/", b"to a", to=frozenset({"a"}))
            await until(lambda: own.heard, 10)

    asyncio.run(play())
    assert failures == []
    assert caplog.text.count("internal error while connecting to NATS") == 2


def test_what_is_kept_is_bounded_and_losses_are_told_once(server: FakeNats) -> None:
    async def play() -> None:
        async with drivers(server, 1, max_backlog=10_000) as ((a,), (ear,)):
            admin = Ear()
            await a.subscribe("/admin", "b", admin)
            server.is_refusing = True
            server.cut()
            await until(lambda: ear.lost)
            for _ in range(100):
                a.publish("/", bytes(1_000), to=frozenset({"a"}))
            assert a.dropped == 100 - 10_000 // 1_256
            await until(lambda: admin.lost)
            for _ in range(3):
                a.publish("/admin", bytes(1_000), to=frozenset({"b"}))
            assert a.dropped == 103 - 10_000 // 1_256
            await until(lambda: len(ear.lost) == 2)
            await until(lambda: len(admin.lost) == 2)
            assert "dropped" in ear.lost[1]
            assert ear.lost[1] == admin.lost[1], "who listens there has to know, too"
            server.is_refusing = False
            await until(lambda: len(ear.heard) == 103 - a.dropped, 10)

    asyncio.run(play())


@pytest.mark.parametrize(
    "last_word",
    [
        b"-ERR 'Slow Consumer'\r\n",
        b"-ERR 'User Authentication Expired'\r\n",
        b"-ERR 'Stale Connection'\r\n",
        b"-ERR 'Maximum Connections Exceeded'\r\n",
        b"nonsense\r\n",
    ],
)
def test_whatever_nats_says_at_last_the_driver_comes_back(
    server: FakeNats, last_word: bytes
) -> None:
    """nats-py gives up for good after some of these."""

    async def play() -> None:
        async with drivers(server) as ((a, _), (own, other)):
            server.cut(last_word)
            await until(lambda: len(own.lost) >= 2 and len(other.lost) >= 2, 10)
            await until(lambda: len(server.subjects) == 4)
            a.publish("/", b"x")
            await until(lambda: other.heard)

    asyncio.run(play())


def test_refused_subscription_is_told(server: FakeNats) -> None:
    async def play() -> None:
        async with drivers(server, 1) as (_, (ear,)):
            server.say(b"-ERR 'Permissions Violation for Subscription to \"test.=2F.all\"'\r\n")
            await until(lambda: ear.lost)
            (what,) = ear.lost
            assert "permissions violation" in what.lower()

    asyncio.run(play())


def test_large_message_that_is_cut_off_in_the_middle_is_sent_again(server: FakeNats) -> None:
    """The message is sent again as a whole, and arrives once."""

    async def play() -> None:
        server.max_payload = 1_000
        async with drivers(server) as ((a, _), (own, other)):
            message = os.urandom(3_000_000)
            a.publish("/", message)
            await until(lambda: len(server.published) > 10)
            server.cut(only_first=True)
            await until(lambda: len(own.lost) == 2, 10)
            await until(lambda: other.heard, 10)
            assert other.heard == [message]

    asyncio.run(play())


def test_what_others_put_on_our_subjects_leaves_a_line_in_the_log(
    server: FakeNats, caplog: pytest.LogCaptureFixture
) -> None:
    async def play() -> None:
        async with drivers(server) as ((a, _), (_, ear)):
            stranger = Client()
            await stranger.connect(server.url)
            for payload in (b"", b"x", b"\xff" * 100):
                await stranger.publish("test.=2F.all", payload)
            writer = FrameWriter(b"stranger")
            for frame in list(writer.frames("s", bytes(100), 30))[1:]:
                await stranger.publish("test.=2F.all", frame)
            await stranger.flush()
            await stranger.close()
            a.publish("/", b"x")
            await until(lambda: ear.heard)
            assert (ear.heard, ear.lost) == ([b"x"], [])

    with caplog.at_level(logging.WARNING, "sockwave.adapters"):
        asyncio.run(play())
    ours = [record for record in caplog.records if record.name == "sockwave.adapters"]
    assert len(ours) == 4, "of three messages each of two processes tells the first and the second"


def test_receiver_that_fails_disturbs_nobody(
    server: FakeNats, caplog: pytest.LogCaptureFixture
) -> None:
    class Failing(Ear):
        def message_received(self, message: bytes) -> None:
            super().message_received(message)
            raise RuntimeError("on purpose")

    async def play() -> None:
        async with drivers(server) as ((a, b), (_, _ear)):
            failing = Failing()
            await b.subscribe("/", "failing", failing)
            a.publish("/", b"1")
            a.publish("/", b"2")
            await until(lambda: failing.heard == [b"1", b"2"])
            assert failing.lost == []

    asyncio.run(play())
    assert "on purpose" in caplog.text


def test_nobody_to_connect_to_is_an_error_without_passwords(server: FakeNats) -> None:
    async def play() -> None:
        server.is_refusing = True
        url = server.url.replace("//", "//user:secret@")
        source = OwnClients([url], tls=None, credentials=None, nkeys_seed=None)
        driver = NatsDriver(source, Subjects("test"))
        with pytest.raises(
            OSError, match=r"no server of NATS at 127.0.0.1:\d+ takes us"
        ) as refused:
            await driver.start()
        assert "secret" not in str(refused.value)
        server.is_refusing = False
        await driver.start()
        await driver.aclose()
        assert (server.connects[-1]["user"], server.connects[-1]["pass"]) == ("user", "secret")

    asyncio.run(play())


def test_subscription_waits_for_a_connection_but_not_for_ever(
    server: FakeNats, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def play() -> None:
        async with drivers(server, 1) as ((a,), (ear,)):
            server.is_refusing = True
            server.cut()
            await until(lambda: ear.lost)
            late = Ear()
            with pytest.raises(OSError, match="NATS does not take a subscription"):
                await a.subscribe("/late", "a", late)
            monkeypatch.undo()
            server.is_refusing = False
            await a.subscribe("/late", "a", late)
            a.publish("/late", b"x", to=frozenset({"a"}))
            await until(lambda: late.heard)
            assert late.heard == [b"x"]

    monkeypatch.setattr(driver_module, "CONFIRM", 0.2)
    asyncio.run(play())


def test_end_does_not_wait_for_a_server_that_stands_still(
    server: FakeNats, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def play() -> None:
        async with drivers(server, 1) as ((a,), _):
            server.is_paused = True
            for _ in range(200):
                a.publish("/", bytes(60_000))
            await asyncio.sleep(0.05)
            async with asyncio.timeout(15):
                await a.aclose()
            server.is_paused = False

    for module in (driver_module, connection_module):
        monkeypatch.setattr(module, "CLOSE_PATIENCE", 0.1)
    asyncio.run(play())


@pytest.mark.unix
def test_many_connections_leave_no_descriptors_and_no_tasks(
    server: FakeNats, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def play() -> None:
        async with drivers(server, 1) as ((a,), (ear,)):
            server.cut()
            await until(lambda: len(server.subjects) == 2 and len(ear.lost) == 2)
            files, tasks = open_files(), len(asyncio.all_tasks())
            for number in range(2, 12):
                server.cut()
                await until(lambda n=number: len(server.subjects) == 2 and len(ear.lost) == 2 * n)  # type: ignore[misc]
            await until(lambda: server.connections == 1)
            await until(lambda: len(asyncio.all_tasks()) <= tasks)
            await until(lambda: open_files() <= files)
            assert a.dropped == 0

    monkeypatch.setattr(serving, "FIRST_RETRY", 0.001)
    monkeypatch.setattr(serving, "LAST_RETRY", 0.01)
    asyncio.run(play())


def test_close_that_is_cancelled_at_any_step_leaves_no_descriptor_and_no_task(
    server: FakeNats,
) -> None:
    async def close_cancelled_after(steps: int) -> bool:
        source = OwnClients([server.url], tls=None, credentials=None, nkeys_seed=None)
        connection = await source.connect(lambda text: None)
        closing = asyncio.ensure_future(connection.close())
        for _ in range(steps):
            await asyncio.sleep(0)
        closing.cancel()
        await asyncio.wait([closing])
        return closing.cancelled()

    async def play() -> None:
        files, steps = open_files(), 1  # before the first step there is nothing to go on with
        while await close_cancelled_after(steps):
            steps += 1
        assert steps > 2
        await until(lambda: len(asyncio.all_tasks()) == 1)
        await until(lambda: server.connections == 0)
        await until(lambda: open_files() <= files)

    asyncio.run(play())


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


# --- a client of the user's own -------------------------------------------------------------------


def test_client_of_the_users_own_carries_and_stays(server: FakeNats) -> None:
    async def play() -> None:
        client = Client()
        driver = NatsDriver(GivenClient(client), Subjects("test"))
        with pytest.raises(OSError, match="not connected"):
            await driver.start()
        await client.connect(server.url)
        await driver.start()
        ear = Ear()
        await driver.subscribe("/", "own", ear)
        async with drivers(server, 1) as ((a,), (other,)):
            a.publish("/", b"1")
            driver.publish("/", b"2")
            await until(lambda: ear.heard and other.heard)
            assert (ear.heard, other.heard) == ([b"1"], [b"2"])
            await driver.aclose()
            assert client.is_connected
            await until(lambda: len(server.subjects) == 2)
        await client.close()

    asyncio.run(play())


def test_client_of_the_users_own_that_was_away_is_used_again(server: FakeNats) -> None:
    async def play() -> None:
        client = Client()
        await client.connect(server.url, reconnect_time_wait=0, error_cb=quiet)
        driver, ear = NatsDriver(GivenClient(client), Subjects("test")), Ear()
        await driver.start()
        await driver.subscribe("/", "own", ear)
        server.cut()
        await until(lambda: len(ear.lost) == 2, 10)
        await until(lambda: len(server.subjects) == 2, 10)
        driver.publish("/", b"x", to=frozenset({"own"}))
        await until(lambda: ear.heard)
        assert ear.heard == [b"x"], "once, though nats-py subscribes again, too"
        await driver.aclose()
        await client.close()

    async def quiet(error: Exception) -> None:
        """What it says is expected."""

    asyncio.run(play())


def test_right_that_is_missing_is_told_rarely(server: FakeNats) -> None:
    async def scenario() -> None:
        async with drivers(server, 1) as (_, [ear]):
            for number in range(1, 18):
                subject = b"test.%d" % number  # one for each process, and more
                server.say(b"-ERR 'Permissions Violation for Publish to \"%b\"'\r\n" % subject)
            server.say(b"-ERR 'Permissions Violation for Subscription to \"test\"'\r\n")
            await until(lambda: "subscription" in "".join(ear.lost).lower())
            counts = [what.rpartition("so it was ")[2] for what in ear.lost[1:-1]]
            assert counts == [f"{times} times now" for times in (2, 4, 8, 16)]
            assert '"test.1"' in ear.lost[0]

    asyncio.run(scenario())


@pytest.mark.parametrize(("scheme", "tls"), [("tls", None), ("nats", ssl.create_default_context())])
def test_no_password_goes_to_a_server_without_tls_where_that_is_asked_for(
    server: FakeNats, scheme: str, tls: ssl.SSLContext | None
) -> None:
    url = server.url.replace("nats://", f"{scheme}://user:secret@")
    source = OwnClients([url], tls=tls, credentials=None, nkeys_seed=None)
    with pytest.raises(OSError, match="it does not offer TLS"):
        asyncio.run(source.connect(lambda text: None))
    assert not server.connects


def test_who_gives_up_waiting_takes_no_connection_along(server: FakeNats) -> None:
    async def scenario() -> None:
        source = OwnClients([server.url], tls=None, credentials=None, nkeys_seed=None)
        connection = await source.connect(lambda text: None)
        server.is_paused = True
        waiting = asyncio.ensure_future(connection.client.flush())
        await asyncio.sleep(0.01)
        waiting.cancel()
        await asyncio.wait([waiting])
        server.is_paused = False
        await connection_module.confirmed(connection.client)
        assert connection.client.is_connected
        await connection.close()

    asyncio.run(scenario())
