"""Servers that meet on a Redis, through the public API; and what the adapters are given."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
import redis.asyncio

from sockwave import Server, Socket
from sockwave.adapters import ClusterOptions, RedisAdapter, ShardedRedisAdapter
from sockwave.testing import LinkedClient
from tests.adapters.redis.ears import until
from tests.adapters.redis.small_redis import SmallRedis, small_redis
from tests.support.process import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine

sentinel: Any = redis.asyncio.Sentinel
NOWHERE = "redis://127.0.0.1:1"


def run(scenario: Coroutine[Any, Any, None]) -> None:
    asyncio.run(scenario)


@asynccontextmanager
async def servers(make: Callable[[], Any], *names: str) -> AsyncIterator[list[Server]]:
    """Servers whose sockets are in a room of their name."""
    ours = []
    for name in names:
        io = Server(adapter=make())

        @io.on("connection")
        def connection(socket: Socket, name: str = name) -> None:
            socket.data["server"] = name
            socket.join(name)

        ours.append(io)
    try:
        yield ours
    finally:
        for io in ours:
            await io.close()


async def known(ours: list[Server]) -> None:
    await until(lambda: all(len(io.cluster.nodes) == len(ours) for io in ours))


ADAPTERS: dict[str, Callable[[str], Any]] = {
    "classic": RedisAdapter,
    "sharded": ShardedRedisAdapter,
    "private": lambda url: ShardedRedisAdapter(url, subscription_mode="dynamic-private"),
}


@pytest.mark.parametrize("kind", ADAPTERS)
def test_servers_are_one(kind: str) -> None:
    async def scenario() -> None:
        async with small_redis() as redis:
            async with servers(lambda: ADAPTERS[kind](redis.url), "A", "B") as (a, b):
                async with LinkedClient(a) as ada, LinkedClient(b) as grace:
                    await known([a, b])
                    assert await a.server_count() == 2
                    await until(lambda: _is_heard(redis, kind, "B", grace.sid))
                    a.to("B").emit("news", b"\x01", 1)
                    assert await grace.received() == ("news", [b"\x01", 1])
                    b.emit("all", None)
                    assert await ada.received() == ("all", [None])
                    assert await grace.received() == ("all", [None])
                    a.to(str(grace.sid)).emit("you")
                    assert await grace.received() == ("you", [])
                    for client, answer in ((ada, 1), (grace, 2)):
                        client.on("question", lambda answer=answer: answer)
                    answers = await b.timeout(5).emit_with_ack("question")
                    assert sorted(answers) == [1, 2]
                    assert set(answers.by_socket) == {ada.sid, grace.sid}
                    sockets = await a.fetch_sockets()
                    assert {each.data["server"] for each in sockets} == {"A", "B"}
                    assert await a.count() == 2
                    b.on("hi", lambda text: text.upper())
                    assert await a.server_side_emit_with_ack("hi", "x", timeout=5) == ["X"]
                    a.in_("B").disconnect_sockets()
                    await grace.disconnected()

    run(scenario())


def _is_heard(redis: SmallRedis, kind: str, room: str, sid: Any) -> bool:
    names = {"classic": [], "sharded": [room], "private": [room, sid]}[kind]
    return all(redis.listeners(b"SSUBSCRIBE", f"socket.io#/#{each}#".encode()) for each in names)


def test_clients_have_channels_of_their_own_while_they_are_there() -> None:
    async def scenario() -> None:
        async with small_redis() as redis:
            async with servers(lambda: ADAPTERS["private"](redis.url), "A") as (io,):
                async with LinkedClient(io) as first:
                    await until(lambda: _is_heard(redis, "private", "A", first.sid))
                    async with LinkedClient(io) as client:
                        name = f"socket.io#/#{client.sid}#".encode()
                        await until(lambda: redis.listeners(b"SSUBSCRIBE", name))
                    await until(lambda: not redis.listeners(b"SSUBSCRIBE", name))

    run(scenario())


def test_server_that_is_closed_leaves_nothing_behind_and_begins_anew_in_the_next_loop() -> None:
    made: list[Server] = []

    async def scenario() -> None:
        redis = SmallRedis()
        redis.port = port
        await redis.start()
        io = made[0] if made else Server(adapter=RedisAdapter(redis.url))
        made[:] = [io]
        async with LinkedClient(io):
            await until(lambda: redis.listeners(b"SUBSCRIBE", b"socket.io-request#/#"))
            assert await io.server_count() == 1
        await io.close()
        await until(lambda: not redis.has_clients)
        await redis.stop()

    port = free_port()
    run(scenario())


def test_driver_is_a_new_one_in_each_loop() -> None:
    port = free_port()
    adapter: Any = RedisAdapter(f"redis://127.0.0.1:{port}")

    async def scenario() -> None:
        redis = SmallRedis()
        redis.port = port
        await redis.start()
        driver = adapter._driver
        await driver.start()
        assert await driver.count("/") == 0
        await adapter.aclose()
        await until(lambda: not redis.has_clients)
        await redis.stop()

    run(scenario())
    run(scenario())
    adapter._driver.unsubscribe("/", "A")
    run(adapter.aclose())


# --- what they are given --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"key": ""}, ValueError),
        ({"key": 7}, ValueError),
        ({"max_backlog": -1}, ValueError),
        ({"max_backlog": "1"}, TypeError),
        ({"options": {"max_members": 1}}, TypeError),
        ({"publish_on_specific_response_channel": 1}, TypeError),
    ],
)
def test_options_are_checked(options: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        RedisAdapter(NOWHERE, **options)


def test_options_of_the_sharded_one_are_checked() -> None:
    mode: Any = "sometimes"
    with pytest.raises(ValueError, match="dynamic, static, dynamic-private"):
        ShardedRedisAdapter(NOWHERE, subscription_mode=mode)
    with pytest.raises(ValueError, match="channel_prefix"):
        ShardedRedisAdapter(NOWHERE, channel_prefix="")
    ShardedRedisAdapter(NOWHERE, options=ClusterOptions(), max_backlog=0)


@pytest.mark.parametrize("redis", [None, 7, "http://localhost", object()])
def test_what_leads_to_no_redis_is_refused(redis: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        RedisAdapter(redis)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: "redis://:secret@somewhere:7000/3", "somewhere:7000"),
        (lambda: "unix://user@/run/redis.sock?password=secret", "/run/redis.sock"),
        (lambda: redis.asyncio.Redis(host="here", password="secret"), "here:6379"),
        (
            lambda: sentinel([("one", 1)]).master_for("mine", password="secret"),
            "mine (Sentinel)",
        ),
        (lambda: redis.asyncio.RedisCluster(host="10.0.0.1", password="secret"), "10.0.0.1:6379"),
    ],
)
def test_names_in_the_log_have_no_passwords(make: Callable[[], Any], name: str) -> None:
    from sockwave.adapters.redis.places import find_place

    async def scenario() -> None:
        assert find_place(make()).name == name

    run(scenario())


def test_recovery_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot do connection state recovery"):
        Server(adapter=RedisAdapter(NOWHERE), connection_state_recovery=True)


def test_library_is_asked_for_when_an_adapter_is_made() -> None:
    code = """
import sys
import sockwave.adapters
assert not {"redis", "hiredis"} & set(sys.modules)
sys.modules["redis"] = None
try:
    sockwave.adapters.RedisAdapter("redis://localhost")
except ModuleNotFoundError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 'pip install "sockwave[redis]"' in done.stdout
