"""Three servers on three ports that are joined by a carrier in memory, and a balancer in front."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sockwave import Server, Socket
from sockwave.adapters import Capabilities, ClusterAdapter, MemoryBroker, MemoryDriver
from sockwave.relaying.hub import RelayHub
from tests.support.mixing import MixingProxy
from tests.support.raw import RawHttp

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sockwave.socketio.core.cluster_contract import ClusterHost

__all__ = ["Machines", "MemoryAdapter", "adapter_of", "handlers", "hub_of", "machines"]

CAPABILITIES = Capabilities(is_selective=True, counts=True, echoes=True)


class MemoryAdapter:
    """Makes the adapters of one server.

    Attributes:
        is_lasting: Whether its driver outlives the server.
    """

    def __init__(self, broker: MemoryBroker) -> None:
        self.is_lasting = False
        self.relay_driver: MemoryDriver = broker.driver()

    def __call__(self, namespace: ClusterHost) -> ClusterAdapter:
        return ClusterAdapter(namespace, self.relay_driver)

    async def aclose(self) -> None:
        if not self.is_lasting:
            await self.relay_driver.aclose()


@dataclass
class Machines:
    """Servers, and what is around them."""

    broker: MemoryBroker
    servers: list[Server]
    ports: list[int]
    proxy: MixingProxy
    _clients: list[RawHttp] = field(default_factory=list)

    async def http(self, machine: int) -> RawHttp:
        """A new connection to one of them; it is closed with them."""
        client = await RawHttp.connect("127.0.0.1", self.ports[machine])
        self._clients.append(client)
        return client

    async def close_clients(self) -> None:
        """Close these connections."""
        for client in self._clients:
            await client.close()

    @property
    def hubs(self) -> list[RelayHub]:
        """What relays at each of them."""
        return [hub_of(server) for server in self.servers]

    @property
    def sessions(self) -> list[int]:
        """How many each of them has."""
        return [len(server.engine.sessions) for server in self.servers]


def hub_of(server: Server) -> RelayHub:
    """What relays at a server."""
    hub = server.engine.elsewhere
    assert isinstance(hub, RelayHub)
    return hub


def adapter_of(server: Server) -> MemoryAdapter:
    """What has made its adapters."""
    maker = server.adapter_maker
    assert isinstance(maker, MemoryAdapter)
    return maker


def handlers(server: Server, name: str) -> None:
    """What its clients may do."""

    @server.on("connection")
    def connection(socket: Socket) -> None:
        socket.on("echo", lambda *args: [*args])
        socket.on("where", lambda: name)
        socket.on("join", lambda room: socket.join(room))

        @socket.on("shout")
        def shout(room: str, *args: Any) -> None:
            server.to(room).emit("heard", *args)


@asynccontextmanager
async def machines(count: int = 3, **options: Any) -> AsyncIterator[Machines]:
    """Open them until the block ends."""
    broker = MemoryBroker(capabilities=CAPABILITIES)
    servers = [Server(adapter=MemoryAdapter(broker), relay=True, **options) for _ in range(count)]
    for number, server in enumerate(servers):
        handlers(server, f"server {number}")
    async with AsyncExitStack() as stack:
        ports = [(await stack.enter_async_context(each.listen())).port for each in servers]
        for server in servers:
            stack.push_async_callback(server.close, shutdown_timeout=0)
        proxy = await stack.enter_async_context(MixingProxy(ports).open())
        there = Machines(broker, servers, ports, proxy)
        stack.push_async_callback(there.close_clients)
        yield there
