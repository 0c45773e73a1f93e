"""The clients of python-socketio 5, asyncio and blocking, against our server."""

from __future__ import annotations

import asyncio
import importlib
from typing import Any

import pytest

from interop.fronts import FRONTS, serving
from interop.stage import TRANSPORTS
from sockwave import ConnectError, Server, Socket
from tests.support.peers import package

VALUES: list[Any] = ["Grüße 😀", 1.5, None, {"deep": [b"\x00\xff", True]}, b"more"]


class Peer:
    """One of the two clients; the blocking one runs in threads."""

    def __init__(self, kind: str) -> None:
        for name in ("socketio", "aiohttp", "requests", "websocket"):
            package(name)
        socketio: Any = importlib.import_module("socketio")
        make = socketio.AsyncClient if kind == "asyncio" else socketio.Client
        self._client: Any = make(reconnection=False)
        self._is_async = kind == "asyncio"
        self.events: asyncio.Queue[tuple[Any, ...]] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        def heard(event: str, namespace: str, *args: Any) -> Any:
            loop.call_soon_threadsafe(self.events.put_nowait, (event, *args))
            return self.answer

        self.answer: Any = None
        self._client.on("*", heard, namespace="*")
        for event in ("connect", "disconnect", "connect_error"):
            self._client.on(event, self._life(loop, event), namespace="*")

    def _life(self, loop: asyncio.AbstractEventLoop, event: str) -> Any:
        return lambda *args: loop.call_soon_threadsafe(self.events.put_nowait, (event, *args))

    async def do(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """Call a method of the client."""
        function = getattr(self._client, method)
        async with asyncio.timeout(15):
            if self._is_async:
                return await function(*args, **kwargs)
            return await asyncio.to_thread(function, *args, **kwargs)

    async def connect(self, url: str, transport: str, namespace: str = "/", **kwargs: Any) -> None:
        """Connect, and wait for the upgrade."""
        await self.do(
            "connect", url, transports=TRANSPORTS[transport], namespaces=[namespace], **kwargs
        )

    async def sent_away(self, io: Server, namespace: str = "/") -> None:
        """Let the server end the connection.

        When the client ends it while one of its own POSTs waits for the answer, it forgets to tell
        the server, and waits for its poll (python-engineio 4.15, write loop).
        """
        io.of(namespace).disconnect_sockets(close=True)
        await self.event("disconnect")
        await self.do("disconnect")

    def transport(self) -> str:
        """Which transport it uses now."""
        name = self._client.transport
        return str(name() if callable(name) else name)

    async def event(self, name: str) -> tuple[Any, ...]:
        """Arguments of the next event of a name."""
        async with asyncio.timeout(15):
            while True:
                event, *args = await self.events.get()
                if event == name:
                    return tuple(args)


pytestmark = [
    pytest.mark.interop,
    pytest.mark.parametrize("kind", ["asyncio", "blocking"]),
    pytest.mark.parametrize("front", FRONTS),
    # They leave closed sockets and tasks to the garbage collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def echo_server(namespace: str = "/") -> Server:
    io = Server(ping_interval=1.0)  # ends the poll that a client waits for; see `sent_away`

    @io.of(namespace).event
    def echo(socket: Socket, *args: Any) -> Any:
        socket.emit("echoed", *args)
        return args

    return io


async def test_values_come_back_over_each_transport(kind: str, front: str, transport: str) -> None:
    io = echo_server()
    async with serving(io, front) as url:
        peer = Peer(kind)
        await peer.connect(url, transport)
        assert peer.transport() == ("polling" if transport == "polling" else "websocket")
        assert list(await peer.do("call", "echo", tuple(VALUES))) == VALUES
        assert list(await peer.event("echoed")) == VALUES
        (socket,) = io.sockets.values()
        assert socket.conn.transport.name == peer.transport()
        await peer.sent_away(io)


async def test_client_answers_the_server(kind: str, front: str, transport: str) -> None:
    io = Server()
    async with serving(io, front) as url:
        peer = Peer(kind)
        peer.answer = ("yes", b"\x01")
        await peer.connect(url, transport)
        (socket,) = io.sockets.values()
        assert await socket.emit_with_ack("question", b"\x02", timeout=5) == ("yes", b"\x01")
        assert await peer.event("question") == (b"\x02",)
        await peer.sent_away(io)


async def test_namespace_with_auth(kind: str, front: str, transport: str) -> None:
    io = echo_server("/chat")

    @io.of("/chat").use
    async def authenticate(socket: Socket) -> None:
        await asyncio.sleep(0)
        if socket.handshake.auth.get("token") != "s3cret":
            raise ConnectError("not authorized")

    async with serving(io, front) as url:
        refused = Peer(kind)
        with pytest.raises(Exception, match=r"(?i)namespaces failed to connect|not authorized"):
            await refused.connect(url, transport, "/chat", auth={"token": "wrong"})
        await refused.do("disconnect")
        peer = Peer(kind)
        await peer.connect(url, transport, "/chat", auth={"token": "s3cret"})
        assert list(await peer.do("call", "echo", (1, b"\x03"), namespace="/chat")) == [1, b"\x03"]
        await peer.sent_away(io, "/chat")


async def test_both_sides_hear_of_the_end(kind: str, front: str, transport: str) -> None:
    io = Server(ping_interval=1.0)  # see `echo_server`
    reasons: asyncio.Queue[str] = asyncio.Queue()
    io.event("disconnect")(lambda socket, reason: reasons.put_nowait(str(reason)))
    async with serving(io, front) as url:
        peer = Peer(kind)
        await peer.connect(url, transport)
        await peer.do("sleep", 0.2)  # see `sent_away`
        await peer.do("disconnect")
        # The asyncio client closes a WebSocket before it has written what it queued.
        reason = await asyncio.wait_for(reasons.get(), 10)
        assert reason in ("client namespace disconnect", "transport close")
        again = Peer(kind)
        await again.connect(url, transport)
        (socket,) = io.sockets.values()
        socket.disconnect(close=True)
        assert await asyncio.wait_for(reasons.get(), 10) == "server namespace disconnect"
        await again.event("disconnect")
        await again.do("disconnect")
