"""Engines and clusters for the tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from interop.cluster.cluster import CARRIERS, Cluster, Clustered
from interop.cluster.emitters import NodeEmitter, PythonEmitter
from interop.cluster.questions import Asker
from tests.live.engines import Postgres, Redis
from tests.support import peers

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator

    from interop.cluster.cluster import Carrier
    from interop.cluster.emitters import Emitter
    from interop.cluster.servers import ClusterServer
    from interop.node import NodeDriver

TABLE = """CREATE TABLE socket_io_attachments (
    id bigserial UNIQUE, created_at timestamptz DEFAULT NOW(), payload bytea
)"""
"""What servers in JavaScript want to be there."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test of a matrix from a server of each kind, or from each emitter."""
    cls = metafunc.cls
    if cls is None or not issubclass(cls, Clustered):
        return
    if "sender" in metafunc.fixturenames:
        metafunc.parametrize("sender", list(dict.fromkeys(cls.kinds)), indirect=True)
    if "emitter" in metafunc.fixturenames and "emitter" not in vars(cls):
        carrier = CARRIERS[cls.carrier]
        kinds = ["node"] if carrier.emitter_heard_by else []
        metafunc.parametrize("emitter", [*kinds, "python"], indirect=True)


@pytest.fixture(scope="session")
def redis() -> Iterator[Redis]:
    """A Redis that all tests share."""
    with Redis() as redis:
        yield redis


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL that all tests share."""
    with Postgres() as postgres:
        postgres.sql(TABLE)
        yield postgres


def address_of(carrier: Carrier, request: pytest.FixtureRequest) -> str:
    """Where its engine is."""
    engine: Any = request.getfixturevalue(carrier.engine)
    address: str = engine.dsn if carrier.engine == "postgres" else engine.url
    return address


@pytest.fixture(scope="class")
def running(
    request: pytest.FixtureRequest, driver: NodeDriver, runner: asyncio.Runner
) -> Iterator[Cluster]:
    """The cluster of a class."""
    cls = request.cls
    assert issubclass(cls, Clustered)
    carrier = CARRIERS[cls.carrier]
    cluster = Cluster(
        carrier,
        cls.kinds,
        address_of(carrier, request),
        peers.node(),
        driver,
        recovers=cls.recovers,
    )
    runner.run(cluster.__aenter__())
    yield cluster
    runner.run(cluster.__aexit__())


@pytest.fixture
def cluster(running: Cluster, runner: asyncio.Runner) -> Iterator[Cluster]:
    """The same, with a client on each server."""
    runner.run(running.connect())
    yield running
    runner.run(running.close_clients())


@pytest.fixture
def sender(request: pytest.FixtureRequest, running: Cluster) -> ClusterServer:
    """The first server of a kind."""
    return next(server for server in running.servers if server.kind == request.param)


@pytest.fixture
def emitter(
    request: pytest.FixtureRequest, running: Cluster, runner: asyncio.Runner
) -> Iterator[Emitter]:
    """One of JavaScript, or of ours."""
    carrier = running.carrier
    if request.param == "node":
        yield NodeEmitter(running.servers[0], carrier.emitter_heard_by)
        return
    ours = carrier.open_emitter(address_of(carrier, request))
    runner.run(ours.__aenter__())
    yield PythonEmitter(ours)
    runner.run(ours.__aexit__(None, None, None))


@pytest.fixture(params=["asyncio", "blocking"])
def asker(
    request: pytest.FixtureRequest, running: Cluster, runner: asyncio.Runner
) -> Iterator[Asker]:
    """An emitter of ours that asks."""
    carrier = running.carrier
    address = address_of(carrier, request)
    if request.param == "blocking":
        with carrier.open_blocking_emitter(address) as blocking:
            yield Asker(blocking, is_blocking=True)
        return
    ours = carrier.open_emitter(address)
    runner.run(ours.__aenter__())
    yield Asker(ours)
    runner.run(ours.__aexit__(None, None, None))
