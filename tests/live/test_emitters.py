"""Emitters on real engines: what goes out, threads, forks, engines that are away."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest
import redis
import redis.asyncio

import sockwave.emitters
import sockwave.sync
from sockwave import FailureCause, Server, TransportError
from sockwave.adapters import NatsAdapter
from sockwave.emitters import (
    PostgresEmitter,
    RedisEmitter,
    RedisStreamsEmitter,
    redis_engine,
)
from tests.live.engines import Nats, Postgres, Redis
from tests.support.process import DEADLINE, free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.live


@pytest.fixture
def client(redis_url: str) -> Iterator[Any]:
    """A client that blocks, with an empty database."""
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
        yield client


def heard(subscription: Any, count: int) -> list[tuple[bytes, bytes]]:
    """The next messages of a subscription."""
    found: list[tuple[bytes, bytes]] = []
    while len(found) < count:
        message = subscription.get_message(ignore_subscribe_messages=True, timeout=20)
        if message is not None:
            found.append((message["channel"], message["data"]))
    return found


HELLO = bytes.fromhex(
    "93a7656d697474657283a47479706502a46461746191a568656c6c6fa36e7370a12f83a5726f6f6d7391a27231"
    "a5666c61677380a665786365707490"
)
"""Of `@socket.io/redis-emitter`: `to("r1").emit("hello")`."""


async def test_redis_gets_what_servers_listen_to(redis_url: str, client: Any) -> None:
    subscription = client.pubsub()
    subscription.psubscribe("socket.io*")
    async with RedisEmitter(redis_url) as emitter:
        await emitter.to("r1").emit("hello")
        await emitter.server_side_emit("hi", 1)
    assert await asyncio.to_thread(heard, subscription, 2) == [
        (b"socket.io#/#r1#", HELLO),
        (b"socket.io-request#/#", b'{"uid":"emitter","type":6,"data":["hi",1]}'),
    ]
    subscription.close()


async def test_stream_gets_what_servers_read(redis_url: str, client: Any) -> None:
    async with RedisStreamsEmitter(redis_url, stream_name="chat", max_length=100) as emitter:
        for number in range(1_000):
            await emitter.to("r1").emit("hello", number)
    entries = client.xrange("chat")
    assert 100 <= len(entries) < 400  # about
    assert entries[-1][1] == {
        b"uid": b"emitter",
        b"nsp": b"/",
        b"type": b"3",
        b"data": b'{"packet":{"type":2,"data":["hello",999],"nsp":"/"},'
        b'"opts":{"rooms":["r1"],"flags":{},"except":[]}}',
    }


async def test_client_of_the_users_own_is_used_and_left_open(redis_url: str, client: Any) -> None:
    own = redis.asyncio.Redis.from_url(redis_url)
    async with RedisStreamsEmitter(own) as emitter:
        await emitter.emit("a")
    await own.ping()
    with pytest.raises(TypeError, match=r"a client of redis\.asyncio is wanted"):
        RedisEmitter(client)
    with pytest.raises(TypeError, match="a client that blocks is wanted"):
        sockwave.sync.RedisEmitter(own)
    await own.aclose()
    with sockwave.sync.RedisStreamsEmitter(client) as blocking:
        blocking.emit("b")
    assert client.ping()
    assert client.xlen("socket.io") == 2


@pytest.mark.parametrize(
    "make",
    [
        lambda url: RedisEmitter(f"redis://{url}"),
        lambda url: RedisStreamsEmitter(f"redis://{url}"),
        lambda url: PostgresEmitter(f"postgresql://a:secret@{url}/b"),
    ],
)
async def test_engine_that_is_away_is_an_error_at_once(make: Callable[[str], Any]) -> None:
    async with make(f"127.0.0.1:{free_port()}") as emitter:
        with pytest.raises(TransportError) as raised:
            await emitter.emit("a")
    assert "secret" not in str(raised.value)


async def test_emitters_go_on_after_a_restart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_engine, "IDLE", 0.0)
    with Redis() as engine, sockwave.sync.RedisStreamsEmitter(engine.url) as blocking:
        async with RedisStreamsEmitter(engine.url) as emitter:
            await emitter.emit("a")
            blocking.emit("b")
            await asyncio.to_thread(engine.restart)
            await emitter.emit("c")
            blocking.emit("d")
            assert engine.cli("XLEN", "socket.io").strip() == "2"


# --- blocking -------------------------------------------------------------------------------------


def emit_in_a_child(emitter: Any, how: str = "emit") -> int:
    """Fork, emit there, and return the exit code."""
    child = os.fork()
    if not child:
        code = 1
        try:
            getattr(emitter, how)("child")
            emitter.close()
            code = 0
        finally:
            os._exit(code)
    return os.waitpid(child, 0)[1]


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_blocking_emitter_of_redis_works_in_threads_and_forks(redis_url: str, client: Any) -> None:
    with sockwave.sync.RedisStreamsEmitter(redis_url) as emitter:
        threads = [threading.Thread(target=emitter.emit, args=("x", n)) for n in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [emit_in_a_child(emitter) for _ in range(3)] == [0, 0, 0]
        emitter.emit("parent")
    assert client.xlen("socket.io") == 24


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_blocking_emitter_of_postgresql_works_in_threads_and_forks(postgres_dsn: str) -> None:
    import asyncpg

    got: list[str] = []
    is_listening, is_over = threading.Event(), threading.Event()

    async def listen() -> None:
        connection = await asyncpg.connect(postgres_dsn)
        await connection.add_listener("forks#/", lambda *args: got.append(args[3]))
        is_listening.set()
        while not (is_over.is_set() and len(got) >= 25):
            await asyncio.sleep(0.01)
        await connection.close()

    listener = threading.Thread(target=lambda: asyncio.run(asyncio.wait_for(listen(), 60)))
    listener.start()
    is_listening.wait()
    with sockwave.sync.PostgresEmitter(postgres_dsn, channel_prefix="forks") as emitter:
        threads = [threading.Thread(target=emitter.emit, args=("x", n)) for n in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [emit_in_a_child(emitter) for _ in range(3)] == [0, 0, 0]
        emitter.emit("parent")
        emitter.emit("large", "y" * 10_000)
    is_over.set()
    listener.join()
    assert len(got) == 25


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
async def test_blocking_emitter_of_nats_works_in_threads_and_forks(nats_url: str) -> None:
    io = Server(adapter=NatsAdapter(nats_url, prefix="forks"))
    got: list[Any] = []
    io.on("x", got.append)
    io.on("child", lambda: got.append("child"))
    async with io.listen():
        with sockwave.sync.NatsEmitter(nats_url, prefix="forks") as emitter:
            async with asyncio.timeout(DEADLINE):
                while not got:  # until the server listens
                    await asyncio.to_thread(emitter.server_side_emit, "x", -1)
                await asyncio.gather(
                    *(asyncio.to_thread(emitter.server_side_emit, "x", n) for n in range(20))
                )
                assert [emit_in_a_child(emitter, "server_side_emit") for _ in range(3)] == [0, 0, 0]
                await asyncio.to_thread(emitter.server_side_emit, "x", 20)
                while got.count("child") < 3 or 20 not in got:
                    await asyncio.sleep(0.01)
    assert sorted(n for n in got if n != "child" and n >= 0) == list(range(21))


FORKING = """
import os, sys
import sockwave.sync

