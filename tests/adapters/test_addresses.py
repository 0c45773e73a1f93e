"""Addresses whose password is not written as URLs want it: refused, and shown to nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

import sockwave.sync
from sockwave import emitters
from sockwave.adapters import (
    NatsAdapter,
    PostgresAdapter,
    PythonSocketIOAdapter,
    RedisAdapter,
    RedisStreamsAdapter,
    ShardedRedisAdapter,
)
from sockwave.adapters.addresses import check_address

if TYPE_CHECKING:
    from collections.abc import Callable

MAKERS: Final[list[tuple[str, Callable[[str], Any]]]] = [
    ("redis", RedisAdapter),
    ("redis", ShardedRedisAdapter),
    ("rediss", RedisStreamsAdapter),
    ("redis", PythonSocketIOAdapter),
    ("postgresql", PostgresAdapter),
    ("nats", NatsAdapter),
    ("redis", emitters.RedisEmitter),
    ("redis", emitters.RedisStreamsEmitter),
    ("postgres", emitters.PostgresEmitter),
    ("tls", emitters.NatsEmitter),
    ("redis", sockwave.sync.RedisEmitter),
    ("redis", sockwave.sync.RedisStreamsEmitter),
    ("postgresql", sockwave.sync.PostgresEmitter),
    ("nats", sockwave.sync.NatsEmitter),
]


@pytest.mark.parametrize("password", ["se/cret", "se#cret", "se?cret", "s@e/cret", "s@e#cret"])
@pytest.mark.parametrize(("scheme", "make"), MAKERS)
def test_password_that_would_become_a_host_is_refused(
    scheme: str, make: Callable[[str], Any], password: str
) -> None:
    with pytest.raises(ValueError, match="as %2F, # as %23") as refused:
        make(f"{scheme}://user:{password}@host/0")
    assert "cret" not in str(refused.value)


@pytest.mark.parametrize(
    "address",
    [
        "redis://host",
        "redis://:p@host:6379/0",
        "redis://:p%2F%40@host?client_name=a@b",
        "unix:///run/a@b.sock?db=1",
        "postgresql://u:p@a,b:5433/db?sslmode=require",
        "no address",
    ],
)
def test_others_are_left_to_the_clients(address: str) -> None:
    check_address(address)
