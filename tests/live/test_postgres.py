"""Clusters on a real PostgreSQL: what only that can tell."""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from sockwave import ClientSocket, Server, Socket, connect
from sockwave.adapters import ClusterOptions, PostgresAdapter
from sockwave.adapters.postgres import source
from sockwave.adapters.postgres.driver import PostgresDriver
from sockwave.adapters.postgres.source import source_of
from sockwave.emitters import PostgresEmitter
from sockwave.testing import DriverSuite, FaultProxy, LinkedClient
from tests.live.engines import Postgres, Standby
from tests.support.raw import UNIT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from sockwave.adapters import Driver

pytestmark = pytest.mark.live

TABLE = "socket_io_attachments"
QUICK = ClusterOptions(heartbeat_interval=0.5, heartbeat_timeout=5.0)


@pytest.fixture
def postgres_engine() -> Iterator[Postgres]:
    """One that may be stopped."""
    with Postgres() as postgres:
        yield postgres


async def until(is_so: Callable[[], object]) -> None:
    while not is_so():
        await asyncio.sleep(0.005)


class TestPostgresDriver(DriverSuite):
    """What every carrier must do."""

    patience = 20.0

    @pytest.fixture(autouse=True)
    def _server(self, postgres_dsn: str) -> None:
        self.dsn = postgres_dsn

    async def make_driver(self) -> Driver:
        return PostgresDriver(source_of(self.dsn), "socket.io", TABLE, 2**24, 30.0)


class Node:
    """A server, a client of it, and what both have seen."""

    def __init__(self, io: Server, client: ClientSocket) -> None:
        self.io = io
        self.client = client
        self.got: list[tuple[Any, ...]] = []
        self.errors: list[str] = []
        client.on("x", lambda *args: self.got.append(args))
        io.on("cluster_error", self.errors.append)

    def numbers(self) -> list[Any]:
        """First arguments."""
        return [args[0] for args in self.got]


@asynccontextmanager
async def cluster(
    make_adapter: Callable[[], PostgresAdapter], count: int = 2, **options: Any
) -> AsyncIterator[list[Node]]:
    """Servers that know each other, with a client each, in the room that is its number."""
    async with AsyncExitStack() as stack:
        nodes = []
        for number in range(count):
            io = Server(adapter=make_adapter(), **options)

            @io.on("connection")
            def connection(socket: Socket, number: int = number) -> None:
                socket.join([str(number), "all"])
                socket.on("ask", lambda value: value)

            listener = await stack.enter_async_context(io.listen("127.0.0.1", 0))
            client = await stack.enter_async_context(connect(listener.url, reconnection_delay=0.05))
            client.on("ask", lambda value, number=number: [number, value])
            nodes.append(Node(io, client))
        await until(lambda: all(len(node.io.cluster.nodes) == count for node in nodes))
        yield nodes


@pytest.fixture
def adapter(postgres_dsn: str) -> Callable[[], PostgresAdapter]:
    return lambda: PostgresAdapter(postgres_dsn, options=QUICK)


async def test_servers_share_everything(adapter: Callable[[], PostgresAdapter]) -> None:
    async with cluster(adapter) as [a, b]:
        a.io.to("1").emit("x", "é☃", None, [], {"n": 1.5}, b"\x00\xff")
        a.io.emit("x", "y" * 100_000)
        b.io.emit("x", "back")
        await until(lambda: len(b.got) == 3 and len(a.got) == 2)
        b.got.remove(("back",))
        assert b.got == [("é☃", None, [], {"n": 1.5}, b"\x00\xff"), ("y" * 100_000,)]
        assert sorted(await a.io.timeout(20).emit_with_ack("ask", b"\x01")) == [
            [0, b"\x01"],
            [1, b"\x01"],
        ]
        assert await a.io.count() == 2
        assert await a.io.server_count() == 2
        sockets = await a.io.fetch_sockets()
        assert {socket.id for socket in sockets} == {a.client.id, b.client.id}
        b.io.on("question", lambda value: value * 2)
        assert await a.io.server_side_emit_with_ack("question", 21, timeout=20) == [42]
        a.io.in_("1").sockets_join("new")
        a.io.to("new").emit("x", "joined")
        await until(lambda: b.numbers()[-1] == "joined")
        a.io.in_("1").disconnect_sockets()
        await until(lambda: not b.client.connected)
        assert a.errors == b.errors == []


