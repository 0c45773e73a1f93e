"""Redis itself: the drivers, servers that meet there, and what may happen to it."""

from __future__ import annotations

import asyncio
import re
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
import redis.asyncio
from redis.asyncio.sentinel import Sentinel as SentinelClient

from sockwave import AckTimeout, Server, Socket
from sockwave.adapters import RedisAdapter, ShardedRedisAdapter
from sockwave.adapters.redis.classic import ClassicDriver
from sockwave.adapters.redis.places import find_place
from sockwave.adapters.redis.sharded import ShardedDriver
from sockwave.platform import new_event_loop
from sockwave.testing import FaultProxy, LinkedClient
from tests.live.engines import Redis, RedisCluster, Sentinel
from tests.live.suites import MessageDriverSuite
from tests.support.certificate import write_certificate
from tests.support.process import free_port
from tests.support.raw import UNIT, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from sockwave.adapters.message_driver import MessageDriver

make_sentinel: Any = SentinelClient  # which has no types
BACKLOG = 16 * 1024 * 1024


class TestClassicDriver(MessageDriverSuite):
    """The suite of carriers on the classic channels."""

    @pytest.fixture(autouse=True)
    def _engine(self, redis_url: str) -> None:
        self._url = redis_url

    async def make_message_driver(self) -> MessageDriver:
        place = find_place(self._url)
        return ClassicDriver(place, key="suite", is_specific=False, max_backlog=BACKLOG)


class TestShardedDriver(MessageDriverSuite):
    """And on the sharded ones."""

    @pytest.fixture(autouse=True)
    def _engine(self, redis_url: str) -> None:
        self._url = redis_url

    async def make_message_driver(self) -> MessageDriver:
        place = find_place(self._url)
        return ShardedDriver(place, prefix="suite", mode="dynamic", max_backlog=BACKLOG)


# --- servers --------------------------------------------------------------------------------------


@asynccontextmanager
async def servers(make: Callable[[], Any], *names: str) -> AsyncIterator[list[Server]]:
    """Servers whose sockets are in a room of their name, when all know each other."""
    ours = []
    for name in names:
        io = Server(adapter=make())

        @io.on("connection")
        def connection(socket: Socket, name: str = name) -> None:
            socket.data["server"] = name
            socket.join(name)

        ours.append(io)
    try:
        async with AsyncExitStack() as stack:
            for io in ours:
                await stack.enter_async_context(LinkedClient(io))  # which lets it begin
            await until(lambda: all(len(io.cluster.nodes) == len(ours) for io in ours))
        yield ours
    finally:
        for io in ours:
            await io.close()


ADAPTERS: dict[str, Callable[[Any], Any]] = {
    "classic": lambda url: RedisAdapter(url, key="servers"),
    "specific": lambda url: RedisAdapter(
        url, key="specific", publish_on_specific_response_channel=True
    ),
    "dynamic": lambda url: ShardedRedisAdapter(url, channel_prefix="dynamic"),
    "static": lambda url: ShardedRedisAdapter(
        url, channel_prefix="static", subscription_mode="static"
    ),
    "private": lambda url: ShardedRedisAdapter(
        url, channel_prefix="private", subscription_mode="dynamic-private"
    ),
}


@pytest.mark.parametrize("kind", ADAPTERS)
async def test_servers_are_one(redis_url: str, kind: str) -> None:
    async with servers(lambda: ADAPTERS[kind](redis_url), "A", "B") as (a, b):
        async with LinkedClient(a) as ada, LinkedClient(b) as grace:
            assert await a.server_count() == 2
            await heard(a, "B", grace)
            a.to("B").emit("news", b"\x01", None, [], {"a": [1.5, "é"]})
            assert await grace.received() == ("news", [b"\x01", None, [], {"a": [1.5, "é"]}])
            b.emit("all")
            assert await ada.received() == ("all", [])
            assert await grace.received() == ("all", [])
            assert await a.count() == 2
            remote = next(s for s in await a.fetch_sockets() if s.data["server"] == "B")
            remote.emit("direct")
            assert await grace.received() == ("direct", [])
            remote.join("late")
            await until(lambda: "late" in next(iter(b.sockets.values())).rooms)
            await heard(a, "late", grace)
            a.to("late").emit("late")
            assert await grace.received() == ("late", [])
            a.in_("late").sockets_leave("late")
            await until(lambda: "late" not in next(iter(b.sockets.values())).rooms)
            for client, answer in ((ada, 1), (grace, b"\x02")):
                client.on("question", lambda answer=answer: answer)
            answers = await b.timeout(5).emit_with_ack("question")
            assert sorted(answers, key=str) == [1, b"\x02"]
            assert len(answers.by_socket) == 2
            assert await remote.emit_with_ack("question", timeout=5) == b"\x02"
            b.on("hi", lambda text: text.upper())
            assert await a.server_side_emit_with_ack("hi", "x", timeout=5) == ["X"]
            b.in_("A").disconnect_sockets()
            await ada.disconnected()
            assert misses_nothing(a, b)


