"""`NatsAdapter` on a real NATS: the suite of carriers, and one that restarts, pauses, dies."""

from __future__ import annotations

import asyncio
import threading
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from click.testing import CliRunner

import sockwave.sync
from sockwave import Server, Socket, connect
from sockwave.adapters import ClusterOptions, NatsAdapter
from sockwave.adapters.nats.connection import OwnClients
from sockwave.adapters.nats.driver import NatsDriver
from sockwave.adapters.nats.subjects import Subjects
from sockwave.cli import main
from sockwave.emitters import NatsEmitter
from sockwave.testing import DriverSuite, LinkedClient
from tests.adapters.test_memory import Ear
from tests.live.engines import Nats
from tests.support.process import free_port
from tests.support.raw import until

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Iterator

    from sockwave.adapters import Driver

pytestmark = pytest.mark.live

PATIENCE = 30.0


def driver_of(*urls: str, prefix: str = "test", tls: ssl.SSLContext | None = None) -> NatsDriver:
    source = OwnClients(list(urls), tls=tls, credentials=None, nkeys_seed=None)
    return NatsDriver(source, Subjects(prefix))


@asynccontextmanager
async def two_drivers(*urls: str) -> AsyncIterator[tuple[NatsDriver, Ear, NatsDriver, Ear]]:
    """Two that listen as "a" and "b"."""
    a, b = driver_of(*urls), driver_of(*urls)
    ears = Ear(), Ear()
    async with AsyncExitStack() as stack:
        for name, driver, ear in (("a", a, ears[0]), ("b", b, ears[1])):
            stack.push_async_callback(driver.aclose)
            await driver.start()
            await driver.subscribe("/", name, ear)
        yield a, ears[0], b, ears[1]


class TestNats(DriverSuite):
    """All that every carrier must do."""

    @pytest.fixture(autouse=True)
    def where(self, nats_url: str) -> None:
        self.url, self.prefix = nats_url, uuid4().hex

    async def make_driver(self) -> Driver:
        return driver_of(self.url, prefix=self.prefix)


class TestNatsWithSmallPayloads(TestNats):
    """The same in parts."""

    @pytest.fixture
    def nats_url(self) -> Iterator[str]:
        with Nats("max_payload: 4096") as nats:
            yield nats.url


async def test_nats_that_restarts_20_times_under_traffic_delivers_again_and_in_order() -> None:
    with Nats() as nats:
        async with two_drivers(nats.url) as (a, own, _, other):
            sent = 0

            def send() -> None:
                nonlocal sent
                sent += 1
                a.publish("/", b"%d" % sent, to=frozenset({"b"}) if sent % 2 else None)

            for _ in range(20):
                for _ in range(50):
                    send()
                restarting = asyncio.create_task(asyncio.to_thread(nats.restart))
                while not restarting.done():
                    send()
                    await asyncio.sleep(0.005)
                await restarting
                back = sent
                async with asyncio.timeout(PATIENCE):
                    while not other.heard or int(other.heard[-1]) <= back:
                        send()
                        await asyncio.sleep(0.005)
            heard = list(map(int, other.heard))
            assert heard == sorted(set(heard)), "each once, in order"
            missing = sent - len(heard)
            told = [what for what in other.lost if "NATS has lost" in what]
            assert bool(told) == bool(missing) or own.lost, "no loss goes untold"
            assert sum("is lost" in what for what in other.lost) >= 20


async def test_what_is_sent_while_nats_is_away_arrives() -> None:
    with Nats() as nats:
        async with two_drivers(nats.url) as (a, own, b, other):
            await asyncio.to_thread(nats.stop)
            await until(lambda: own.lost and other.lost, PATIENCE)
            sent = [b"%d" % number for number in range(500)]
            for message in sent:
                a.publish("/", message)
            await asyncio.to_thread(nats.start)
            # Who sends may be back before who listens: then the first of it is lost, and told.
            await until(lambda: sent[-1] in other.heard or len(other.lost) >= 2, PATIENCE)
            a.publish("/", b"last")
            await until(lambda: b"last" in other.heard, PATIENCE)
            assert other.heard == [*sent, b"last"][-len(other.heard) :]
            b.publish("/", b"back", to=frozenset({"a"}))
            await until(lambda: own.heard == [b"back"], PATIENCE)