async def test_order_is_that_of_the_calls_whatever_the_size(
    adapter: Callable[[], PostgresAdapter],
) -> None:
    extras = ("", "y" * 9_000, b"\xff", "z" * 7_000)
    async with cluster(adapter) as [a, b]:
        for number in range(2_000):
            a.io.to("1").emit("x", number, extras[number % 4 if number % 7 else 0])
            if number % 100 == 0:
                await asyncio.sleep(0)
        await until(lambda: len(b.got) == 2_000)
        assert b.numbers() == list(range(2_000))


async def test_servers_hear_each_other_after_each_of_20_restarts(postgres_engine: Postgres) -> None:
    def adapter() -> PostgresAdapter:
        return PostgresAdapter(postgres_engine.dsn, options=QUICK)

    async with cluster(adapter) as [a, b]:
        for turn in range(20):
            restarting = asyncio.create_task(asyncio.to_thread(postgres_engine.restart))
            number = 0
            while not restarting.done():
                a.io.to("1").emit("x", turn, number)
                number += 1
                await asyncio.sleep(0.01)
            await restarting
            async with asyncio.timeout(2 + 10 * UNIT):
                while (turn, "end") not in b.got:
                    a.io.to("1").emit("x", turn, "end")
                    await asyncio.sleep(0.01)
            numbers = [args[1] for args in b.got if args[0] == turn and args[1] != "end"]
            assert numbers == sorted(set(numbers))
        assert any("connection to PostgreSQL at 127.0.0.1:" in each for each in b.errors)
        assert len(a.io.cluster.nodes) == len(b.io.cluster.nodes) == 2


async def test_clients_are_served_while_postgresql_stands_still(postgres_engine: Postgres) -> None:
    def adapter() -> PostgresAdapter:
        return PostgresAdapter(postgres_engine.dsn, options=QUICK)

    async with cluster(adapter) as [a, b]:
        postgres_engine.pause()
        try:
            a.io.emit("x", "here")
            await until(lambda: a.numbers() == ["here"])
            await until(lambda: not a.io.cluster.is_healthy)
            assert any("does not hear what it sends" in each for each in a.errors)
        finally:
            postgres_engine.resume()
        await until(lambda: "here" in b.numbers() or b.errors)
        a.io.to("1").emit("x", "later")
        await until(lambda: "later" in b.numbers())


async def test_connection_that_is_cut_is_made_again(
    adapter: Callable[[], PostgresAdapter], postgres: Postgres
) -> None:
    async with cluster(adapter) as [a, b]:
        cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name"
        await asyncio.to_thread(postgres.sql, f"{cut} = 'sockwave'")
        await until(lambda: any("PostgreSQL is back" in each for each in b.errors))
        a.io.to("1").emit("x", "after", b"\x01")
        await until(lambda: "after" in b.numbers())


async def test_pool_of_the_users_own_is_used_and_given_back(postgres_dsn: str) -> None:
    pools = [asyncpg.create_pool(postgres_dsn, min_size=0, max_size=3) for _ in range(2)]
    taken = list(pools)
    async with cluster(lambda: PostgresAdapter(taken.pop(), options=QUICK)) as [a, b]:
        a.io.to("1").emit("x", 1, b"\x01")
        b.io.to("0").emit("x", 2)
        await until(lambda: a.got and b.got)
        assert await pools[0].fetchval("SELECT 7") == 7
    for pool in pools:
        assert pool.get_size() == pool.get_idle_size()
        await pool.close()


async def test_pool_of_the_users_own_outlives_a_restart(postgres_engine: Postgres) -> None:
    pools = [asyncpg.create_pool(postgres_engine.dsn, min_size=0, max_size=2) for _ in range(2)]
    taken = list(pools)
    async with cluster(lambda: PostgresAdapter(taken.pop(), options=QUICK)) as [a, b]:
        await asyncio.to_thread(postgres_engine.restart)
        while not b.got:
            a.io.to("1").emit("x", 1, b"\x01")
            await asyncio.sleep(0.01)
    for pool in pools:
        assert pool.get_size() == pool.get_idle_size()
        await pool.close()