def misses_nothing(*ours: Server) -> bool:
    """Whether no server has seen a gap in what others have sent."""
    return not [what for io in ours for what in io.cluster.errors if "have not come" in what]


async def heard(io: Server, room: str, client: LinkedClient) -> None:
    """Wait until Redis knows that somebody is in a room."""
    got: list[Any] = []
    async with asyncio.timeout(10):
        while not got:
            io.to(room).emit("are you there")
            await asyncio.sleep(0.02)
            got = client.received_nowait()
    io.to(room).emit("the last one")
    while (await client.received())[0] != "the last one":
        pass


@pytest.mark.parametrize("kind", ["classic", "dynamic"])
async def test_who_does_not_answer_is_named(redis_url: str, kind: str) -> None:
    async with servers(lambda: ADAPTERS[kind](redis_url), "A", "B") as (a, b):
        async with LinkedClient(a) as ada, LinkedClient(b):
            ada.on("question", lambda: 1)
            (socket,) = await b.local.fetch_sockets()
            with pytest.raises(AckTimeout) as error:
                await a.timeout(10 * UNIT).emit_with_ack("question")
            assert error.value.responses == [1]
            assert error.value.missing == (socket.id,)


@pytest.mark.parametrize("kind", ["classic", "dynamic"])
async def test_events_of_one_server_keep_their_order(redis_url: str, kind: str) -> None:
    async with servers(lambda: ADAPTERS[kind](redis_url), "A", "B") as (a, b):
        async with LinkedClient(b) as client:
            await heard(a, "B", client)
            for number in range(500):
                (a.to("B") if number % 2 else a).emit("n", number)
            got = [(await client.received())[1][0] for _ in range(500)]
            assert got == list(range(500))
            assert misses_nothing(a, b)


@pytest.mark.parametrize("kind", ["classic", "dynamic"])
async def test_namespaces_are_apart(redis_url: str, kind: str) -> None:
    async with servers(lambda: ADAPTERS[kind](redis_url), "A", "B") as (a, b):
        for io in (a, b):
            io.of("/admin")
        async with LinkedClient(b, "/admin") as admin, LinkedClient(a, "/admin"):
            got: list[Any] = []
            async with asyncio.timeout(10):
                while not got:
                    a.emit("main")
                    a.of("/admin").emit("admin")
                    await asyncio.sleep(0.02)
                    got = admin.received_nowait()
            assert {name for name, _ in got} == {"admin"}


async def test_server_that_has_ended_is_counted_no_longer(redis_url: str) -> None:
    async with servers(lambda: ADAPTERS["classic"](redis_url), "A", "B", "C") as (a, b, c):
        assert await a.server_count() == 3
        await c.close()
        await until(lambda: len(a.cluster.nodes) == 2)
        async with asyncio.timeout(10):
            while await b.server_count() != 2:
                await asyncio.sleep(0.01)


# --- faults ---------------------------------------------------------------------------------------


async def delivered(a: Server, client: LinkedClient, seconds: float) -> None:
    """Wait until what one server sends reaches a client of the other."""
    client.received_nowait()
    async with asyncio.timeout(seconds):
        while not client.received_nowait():
            a.emit("again")
            await asyncio.sleep(0.01)


FAULTY: dict[str, Callable[[Any], Any]] = {
    "classic": lambda url: RedisAdapter(url),
    "sharded": lambda url: ShardedRedisAdapter(url),
}


@pytest.mark.parametrize("kind", FAULTY)
async def test_redis_that_is_restarted_twenty_times_is_found_each_time(kind: str) -> None:
    with Redis() as engine:
        async with servers(lambda: FAULTY[kind](engine.url), "A", "B") as (a, b):
            async with LinkedClient(b) as client:
                for _ in range(20):
                    await delivered(a, client, 5)
                    await asyncio.to_thread(engine.restart)
                    await delivered(a, client, 2 + 10 * UNIT)


