"""Two processes of one host, in one loop, and clients each of whose requests comes to the other one
of the two than the request before."""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sockwave.adapters import WorkersAdapter
from tests.support.apps import echo_server
from tests.support.fronts import FRONTS
from tests.support.raw import PollingPeer, RawHttp, RawWebSocket, Reply

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

    from sockwave import Server
    from sockwave.workers.neighbours import NeighbourRouter
    from tests.support.fronts import Wire

__all__ = ["Doors", "InTurn", "doors", "joined_server", "router_of"]


class InTurn(RawHttp):
    """Connections that take requests in turn."""

    def __init__(self, *ways: RawHttp) -> None:
        self._ways = itertools.cycle(ways)
        self._asked: deque[RawHttp] = deque()

    def send(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> None:
        """Send a request by the next one."""
        way = next(self._ways)
        self._asked.append(way)
        way.send(method, target, headers, body)

    async def read(self) -> Reply:
        """The answer to the first request that has none yet."""
        return await self._asked.popleft().read()


@dataclass
class Doors:
    """Two servers that share their sessions, and how each is reached."""

    one: Server
    two: Server
    first: Wire
    second: Wire

    async def open_polling(self, **query: str) -> PollingPeer:
        """A session of the first; each later request comes to the second, the first, and so on."""
        target = self.first.target("polling", **query)
        reply = await self.first.get(target)
        assert reply.status == 200, reply
        return PollingPeer(await self.in_turn(), await self.in_turn(), target, reply)

    async def in_turn(self) -> RawHttp:
        """To the second, then to the first, and so on."""
        return InTurn(await self.second.http(), await self.first.http())

    async def websocket(self, peer: PollingPeer, **headers: str) -> RawWebSocket:
        """A WebSocket for a session of the first, at the second."""
        target = self.second.target("websocket", sid=peer.sid)
        return await self.second.websocket(target, **headers)


def joined_server(directory: Path, **options: Any) -> Server:
    """An echo server whose sockets are all in one room."""
    io, _ = echo_server(adapter=WorkersAdapter(directory), **options)

    @io.on("connection")
    def connection(socket: Any) -> None:
        socket.join("all")

    return io


def router_of(io: Server) -> NeighbourRouter:
    """What knows the other process, in a server that is served."""
    router: Any = io.engine.router
    return router  # type: ignore[no-any-return]


@asynccontextmanager
async def doors(directory: Path, front: str = "wrapped", **options: Any) -> AsyncIterator[Doors]:
    """Serve twice, until the block ends."""
    async with AsyncExitStack() as stack:
        one, two = (joined_server(directory / "run", **options) for _ in range(2))
        first, second = [
            await stack.enter_async_context(FRONTS[front].serve(io)) for io in (one, two)
        ]
        yield Doors(one, two, first, second)
        for wire in (first, second):
            await wire.aclose()
        for io in (one, two):
            router: NeighbourRouter | None = router_of(io)
            while router is not None and (router.carrying or router.answering):
                await asyncio.sleep(0.002)  # bounded by the time of the test
