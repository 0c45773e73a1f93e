"""Which servers can relay, and what `relay=True` says where they cannot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from sockwave import Server
from sockwave.adapters import (
    ClusterAdapter,
    MemoryBroker,
    NatsAdapter,
    PostgresAdapter,
    PythonSocketIOAdapter,
    RedisAdapter,
    RedisStreamsAdapter,
    ShardedRedisAdapter,
    WorkersAdapter,
)
from sockwave.adapters.driver import SupportsRelay
from sockwave.relaying.polling import SharedPolling
from tests.relaying.cluster import MemoryAdapter

if TYPE_CHECKING:
    from pathlib import Path


def test_server_without_an_adapter_cannot_relay() -> None:
    with pytest.raises(ValueError, match=r"relay: .* not over no adapter"):
        Server(relay=True)


def test_adapters_without_a_carrier_for_requests_are_refused() -> None:
    driver = MemoryBroker().driver()
    with pytest.raises(ValueError, match=r"relay: .* not over function"):
        Server(adapter=lambda namespace: ClusterAdapter(namespace, driver), relay=True)
    with pytest.raises(ValueError, match=r"relay: .* not over PythonSocketIOAdapter"):
        Server(adapter=PythonSocketIOAdapter("redis://localhost"), relay=True)


@pytest.mark.unix
def test_processes_of_one_machine_relay_by_themselves(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="WorkersAdapter relays by itself"):
        Server(adapter=WorkersAdapter(tmp_path / "chat"), relay=True)


def test_option_is_true_or_false() -> None:
    wrong: Any = "yes"
    with pytest.raises(TypeError, match="relay"):
        Server(relay=wrong)


@pytest.mark.parametrize(
    "adapter",
    [
        RedisAdapter("redis://localhost"),
        ShardedRedisAdapter("redis://localhost"),
        RedisStreamsAdapter("redis://localhost"),
        PostgresAdapter("postgresql://localhost"),
        NatsAdapter("nats://localhost"),
        NatsAdapter("nats://localhost", jetstream=True),
        MemoryAdapter(MemoryBroker()),
    ],
    ids=lambda adapter: type(adapter).__name__,
)
def test_adapters_with_one_are_taken(adapter: Any) -> None:
    maker: object = adapter
    assert isinstance(maker, SupportsRelay)
    assert maker.relay_driver is maker.relay_driver
    assert Server(adapter=adapter, relay=True).engine.polling_kind is SharedPolling
    assert Server(adapter=adapter).engine.polling_kind is not SharedPolling


def test_prefix_that_leaves_no_room_for_the_channels_is_refused() -> None:
    adapter = PostgresAdapter("postgresql://localhost", channel_prefix="x" * 50)
    Server(adapter=adapter)
    with pytest.raises(ValueError, match="at most 12 bytes"):
        Server(adapter=adapter, relay=True)