@pytest.mark.parametrize("kind", FAULTY)
async def test_what_is_sent_while_redis_is_away_arrives_in_order(kind: str) -> None:
    with Redis() as engine:
        async with servers(lambda: FAULTY[kind](engine.url), "A", "B") as (a, b):
            failures: list[str] = []
            a.on("cluster_error", failures.append)
            async with LinkedClient(a) as local, LinkedClient(b) as client:
                await delivered(a, client, 5)
                local.received_nowait()
                await asyncio.to_thread(engine.stop)
                await until(lambda: bool(failures))
                assert a.cluster.is_healthy is False
                for number in range(100):
                    a.emit("n", number)
                for number in range(100):
                    event = await local.received()
                    while event[0] == "again":
                        event = await local.received()
                    assert event == ("n", [number])
                await asyncio.sleep(6)  # longer than it takes to notice that nobody is heard
                assert len(failures) == 1
                await asyncio.to_thread(engine.start)
                got: list[int] = []
                async with asyncio.timeout(10):
                    while len(got) < 100:
                        name, args = await client.received()
                        got += args if name == "n" else []
                assert got == list(range(100))


@pytest.mark.parametrize("kind", FAULTY)
async def test_redis_that_stands_still_is_noticed_and_goes_on(kind: str) -> None:
    with Redis() as engine:
        async with servers(lambda: FAULTY[kind](engine.url), "A", "B") as (a, b):
            async with LinkedClient(b) as client:
                await delivered(a, client, 5)
                engine.pause()
                async with asyncio.timeout(5 + 10 * UNIT):
                    while a.cluster.is_healthy or b.cluster.is_healthy:
                        await asyncio.sleep(0.05)
                await asyncio.sleep(5)
                engine.resume()
                await delivered(a, client, 5)


async def test_connections_that_redis_cuts_are_made_again() -> None:
    with Redis() as engine:
        async with servers(lambda: RedisAdapter(engine.url), "A", "B") as (a, b):
            async with LinkedClient(b) as client:
                for kind in ("pubsub", "normal", "pubsub"):
                    await delivered(a, client, 5)
                    await asyncio.to_thread(engine.cli, "CLIENT", "KILL", "TYPE", kind)
                    await delivered(a, client, 5)
                    client.received_nowait()


async def test_redis_without_memory_still_carries_messages() -> None:
    with Redis("maxmemory 1mb", "maxmemory-policy noeviction") as engine:
        async with servers(lambda: RedisAdapter(engine.url), "A", "B") as (a, b):
            async with LinkedClient(b) as client:
                await delivered(a, client, 5)


async def test_message_that_is_too_large_for_redis_cuts_nobody_off_for_long() -> None:
    with Redis("client-output-buffer-limit pubsub 1mb 1mb 1") as engine:
        async with servers(lambda: RedisAdapter(engine.url), "A", "B") as (a, b):
            async with LinkedClient(b) as client:
                await delivered(a, client, 5)
                for _ in range(20):
                    a.emit("large", "x" * 1_000_000)
                await delivered(a, client, 10)


async def test_liars_do_no_harm(redis_url: str) -> None:
    async with servers(lambda: RedisAdapter(redis_url, key="lies"), "A", "B") as (a, b):
        async with LinkedClient(b) as client, redis.asyncio.from_url(redis_url) as liar:
            client.on("question", lambda: 1)
            uid = a.cluster.nodes[0].id
            lies: list[tuple[str, bytes]] = [
                ("lies#/#", b"\x80\x04."),
                ("lies#/#", b"\x93\xa1N\x82\xa4type\x02\xa4data\xdd\x3b\x9a\xca\x00"),
                ("lies#/#", b"\x93" + b"\xb0" + uid.encode() + b"\x80\x80"),
                ("lies-request#/#", b'{"uid":"N","type":5,"requestId":"x"}'),
                ("lies-request#/#", b'{"uid":"N","type":1000000000}'),
                ("lies-request#/#", b'{"uid":"N","uid":"M","type":2,"opts":{"rooms":7}}'),
                ("lies-response#/#", b'{"type":8,"requestId":"nobody","clientCount":1000000000}'),
                ("lies-response#/#", b'{"type":9,"requestId":[]}'),
                ("lies-sockwave#/#", b'{"type":1,"uid":"L","nsp":"/","data":{"sockwave":7}}'),
                ("lies-sockwave#/#", b"\xc1"),
                ("lies#/nowhere#", b"\x93\xa1N\x80\x80"),
            ]
            for channel, lie in lies:
                await liar.publish(channel, lie)
            assert await a.timeout(10).emit_with_ack("question") == [1]
            assert client.received_nowait() == []
            # So much that Redis cuts off those who listen, as long as it has its usual limits.
            await liar.publish("lies#/#", bytes(70_000_000))
            await delivered(a, client, 5)
            assert len(a.cluster.nodes) == 2


