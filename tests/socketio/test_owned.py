"""What makes the adapters of a server is of that server alone."""

from __future__ import annotations

import asyncio
import gc
from typing import TYPE_CHECKING, Any

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
from sockwave.socketio.core.adapter import InMemoryAdapter

if TYPE_CHECKING:
    from collections.abc import Callable

REDIS = "redis://127.0.0.1:1"
ADAPTERS: list[Callable[[], Any]] = [
    lambda: RedisAdapter(REDIS),
    lambda: ShardedRedisAdapter(REDIS),
    lambda: RedisStreamsAdapter(REDIS),
    lambda: PythonSocketIOAdapter(REDIS),
    lambda: PostgresAdapter("postgresql://127.0.0.1:1/chat"),
    lambda: NatsAdapter("nats://127.0.0.1:1"),
]
"""None of them connects before a server begins."""


class Own:
    """Makes adapters in memory, and wants to be closed."""

    def __init__(self) -> None:
        self.closed = 0

    def __call__(self, namespace: Any) -> InMemoryAdapter:
        return InMemoryAdapter(namespace)

    async def aclose(self) -> None:
        self.closed += 1


@pytest.mark.parametrize("make", ADAPTERS)
def test_second_server_with_the_same_is_refused(make: Callable[[], Any]) -> None:
    adapter = make()
    first = Server(adapter=adapter)
    with pytest.raises(ValueError, match="make one adapter for each Server"):
        Server(adapter=adapter)
    assert first.options.adapter is adapter


def test_server_that_nobody_has_any_more_does_not_matter() -> None:
    adapter = Own()
    gc.disable()  # it is in a circle, and is found even so
    try:
        Server(adapter=adapter)
        Server(adapter=adapter)
    finally:
        gc.enable()


def test_server_that_begins_again_has_its_own_still() -> None:
    adapter = Own()
    first = Server(adapter=adapter)

    async def serve(server: Server) -> None:
        async with server.listen("127.0.0.1", 0):
            pass

    for _ in range(2):
        asyncio.run(serve(first))
    second = Server(adapter=adapter)  # the first one is closed
    asyncio.run(serve(second))
    assert adapter.closed == 3


def test_classes_of_adapters_are_for_all() -> None:
    servers = [Server(adapter=InMemoryAdapter) for _ in range(2)]
    assert len({id(server.adapter) for server in servers}) == 2


@pytest.mark.parametrize("kind", [RedisAdapter, PostgresAdapter, NatsAdapter, Own])
def test_class_in_place_of_an_instance_is_named(kind: Any) -> None:
    with pytest.raises(TypeError, match=rf"{kind.__name__} is a class: give an instance"):
        Server(adapter=kind)


def test_adapter_that_cannot_recover_is_named_and_one_that_can() -> None:
    with pytest.raises(ValueError, match=r"RedisAdapter cannot .*; on Redis, RedisStreamsAdapter"):
        Server(adapter=RedisAdapter(REDIS), connection_state_recovery=True)


def test_channel_of_python_socketio_has_a_name() -> None:
    with pytest.raises(ValueError, match="channel must be text, and not empty"):
        PythonSocketIOAdapter(REDIS, channel="")


def test_address_in_place_of_an_adapter_is_told_and_not_shown() -> None:
    wrong: Any = "redis://:secret@host"
    with pytest.raises(TypeError, match=r"an address makes no adapter: .*RedisAdapter") as refused:
        Server(adapter=wrong)
    assert "secret" not in str(refused.value)


def test_what_makes_no_adapters_is_refused() -> None:
    wrong: Any = 5
    with pytest.raises(TypeError, match=r"one of sockwave\.adapters, .* not int"):
        Server(adapter=wrong)
