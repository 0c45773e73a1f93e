"""A cluster of servers in JavaScript and ours on one carrier, with a client on each of them."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

import sockwave.sync
from interop.cluster.servers import ClusterServer, PythonServer, node_server, to
from interop.node import PATIENCE
from sockwave import adapters, emitters

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from interop.node import JsClient, NodeDriver
    from sockwave.testing import AdapterMaker
    from tests.support.peers import NodePeer

__all__ = ["CARRIERS", "MIXED", "NODE_ALONE", "Carrier", "Cluster", "Clustered", "Kind"]

Kind = Literal["node", "python"]

MIXED: Final[tuple[Kind, ...]] = ("node", "node", "python", "python")
NODE_ALONE: Final[tuple[Kind, ...]] = ("node", "node", "node")


@dataclass(frozen=True, slots=True)
class Carrier:
    """What a cluster is on.

    Attributes:
        name: In the words of `server.cjs`.
        engine: `redis` or `postgres`.
        adapter: Ours.
        emitter: Ours, of asyncio; the one that blocks has the same name.
        emitter_options: Of both.
        emitter_heard_by: Kinds of the servers that hear the emitter of JavaScript; nobody where
            there is none.
        has_binary_server_events: Whether servers in JavaScript can send each other bytes.
    """

    name: str
    engine: Literal["redis", "postgres"]
    adapter: type[Any]
    emitter: type[Any]
    emitter_options: Mapping[str, Any] = field(default_factory=dict)
    emitter_heard_by: tuple[Kind, ...] = ()
    has_binary_server_events: bool = True

    def make_adapter(self, address: str) -> AdapterMaker:
        """An adapter of ours for another server."""
        made: AdapterMaker = self.adapter(address)
        return made

    def open_emitter(self, address: str) -> Any:
        """One of ours, whose calls are awaited."""
        return self.emitter(address, **self.emitter_options)

    def open_blocking_emitter(self, address: str) -> Any:
        """One of ours, whose calls block."""
        kind = getattr(sockwave.sync, self.emitter.__name__)
        return kind(address, **self.emitter_options)


CARRIERS: Final = {
    carrier.name: carrier
    for carrier in (
        Carrier(
            "redis",
            "redis",
            adapters.RedisAdapter,
            emitters.RedisEmitter,
            emitter_heard_by=("node", "python"),
            has_binary_server_events=False,
        ),
        Carrier(
            "sharded",
            "redis",
            adapters.ShardedRedisAdapter,
            emitters.RedisEmitter,
            {"sharded": True},
        ),
        Carrier("streams", "redis", adapters.RedisStreamsAdapter, emitters.RedisStreamsEmitter),
        Carrier(
            "postgres",
            "postgres",
            adapters.PostgresAdapter,
            emitters.PostgresEmitter,
            emitter_heard_by=("python",),  # servers in JavaScript miss `nsp`, and drop it
        ),
    )
}


class Clustered:
    """A class of tests that share a cluster.

    Attributes:
        carrier: Its name.
        kinds: Of the servers.
        recovers: Whether they have connection state recovery.
    """

    carrier: ClassVar[str]
    kinds: ClassVar[Sequence[Kind]] = MIXED
    recovers: ClassVar[bool] = False


class Cluster:
    """Servers from entering to leaving the context; clients come and go with each test.

    Each client is in a room with the name of its server, and every other one in `even` or `odd`.

    Attributes:
        carrier: What it is on.
        servers: In the order of their numbers.
        clients: One of each server, since `connect`.
        ids: Those of their sockets.
    """

    def __init__(
        self,
        carrier: Carrier,
        kinds: Sequence[Kind],
        address: str,
        peer: NodePeer,
        driver: NodeDriver,
        *,
        recovers: bool = False,
    ) -> None:
        self.carrier = carrier
        self.servers: list[ClusterServer] = []
        self.clients: list[JsClient] = []
        self.ids: list[str] = []
        self._driver = driver
        self._stack = AsyncExitStack()
        for number, kind in enumerate(kinds):
            name = f"{kind}{number}"
            if kind == "node":
                node = node_server(name, peer, carrier.name, address, recovers=recovers)
                self.servers.append(node)
            else:
                options: dict[str, Any] = {"connection_state_recovery": True} if recovers else {}
                ours = PythonServer(name, carrier.make_adapter(address), **options)
                self.servers.append(ours)

    async def __aenter__(self) -> Cluster:
        for server in self.servers:
            await self._stack.enter_async_context(server)
        for server in self.servers:
            await self.until(partial(self._knows_all, server))
        return self

    async def __aexit__(self, *exc: object) -> None:
        for server in self.servers:
            if isinstance(server, PythonServer):
                missed = [what for what in server.io.cluster.errors if "have not come" in what]
                assert not missed, f"{server} misses what was never lost: {missed}"
        await self._stack.aclose()

    async def _knows_all(self, server: ClusterServer) -> bool:
        """Whether a server reaches all others, and hears their answers."""
        count = len(self.servers)
        if await server.do("serverCount") != count:
            return False
        for namespace in ("/", "/chat"):
            outcome = await server.do("serverAsk", namespace, event="question", args=[])
            if len(outcome["answers"]) != count - 1:
                return False
        return True

    # --- clients ----------------------------------------------------------------------------------

    def rooms(self, number: int) -> list[str]:
        """Rooms of the client of a server."""
        return [self.servers[number].name, "odd" if number % 2 else "even"]

    async def connect(self) -> None:
        """Open a client to each server, and wait until all of them are known to all."""
        for number, server in enumerate(self.servers):
            client = await self.open(number, rooms=self.rooms(number))
            client.answers["question"] = (f"answer of {server.name}", number)
            self.clients.append(client)
            self.ids.append(await client.evaluate("socket.id"))
        await self.settle(set(self.ids))
        for client in self.clients:
            client.log.clear()

    async def open(self, number: int, namespace: str = "/", **auth: Any) -> JsClient:
        """Open a client to a server, whose socket joins `rooms`."""
        server = self.servers[number]
        return await self._driver.client(
            server.url,
            namespace=namespace,
            transports=["websocket"],
            auth={"name": f"client of {server.name}", **auth},
        ).connected()

    async def settle(self, ids: set[str], *rooms: str) -> None:
        """Wait until all servers find these sockets, in rooms or at all."""
        for server in self.servers:
            await self.until(partial(_finds, server, ids, rooms))

    async def close_clients(self) -> None:
        """End all clients, and wait until no server finds one."""
        self.clients.clear()
        self.ids.clear()
        await self._driver.close_clients()
        await self.settle(set())
        for server in self.servers:
            while server.notes():
                await server.noted()

    async def heard(self, sender: ClusterServer) -> list[list[str]]:
        """Names of the events that each client has got, up to a last one of a server."""
        await sender.emit(to(), "end")
        heard = []
        for client in self.clients:
            await client.received("end")
            names = [name[3:] for name in client.log if name.startswith("on ")]
            heard.append(names[: names.index("end")])
            client.log.clear()
        return heard

    async def until(self, is_so: Callable[[], Awaitable[bool]]) -> None:
        """Wait for something that has to be asked."""
        async with asyncio.timeout(PATIENCE):
            while not await is_so():
                await asyncio.sleep(0.02)


async def _finds(server: ClusterServer, ids: set[str], rooms: Sequence[str]) -> bool:
    return set(await server.fetch(to(*rooms))) == ids