# --- other ways to Redis --------------------------------------------------------------------------


async def test_user_with_few_rights_is_enough() -> None:
    rights = "user small on >secret resetchannels &socket.io* &socket.io#/#* -@all +@pubsub +ping"
    with Redis(f"{rights} +auth +select +client") as engine:
        url = f"redis://small:secret@127.0.0.1:{engine.port}"
        for make in FAULTY.values():
            async with servers(lambda: make(url), "A", "B") as (a, b):  # noqa: B023
                async with LinkedClient(b) as client:
                    await delivered(a, client, 5)
                assert await a.server_count() == 2


async def test_client_of_the_users_own_is_used_and_not_closed(redis_url: str) -> None:
    async with redis.asyncio.from_url(redis_url, decode_responses=True) as client:
        adapters = iter([RedisAdapter(client, key="own"), ShardedRedisAdapter(client)])
        async with servers(lambda: next(adapters), "A") as (a,):
            assert await a.server_count() == 1
        assert await client.ping()


@pytest.mark.parametrize("kind", FAULTY)
async def test_cluster_of_redis_carries_messages_and_counts_servers(kind: str) -> None:
    with RedisCluster() as engine:
        clients = [redis.asyncio.RedisCluster.from_url(engine.url) for _ in range(2)]
        made = iter([FAULTY[kind](client) for client in clients])
        async with servers(lambda: next(made), "A", "B") as (a, b):
            async with LinkedClient(a) as ada, LinkedClient(b) as grace:
                assert await a.server_count() == await b.server_count() == 2
                await delivered(a, grace, 5)
                await heard(a, "B", grace)
                for client in (ada, grace):
                    client.on("question", lambda: 1)
                assert await a.timeout(10).emit_with_ack("question") == [1, 1]
                assert len(await b.fetch_sockets()) == 2
                assert misses_nothing(a, b)
                for node in engine.nodes:
                    node.cli("CLIENT", "KILL", "TYPE", "pubsub")
                await delivered(a, grace, 5)
                await heard(a, "B", grace)
        for each in clients:
            await each.aclose()


async def test_slot_that_moves_takes_its_channels_along() -> None:
    with RedisCluster() as engine:
        clients = [redis.asyncio.RedisCluster.from_url(engine.url) for _ in range(2)]
        made = iter([ShardedRedisAdapter(client) for client in clients])
        async with servers(lambda: next(made), "A", "B") as (a, b):
            async with LinkedClient(b) as client:
                await heard(a, "B", client)
                slot = clients[0].keyslot("socket.io#/#B#")
                ids = [node.cli("CLUSTER", "MYID").strip() for node in engine.nodes]
                home = next(at for at in range(3) if slot < [5461, 10923, 16384][at])
                for node in engine.nodes:
                    node.cli("CLUSTER", "SETSLOT", str(slot), "NODE", ids[(home + 1) % 3])
                await heard(a, "B", client)
        for each in clients:
            await each.aclose()


@pytest.mark.parametrize("kind", FAULTY)
async def test_sentinels_lead_to_the_next_master(kind: str) -> None:
    with Sentinel() as engine:
        sentinel = make_sentinel(engine.addresses, socket_timeout=1)
        masters = [sentinel.master_for(engine.name) for _ in range(2)]
        made = iter([FAULTY[kind](master) for master in masters])
        async with servers(lambda: next(made), "A", "B") as (a, b):
            async with LinkedClient(b) as client:
                await delivered(a, client, 5)
                await asyncio.to_thread(engine.fail_over)
                await delivered(a, client, 10)
                assert await a.server_count() == 2
        for master in masters:
            await master.aclose()
        for each in sentinel.sentinels:
            await each.aclose()


