"""Servers on Redis streams in one process, and their clients as JavaScript's are."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from sockwave import Server, Socket
from sockwave.adapters import ClusterAdapter, RedisStreamsAdapter
from sockwave.adapters.streams.positions import position_of
from sockwave.testing import LinkedClient
from tests.adapters.redis.small_streams import SmallStreams, small_streams

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine


def run(scenario: Coroutine[Any, Any, None]) -> None:
    asyncio.run(scenario)


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not is_so():
            await asyncio.sleep(0.002)


def make_server(redis: SmallStreams, **options: Any) -> Server:
    """A server whose sockets are in a room, and say their ids."""
    recovery = options.pop("recovery", True)
    adapter = RedisStreamsAdapter(redis.url, **options)
    io = Server(adapter=adapter, connection_state_recovery=recovery)

    @io.on("connection")
    def connection(socket: Socket) -> None:
        if not socket.recovered:
            socket.join("room")
            socket.data["who"] = ["x", 1]

    @io.event
    def join(socket: Socket, room: str) -> None:
        socket.join(room)

    @io.event
    def leave(socket: Socket, room: str) -> None:
        socket.leave(room)

    return io


class Page:
    """A client as JavaScript's, over its losses."""

    def __init__(self, namespace: str = "/") -> None:
        self.namespace = namespace
        self.auth: dict[str, Any] = {}
        self.sid: str | None = None
        self.events: list[list[Any]] = []
        self.offsets: list[str] = []
        self._client: LinkedClient | None = None

    async def connect(self, io: Server) -> bool:
        """Whether it goes on where it was."""
        client = self._client = LinkedClient(io, self.namespace, auth=dict(self.auth), timeout=20)
        await client.connect()
        is_same = client.pid == self.auth.get("pid")
        if not is_same:
            self.auth = {"pid": client.pid}
        assert (client.sid == self.sid) is is_same
        self.sid = client.sid
        self.take()
        return is_same

    @property
    def client(self) -> LinkedClient:
        assert self._client is not None
        return self._client

    def take(self) -> None:
        """Handle what has come."""
        for name, args in self.client.received_nowait():
            if args and isinstance(args[-1], str) and position_of(args[-1]) is not None:
                self.auth["offset"] = args.pop()
                self.offsets.append(self.auth["offset"])
            self.events.append([name, *args])

    async def got(self, *events: list[Any]) -> None:
        """Wait for these, and see that there are no others."""
        async with asyncio.timeout(30):
            while len(self.events) < len(events):
                await asyncio.sleep(0.002)
                self.take()
        assert self.events == list(events)

    async def has(self, *events: list[Any]) -> None:
        """Wait for these, among others."""
        async with asyncio.timeout(30):
            while any(event not in self.events for event in events):
                await asyncio.sleep(0.002)
                self.take()

    async def emit(self, name: str, *args: Any) -> None:
        """Emit, and wait until the server has acted."""
        await self.client.emit_with_ack(name, *args)

    async def lose(self) -> None:
        await self.client.close()
        self.take()


@asynccontextmanager
async def cluster(count: int, **options: Any) -> AsyncIterator[tuple[SmallStreams, list[Server]]]:
    async with small_streams() as redis:
        ours = [make_server(redis, **options) for _ in range(count)]
        try:
            for io in ours:
                await begin(io)
            await settled(ours)
            yield redis, ours
        finally:
            for io in ours:
                await io.close()


async def begin(io: Server) -> None:
    """Servers begin with their first client, when nobody listens on a port."""
    async with LinkedClient(io, timeout=20):
        adapter = io.of("/").adapter
        assert isinstance(adapter, ClusterAdapter)
        assert await adapter.wait_joined(30)


async def settled(ours: list[Server]) -> None:
    async with asyncio.timeout(30):
        while not all([await io.server_count() == len(ours) for io in ours]):
            await asyncio.sleep(0.002)


def saved(redis: SmallStreams, page: Page) -> bool:
    return f"sio:session:{page.auth['pid']}".encode() in redis.keys
