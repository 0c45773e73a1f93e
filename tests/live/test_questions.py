"""Questions of emitters on real engines, in asyncio and blocking: answers, faults, forks."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
import redis
import redis.asyncio
from redis.asyncio.sentinel import Sentinel as AsyncSentinel
from redis.sentinel import Sentinel as BlockingSentinel

import sockwave.sync
from sockwave import AckTimeout, ClusterTimeout, Disconnected, Server, TransportError, emitters
from sockwave.adapters import (
    NatsAdapter,
    PostgresAdapter,
    RedisAdapter,
    RedisStreamsAdapter,
    ShardedRedisAdapter,
)
from sockwave.emitters import redis_engine
from sockwave.testing import LinkedClient
from tests.live.engines import Nats, Postgres, Redis, RedisCluster, Sentinel
from tests.support.process import DEADLINE, free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from sockwave import Socket

pytestmark = pytest.mark.live

make_sentinel: Any = AsyncSentinel  # which have no types
make_blocking_sentinel: Any = BlockingSentinel


@dataclass(frozen=True)
class Carrier:
    """What servers and emitters share.

    Attributes:
        engine: Starts it.
        fixture: Names the one that all tests share.
        adapter: Of the servers.
        emitter: Of asyncio, and the name of the blocking one.
        options: Of both.
    """

    engine: type[Any]
    fixture: str
    adapter: Callable[[Any], Any]
    emitter: type[Any]
    options: dict[str, Any]

    def address(self, engine: Any) -> str:
        address: str = engine.dsn if self.engine is Postgres else engine.url
        return address

    def open(self, address: Any) -> Any:
        """An emitter of asyncio."""
        return self.emitter(address, **self.options)

    def open_blocking(self, address: Any) -> Any:
        """One that blocks."""
        return getattr(sockwave.sync, self.emitter.__name__)(address, **self.options)


CARRIERS: Final = {
    "classic": Carrier(Redis, "redis_url", RedisAdapter, emitters.RedisEmitter, {}),
    "specific": Carrier(
        Redis,
        "redis_url",
        partial(RedisAdapter, publish_on_specific_response_channel=True),
        emitters.RedisEmitter,
        {},
    ),
    "sharded": Carrier(
        Redis, "redis_url", ShardedRedisAdapter, emitters.RedisEmitter, {"sharded": True}
    ),
    "streams": Carrier(Redis, "redis_url", RedisStreamsAdapter, emitters.RedisStreamsEmitter, {}),
    "streams, sharded": Carrier(
        Redis,
        "redis_url",
        partial(RedisStreamsAdapter, use_sharded_pub_sub=True),
        emitters.RedisStreamsEmitter,
        {"use_sharded_pub_sub": True},
    ),
    "postgres": Carrier(Postgres, "postgres_dsn", PostgresAdapter, emitters.PostgresEmitter, {}),
    "nats": Carrier(Nats, "nats_url", NatsAdapter, emitters.NatsEmitter, {}),
    "jetstream": Carrier(
        Nats,
        "nats_url",
        partial(NatsAdapter, jetstream=True, prefix="stream"),
        emitters.NatsEmitter,
        {"jetstream": True, "prefix": "stream"},
    ),
}
EXAMPLE: Final = Path(__file__).resolve().parents[2] / "examples" / "asking.py"
DIFFERENT: Final = ("classic", "sharded", "streams", "postgres", "nats")


@pytest.fixture(params=CARRIERS)
def carrier(request: pytest.FixtureRequest) -> Carrier:
    return CARRIERS[request.param]


@pytest.fixture
def address(carrier: Carrier, request: pytest.FixtureRequest) -> str:
    """Of the engine that all share, with nothing in it."""
    address: str = request.getfixturevalue(carrier.fixture)
    if carrier.engine is Redis:
        with redis.Redis.from_url(address) as client:
            client.flushall()
    return address


@asynccontextmanager
async def two_servers(make: Callable[[], Any]) -> AsyncIterator[list[LinkedClient]]:
    """Two servers that know each other, with a client each, which is in a room `A` or `B`."""
    async with AsyncExitStack() as stack:
        servers = []
        for name in ("A", "B"):
            io = Server(adapter=make())
            io.of("/empty")

            @io.on("connection")
            def connection(socket: Socket, name: str = name) -> None:
                socket.data["server"] = name
                socket.join(name)

            servers.append(io)
            stack.push_async_callback(io.close)
        clients = []
        for io, name in zip(servers, "AB", strict=True):
            client = await stack.enter_async_context(LinkedClient(io))
            client.on("question", lambda *args, name=name: (name, *args))
            clients.append(client)
        async with asyncio.timeout(DEADLINE):
            while any([await io.server_count() < 2 or len(io.cluster.nodes) < 2 for io in servers]):
                await asyncio.sleep(0.01)
        yield clients


BLOB: Final = bytes(range(256)) * 500
ALL: Final = [("A", 1), ("B", 1)]


async def test_clients_and_servers_answer(carrier: Carrier, address: str) -> None:
    async with two_servers(lambda: carrier.adapter(address)) as clients:
        async with carrier.open(address) as emitter:
            assert await emitter.server_count() == 2
            answers = await emitter.emit_with_ack("question", 1, timeout=DEADLINE)
            assert sorted(answers) == ALL
            ids = {data: id_ for id_, (data, _) in answers.by_socket.items()}
            assert await emitter.to("B").emit_with_ack("question", BLOB) == [("B", BLOB)]
            assert await emitter.except_("B").emit_with_ack("question", None) == [("A", None)]
            assert await emitter.to("nobody").emit_with_ack("question") == []
            sockets = {each.data["server"]: each for each in await emitter.fetch_sockets()}
            assert {name: each.id for name, each in sockets.items()} == ids
            assert sockets["A"].rooms == {"A", ids["A"]}
            assert sockets["A"].node != sockets["B"].node
            assert sockets["A"].handshake.auth == {}
            assert await emitter.to("nobody").fetch_sockets() == []
            (only,) = await emitter.to("B", "nobody").except_("A").fetch_sockets()
            assert only.id == ids["B"]
            await only.emit("hello", 1)
            assert await clients[1].received() == ("hello", [1])
            assert await only.emit_with_ack("question", {}) == ("B", {})
            await only.join("late")
            async with asyncio.timeout(DEADLINE):
                while len(await emitter.to("late").fetch_sockets()) != 1:
                    pass
                await only.leave("late")
                while await emitter.to("late").fetch_sockets():
                    pass
                await only.disconnect()
                while len(await emitter.fetch_sockets()) != 1:
                    pass
            with pytest.raises(Disconnected):
                await only.emit_with_ack("question")


async def test_clients_and_servers_answer_emitters_that_block(
    carrier: Carrier, address: str
) -> None:
    async with two_servers(lambda: carrier.adapter(address)) as clients:

        def ask() -> None:
            with carrier.open_blocking(address) as emitter:
                assert emitter.server_count() == 2
                answers = emitter.emit_with_ack("question", 1, timeout=DEADLINE)
                assert sorted(answers) == ALL
                assert len(answers.by_socket) == 2
                assert emitter.to("B").emit_with_ack("question", BLOB) == [("B", BLOB)]
                assert emitter.to("nobody").emit_with_ack("question") == []
                (only,) = emitter.to("B").fetch_sockets()
                assert only.data == {"server": "B"}
                only.emit("hello", 1)
                assert only.emit_with_ack("question", None) == ("B", None)
                only.join("late")
                while len(emitter.to("late").fetch_sockets()) != 1:
                    pass
                only.leave("late")
                only.disconnect(close=True)
                while len(emitter.fetch_sockets()) != 1:
                    pass
                with pytest.raises(Disconnected):
                    only.emit_with_ack("question")

        await asyncio.to_thread(ask)
        assert await clients[1].received() == ("hello", [1])


async def test_many_emitters_at_once_get_their_own_answers(carrier: Carrier, address: str) -> None:
    async with two_servers(lambda: carrier.adapter(address)), AsyncExitStack() as stack:
        asking = [await stack.enter_async_context(carrier.open(address)) for _ in range(3)]
        blocking = stack.enter_context(carrier.open_blocking(address))
        numbers = range(30)
        answers = await asyncio.gather(
            *(asking[n % 3].emit_with_ack("question", n, timeout=DEADLINE) for n in numbers),
            *(
                asyncio.to_thread(blocking.emit_with_ack, "question", n, timeout=DEADLINE)
                for n in numbers
            ),
        )
        expected = [[("A", n), ("B", n)] for n in numbers]
        assert [sorted(each) for each in answers] == expected * 2


async def test_where_no_server_is_nobody_answers(carrier: Carrier, address: str) -> None:
    async with carrier.open(address) as emitter:
        with carrier.open_blocking(address) as blocking:
            questions: list[Any] = [
                emitter.server_count(),
                emitter.emit_with_ack("question"),
                emitter.fetch_sockets(),
                asyncio.to_thread(blocking.server_count),
                asyncio.to_thread(blocking.emit_with_ack, "question"),
                asyncio.to_thread(blocking.fetch_sockets),
            ]
            assert await asyncio.gather(*questions) == [0, [], []] * 2


async def test_namespaces_are_apart(carrier: Carrier, address: str) -> None:
    async with two_servers(lambda: carrier.adapter(address)), carrier.open(address) as emitter:
        assert await emitter.of("/none").server_count() == 0
        assert await emitter.of("/none").fetch_sockets() == []
        assert len(await emitter.fetch_sockets()) == 2
        empty = emitter.of("/empty")
        await until_counted(empty, 2)
        assert await empty.fetch_sockets() == []
        assert await empty.emit_with_ack("question", 1) == []


async def test_client_that_does_not_answer_is_named(carrier: Carrier, address: str) -> None:
    async with two_servers(lambda: carrier.adapter(address)) as clients:
        clients[0].on("half", lambda: 1)
        async with carrier.open(address) as emitter:
            (silent,) = await emitter.to("B").fetch_sockets()
            with pytest.raises(AckTimeout) as raised:
                await emitter.emit_with_ack("half", timeout=0.5)
            assert raised.value.responses == [1]
            assert raised.value.missing == (silent.id,)
            asked = asyncio.ensure_future(emitter.emit_with_ack("half", timeout=DEADLINE))
            assert (await clients[1].received())[0] == "half"
            assert (await clients[1].received())[0] == "half"
            await silent.disconnect()
            with pytest.raises(AckTimeout) as raised:
                await asked
            assert raised.value.missing == (silent.id,)


# --- faults ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", DIFFERENT)
async def test_engine_restarted_between_two_questions(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_engine, "IDLE", 0.0)
    carrier = CARRIERS[kind]
    with carrier.engine() as engine:
        address = carrier.address(engine)
        async with two_servers(lambda: carrier.adapter(address)), carrier.open(address) as emitter:
            with carrier.open_blocking(address) as blocking:
                ask = partial(asyncio.to_thread, blocking.emit_with_ack, "question", 1)
                assert sorted(await emitter.emit_with_ack("question", 1)) == ALL
                assert sorted(await ask()) == ALL
                await asyncio.to_thread(engine.restart)
                async with asyncio.timeout(DEADLINE):
                    # Servers may be back later than Redis; until then they are not counted.
                    while await answers_of(emitter.timeout(2).emit_with_ack("question", 1)) != ALL:
                        await asyncio.sleep(0.05)
                assert sorted(await ask()) == ALL


async def answers_of(question: Any) -> list[Any]:
    """What is answered, or nothing."""
    try:
        return sorted(await question)
    except (TransportError, AckTimeout):
        return []


@pytest.mark.parametrize("kind", DIFFERENT)
async def test_engine_that_ends_ends_the_questions_that_are_open(kind: str) -> None:
    carrier = CARRIERS[kind]
    with carrier.engine() as engine:
        address = carrier.address(engine)
        async with two_servers(lambda: carrier.adapter(address)) as clients:
            async with carrier.open(address) as emitter:
                with carrier.open_blocking(address) as blocking:
                    ask = partial(blocking.emit_with_ack, "silence", timeout=10 * DEADLINE)
                    asked = [
                        asyncio.ensure_future(emitter.emit_with_ack("silence", timeout=1_000)),
                        asyncio.ensure_future(asyncio.to_thread(ask)),
                    ]
                    for _ in asked:
                        assert (await clients[0].received())[0] == "silence"
                    await asyncio.to_thread(engine.stop)
                    async with asyncio.timeout(DEADLINE):
                        for each in asked:
                            with pytest.raises(TransportError):
                                await each


@pytest.mark.parametrize("kind", DIFFERENT)
async def test_engine_that_is_away_is_an_error(kind: str) -> None:
    carrier, port = CARRIERS[kind], free_port()
    scheme = carrier.fixture.partition("_")[0].replace("postgres", "postgresql")
    address = f"{scheme}://a:secret@127.0.0.1:{port}"
    async with carrier.open(address) as emitter:
        with carrier.open_blocking(address) as blocking:
            for question in (
                emitter.server_count(),
                emitter.emit_with_ack("x"),
                emitter.fetch_sockets(),
                asyncio.to_thread(blocking.server_count),
                asyncio.to_thread(blocking.emit_with_ack, "x"),
            ):
                with pytest.raises(TransportError) as raised:
                    await question
                assert "secret" not in str(raised.value)


async def test_server_that_does_not_answer_is_named(postgres: Postgres) -> None:
    async with two_servers(lambda: PostgresAdapter(postgres.dsn)):
        async with emitters.PostgresEmitter(postgres.dsn) as emitter:
            beat = '{"type":2,"uid":"dead","nsp":"/"}'
            await asyncio.to_thread(postgres.sql, f"SELECT pg_notify('socket.io#/', '{beat}')")
            async with asyncio.timeout(DEADLINE):
                while await emitter.server_count() != 3:
                    await asyncio.sleep(0.01)
            with pytest.raises(ClusterTimeout) as raised:
                await emitter.timeout(0.5).fetch_sockets()
            assert {each.data["server"] for each in raised.value.arrived} == {"A", "B"}
            assert raised.value.missing_servers == ("dead",)
            with pytest.raises(AckTimeout) as late:
                await emitter.emit_with_ack("question", 1, timeout=0.5)
            assert sorted(late.value.responses) == ALL
            assert late.value.missing_servers == ("dead",)


FORGED: Final = (
    b"",
    b"{",
    b"\xc1",
    b'{"requestId":"0000000000000000","type":8,"clientCount":1000000000}',
    b'{"type":8,"data":{"requestId":7,"sockets":[]},"uid":"x","nsp":"/"}',
)


@pytest.mark.parametrize("kind", ["classic", "sharded", "streams"])
async def test_what_others_publish_to_emitters_does_no_harm(redis_url: str, kind: str) -> None:
    carrier = CARRIERS[kind]
    async with two_servers(lambda: carrier.adapter(redis_url)) as clients:
        own: Any = redis.asyncio.from_url(redis_url)
        async with carrier.open(redis_url) as emitter, own:
            asked = asyncio.ensure_future(emitter.emit_with_ack("silence", timeout=DEADLINE))
            assert (await clients[0].received())[0] == "silence"
            for data in FORGED:
                for name in ("socket.io#/#emitter#", "socket.io-response#/#emitter#"):
                    verb = "SPUBLISH" if kind == "sharded" else "PUBLISH"
                    await own.execute_command(verb, name, data)
            answers = await emitter.emit_with_ack("question", 1, timeout=DEADLINE)
            assert sorted(answers) == ALL
            assert not asked.done()
            asked.cancel()


# --- processes ------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
async def test_blocking_emitter_asks_in_processes_that_are_forked_later(
    carrier: Carrier, address: str
) -> None:
    async with two_servers(lambda: carrier.adapter(address)):
        with carrier.open_blocking(address) as emitter:

            def ask() -> list[Any]:
                return sorted(emitter.emit_with_ack("question", 1, timeout=DEADLINE))

            def ask_in_a_child() -> int:
                child = os.fork()
                if not child:
                    code = 1
                    try:
                        code = 0 if ask() == ALL and emitter.server_count() == 2 else 2
                        emitter.close()
                    finally:
                        os._exit(code)
                return os.waitpid(child, 0)[1]

            assert await asyncio.to_thread(ask) == ALL
            for _ in range(2):
                assert await asyncio.to_thread(ask_in_a_child) == 0
            assert await asyncio.to_thread(ask) == ALL


# --- clients of the user's own --------------------------------------------------------------------


@pytest.fixture(scope="module")
def redis_cluster() -> Iterator[RedisCluster]:
    with RedisCluster() as cluster:
        yield cluster


@pytest.mark.parametrize("kind", ["classic", "sharded", "streams"])
async def test_clients_of_a_redis_cluster_ask_too(redis_cluster: RedisCluster, kind: str) -> None:
    carrier, url = CARRIERS[kind], redis_cluster.url
    async with AsyncExitStack() as stack:
        own, *others = [redis.asyncio.RedisCluster.from_url(url) for _ in range(3)]
        for client in (own, *others):
            stack.push_async_callback(client.aclose)
        with closing(redis.RedisCluster.from_url(url)) as blocking:
            adapters = iter(others)
            await stack.enter_async_context(two_servers(lambda: carrier.adapter(next(adapters))))
            async with carrier.open(own) as emitter:
                await until_counted(emitter, 2)
                assert sorted(await emitter.emit_with_ack("question", 1)) == ALL
                assert len(await emitter.fetch_sockets()) == 2
            with carrier.open_blocking(blocking) as emitter:
                assert await asyncio.to_thread(emitter.server_count) == 2
                answers = await asyncio.to_thread(emitter.emit_with_ack, "question", 1)
                assert sorted(answers) == ALL


async def until_counted(emitter: Any, count: int) -> None:
    async with asyncio.timeout(DEADLINE):
        while await emitter.server_count() != count:
            await asyncio.sleep(0.01)


async def test_client_that_decodes_what_comes_cannot_ask(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        with sockwave.sync.RedisEmitter(client) as emitter:
            emitter.emit("x")
            with pytest.raises(TypeError, match="decode_responses"):
                await asyncio.to_thread(emitter.emit_with_ack, "x")


async def test_user_who_may_not_subscribe_is_told_so() -> None:
    with Redis() as engine:
        rules = ("on", ">pw", "~*", "+@all", "-subscribe", "-ssubscribe", "&*")
        engine.cli("ACL", "SETUSER", "mute", *rules)
        url = engine.url.replace("redis://", "redis://mute:pw@")
        async with emitters.RedisEmitter(url) as emitter:
            await emitter.emit("x")
            with pytest.raises(TransportError, match="let this user subscribe"):
                await emitter.emit_with_ack("x")
        with sockwave.sync.RedisEmitter(url) as blocking:
            await asyncio.to_thread(blocking.emit, "x")
            with pytest.raises(TransportError, match="let this user subscribe"):
                await asyncio.to_thread(blocking.emit_with_ack, "x")


async def test_pool_of_one_connection_is_enough(postgres_dsn: str) -> None:
    import asyncpg

    async with asyncpg.create_pool(postgres_dsn, min_size=1, max_size=1) as pool:
        async with two_servers(lambda: PostgresAdapter(postgres_dsn)):
            async with emitters.PostgresEmitter(pool) as emitter:
                await emitter.emit("x")
                questions = [emitter.emit_with_ack("question", 1) for _ in range(10)]
                assert [sorted(each) for each in await asyncio.gather(*questions)] == [ALL] * 10


async def test_questions_leave_no_connection(redis_url: str) -> None:
    async with two_servers(lambda: RedisAdapter(redis_url)), AsyncExitStack() as stack:
        client = stack.enter_context(redis.Redis.from_url(redis_url))
        emitter = await stack.enter_async_context(emitters.RedisEmitter(redis_url))
        blocking = stack.enter_context(sockwave.sync.RedisEmitter(redis_url))

        async def connections() -> int:
            info: dict[str, Any] = await asyncio.to_thread(client.info, "clients")
            count: int = info["connected_clients"]
            return count

        async def ask() -> None:
            assert len(await emitter.emit_with_ack("question")) == 2
            assert len(await asyncio.to_thread(blocking.emit_with_ack, "question")) == 2

        await ask()
        before = await connections()
        for _ in range(5):
            await ask()
        async with asyncio.timeout(DEADLINE):
            while await connections() > before:
                await asyncio.sleep(0.01)


async def test_job_of_the_documentation_asks(redis_url: str) -> None:
    async with two_servers(lambda: RedisAdapter(redis_url)) as clients:
        async with emitters.RedisEmitter(redis_url) as emitter:
            clients[0].on("ready?", lambda: "Ada")
            await emitter.sockets_join("lobby")
            await until_in(emitter, "lobby", 2)
            assert await run_job(redis_url) == ["ready: Ada", "servers: 2"]
            assert await clients[0].received() == ("seat", ["table of A"])
            await until_in(emitter, "lobby", 1)  # who did not answer was sent away
            assert await run_job(redis_url) == ["ready: Ada", "servers: 2"]


async def until_in(emitter: Any, room: str, count: int) -> None:
    async with asyncio.timeout(DEADLINE):
        while len(await emitter.to(room).fetch_sockets()) != count:
            await asyncio.sleep(0.01)


async def run_job(url: str) -> list[str]:
    """`examples/asking.py`, and the lines that it prints."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, EXAMPLE, url, stdout=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(DEADLINE):
        output, _ = await process.communicate()
    assert process.returncode == 0
    return output.decode().splitlines()


async def test_clients_that_ask_sentinel_ask_servers_too() -> None:
    with Sentinel() as pair, ExitStack() as stack:
        finder, blocking = make_sentinel(pair.addresses), make_blocking_sentinel(pair.addresses)
        url = f"redis://127.0.0.1:{pair.master.port}"
        async with two_servers(lambda: RedisAdapter(url)):
            own = finder.master_for(pair.name)
            async with emitters.RedisEmitter(own) as emitter:
                assert await emitter.server_count() == 2
                assert sorted(await emitter.emit_with_ack("question", 1)) == ALL
            await own.aclose()
            mine = stack.enter_context(closing(blocking.master_for(pair.name)))
            with sockwave.sync.RedisEmitter(mine) as emitter:
                answers = await asyncio.to_thread(emitter.emit_with_ack, "question", 1)
                assert sorted(answers) == ALL
        for each in finder.sentinels:
            await each.aclose()
        for each in blocking.sentinels:
            each.close()
