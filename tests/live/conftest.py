"""Engines for the tests: one of each for all that do not break it, started when it is first wanted.

A test that stops or pauses one starts its own: `with Redis() as redis: ...`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from sockwave.platform import new_event_loop
from tests.live.engines import Nats, Postgres, Redis
from tests.support.running import run_coroutine

if TYPE_CHECKING:
    from collections.abc import Iterator

LIMIT: Final = 100.0
"""Seconds for one test: some restart an engine many times."""


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a coroutine test."""
    return run_coroutine(pyfuncitem, LIMIT, new_event_loop)


@pytest.fixture(scope="session")
def redis() -> Iterator[Redis]:
    """A Redis that all tests share."""
    with Redis() as redis:
        yield redis


@pytest.fixture(scope="session")
def redis_url(redis: Redis) -> str:
    """Where it is."""
    return redis.url


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL that all tests share."""
    with Postgres() as postgres:
        yield postgres


@pytest.fixture(scope="session")
def postgres_dsn(postgres: Postgres) -> str:
    """Where it is."""
    return postgres.dsn


@pytest.fixture(scope="session")
def nats() -> Iterator[Nats]:
    """A NATS that all tests share."""
    with Nats() as nats:
        yield nats


@pytest.fixture(scope="session")
def nats_url(nats: Nats) -> str:
    """Where it is."""
    return nats.url
