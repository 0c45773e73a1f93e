"""Users of engines with the rights that the pages give them: enough for everything, and those of
Redis none too much."""

from __future__ import annotations

import asyncio
import shlex
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import pytest
import redis.asyncio

from sockwave import Server
from sockwave.adapters import (
    NatsAdapter,
    PostgresAdapter,
    RedisAdapter,
    RedisStreamsAdapter,
    ShardedRedisAdapter,
)
from sockwave.emitters import NatsEmitter, PostgresEmitter, RedisEmitter, RedisStreamsEmitter
from sockwave.testing import LinkedClient
from tests.live.engines import Nats, Postgres, Redis, RedisCluster
from tests.support.documents import DOCS, blocks
from tests.support.process import DEADLINE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

ADAPTERS: Final[dict[str, Callable[[str], Any]]] = {
    "RedisAdapter": RedisAdapter,
    "ShardedRedisAdapter": ShardedRedisAdapter,
    "RedisStreamsAdapter": RedisStreamsAdapter,
}
EMITTERS: Final[dict[str, Callable[[str], Any]]] = {
    "RedisEmitter": RedisEmitter,
    "RedisEmitter sharded": partial(RedisEmitter, sharded=True),
    "RedisStreamsEmitter": RedisStreamsEmitter,
}


PAIRS: Final = list(zip(ADAPTERS, EMITTERS, strict=True))
"""Adapters, and the emitters that fit them."""


def words(name: str) -> list[str]:
    """The command of the page that makes the user."""
    (code,) = blocks("redis.md", f"text {name}")
    return shlex.split(code)


def rights(name: str) -> list[str]:
    """What the user gets by it: commands, channels and keys."""
    return [word for word in words(name)[3:] if word[0] in "+&~"]


def refused(engine: Redis) -> str:
    """What Redis has refused to users so far."""
    return engine.cli("ACL", "LOG")


def url_of(engine: Redis, user: str) -> str:
    """With a database of its own, which a connection has to select."""
    return f"redis://{user}:secret@127.0.0.1:{engine.port}/1"


@asynccontextmanager
async def servers(make: Callable[[], Any], *, recovers: bool) -> AsyncIterator[list[Server]]:
    """Two of them, that know each other."""
    async with AsyncExitStack() as stack:
        ours = []
        for _ in range(2):
            io = Server(adapter=make(), connection_state_recovery=recovers)
            stack.push_async_callback(io.close)
            io.on("connection", lambda socket: socket.join("all"))
            io.on("hi", lambda text: text.upper())
            ours.append(io)
            async with LinkedClient(io):  # which lets it begin
                pass
        async with asyncio.timeout(DEADLINE):
            while any(len(io.cluster.nodes) != 2 for io in ours):
                await asyncio.sleep(0.01)
        yield ours


async def arrives(send: Callable[[int], Any], client: LinkedClient) -> list[Any]:
    """Send something until it has come, and return the arguments of the event, the last ones."""
    number = 0
    async with asyncio.timeout(DEADLINE):
        while True:
            number += 1
            sent = send(number)
            if sent is not None:
                await sent
            with suppress(TimeoutError):
                async with asyncio.timeout(0.2):
                    while True:
                        _, args = await client.received()
                        if args[0] == number:
                            return args


async def do_everything(a: Server, b: Server, ada: LinkedClient, grace: LinkedClient) -> None:
    """All that servers do together."""
    ada.on("question", lambda: 1)
    grace.on("question", lambda: b"\x02")
    await arrives(lambda n: a.to("all").emit("news", n), grace)
    await arrives(lambda n: b.emit("news", n, b"\x00" * 10_000), ada)
    answers = await a.emit_with_ack("question", timeout=DEADLINE)
    assert sorted(answers, key=str) == [1, b"\x02"]
    assert len(await b.fetch_sockets()) == 2
    assert await a.server_count() == 2
    assert await b.server_side_emit_with_ack("hi", "x", timeout=DEADLINE) == ["X"]
    a.sockets_join("late")
    await arrives(lambda n: b.to("late").emit("news", n), ada)
    a.sockets_leave("late")


async def use_redis(name: str, engine: Redis, emitter: str | None) -> None:
    """Do it on Redis, and after a loss of all connections, and with an event of an emitter."""
    recovers = name == "RedisStreamsAdapter"
    async with servers(lambda: ADAPTERS[name](url_of(engine, "chat")), recovers=recovers) as (a, b):
        async with LinkedClient(a) as ada, LinkedClient(b) as grace:
            await do_everything(a, b, ada, grace)
            if recovers:
                await check_recovery(a, b)
            if emitter is not None:
                await emit(EMITTERS[emitter](url_of(engine, "shop")), grace)
            await asyncio.to_thread(engine.cli, "CLIENT", "KILL", "USER", "chat")
            await arrives(lambda n: a.emit("news", n), grace)
            b.disconnect_sockets()
            await ada.disconnected()


async def emit(emitter: Any, client: LinkedClient) -> None:
    async with emitter:
        await arrives(lambda n: emitter.to("all").emit("news", n), client)


async def check_recovery(a: Server, b: Server) -> None:
    """A lost client goes on at another server, and so does one that has got nothing yet."""
    async with LinkedClient(b) as client, LinkedClient(b) as early:
        *_, offset = await arrives(lambda n: a.to(str(client.sid)).emit("news", n), client)
        lost = [
            (client.sid, {"pid": client.pid, "offset": offset}),
            (early.sid, {"pid": early.pid}),
        ]
    for id_, auth in lost:
        async with LinkedClient(a, auth=auth) as again:
            assert again.sid == id_
    async with LinkedClient(a, auth={"pid": "nobody"}) as stranger:
        assert stranger.pid != "nobody"


