"""An engine for the nodes of one cluster, which is there as long as they are."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from scripts.engines import find_nats, find_postgres, find_redis
from tests.live.engines import Nats, Postgres, Redis
from tests.live.programs import family

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Engine", "engine", "is_there"]


class Engine(NamedTuple):
    """Where nodes find each other.

    Attributes:
        address: As their adapter wants it.
        pid: Of its first process; None where there is no engine.
    """

    address: str
    pid: int | None

    def processes(self) -> list[int]:
        """Ids of all of its processes that are there now."""
        return [] if self.pid is None else family(self.pid)


@contextmanager
def _directory() -> Iterator[Engine]:
    with tempfile.TemporaryDirectory(prefix="bus-") as folder:
        yield Engine(str(Path(folder) / "nodes"), None)


@contextmanager
def _redis() -> Iterator[Engine]:
    with Redis() as redis:
        yield Engine(redis.url, redis.pid)


@contextmanager
def _postgres() -> Iterator[Engine]:
    with Postgres("max_connections = 400") as postgres:
        yield Engine(postgres.dsn, postgres.pid)


@contextmanager
def _nats() -> Iterator[Engine]:
    with Nats() as nats:
        yield Engine(nats.url, nats.pid)


def is_there(carrier: str) -> bool:
    """Whether the engine of a carrier is installed."""
    return _FINDERS.get(carrier, bool)() is not None


_FINDERS: Final[dict[str, Callable[[], object]]] = {
    "redis": find_redis,
    "sharded": find_redis,
    "streams": find_redis,
    "postgres": find_postgres,
    "nats": find_nats,
    "jetstream": find_nats,
}


@contextmanager
def engine(carrier: str) -> Iterator[Engine]:
    """Run what a carrier needs, until it is not used."""
    kind = {"workers": _directory, "postgres": _postgres, "nats": _nats, "jetstream": _nats}.get(
        carrier, _redis
    )
    with kind() as found:
        yield found
