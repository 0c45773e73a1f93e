"""Engines that are away for longer than members may be silent: what is sent meanwhile is kept."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from sockwave import AckTimeout, ClusterTimeout, Server, Socket, adapters, connect
from sockwave.adapters import ClusterOptions
from tests.live.engines import Nats, Postgres, Redis

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Case: TypeAlias = tuple[Nats | Postgres | Redis, Callable[[], Any]]

pytestmark = pytest.mark.live

QUICK = ClusterOptions(heartbeat_interval=0.3, heartbeat_timeout=1.0)
AWAY = 3.0
"""Seconds of a question, three times as long as a member may be silent."""

OUTAGES = 2


@pytest.fixture(params=["nats", "postgres", "redis", "sharded"])
def case(request: pytest.FixtureRequest) -> Iterator[Case]:
    """An engine that may be stopped, and what makes adapters."""
    if request.param == "nats":
        with Nats(jetstream=False) as nats:
            yield nats, lambda: adapters.NatsAdapter(nats.url, options=QUICK)
    elif request.param == "postgres":
        with Postgres() as postgres:
            yield postgres, lambda: adapters.PostgresAdapter(postgres.dsn, options=QUICK)
    else:
        name = "RedisAdapter" if request.param == "redis" else "ShardedRedisAdapter"
        with Redis() as redis:
            yield redis, lambda: getattr(adapters, name)(redis.url, options=QUICK)


async def until(is_so: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not is_so():
            await asyncio.sleep(0.005)


async def test_what_is_sent_in_a_long_outage_arrives_and_no_answer_is_taken_for_all(
    case: Case,
) -> None:
    engine, adapter = case
    a, b = Server(adapter=adapter()), Server(adapter=adapter())
    left: list[str] = []

    @b.on("connection")
    def connected(socket: Socket) -> None:
        socket.join("lobby")

    for server in (a, b):
        server.on("node_left", lambda node: left.append(node.id))
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(a.listen("127.0.0.1", 0))
        listener = await stack.enter_async_context(b.listen("127.0.0.1", 0))
        client = await stack.enter_async_context(connect(listener.url))
        await until(lambda: all(len(server.cluster.nodes) == 2 for server in (a, b)))
        got: list[int] = []
        client.on("n", got.append)
        sent: list[int] = []
        for _ in range(OUTAGES):
            await asyncio.to_thread(engine.stop)
            with pytest.raises(ClusterTimeout):
                await a.timeout(AWAY).fetch_sockets()
            for _ in range(5):
                sent.append(len(sent))
                a.to("lobby").emit("n", sent[-1])
            with pytest.raises(ClusterTimeout):
                await a.timeout(1).count()
            with pytest.raises(AckTimeout):
                await a.timeout(1).emit_with_ack("question")
            assert await a.server_count() == 2
            await asyncio.to_thread(engine.start)
            await until(lambda: len(got) >= len(sent))
            assert got == sent
        assert left == []