@pytest.mark.parametrize(("name", "emitter"), PAIRS)
async def test_rights_of_the_page_are_enough(name: str, emitter: str) -> None:
    with Redis() as engine:
        for user in (name, emitter):
            assert engine.cli(*words(user)) == "OK"
        await use_redis(name, engine, emitter)
        assert refused(engine) == ""


@pytest.mark.parametrize(("name", "emitter"), PAIRS)
async def test_emitter_that_asks_needs_what_servers_do(name: str, emitter: str) -> None:
    with Redis() as engine:
        engine.cli(*words(name))
        of_servers = {"~sio:session:*", "&socket.io#/#*"}
        engine.cli("ACL", "SETUSER", "shop", *(w for w in words(name)[3:] if w not in of_servers))
        make = partial(ADAPTERS[name], url_of(engine, "chat"))
        async with (
            servers(make, recovers=False) as (a, b),
            LinkedClient(a) as ada,
            LinkedClient(b) as grace,
            EMITTERS[emitter](url_of(engine, "shop")) as shop,
        ):
            for client in (ada, grace):
                client.on("question", lambda: 1)
            assert await shop.emit_with_ack("question", timeout=DEADLINE) == [1, 1]
            assert len(await shop.fetch_sockets()) == 2
            assert await shop.server_count() == 2
        assert refused(engine) == ""


async def test_namespaces_need_their_pattern() -> None:
    with Redis() as engine:
        engine.cli(*words("RedisAdapter"), "&socket.io#/admin#*")
        adapter = partial(RedisAdapter, url_of(engine, "chat"))
        async with servers(adapter, recovers=False) as (a, b):
            for io in (a, b):
                io.of("/admin")
            async with LinkedClient(a, "/admin"), LinkedClient(b, "/admin") as grace:
                await arrives(lambda n: a.of("/admin").emit("news", n), grace)
        assert refused(engine) == ""


NEEDED: Final = [(name, right) for name in (*ADAPTERS, *EMITTERS) for right in rights(name)]


@pytest.mark.parametrize(("name", "right"), NEEDED, ids=lambda word: word)
async def test_no_right_of_the_page_is_too_much(name: str, right: str) -> None:
    with Redis() as engine:
        command = words(name)
        command.remove(right)
        engine.cli(*command)
        if name in EMITTERS:
            trying = asyncio.create_task(only_emit(name, engine))
        else:
            trying = asyncio.create_task(use_redis(name, engine, None))
        try:
            async with asyncio.timeout(DEADLINE):
                while not (await asyncio.to_thread(refused, engine) or trying.done()):
                    await asyncio.sleep(0.05)
        finally:
            trying.cancel()
            await asyncio.wait([trying])
        assert refused(engine), f"{right} is not needed"


async def only_emit(name: str, engine: Redis) -> None:
    async with EMITTERS[name](url_of(engine, "shop")) as emitter:
        with suppress(OSError):
            await emitter.to("all").emit("news", 1)


@pytest.mark.parametrize("name", ADAPTERS)
async def test_user_of_a_redis_cluster_needs_two_more(name: str) -> None:
    page = (DOCS / "redis.md").read_text()
    assert "In a Redis Cluster a user needs `+command +cluster|slots`, too" in page
    async with AsyncExitStack() as stack:
        engine = stack.enter_context(RedisCluster())
        for node in engine.nodes:
            node.cli(*words(name), "+command", "+cluster|slots")
        url = f"redis://chat:secret@127.0.0.1:{engine.nodes[0].port}"
        clients = [redis.asyncio.RedisCluster.from_url(url) for _ in range(2)]
        for client in clients:
            stack.push_async_callback(client.aclose)
        make: Any = ADAPTERS[name]
        adapters = [make(client) for client in clients]
        a, b = await stack.enter_async_context(servers(adapters.pop, recovers=False))
        async with LinkedClient(a) as ada, LinkedClient(b) as grace:
            await do_everything(a, b, ada, grace)
        assert [refused(node) for node in engine.nodes] == [""] * 3


async def test_role_of_postgresql_needs_the_table_alone() -> None:
    (statements,) = blocks("postgres.md", "sql")
    with Postgres() as engine:
        engine.sql("CREATE ROLE chat LOGIN")
        engine.sql(statements)
        dsn = engine.dsn.replace("postgres@", "chat@", 1)
        async with servers(lambda: PostgresAdapter(dsn), recovers=True) as (a, b):
            async with LinkedClient(a) as ada, LinkedClient(b) as grace:
                await do_everything(a, b, ada, grace)
                await emit(PostgresEmitter(dsn), grace)
            assert a.cluster.errors == b.cluster.errors == ()


async def test_user_of_nats_needs_the_subjects_alone() -> None:
    assert "to publish and subscribe to `sockwave.>`" in (DOCS / "scaling.md").read_text()
    allowed = 'permissions: { publish: "sockwave.>", subscribe: "sockwave.>" }'
    users = f"authorization {{ users: [ {{ user: chat, password: secret, {allowed} }} ] }}"
    with Nats(users) as engine:
        url = engine.url.replace("nats://", "nats://chat:secret@")
        async with servers(lambda: NatsAdapter(url), recovers=True) as (a, b):
            async with LinkedClient(a) as ada, LinkedClient(b) as grace:
                await do_everything(a, b, ada, grace)
                await emit(NatsEmitter(url), grace)
            assert a.cluster.errors == b.cluster.errors == ()
