"""Engines that were never reached: a server says so as long as it is so."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

import pytest

from sockwave import Server
from sockwave.adapters import (
    NatsAdapter,
    PostgresAdapter,
    PythonSocketIOAdapter,
    RedisAdapter,
    RedisStreamsAdapter,
    ShardedRedisAdapter,
)
from sockwave.socketio.server import cluster
from tests.support.process import free_port
from tests.support.raw import until

if TYPE_CHECKING:
    from collections.abc import Callable

ADAPTERS: Final[dict[str, Callable[[int], Any]]] = {
    "redis": lambda port: RedisAdapter(f"redis://127.0.0.1:{port}"),
    "sharded": lambda port: ShardedRedisAdapter(f"redis://127.0.0.1:{port}"),
    "streams": lambda port: RedisStreamsAdapter(f"redis://127.0.0.1:{port}"),
    "postgres": lambda port: PostgresAdapter(f"postgresql://us@127.0.0.1:{port}/db"),
    "nats": lambda port: NatsAdapter(f"nats://127.0.0.1:{port}"),
    "jetstream": lambda port: NatsAdapter(f"nats://127.0.0.1:{port}", jetstream=True),
    "python-socketio": lambda port: PythonSocketIOAdapter(f"redis://127.0.0.1:{port}"),
}


@pytest.mark.parametrize("make", ADAPTERS.values(), ids=ADAPTERS)
def test_server_is_not_healthy_long_after_the_one_error(
    make: Callable[[int], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "TROUBLED", 0.0)

    async def scenario() -> None:
        io = Server(adapter=make(free_port()))
        async with io.listen("127.0.0.1", 0, shutdown_timeout=0):
            await until(lambda: io.cluster.errors)
            assert not io.cluster.is_healthy

    asyncio.run(scenario())