async def test_pool_that_has_no_connection_left_is_named(
    postgres_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "CONNECT_TIMEOUT", 0.2)
    errors: list[str] = []
    async with asyncpg.create_pool(postgres_dsn, min_size=0, max_size=1) as pool:
        io = Server(adapter=PostgresAdapter(pool))
        io.on("cluster_error", errors.append)
        async with io.listen("127.0.0.1", 0):
            await until(lambda: errors)
        assert "the pool of at most 1 connections has given none" in errors[0]


async def test_servers_wait_for_connections_where_too_many_are_open(
    postgres_engine: Postgres,
) -> None:
    none_left = "ALTER ROLE chat CONNECTION LIMIT 0"
    cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'chat'"
    await asyncio.to_thread(
        postgres_engine.sql, "CREATE ROLE chat LOGIN; GRANT CREATE ON SCHEMA public TO chat"
    )
    dsn = postgres_engine.dsn.replace("postgres@", "chat@")
    async with cluster(lambda: PostgresAdapter(dsn, options=QUICK)) as [a, b]:
        await asyncio.to_thread(postgres_engine.sql, f"{none_left}; {cut}")
        await until(lambda: not a.io.cluster.is_healthy and not b.io.cluster.is_healthy)
        errors: list[str] = []
        late = Server(adapter=PostgresAdapter(dsn, options=QUICK))
        late.on("cluster_error", errors.append)
        async with late.listen("127.0.0.1", 0):
            await until(lambda: any("too many connections" in each for each in errors))
            await asyncio.to_thread(postgres_engine.sql, "ALTER ROLE chat CONNECTION LIMIT -1")
            await until(lambda: len(late.cluster.nodes) == 3)
            while not b.got:
                a.io.to("1").emit("x", "again")
                await asyncio.sleep(0.01)


async def test_table_that_takes_nothing_stops_only_what_needs_it(postgres_engine: Postgres) -> None:
    async with cluster(lambda: PostgresAdapter(postgres_engine.dsn, options=QUICK)) as [a, b]:
        full = (
            "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE EXCEPTION 'no space left' USING ERRCODE = 'disk_full'; END $$;"
            f" CREATE TRIGGER full_disk BEFORE INSERT ON {TABLE} EXECUTE FUNCTION full_disk()"
        )
        await asyncio.to_thread(postgres_engine.sql, full)
        for number in range(6):
            a.io.to("1").emit("x", number, b"\x01" if number % 2 else "")
        await until(lambda: b.numbers() == [0, 2, 4])
        await until(lambda: any("no space left" in each for each in a.errors))
        await asyncio.to_thread(postgres_engine.sql, f"DROP TRIGGER full_disk ON {TABLE}")
        a.io.to("1").emit("x", 6, b"\x01")
        await until(lambda: b.numbers() == [0, 2, 4, 6])


async def test_fail_over_is_followed(postgres_engine: Postgres) -> None:
    with Standby(postgres_engine) as standby:
        where = f"127.0.0.1:{standby.port},127.0.0.1:{postgres_engine.port}"
        dsn = f"postgresql://postgres@{where}/postgres?target_session_attrs=primary"
        async with cluster(lambda: PostgresAdapter(dsn, options=QUICK)) as [a, b]:
            a.io.to("1").emit("x", "before", b"\x01")
            await until(lambda: b.numbers() == ["before"])
            await asyncio.to_thread(postgres_engine.kill)
            await until(lambda: not (a.io.cluster.is_healthy or b.io.cluster.is_healthy))
            a.io.to("1").emit("x", "kept", b"\x01")
            await asyncio.to_thread(standby.promote)
            while "after" not in b.numbers():
                a.io.to("1").emit("x", "after", b"\x01")
                await asyncio.sleep(0.01)
            async with PostgresEmitter(dsn) as emitter:
                await emitter.to("1").emit("x", "emitted", "y" * 9_000)
                await until(lambda: "emitted" in b.numbers())


async def test_slow_network_keeps_the_order(postgres: Postgres) -> None:
    async with FaultProxy("127.0.0.1", postgres.port, seed=1) as proxy:
        proxy.set(delay=0.2, rate=100_000)
        dsn = postgres.dsn.replace(str(postgres.port), str(proxy.port))
        async with cluster(lambda: PostgresAdapter(dsn, options=QUICK)) as [a, b]:
            for number in range(200):
                a.io.to("1").emit("x", number, "y" * (9_000 if number % 40 == 0 else 10))
            await until(lambda: len(b.got) == 200)
            assert b.numbers() == list(range(200))
            assert proxy.accepted == 4, "no connection was given up"
            assert not any("lost" in each for each in a.errors + b.errors)