async def test_paused_nats_is_noticed_and_used_again() -> None:
    with Nats() as nats:
        async with two_drivers(nats.url) as (a, own, _, other):
            await asyncio.to_thread(nats.pause)
            await until(lambda: own.lost and other.lost, PATIENCE)
            await asyncio.to_thread(nats.resume)
            await until(lambda: len(own.lost) == 2 and len(other.lost) == 2, PATIENCE)
            a.publish("/", b"x")
            await until(lambda: b"x" in other.heard, PATIENCE)


async def test_process_that_does_not_read_is_cut_off_and_told_what_it_lost() -> None:
    """NATS calls it a slow consumer."""
    subscribed, blocked, goes_on = threading.Event(), threading.Event(), threading.Event()

    class Blocking(Ear):
        def message_received(self, message: bytes) -> None:
            super().message_received(message)
            if message == b"block":
                blocked.set()
                goes_on.wait(PATIENCE)

    async def listen(url: str, ear: Ear) -> None:
        driver = driver_of(url)
        await driver.start()
        await driver.subscribe("/", "slow", ear)
        subscribed.set()
        await until(lambda: b"last" in ear.heard, PATIENCE)
        await driver.aclose()

    with Nats("max_payload: 65536", "max_pending: 131072", 'write_deadline: "1s"') as nats:
        ear, driver = Blocking(), driver_of(nats.url)
        await driver.start()
        listening = asyncio.create_task(asyncio.to_thread(asyncio.run, listen(nats.url, ear)))
        await asyncio.to_thread(subscribed.wait, PATIENCE)
        while not blocked.is_set():
            driver.publish("/", b"block")
            await asyncio.sleep(0.01)
        for _ in range(400):
            driver.publish("/", bytes(100_000))  # more than all buffers on the way
            await asyncio.sleep(0.002)
        await until(lambda: "Slow Consumer" in nats.output, PATIENCE)
        goes_on.set()
        while not listening.done():
            driver.publish("/", b"last")
            await asyncio.sleep(0.01)
        await listening
        await driver.aclose()
        assert ear.lost[0].startswith("the connection to NATS at 127.0.0.1:")
        assert len(ear.lost) == 2


async def test_password_is_used_and_told_to_nobody() -> None:
    with Nats('authorization: { user: "chat", password: "s3cret/x" }') as nats:
        right = nats.url.replace("//", "//chat:s3cret%2Fx@")
        wrong = driver_of(nats.url.replace("//", "//chat:wr0ng@"))
        with pytest.raises(OSError, match=r"no server of NATS at .* takes us") as refused:
            await wrong.start()
        assert "wr0ng" not in str(refused.value)
        assert right


async def test_process_moves_to_another_server_of_nats() -> None:
    one_route, two_route = free_port(), free_port()

    def cluster(own: int, other: int) -> str:
        return (
            f'cluster: {{ name: "c", listen: "127.0.0.1:{own}", '
            f'routes: ["nats://127.0.0.1:{other}"], no_advertise: true }}'
        )

    with (
        Nats(cluster(one_route, two_route), "server_name: one") as one,
        Nats(cluster(two_route, one_route), "server_name: two") as two,
    ):
        async with two_drivers(one.url, two.url) as (a, own, b, other):
            for number in range(1_000):  # until the servers know of both
                a.publish("/", b"%d" % number)
                await asyncio.sleep(0.01)
                if other.heard:
                    break
            await asyncio.to_thread(one.kill)
            b.publish("/", b"to a", to=frozenset({"a"}))
            await until(lambda: len(other.lost) != 1 and len(own.lost) != 1, PATIENCE)
            for number in range(1_000):
                a.publish("/", b"again %d" % number)
                await asyncio.sleep(0.01)
                if other.heard[-1].startswith(b"again"):
                    break
            assert other.heard[-1].startswith(b"again")


async def test_emitters_reach_clients(nats_url: str) -> None:
    io = Server(adapter=NatsAdapter(nats_url))
    got: list[tuple[Any, ...]] = []
    async with io.listen() as listener, connect(listener.url) as client:
        client.on_any(lambda *event: got.append(event))
        await until(lambda: io.sockets, PATIENCE)
        io.sockets_join("lobby")
        await until(lambda: io.cluster.is_healthy, PATIENCE)
        async with NatsEmitter(nats_url) as emitter:
            while not got:  # until the server listens
                await emitter.to("lobby").emit("a", b"\x00", "x" * 2_000_000)
                await asyncio.sleep(0.05)
        with sockwave.sync.NatsEmitter(nats_url) as blocking:
            await asyncio.to_thread(blocking.to("lobby").emit, "b", None)
        command = ["emit", "--url", nats_url, "--to", "lobby", "c", '{"d": 1}']
        result = await asyncio.to_thread(CliRunner().invoke, main, command)
        assert result.exit_code == 0, result.output
        await until(lambda: got[-1] == ("c", {"d": 1}), PATIENCE)
    assert got[0] == ("a", b"\x00", "x" * 2_000_000)
    assert got[-2:] == [("b", None), ("c", {"d": 1})]


