"""A server as one of three workers of a port, all in one event loop: who connects comes to another.

Theory. The two others stand at the port like doors. Each is an engine with the options of the
server and a router of workers, and takes connections as a worker does; but it opens no session.
What a worker would answer itself, a door passes on to the server too, as if the kernel had given
it the connection. So every request of a new connection goes by `SCM_RIGHTS` to the server, with
what was read of it and behind it, whatever a test sends: whole, in pieces, or nonsense.

They are objects in one loop, and not processes, so that a test may look into its server, and
nothing is to be waited for. Real processes are what `tests/workers` and `interop` start.
"""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import fields
from itertools import cycle
from typing import TYPE_CHECKING, Final

from sockwave.engine.core.options import EngineOptions
from sockwave.engine.server.engine import EngineServer
from sockwave.engine.server.fronts.listener import HttpConnection
from sockwave.engine.server.fronts.ports import ACCEPT_BACKLOG
from sockwave.workers.identity import prefix_of
from sockwave.workers.router import WorkerRouter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from sockwave.engine.server.fronts.shared_port import Host

__all__ = ["Doors"]

OWNER: Final = 0
"""Number of the worker that has all sessions."""

DOORS: Final = (4_030, 4_031)
"""Those of the others: ids that tests make up do not begin with them."""


class Doors:
    """The port of three workers, of which a server is to be the third.

    Args:
        engine: Of the server; it is bound to the running loop.

    Attributes:
        port: Of 127.0.0.1.
    """

    def __init__(self, engine: EngineServer) -> None:
        self.port = 0
        self._engine = engine

    @asynccontextmanager
    async def open(self, host: Host | None = None) -> AsyncIterator[None]:
        """Let connections in until the block ends; those that came to the server live on.

        Args:
            host: Takes requests that are not the engine's.
        """
        with tempfile.TemporaryDirectory(prefix="sockwave-doors-") as directory:
            async with AsyncExitStack() as stack:
                stack.enter_context(_routed(self._engine, directory, OWNER, WorkerRouter, host))
                doors = [_engine_like(self._engine) for _ in DOORS]
                for number, door in zip(DOORS, doors, strict=True):
                    door.driver.bind(asyncio.get_running_loop())
                    stack.enter_context(_routed(door, directory, number, _DoorRouter, None))
                    stack.push_async_callback(_closed, door)
                server = await self._listen(doors)
                self.port = server.sockets[0].getsockname()[1]
                try:
                    yield
                finally:
                    server.close()
            await server.wait_closed()
        assert not any(door.driver.connections or door.sessions for door in doors)

    async def _listen(self, doors: list[EngineServer]) -> asyncio.Server:
        turns = cycle(doors)
        loop = asyncio.get_running_loop()
        return await loop.create_server(
            lambda: _Door(next(turns)), "127.0.0.1", 0, backlog=ACCEPT_BACKLOG
        )


@contextmanager
def _routed(
    engine: EngineServer, directory: str, number: int, kind: type[WorkerRouter], host: Host | None
) -> Iterator[None]:
    """Make an engine that of a worker."""
    router = kind(engine, directory, number, host)
    router.start()
    try:
        yield
    finally:
        router.close()


async def _closed(engine: EngineServer) -> None:
    await engine.close(shutdown_timeout=0)


def _engine_like(engine: EngineServer) -> EngineServer:
    options = {field.name: getattr(engine.options, field.name) for field in fields(EngineOptions)}
    return EngineServer(**options)


class _DoorRouter(WorkerRouter):
    """Knows no session here."""

    def is_elsewhere(self, sid: bytes) -> bool:
        """So nothing is read before it was asked whose it is, without a session either."""
        return not sid or super().is_elsewhere(sid)


class _Door(HttpConnection):
    """A connection that another worker has accepted."""

    __slots__ = ()

    def _is_for_us(self, data: bytes) -> bool:
        if not super()._is_for_us(data):
            return False
        assert self._engine.router is not None
        return not self._passed_on(self._engine.router, prefix_of(OWNER).encode(), data)
