"""Several servers in one event loop that share an adapter, and clients that are linked to them."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeAlias
from uuid import uuid4

from sockwave.errors import AckTimeout, ClusterTimeout
from sockwave.socketio.server.server import Server
from sockwave.testing.linked import LinkedClient

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable

    from sockwave.socketio.core.adapter import Adapter
    from sockwave.socketio.core.recovery_contract import RecoveringHost
    from sockwave.socketio.server.namespace import Namespace
    from sockwave.socketio.server.socket import Socket

__all__ = ["AdapterMaker", "ClusterStage", "Event", "is_counted"]

Event: TypeAlias = tuple[str, list[Any]]
"""Name and arguments."""


class AdapterMaker(Protocol):
    """What the option `adapter` of a server takes: it makes the adapter of each namespace."""

    def __call__(self, namespace: RecoveringHost, /) -> Adapter: ...


async def is_counted(target: Any, count: int) -> bool:
    """Whether all servers say that a namespace, or what was chosen of it, has so many sockets."""
    try:
        found: int = await target.count()
    except ClusterTimeout:
        return False
    return found == count


class ClusterStage:
    """Servers that share an adapter, and their clients; all over with the test.

    Args:
        make_adapter: Makes the adapter of another server.
        patience: Seconds after which what has not come does not come.
        short: Seconds that servers have to answer each other, before they are asked again.

    Attributes:
        name: Of the namespace in which it plays.
        servers: In the order in which they came.
    """

    def __init__(
        self,
        make_adapter: Callable[[], Coroutine[Any, Any, AdapterMaker]],
        patience: float,
        short: float,
    ) -> None:
        self.name: str = f"/{uuid4().hex}"
        self.servers: list[Server] = []
        self._make_adapter = make_adapter
        self._patience = patience
        self._short = short
        self._clients: list[LinkedClient] = []
        self._stack = AsyncExitStack()

    def __getitem__(self, number: int) -> Namespace:
        return self.servers[number].of(self.name)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._stack.aclose()

    async def add_server(self) -> int:
        """Start another server, and wait until it and the others know each other."""
        io = Server(adapter=await self._make_adapter())
        self._stack.push_async_callback(io.close)
        self.servers.append(io)
        number = len(self.servers) - 1
        here = self[number]

        @here.on("connection")
        def connection(socket: Socket) -> None:
            auth = socket.handshake.auth
            socket.data.update({"name": auth["name"], "binary": b"\x01"})
            socket.join(auth["rooms"])

        here.on("is it you", lambda: True)
        await self.meet()
        return number

    async def meet(self) -> None:
        """Wait until all servers know each other, and hear each other in both directions."""
        await self.until_counted(len(self.servers))
        for each in self._namespaces():
            await self.until_so(partial(self._knows_all, each))

    def _namespaces(self) -> Iterable[Namespace]:
        return (self[number] for number in range(len(self.servers)))

    async def _knows_all(self, here: Namespace) -> bool:
        try:
            answers = await here.server_side_emit_with_ack("is it you", timeout=self._short)
        except AckTimeout:
            return False
        return answers == [True] * (len(self.servers) - 1)

    async def until_counted(self, count: int) -> None:
        """Wait until so many servers, the first ones, see so many."""

        async def see_all() -> bool:
            return all([await self[n].count_servers() == count for n in range(count)])

        await self.until_so(see_all)

    async def client(self, server: int, *rooms: str, name: str = "") -> LinkedClient:
        """Connect a client, into rooms."""
        client = self.guest(server, self.name, auth={"rooms": rooms, "name": name})
        await self._stack.enter_async_context(client)
        self._clients.append(client)
        return client

    def guest(
        self, server: int, namespace: str, auth: dict[str, Any] | None = None
    ) -> LinkedClient:
        """A client of any namespace; the caller connects it, and `heard` does not know it."""
        return LinkedClient(self.servers[server], namespace, auth=auth, timeout=self._patience)

    def socket(self, server: int, client: LinkedClient) -> Socket:
        """The socket of a client."""
        assert client.sid is not None
        return self[server].sockets[client.sid]

    async def reach(self, rooms: tuple[str, ...], count: int) -> None:
        """Wait until each server finds so many sockets in rooms; without rooms in all."""
        for here in self._namespaces():
            await self.until_so(partial(is_counted, here.in_(rooms) if rooms else here, count))

    async def heard(self, sender: int) -> list[list[Event]]:
        """What each client has got; a last event of the same server shows that it is all."""
        self[sender].emit("end")
        return [await self._until_end(client) for client in self._clients]

    async def _until_end(self, client: LinkedClient) -> list[Event]:
        events = []
        while (event := await client.received()) != ("end", []):
            events.append(event)
        return events

    async def heard_names(self, sender: int) -> dict[LinkedClient, list[str]]:
        """Names of the events that each client has got, in the way of `heard`."""
        heard = await self.heard(sender)
        names = [[name for name, _ in events] for events in heard]
        return dict(zip(self._clients, names, strict=True))

    def listen(self, event: str) -> list[list[Any]]:
        """Keep what the servers send each other: arguments, by server."""
        got: list[list[Any]] = [[] for _ in self.servers]
        for here, mine in zip(self._namespaces(), got, strict=True):
            here.on(event, lambda *args, mine=mine: mine.append(args))
        return got

    async def unanswered(self, event: str, timeout: float) -> AckTimeout:
        """Ask all clients what not all answer; returns the error."""
        async with asyncio.timeout(self._patience):
            try:
                answers = await self[0].emit_with_ack(event, timeout=timeout)
            except AckTimeout as error:
                return error
        raise AssertionError(f"all have answered: {answers}")

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Wait for something."""
        async with asyncio.timeout(self._patience):
            while not is_so():
                await asyncio.sleep(0.001)

    async def until_so(self, is_so: Callable[[], Coroutine[Any, Any, bool]]) -> None:
        """Wait for something that has to be asked."""
        async with asyncio.timeout(self._patience):
            while not await is_so():
                await asyncio.sleep(0.005)