@asynccontextmanager
async def two_recovering_servers(url: str) -> AsyncIterator[list[Server]]:
    """Two that know each other, and put their clients into a room."""
    quick = ClusterOptions(heartbeat_interval=0.2, heartbeat_timeout=2.0)
    prefix = uuid4().hex
    servers = [
        Server(
            adapter=NatsAdapter(url, prefix=prefix, options=quick), connection_state_recovery=True
        )
        for _ in range(2)
    ]
    async with AsyncExitStack() as stack:
        for io in servers:
            io.on("connection", join_lobby)
            await stack.enter_async_context(io.listen())
        await until(lambda: all(map(knows_the_other, servers)), PATIENCE)
        yield servers


def knows_the_other(io: Server) -> bool:
    """For some heartbeats, with which each chooses who keeps copies."""
    others = io.cluster.nodes[1:]
    return len(others) == 1 and others[0].last_seen - others[0].since > 1.0


def join_lobby(socket: Socket) -> None:
    socket.join("lobby")


async def test_clients_come_back_to_another_server(nats_url: str) -> None:
    async with two_recovering_servers(nats_url) as [a, b]:
        async with LinkedClient(a) as client:
            a.to("lobby").emit("x", 1)
            _, args = await client.received()
            sid = client.sid
            async with asyncio.timeout(PATIENCE):
                while not await b.to("lobby").count():  # until it has heard of the room
                    await asyncio.sleep(0.01)
        a.to("lobby").emit("x", 2, b"\x01")
        b.to("lobby").emit("x", 3)
        auth = {"pid": client.pid, "offset": args[-1]}
        async with LinkedClient(b, auth=auth) as back:
            got = [await back.received() for _ in range(2)]
            assert back.sid == sid
            assert sorted(args[0] for _, args in got) == [2, 3]


async def test_clients_of_a_server_that_was_stopped_come_back_to_another(nats_url: str) -> None:
    async with two_recovering_servers(nats_url) as [a, b]:
        async with LinkedClient(a) as client:
            a.to("lobby").emit("x", 1)
            _, args = await client.received()
            sid = client.sid
        await a.close()
        await until(lambda: len(b.cluster.nodes) == 1, PATIENCE)
        b.to("lobby").emit("x", 2)
        auth = {"pid": client.pid, "offset": args[-1]}
        async with LinkedClient(b, auth=auth) as back:
            _, args = await back.received()
            assert (back.sid, args[0]) == (sid, 2)


async def test_nobody_is_recovered_over_an_outage_of_nats() -> None:
    """What was sent elsewhere meanwhile may be missing."""
    with Nats() as nats:
        async with two_recovering_servers(nats.url) as [a, b]:
            async with LinkedClient(a) as client:
                a.to("lobby").emit("x", 1)
                _, args = await client.received()
                sid = client.sid
            await asyncio.to_thread(nats.stop)
            await until(lambda: a.cluster.errors and b.cluster.errors, PATIENCE)
            await asyncio.to_thread(nats.start)
            await until(lambda: all(len(io.cluster.errors) >= 2 for io in (a, b)), PATIENCE)
            auth = {"pid": client.pid, "offset": args[-1]}
            for io in (a, b):
                async with LinkedClient(io, auth=auth) as back:
                    assert back.sid != sid


async def test_servers_find_each_other_after_nats_was_away() -> None:
    with Nats() as nats:
        servers = [Server(adapter=NatsAdapter(nats.url)) for _ in range(2)]
        a, b = servers
        errors: list[str] = []

        @a.on("cluster_error")
        def failed(what: str, *more: Any) -> None:
            errors.append(what)

        async with a.listen(), b.listen():
            await until(lambda: all(len(io.cluster.nodes) == 2 for io in servers), PATIENCE)
            assert a.cluster.is_healthy
            await asyncio.to_thread(nats.restart)
            await until(lambda: len(errors) >= 2, PATIENCE)
            await until(lambda: not a.cluster.is_healthy, PATIENCE)
            heard: list[str] = []

            @b.on("hello")
            def hello() -> None:
                heard.append("hello")

            async with asyncio.timeout(PATIENCE):
                while not heard:
                    a.server_side_emit("hello")
                    await asyncio.sleep(0.05)
