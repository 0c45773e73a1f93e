"""`NatsAdapter(jetstream=True)` on a real NATS that is restarted, stopped, cut off and full."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from click.testing import CliRunner
from nats import connect as connect_to_nats

import sockwave.sync
from sockwave import Recovery, Server, Socket, TransportError
from sockwave.adapters import JetStream, NatsAdapter
from sockwave.adapters.messages import Message, MessageType
from sockwave.adapters.nats.connection import OwnClients
from sockwave.adapters.nats.jetstream.api import Api
from sockwave.adapters.nats.jetstream.driver import JetStreamDriver
from sockwave.adapters.nats.jetstream.options import Keeping
from sockwave.adapters.nats.jetstream.storage import Storage
from sockwave.adapters.nats.subjects import Subjects
from sockwave.cli import main
from sockwave.emitters import NatsEmitter
from sockwave.testing import FaultProxy
from tests.adapters.redis.stream_clusters import Page
from tests.live.engines import Nats
from tests.live.suites import MessageDriverSuite
from tests.live.test_redis_streams import OPTS, Comer, Heard, client_of, joined, read
from tests.support.process import free_port
from tests.support.raw import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sockwave.adapters.message_driver import MessageDriver

pytestmark = pytest.mark.live

PATIENCE = 30.0


def driver_of(*urls: str, prefix: str = "test", **options: Any) -> JetStreamDriver:
    source = OwnClients(list(urls), tls=None, credentials=None, nkeys_seed=None)
    subjects = Subjects(prefix)
    options = {"max_bytes": 16 * 1024 * 1024, **options}
    return JetStreamDriver(source, subjects, Storage(subjects, JetStream(**options), Keeping()))


class TestStream(MessageDriverSuite):
    """What goes by the stream."""

    type = MessageType.BROADCAST

    @pytest.fixture(autouse=True)
    def where(self, nats_url: str) -> None:
        self.url, self.prefix = nats_url, uuid4().hex

    async def make_message_driver(self) -> MessageDriver:
        return driver_of(self.url, prefix=self.prefix)


class TestStreamWithSmallPayloads(TestStream):
    """The same in parts."""

    @pytest.fixture
    def nats_url(self) -> Iterator[str]:
        with Nats("max_payload: 4096") as nats:
            yield nats.url


class TestSubjects(TestStream):
    """What is published."""

    type = MessageType.SERVER_SIDE_EMIT


class Pair:
    """One that writes, and one that reads."""

    def __init__(self, *urls: str, **options: Any) -> None:
        self.writer, self.reader = driver_of(*urls, **options), driver_of(*urls, **options)
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
        await until(lambda: len(self.heard.numbers) >= self.written, PATIENCE)
        assert self.heard.numbers == list(range(self.written))


async def test_500_in_a_row_arrive_in_order(nats_url: str) -> None:
    async with Pair(nats_url, prefix=uuid4().hex) as pair:
        pair.write(500)
        await pair.all_heard()


async def test_nothing_is_lost_when_nats_is_restarted_20_times_under_traffic() -> None:
    with Nats() as nats:
        async with Pair(nats.url) as pair:
            for _ in range(20):
                pair.write(20)
                await asyncio.sleep(0.01)
                pair.write(20)
                await asyncio.to_thread(nats.restart)
                pair.write(20)
                await pair.all_heard()
            assert not any("missing" in what for what in pair.heard.lost)


async def test_nothing_is_lost_when_nats_is_killed_under_traffic() -> None:
    with Nats() as nats:
        async with Pair(nats.url) as pair:
            for _ in range(5):
                pair.write(50)
                await asyncio.sleep(0.005)
                pair.write(50)
                await asyncio.to_thread(nats.kill)
                pair.write(20)
                await asyncio.to_thread(nats.start)
                await pair.all_heard()


async def test_nats_that_stands_still_for_ten_seconds_is_noticed_and_loses_nothing() -> None:
    with Nats() as nats:
        async with Pair(nats.url) as pair:
            pair.write(10)
            await pair.all_heard()
            await asyncio.to_thread(nats.pause)
            pair.write(10)
            try:
                await until(lambda: pair.writer.is_away and pair.reader.is_away, PATIENCE)
                await asyncio.sleep(5)
                pair.write(10)
            finally:
                await asyncio.to_thread(nats.resume)
            await pair.all_heard()
            assert await stored(nats) == pair.written


async def test_what_is_refused_is_told_and_the_rest_goes_on() -> None:
    """A limit that is reached, as an operator may set one."""
    with Nats() as nats:
        async with Pair(nats.url) as pair:
            pair.write(1)
            await pair.all_heard()
            info = await ask(nats, "STREAM.INFO.test-events")
            config = info["config"]
            await ask(
                nats, "STREAM.UPDATE.test-events", {**config, "max_msgs": 1, "discard": "new"}
            )
            pair.write(10)
            await until(lambda: any("message 8 to" in what for what in pair.told.lost), PATIENCE)
            assert "maximum messages exceeded" in pair.told.lost[0]
            await ask(nats, "STREAM.UPDATE.test-events", config)
            pair.write(1)
            await until(lambda: pair.heard.numbers[-1] == 11, PATIENCE)
            assert pair.heard.numbers == [0, 11]


async def test_gap_is_told_where_the_stream_was_trimmed_before_all_was_read() -> None:
    with Nats() as nats:
        async with Pair(nats.url, max_bytes=200_000) as pair:
            pair.write(1)
            await pair.all_heard()
            async with FaultProxy("127.0.0.1", nats.port) as proxy:
                url = f"nats://127.0.0.1:{proxy.port}"
                other, heard = driver_of(url, max_bytes=200_000), Heard()
                await other.start()
                await other.subscribe("/", "other", heard)
                pair.write(1)
                await until(lambda: heard.numbers == [1], PATIENCE)
                proxy.down()
                pair.write(100, 10_000)
                await until(lambda: pair.heard.numbers[-1] == 101, PATIENCE)
                await proxy.up()
                await until(lambda: heard.numbers[-1] == 101, PATIENCE)
                assert heard.numbers[1] > 2
                assert any("was trimmed before all was read" in what for what in heard.lost)
                await other.aclose()


async def test_nats_without_jetstream_is_told_with_the_option_that_it_needs() -> None:
    with Nats(jetstream=False) as nats:
        driver = driver_of(nats.url)
        with pytest.raises(OSError, match="start nats-server with -js"):
            await driver.start()
        await driver.aclose()
        io = make_server(nats.url)
        errors: list[str] = []
        io.on("cluster_error", lambda what, *_: errors.append(what))
        async with client_of(io, {}) as client:
            io.emit("here", 1)  # clients of the same server are served all the same
            assert (await client.received())[0] == "here"
            await until(lambda: any("nats-server with -js" in what for what in errors), PATIENCE)
        await io.close()


async def test_account_that_may_not_is_told_what_to_do() -> None:
    with Nats(store="max_file_store: 1MB") as nats:
        driver = driver_of(nats.url)
        with pytest.raises(OSError, match=r"see `JetStream\(max_bytes=\.\.\.\)` and the limits"):
            await driver.start()
        await driver.aclose()


async def test_stream_for_something_else_is_left_alone() -> None:
    with Nats() as nats:
        config = {"name": "test-events", "subjects": ["orders.*"], "retention": "limits"}
        await ask(nats, "STREAM.CREATE.test-events", config)
        driver = driver_of(nats.url)
        with pytest.raises(OSError, match="for something else"):
            await driver.start()
        await driver.aclose()


PERMISSIONS = (
    "$JS.API.STREAM.INFO.*",
    "$JS.API.STREAM.CREATE.*",
    "$JS.API.STREAM.UPDATE.*",
    "$JS.API.STREAM.PURGE.*",
    "$JS.API.STREAM.MSG.GET.*",
    "$JS.API.CONSUMER.CREATE.*",
    "$JS.API.CONSUMER.MSG.NEXT.*.*",
    "$JS.API.CONSUMER.DELETE.*.*",
    "$JS.FC.>",
    "sockwave.>",
)
"""What a user of NATS needs to publish, as docs/nats.md has it."""


def with_user(*publish: str) -> str:
    """A NATS that lets a user do this."""
    may = ", ".join(f'"{subject}"' for subject in publish)
    permissions = f'{{ publish: [{may}], subscribe: ["sockwave.>", "_INBOX.>"] }}'
    user = f'{{ user: "u", password: "p", permissions: {permissions} }}'
    return f"authorization {{ users: [{user}] }}"


async def test_user_with_the_permissions_of_the_page_may_do_all_that_is_done() -> None:
    page = Path(__file__).parents[2].joinpath("docs/nats.md").read_text()
    for subject in PERMISSIONS[:-1]:
        assert f"`{subject}`" in page
    with Nats(with_user(*PERMISSIONS)) as nats:
        nats.url = nats.url.replace("//", "//u:p@")
        io, ada = make_server(nats.url), Page()
        await joined([io])
        await ada.connect(io)
        await ada.lose()
        await kept(nats, ada.auth["pid"])
        io.emit("news")
        assert await ada.connect(io)
        await ada.got(["news"])
        await ada.lose()
        await io.close()
        assert "Permissions Violation" not in nats.output


async def test_user_who_may_not_make_streams_is_told_what_nats_refuses() -> None:
    with Nats(with_user("$JS.API.STREAM.INFO.*", "sockwave.>")) as nats:
        driver = driver_of(nats.url.replace("//", "//u:p@"), prefix="sockwave")
        with pytest.raises(OSError, match=r"NATS refuses: .*stream\.create\.sockwave-events"):
            await driver.start()
        await driver.aclose()


@contextmanager
def three_of_nats() -> Iterator[list[Nats]]:
    """A cluster of NATS, with streams that all of them have."""
    routes = [free_port() for _ in range(3)]
    others = ", ".join(f'"nats://127.0.0.1:{port}"' for port in routes)
    with ExitStack() as stack:
        yield [
            stack.enter_context(
                Nats(
                    f"server_name: n{number}",
                    f'cluster {{ name: c, listen: "127.0.0.1:{port}", routes: [{others}] }}',
                )
            )
            for number, port in enumerate(routes)
        ]


async def test_nothing_is_lost_when_the_leader_of_a_cluster_of_nats_is_killed() -> None:
    with three_of_nats() as nodes:
        urls = [node.url for node in nodes]
        pair = Pair(*urls, replicas=3)
        async with asyncio.timeout(60):
            while True:  # until they have chosen who leads
                try:
                    await pair.writer.start()
                    break
                except OSError:
                    await asyncio.sleep(0.2)
        async with pair:
            pair.write(50)
            await pair.all_heard()
            leader = (await ask(nodes[0], "STREAM.INFO.test-events"))["cluster"]["leader"]
            pair.write(50)
            await asyncio.to_thread(nodes[int(leader[1:])].kill)
            for _ in range(20):
                pair.write(5)
                await asyncio.sleep(0.05)
            await until(lambda: len(pair.heard.numbers) >= pair.written, 60)
            assert pair.heard.numbers == list(range(pair.written))


async def ask(nats: Nats, what: str, question: dict[str, Any] | None = None) -> dict[str, Any]:
    """Ask as an operator does."""
    client = await connect_to_nats(nats.url)
    try:
        return await Api(client).ask(what, question)
    finally:
        await client.close()


async def stored(nats: Nats, name: str = "test-events") -> int:
    """How many messages there are."""
    info = await ask(nats, f"STREAM.INFO.{name}")
    count: int = info["state"]["messages"]
    return count


# --- with recovery --------------------------------------------------------------------------------


def make_server(url: str, recovery: Recovery | bool = True, **options: Any) -> Server:
    options = {"jetstream": JetStream(max_bytes=16 * 1024 * 1024), **options}
    io = Server(adapter=NatsAdapter(url, **options), connection_state_recovery=recovery)

    @io.on("connection")
    def connection(socket: Socket) -> None:
        socket.join("room")

    return io


async def is_kept(nats: Nats, pid: str) -> bool:
    """Whether a lost client is there."""
    client = await connect_to_nats(nats.url)
    try:
        question = {"last_by_subj": Subjects("sockwave").session("/", pid)}
        found = await Api(client).find("sockwave-sessions", question)
        return found is not None and bool(found.data)  # else it was taken out
    finally:
        await client.close()


async def kept(nats: Nats, pid: str) -> None:
    """Until it is."""
    async with asyncio.timeout(PATIENCE):
        while not await is_kept(nats, pid):
            await asyncio.sleep(0.01)


async def test_clients_come_back_to_other_servers_over_restarts_of_nats() -> None:
    with Nats() as nats:
        ours, comer = [make_server(nats.url) for _ in range(2)], Comer()
        await joined(ours)
        for number in range(20):
            home, other = ours[number % 2], ours[(number + 1) % 2]
            await comer.visit(home, other, 2 * number)
            await kept(nats, comer.auth["pid"])
            if number % 5 == 4:
                await asyncio.to_thread(nats.restart)
            other.to("room").emit("news", 2 * number + 1)
            await read(ours)
        assert comer.numbers == list(range(39))
        assert comer.recovered == 19
        for io in ours:
            await io.close()


async def test_clients_come_back_after_all_servers_were_restarted() -> None:
    with Nats() as nats:
        ours, comer = [make_server(nats.url) for _ in range(2)], Comer()
        await joined(ours)
        await comer.visit(ours[0], ours[1], 0)
        await kept(nats, comer.auth["pid"])
        ours[1].to("room").emit("news", 1)
        await read(ours)
        for io in ours:
            await io.close()
        await asyncio.to_thread(nats.restart)
        ours = [make_server(nats.url) for _ in range(2)]
        await joined(ours)
        await comer.visit(ours[1], ours[0], 2)
        assert comer.numbers == [0, 1, 2]
        assert comer.recovered == 1
        for io in ours:
            await io.close()


# --- emitters -------------------------------------------------------------------------------------


async def test_what_emitters_send_is_recovered() -> None:
    """Also what is larger than NATS takes, and from the command line."""
    with Nats("max_payload: 65536") as nats:
        io, page = make_server(nats.url), Page()
        await joined([io])
        await page.connect(io)
        async with NatsEmitter(nats.url, jetstream=True) as emitter:
            await emitter.to("room").emit("seen", 1)
            await page.got(["seen", 1])
            await page.lose()
            await kept(nats, page.auth["pid"])
            await emitter.emit("missed", b"\x00" * 300_000)
            await emitter.to("elsewhere").emit("not for it")
        with sockwave.sync.NatsEmitter(nats.url, jetstream=True) as blocking:
            await asyncio.to_thread(blocking.to("room").emit, "missed", None)
        command = ["emit", "--url", nats.url, "--streams", "--to", "room", "missed", '{"d": 1}']
        result = await asyncio.to_thread(CliRunner().invoke, main, command)
        assert result.exit_code == 0, result.output
        assert await page.connect(io)
        missed: list[list[Any]] = [["missed", b"\x00" * 300_000], ["missed", None]]
        await page.got(["seen", 1], *missed, ["missed", {"d": 1}])
        await page.lose()
        await io.close()


async def test_emitter_without_a_stream_is_told() -> None:
    with Nats() as nats:
        async with NatsEmitter(nats.url, jetstream=True) as emitter:
            with pytest.raises(TransportError, match="there is no stream"):
                await emitter.emit("news")


async def test_emitters_ask_servers_with_streams() -> None:
    with Nats() as nats:
        io = make_server(nats.url)
        await joined([io])
        async with client_of(io, {}) as client:
            client.on("who", lambda: "me")
            async with NatsEmitter(nats.url, jetstream=True) as emitter:
                assert await emitter.to("room").emit_with_ack("who") == ["me"]
                (found,) = await emitter.in_("room").fetch_sockets()
                assert found.id == client.sid
                assert await emitter.server_count() == 1
        await io.close()