@pytest.mark.parametrize("make_loop", [asyncio.new_event_loop, new_event_loop])
def test_connections_may_be_encrypted(
    tmp_path: Path, make_loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    both, port = write_certificate(tmp_path / "both.pem"), free_port()
    options = (f"tls-port {port}", f"tls-cert-file {both}", f"tls-key-file {both}")
    with Redis(*options, f"tls-ca-cert-file {both}", "tls-auth-clients no") as engine:
        url = f"rediss://127.0.0.1:{port}?ssl_ca_certs={both}"

        async def scenario() -> None:
            async with servers(lambda: RedisAdapter(url), "A", "B") as (a, b):
                async with LinkedClient(b) as client:
                    a.emit("large", "x" * 1_000_000)
                    assert len((await client.received())[1][0]) == 1_000_000
                    await asyncio.to_thread(engine.cli, "CLIENT", "KILL", "TYPE", "pubsub")
                    await delivered(a, client, 5)

        with asyncio.Runner(loop_factory=make_loop) as runner:
            runner.run(scenario())


async def test_unix_socket_will_do(tmp_path: Path) -> None:
    with Redis(f"unixsocket {tmp_path}/redis.sock"):
        async with servers(lambda: RedisAdapter(f"unix://{tmp_path}/redis.sock"), "A", "B") as ours:
            async with LinkedClient(ours[1]) as client:
                await delivered(ours[0], client, 5)


@pytest.mark.parametrize("kind", FAULTY)
async def test_network_that_is_slow_keeps_everything_in_order(kind: str) -> None:
    with Redis() as engine:
        async with FaultProxy("127.0.0.1", engine.port, seed=1) as proxy:
            url = f"redis://127.0.0.1:{proxy.port}"
            async with servers(lambda: FAULTY[kind](url), "A", "B") as (a, b):
                async with LinkedClient(b, timeout=40) as client:
                    await heard(a, "B", client)
                    failures: list[str] = []
                    b.on("cluster_error", failures.append)
                    for direction in (proxy.to_server, proxy.to_client):
                        direction.delay, direction.jitter = 0.2, 0.1
                        direction.rate = 100_000
                    for number in range(100):
                        a.emit("n", number, "x" * 5_000)  # half a megabyte: five seconds
                    got = [(await client.received())[1][0] for _ in range(100)]
                    assert got == list(range(100))
                    assert not [what for what in failures if "lost" in what]


async def test_network_that_swallows_everything_is_noticed() -> None:
    with Redis() as engine:
        async with FaultProxy("127.0.0.1", engine.port, seed=1) as proxy:
            url = f"redis://127.0.0.1:{proxy.port}"
            async with servers(lambda: RedisAdapter(url), "A", "B") as (a, b):
                async with LinkedClient(b) as client:
                    await delivered(a, client, 5)
                    proxy.to_client.stall()
                    async with asyncio.timeout(5 + 10 * UNIT):
                        while a.cluster.is_healthy or b.cluster.is_healthy:
                            await asyncio.sleep(0.05)
                    accepted = proxy.accepted
                    await until(lambda: proxy.accepted > accepted)
                    proxy.to_client.resume()
                    await delivered(a, client, 10)


@pytest.mark.parametrize(
    ("adapter", "kind"), [(RedisAdapter, "CHANNELS"), (ShardedRedisAdapter, "SHARDCHANNELS")]
)
async def test_channels_of_dynamic_namespaces_end_with_them(
    adapter: Callable[[str], Any], kind: str
) -> None:
    with Redis() as engine:
        io = Server(adapter=adapter(engine.url))
        io.of(re.compile(r"/room-\d+"))
        asker: Any = redis.asyncio.Redis.from_url(engine.url)

        async def channels_of_rooms() -> int:
            names = await asker.execute_command("PUBSUB", kind)
            return sum(b"/room-" in name for name in names)

        async with LinkedClient(io):
            async with AsyncExitStack() as rooms:
                for number in range(50):
                    await rooms.enter_async_context(LinkedClient(io, namespace=f"/room-{number}"))
                while await channels_of_rooms() < 50:
                    await asyncio.sleep(UNIT)
            while await channels_of_rooms() or await asker.execute_command("PUBSUB", "NUMPAT") > 1:
                await asyncio.sleep(UNIT)
        await io.close()
        await asker.aclose()