async def test_network_that_swallows_everything_is_given_up(postgres: Postgres) -> None:
    async with FaultProxy("127.0.0.1", postgres.port) as proxy:
        dsn = postgres.dsn.replace(str(postgres.port), str(proxy.port))
        async with cluster(lambda: PostgresAdapter(dsn, options=QUICK)) as [a, b]:
            proxy.stall()
            async with asyncio.timeout(5 + 10 * UNIT):
                await until(lambda: not (a.io.cluster.is_healthy or b.io.cluster.is_healthy))
            await until(lambda: any("ended while they were sent" in each for each in a.errors))
            proxy.resume()
            while "after" not in b.numbers():
                a.io.to("1").emit("x", "after")
                await asyncio.sleep(0.01)


async def test_table_that_may_not_be_made_is_named(
    postgres: Postgres, caplog: pytest.LogCaptureFixture
) -> None:
    await asyncio.to_thread(
        postgres.sql, "CREATE ROLE guest LOGIN; REVOKE CREATE ON SCHEMA public FROM PUBLIC"
    )
    dsn = postgres.dsn.replace("postgres@", "guest@")
    adapter = PostgresAdapter(dsn, table_name="other_table")
    with caplog.at_level(logging.WARNING, "sockwave.adapters"):
        async with Server(adapter=adapter).listen("127.0.0.1", 0):
            await until(lambda: "CREATE TABLE IF NOT EXISTS other_table" in caplog.text)


async def test_clients_come_back_to_another_server(postgres_dsn: str) -> None:
    def adapter() -> PostgresAdapter:
        return PostgresAdapter(postgres_dsn, options=QUICK)

    async with cluster(adapter, connection_state_recovery=True) as [a, b]:
        async with LinkedClient(a.io) as client:
            a.io.to("0").emit("x", 1)
            name, args = await client.received()
            assert (name, args[0]) == ("x", 1)
            id_ = client.sid
        a.io.to("0").emit("x", 2, b"\x01")
        b.io.to("0").emit("x", 3)
        auth = {"pid": client.pid, "offset": args[-1]}
        async with LinkedClient(b.io, auth=auth) as back:
            got = [await back.received() for _ in range(2)]
            assert back.sid == id_
            assert [args[0] for _, args in got] == [2, 3]


async def test_names_and_texts_of_all_kinds_pass(postgres_dsn: str) -> None:
    def adapter() -> PostgresAdapter:
        return PostgresAdapter(postgres_dsn, channel_prefix='a"b; --☃', options=QUICK)

    async with cluster(adapter) as [a, b]:
        a.io.to("1").emit("x", "\0 ' \" \\ %s $1 ☃ 😀")
        await until(lambda: b.got)
        assert b.numbers() == ["\0 ' \" \\ %s $1 ☃ 😀"]


async def test_bad_notifications_disturb_nobody(
    adapter: Callable[[], PostgresAdapter], postgres: Postgres, caplog: pytest.LogCaptureFixture
) -> None:
    bad = (
        "",
        "x",
        "{}",
        "[]",
        '{"type":3}',
        '{"uid":"a","nsp":"/","type":3,"data":7}',
        '{"uid":"a","nsp":"/","type":3,"data":{"packet":{},"opts":{}}}',
        '{"uid":"a","type":3,"attachmentId":"999999"}',
        '{"uid":"a","type":3,"attachmentId":"x"}',
        '{"uid":"a","nsp":"/other","type":3,"data":{}}',
    )
    async with cluster(adapter) as [a, b]:
        for payload in bad:
            statement = f"SELECT pg_notify('socket.io#/', '{payload}')"
            await asyncio.to_thread(postgres.sql, statement)
        a.io.to("1").emit("x", "good")
        await until(lambda: b.numbers() == ["good"])
        assert len(b.io.cluster.nodes) == 3  # "a", until it is silent for too long
    assert "internal error" not in caplog.text