kind, url = sys.argv[1:]
emitter = getattr(sockwave.sync, kind)(url)
emitter.emit("parent")
for _ in range(3):
    if not (child := os.fork()):
        emitter.emit("child")
        sys.exit()
    assert os.waitpid(child, 0)[1] == 0
    emitter.emit("parent")
"""
"""Processes that end as programs do, without closing anything."""


@pytest.mark.parametrize(
    ("kind", "engine"),
    [
        ("RedisEmitter", "redis_url"),
        ("RedisStreamsEmitter", "redis_url"),
        ("PostgresEmitter", "postgres_dsn"),
        ("NatsEmitter", "nats_url"),
    ],
)
def test_end_of_a_forked_process_does_not_touch_the_connection_of_its_parent(
    kind: str, engine: str, request: pytest.FixtureRequest
) -> None:
    url = request.getfixturevalue(engine)
    command = (sys.executable, "-W", "ignore", "-c", FORKING, kind, url)
    subprocess.run(command, check=True, timeout=DEADLINE)


def test_command_emits(redis_url: str, client: Any) -> None:
    arguments = ("--streams", "--prefix", "chat", "--to", "a", "news", '"It rains"')
    command = (sys.executable, "-m", "sockwave", "emit", "--url", redis_url, *arguments)
    subprocess.run(command, check=True, timeout=DEADLINE)
    ((_, entry),) = client.xrange("chat")
    assert entry[b"data"].startswith(b'{"packet":{"type":2,"data":["news","It rains"]')


async def test_many_events_at_once_take_few_connections(redis_url: str, client: Any) -> None:
    async with RedisStreamsEmitter(redis_url) as emitter:
        await asyncio.gather(*(emitter.emit("x", number) for number in range(2_000)))
        count = (await asyncio.to_thread(client.info, "clients"))["connected_clients"]
    assert count < 80
    assert client.xlen("socket.io") == 2_000


def test_closed_emitter_of_redis_sends_nothing(redis_url: str, client: Any) -> None:
    emitter = sockwave.sync.RedisStreamsEmitter(redis_url)
    with emitter:
        emitter.emit("x")
    for act in (lambda: emitter.emit("y"), emitter.server_count, emitter.fetch_sockets):
        with pytest.raises(RuntimeError, match="the emitter is closed"):
            act()
    assert client.xlen("socket.io") == 1


async def test_engine_that_hangs_bounds_a_question(
    redis: Redis, redis_url: str, postgres: Postgres, postgres_dsn: str, nats: Nats, nats_url: str
) -> None:
    for engine, name, place in (
        (redis, "RedisEmitter", redis_url),
        (redis, "RedisStreamsEmitter", redis_url),
        (postgres, "PostgresEmitter", postgres_dsn),
        (nats, "NatsEmitter", nats_url),
    ):
        blocking = getattr(sockwave.sync, name)(place)
        async with getattr(sockwave.emitters, name)(place) as emitter:
            await emitter.emit("a")
            await asyncio.to_thread(blocking.emit, "a")
            engine.pause()
            try:
                asked = (
                    emitter.emit_with_ack("b", timeout=0.5),
                    asyncio.to_thread(blocking.emit_with_ack, "b", timeout=0.5),
                )
                for error in await asyncio.gather(*asked, return_exceptions=True):
                    assert isinstance(error, TransportError), error
                    assert error.cause is FailureCause.TIMEOUT
                    assert f" at 127.0.0.1:{engine.port}: " in str(error)
            finally:
                engine.resume()
            await emitter.emit("c")  # it goes on
            await asyncio.to_thread(blocking.emit, "c")
        await asyncio.to_thread(blocking.close)
