"""The ways to put a server on a port, as one thing: tests run over each of them."""

from __future__ import annotations

import asyncio
import os
import socket
import tempfile
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, fields
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final
from unittest.mock import patch
from urllib.parse import quote

import uvicorn
import uvicorn.server

from sockwave.adapters import Capabilities, MemoryBroker
from sockwave.engine import Engine
from sockwave.engine.core.options import EngineOptions
from sockwave.engine.server.fronts.hosting import hosted_server
from sockwave.engine.server.routing import session_in
from sockwave.platform import new_event_loop
from sockwave.relaying.joining import Relaying
from sockwave.testing.fault_proxy import FaultProxy
from sockwave.workers.neighbours import NeighbourRouter
from sockwave.workers.numbers import Claim
from tests.support.doors import Doors
from tests.support.raw import (
    PollingPeer,
    RawHttp,
    RawWebSocket,
    Reply,
    WebSocketPeer,
    check_switched,
    within,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from sockwave.engine.server.fronts.asgi import AsgiApp, Receive, Scope, Send
    from sockwave.engine.server.fronts.serving import Servable
    from sockwave.engine.server.fronts.shared_port import Host
    from tests.support.raw import Peer

__all__ = ["FRONTS", "Front", "Wire"]


NETWORK: Final = os.environ.get("SOCKWAVE_NETWORK", "")
"""How bytes go between the clients of these tests and all fronts; as they are when empty."""

NETWORKS: Final[dict[str, dict[str, Any]]] = {
    "slices": {"slice": 1, "slice_until": 16_384},
    "merges": {"merge": 65_536, "merge_wait": 0.005},
}


@dataclass
class Wire:
    """A server that listens, and the connections of its clients; all close with it.

    Attributes:
        path: What requests of the engine start with, slash included.
    """

    host: str
    port: int
    path: str
    _clients: list[RawHttp] = field(default_factory=list)

    async def http(self) -> RawHttp:
        """A new connection."""
        client = await RawHttp.connect(self.host, self.port)
        self._clients.append(client)
        return client

    def target(self, transport: str | None = "polling", eio: str | None = "4", **query: str) -> str:
        """Path and query of a request; None leaves a parameter out."""
        parameters = {"EIO": eio, "transport": transport, **query}
        pairs = [f"{name}={quote(v, safe='')}" for name, v in parameters.items() if v is not None]
        return f"{self.path}?{'&'.join(pairs)}"

    async def get(self, target: str, **headers: str) -> Reply:
        """GET on a connection of its own."""
        return await (await self.http()).get(target, **headers)

    async def request(
        self, method: str, target: str, headers: dict[str, str] | None = None, body: bytes = b""
    ) -> Reply:
        """Any request on a connection of its own."""
        return await (await self.http()).request(method, target, headers, body or None)

    async def upgrade(self, target: str, **headers: str) -> Reply:
        """Ask for a WebSocket, and see the answer only."""
        return await (await self.http()).request(
            "GET", target, RawWebSocket.request_headers(**headers)
        )

    async def websocket(self, target: str, **headers: str) -> RawWebSocket:
        """Open a WebSocket."""
        http = await self.http()
        request = RawWebSocket.request_headers(**headers)
        check_switched(await http.request("GET", target, request), request)
        return RawWebSocket(http)

    async def open_polling(self, **query: str) -> PollingPeer:
        """Open a session on polling."""
        gets, posts = await self.http(), await self.http()
        first = await gets.get(self.target("polling", **query))
        assert first.status == 200, first
        return PollingPeer(gets, posts, self.target("polling", **query), first)

    async def open_websocket(self, **query: str) -> WebSocketPeer:
        """Open a session on a WebSocket."""
        websocket = await self.websocket(self.target("websocket", **query))
        return WebSocketPeer(websocket, await websocket.receive_text())

    async def open(self, transport: str, **query: str) -> Peer:
        """Open a session."""
        if transport == "polling":
            return await self.open_polling(**query)
        return await self.open_websocket(**query)

    async def aclose(self) -> None:
        """Close all connections."""
        for client in self._clients:
            await client.close()


@dataclass(frozen=True)
class Front:
    """One way to put a server on a port.

    Attributes:
        name: `native`, `hosted`, `wrapped`, `mounted`, `relayed`, `carried`, or `workers`, alone
            or `workers-hosted`.
        is_native: Whether the native listener reads what is meant for the engine.
        loop_factory: Makes the event loop that a test runs in.
    """

    name: str
    is_native: bool
    loop_factory: Callable[[], asyncio.AbstractEventLoop] = new_event_loop

    @property
    def is_alone(self) -> bool:
        """Whether no application has the other requests on the port."""
        return self.name in ("native", "workers")

    @property
    def has_workers(self) -> bool:
        """Whether requests come to other workers of the port; see `Doors`."""
        return self.name.startswith("workers")

    @asynccontextmanager
    async def serve(
        self, servable: Servable, app: AsgiApp | None = None, **uvicorn_options: Any
    ) -> AsyncIterator[Wire]:
        """Serve until the block ends, then cut off who is still there.

        Args:
            app: Gets the other requests, where there is one beside us.
            uvicorn_options: More of them, where uvicorn hosts.
        """
        app = app or hello
        options = {**_OPTIONS, **uvicorn_options}
        server: uvicorn.Server
        async with AsyncExitStack() as stack:
            path = servable.engine.options.prefix
            if self.name == "native":
                listener = await stack.enter_async_context(servable.listen())
                wire = Wire(listener.host, listener.port, path)
            elif self.name == "workers":
                engine = servable.engine
                engine.driver.bind(asyncio.get_running_loop())
                doors = Doors(engine)
                await stack.enter_async_context(doors.open())
                wire = Wire("127.0.0.1", doors.port, path)
            elif self.name == "workers-hosted":
                doors = Doors(servable.engine)

                async def opening(host: Host) -> None:
                    await stack.enter_async_context(doors.open(host))

                sock = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
                server = hosted_server(servable, app, sock, None, options, opening=opening)
                await stack.enter_async_context(_started(server, sock))
                wire = Wire("127.0.0.1", doors.port, path)
            else:
                sock = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
                if self.name == "hosted":
                    server = hosted_server(servable, app, sock, None, options)
                elif self.name == "relayed":
                    relayed = await stack.enter_async_context(_by_wrong_door(servable, app))
                    server = uvicorn.Server(uvicorn.Config(relayed, **options))
                elif self.name == "carried":
                    carried = await stack.enter_async_context(_by_another_machine(servable, app))
                    server = uvicorn.Server(uvicorn.Config(carried, **options))
                elif self.name == "wrapped":
                    server = uvicorn.Server(uvicorn.Config(servable.wrap(app), **options))
                else:
                    path = "/realtime/"
                    mount = mounted("/realtime", servable)
                    server = uvicorn.Server(uvicorn.Config(mount, **options))
                await stack.enter_async_context(_started(server, sock))
                wire = Wire("127.0.0.1", sock.getsockname()[1], path)
            # Clients here stop to poll as they like: who waits for them is what tests/wire/
            # test_shutdown.py is about. And frameworks run no lifespan for what is mounted.
            stack.push_async_callback(servable.close, shutdown_timeout=0)
            if NETWORK:
                proxy = FaultProxy(wire.host, wire.port)
                proxy.set(**NETWORKS[NETWORK])
                await stack.enter_async_context(proxy)
                wire.port = proxy.port
            stack.push_async_callback(wire.aclose)
            yield wire
        assert not servable.engine.sessions
        assert not servable.engine.driver.connections


@asynccontextmanager
async def _by_another_machine(servable: Servable, app: AsgiApp) -> AsyncIterator[AsgiApp]:
    """Let each request of a session come to another machine, as it were."""
    options: Any = servable.engine.options
    same = {field.name: getattr(options, field.name) for field in fields(EngineOptions)}
    other: Servable = Engine(**same)
    broker = MemoryBroker(capabilities=Capabilities(is_selective=True, echoes=True))
    joined = [Relaying(each, broker.driver()) for each in (servable, other)]
    for each in (servable, other):
        each.engine.driver.bind(asyncio.get_running_loop())
        assert each.engine.elsewhere is not None
        await each.engine.elsewhere.wait_joined()
    here, there = servable.wrap(app), other.wrap(app)

    async def doors(scope: Scope, receive: Receive, send: Send) -> None:
        is_of_session = scope["type"] != "lifespan" and session_in(scope["query_string"])
        await (there if is_of_session else here)(scope, receive, send)

    try:
        yield doors
    finally:
        await other.close(shutdown_timeout=0)
        for relaying in joined:
            await relaying.aclose()


@asynccontextmanager
async def _by_wrong_door(servable: Servable, app: AsgiApp) -> AsyncIterator[AsgiApp]:
    """Let each request of a session come to another process of the host, as it were."""
    wrapped, other = servable.wrap(app), Engine(path=servable.engine.options.path)
    routers = []
    with tempfile.TemporaryDirectory() as directory:
        for each in (servable, other):
            each.engine.driver.bind(asyncio.get_running_loop())
            router = NeighbourRouter(each.engine, Claim(directory), None, each)
            router.start()
            routers.append(router)
        ours = servable.engine.id_prefix.encode()

        async def doors(scope: Scope, receive: Receive, send: Send) -> None:
            sid = None if scope["type"] == "lifespan" else session_in(scope["query_string"])
            door = other if sid is not None and sid.startswith(ours) else wrapped
            await door(scope, receive, send)

        try:
            yield doors
        finally:
            await other.close()
            for router, each in zip(routers, (servable, other), strict=True):
                await router.aclose()
                each.engine.share_port(None)


_OPTIONS: Final[dict[str, Any]] = {
    "log_config": None,
    "access_log": False,
    "lifespan": "on",
    "ws": "websockets-sansio",
    "proxy_headers": False,  # uvicorn would believe whoever comes from this machine
}


@asynccontextmanager
async def _started(server: uvicorn.Server, sock: socket.socket) -> AsyncIterator[None]:
    """Run a uvicorn server inside this loop, without its signals and its main loop."""
    server.config.load()
    server.lifespan = server.config.lifespan_class(server.config)
    await server.startup([sock])
    try:
        yield
    finally:
        with patch.object(uvicorn.server, "asyncio", _hasty_asyncio()):
            await within(server.shutdown([sock]))


def _hasty_asyncio() -> SimpleNamespace:
    """For uvicorn, whose shutdown begins with a tenth of a second of sleep: a minute in all."""

    async def sleep(delay: float) -> None:
        await asyncio.sleep(delay / 50)

    return SimpleNamespace(**{**vars(asyncio), "sleep": sleep})


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    """An application that has nothing to do with us."""
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
    elif scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": f"hello {scope['path']}".encode()})
    else:
        await receive()
        await send({"type": "websocket.close", "code": 1000})


def mounted(prefix: str, app: AsgiApp) -> AsgiApp:
    """A mount as frameworks make it: the path stays whole, `root_path` says where it begins."""

    async def outer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or not scope["path"].startswith(prefix + "/"):
            await hello(scope, receive, send)
        else:
            await app({**scope, "root_path": scope.get("root_path", "") + prefix}, receive, send)

    return outer


NATIVE: Final = Front("native", is_native=True)
HOSTED: Final = Front("hosted", is_native=True)
WRAPPED: Final = Front("wrapped", is_native=False)
MOUNTED: Final = Front("mounted", is_native=False)
RELAYED: Final = Front("relayed", is_native=False)
CARRIED: Final = Front("carried", is_native=False)
NATIVE_ON_ASYNCIO: Final = Front("native", is_native=True, loop_factory=asyncio.new_event_loop)
WORKERS: Final = Front("workers", is_native=True)
WORKERS_HOSTED: Final = Front("workers-hosted", is_native=True, loop_factory=asyncio.new_event_loop)

FRONTS: Final = {
    "native": NATIVE,
    "hosted": HOSTED,
    "wrapped": WRAPPED,
    "mounted": MOUNTED,
    "relayed": RELAYED,
    "carried": CARRIED,
    "native-asyncio": NATIVE_ON_ASYNCIO,
    "workers": WORKERS,
    "workers-hosted": WORKERS_HOSTED,
}