async def test_liars_are_told_from_those_who_belong(
    adapter: Callable[[], PostgresAdapter], postgres: Postgres, caplog: pytest.LogCaptureFixture
) -> None:
    async with cluster(adapter) as [a, b]:
        uid = a.io.cluster.nodes[0].id
        opts = '"opts":{"rooms":["1"],"except":[],"flags":{}}'
        event = f'"data":{{"packet":{{"type":2,"data":["x","forged"]}},{opts}}}'
        lies = (
            # Of a's own id: b takes it, as nothing is signed; a does not.
            f'{{"type":3,{event},"uid":"{uid}","nsp":"/"}}',
            # Answers that nobody has asked for, and counts that cannot be.
            '{"type":11,"data":{"requestId":"none","clientCount":1000000000},"uid":"l","nsp":"/"}',
            '{"type":8,"data":{"requestId":"none","sockets":7},"uid":"l","nsp":"/"}',
            '{"type":11,"data":{"requestId":"none","clientCount":-1},"uid":"l","nsp":"/"}',
            # The last of two keys counts.
            f'{{"type":7,"type":3,{event},"uid":"emitter","nsp":"/no","nsp":"/"}}',
            '{"type":13,"uid":"l","nsp":"/"}',
        )
        for lie in lies:
            await asyncio.to_thread(
                postgres.sql, f"SELECT pg_notify('socket.io#/', $lie${lie}$lie$)"
            )
        large = (
            f"WITH made AS (INSERT INTO {TABLE} (payload)"
            " VALUES (convert_to(repeat('x', 100000000), 'UTF8')) RETURNING id)"
            " SELECT pg_notify('socket.io#/',"
            " json_build_object('uid', 'l', 'attachmentId', id::text)::text) FROM made"
        )
        await asyncio.to_thread(postgres.sql, large)
        a.io.to("1").emit("x", "good")
        await until(lambda: b.numbers()[-1:] == ["good"])
        assert b.numbers() == ["forged", "forged", "good"]
        assert await a.io.count() == 2
        assert len([each for each in b.errors if "one has 100000000 bytes" in each]) == 1
    assert "internal error" not in caplog.text


# --- emitters -------------------------------------------------------------------------------------


async def test_emitter_reaches_all_servers(
    adapter: Callable[[], PostgresAdapter], postgres_dsn: str
) -> None:
    async with cluster(adapter) as [a, b], PostgresEmitter(postgres_dsn) as emitter:
        told: list[Any] = []
        b.io.on("hi", told.append)
        await emitter.to("1").emit("x", "one", b"\x01")
        await emitter.except_("0").emit("x", "two", "y" * 10_000)
        for _ in range(3):
            await emitter.emit("x", "tick")
        await emitter.in_("0").sockets_join("new")
        await emitter.to("new").emit("x", "joined")
        await emitter.server_side_emit("hi", 1)
        await until(lambda: len(b.got) == 5 and len(a.got) == 4 and told)
        assert b.numbers() == ["one", "two", "tick", "tick", "tick"]
        assert b.got[0] == ("one", b"\x01")
        assert a.numbers() == ["tick", "tick", "tick", "joined"]
        assert told == [1]
        await emitter.in_("1").disconnect_sockets()
        await until(lambda: not b.client.connected)


async def test_emitter_of_javascript_is_heard(
    adapter: Callable[[], PostgresAdapter], postgres: Postgres
) -> None:
    captured = (
        '{"type":3,"data":{"packet":{"type":2,"data":["x",1],"nsp":"/"},'
        '"opts":{"rooms":["1"],"flags":{},"except":[]}},"uid":"emitter"}'
    )
    row = (
        "83a47479706503a46461746182a67061636b657483a47479706502a46461746192a178c40101a36e7370a12f"
        "a46f70747383a5726f6f6d7390a5666c61677380a665786365707490a3756964a7656d6974746572"
    )
    insert = f"INSERT INTO {TABLE} (payload) VALUES ('\\x{row}') RETURNING id"
    async with cluster(adapter) as [a, b]:
        await asyncio.to_thread(postgres.sql, f"SELECT pg_notify('socket.io#/', '{captured}')")
        header = "json_build_object('uid', 'emitter', 'type', 3, 'attachmentId', id::text)::text"
        await asyncio.to_thread(
            postgres.sql,
            f"WITH made AS ({insert}) SELECT pg_notify('socket.io#/', {header}) FROM made",
        )
        await until(lambda: len(b.got) == 2 and a.got)
        assert b.got == [(1,), (b"\x01",)]
        assert a.got == [(b"\x01",)]
