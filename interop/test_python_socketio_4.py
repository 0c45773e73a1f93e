"""The clients of python-socketio 4, of Engine.IO 3, asyncio and blocking, against our server."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from itertools import count
from typing import TYPE_CHECKING, Any, Final, Self

import pytest

from interop.fronts import FRONTS, serving
from interop.node import pack, unpack
from interop.stage import TRANSPORTS
from sockwave import ConnectError, Server, Socket
from tests.support import peers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType

PATIENCE: Final = 15.0

VALUES: Final[list[list[Any]]] = [
    ["hello", "", 0, 1.5, None, True, {"a": [1, {"b": None}]}],
    ["Grüße, 世界", {"ключ": "汉字"}],
    [b"\x00\x01\xfe\xff", {"list": [b"2", b"three"]}, "text", b"four" * 5_000],
]

pytestmark = [
    pytest.mark.interop,
    pytest.mark.parametrize("kind", ["asyncio", "blocking"]),
    pytest.mark.parametrize("front", FRONTS),
]


class Peers:
    """The process that the clients run in, from entering to leaving the context."""

    def __init__(self, python: Path) -> None:
        self._python = python
        self._ids = count(1)
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._peers: dict[int, Peer] = {}

    async def __aenter__(self) -> Self:
        """Start it."""
        self._process = await asyncio.create_subprocess_exec(
            self._python,
            peers.INTEROP / "clients" / "python_socketio_4.py",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=1024 * 1024,
        )
        self._reading = asyncio.create_task(self._read())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        frames: TracebackType | None,
    ) -> None:
        """Take it away: threads of a client that hangs would keep it."""
        self._process.kill()
        await self._process.wait()
        await self._reading

    async def open(self, kind: str) -> Peer:
        """Make a client that is not connected."""
        peer = Peer(self, next(self._ids))
        self._peers[peer.id] = peer
        await peer.do("open", kind)
        return peer

    async def call(self, client: int, method: str, args: Any, kwargs: Any) -> Any:
        """Call a method of a client."""
        id_ = next(self._ids)
        self._answers[id_] = asyncio.get_running_loop().create_future()
        assert self._process.stdin is not None
        line = json.dumps(pack([id_, client, method, args, kwargs]))
        self._process.stdin.write(line.encode() + b"\n")
        async with asyncio.timeout(PATIENCE):
            return await self._answers[id_]

    async def _read(self) -> None:
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            what, id_, *rest = json.loads(line, object_hook=unpack)
            if what == "event":
                namespace, event, args = rest
                self._peers[id_].events[namespace, event].put_nowait(args)
                continue
            answer = self._answers.pop(id_)
            if answer.done():
                continue  # nobody waits any more
            if what == "done":
                answer.set_result(*rest)
            else:
                answer.set_exception(PeerError(*rest))


class PeerError(Exception):
    """A method of a client raised."""


class Peer:
    """A client of python-socketio 4.

    Attributes:
        events: Arguments of what it has heard, by namespace and event.
    """

    def __init__(self, peers: Peers, id_: int) -> None:
        self.id = id_
        self.events: defaultdict[tuple[str, str], asyncio.Queue[list[Any]]] = defaultdict(
            asyncio.Queue
        )
        self._peers = peers

    async def do(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """Call a method."""
        return await self._peers.call(self.id, method, args, kwargs)

    async def event(self, name: str, namespace: str = "/") -> list[Any]:
        """Arguments of the next event of a name."""
        async with asyncio.timeout(PATIENCE):
            return await self.events[namespace, name].get()

    async def connect(self, url: str, transport: str, *namespaces: str) -> None:
        """Connect, and wait for the upgrade and the namespaces."""
        options = {"namespaces": namespaces} if namespaces else {}
        await self.do("connect", url, transports=TRANSPORTS[transport], **options)
        for namespace in ("/", *namespaces):
            await self.event("connect", namespace)

    async def sent_away(self, io: Server) -> None:
        """Let the server end the connection.

        When the client ends it, it waits for its poll, until the next ping.
        """
        io.disconnect_sockets(close=True)
        await self.event("disconnect")


@pytest.fixture(scope="module")
def old(runner: asyncio.Runner) -> Iterator[Peers]:
    """The clients' process."""
    old = Peers(peers.python39())
    runner.run(old.__aenter__())
    yield old
    runner.run(old.__aexit__(None, None, None))


def echo_server(**options: Any) -> Server:
    io = Server(allow_eio3=True, **options)

    def echo(socket: Socket, *args: Any) -> Any:
        socket.emit("echoed", *args)
        return args

    io.event(echo)
    io.of("/chat").event(echo)
    return io


@pytest.mark.parametrize("values", VALUES, ids=["ascii", "unicode", "binary"])
async def test_values_come_back(
    old: Peers, kind: str, front: str, transport: str, values: list[Any]
) -> None:
    io = echo_server()
    async with serving(io, front) as url:
        peer = await old.open(kind)
        await peer.connect(url, transport)
        (socket,) = io.sockets.values()
        assert socket.conn.protocol == 3
        wanted = "polling" if transport == "polling" else "websocket"
        assert await peer.do("transport") == socket.conn.transport.name == wanted
        await peer.do("emit", "echo", *values)
        assert await peer.event("echoed") == values
        assert await peer.do("call", "echo", *values) == values
        await peer.sent_away(io)


async def test_values_that_the_client_reads_wrongly_itself(
    old: Peers, kind: str, front: str, transport: str
) -> None:
    io = echo_server()
    seen: asyncio.Queue[tuple[Any, ...]] = asyncio.Queue()
    io.event("take")(lambda socket, *args: seen.put_nowait(args))
    async with serving(io, front) as url:
        peer = await old.open(kind)
        await peer.connect(url, transport)
        await peer.do("emit", "take", "😀 𝒳", b"")
        assert await asyncio.wait_for(seen.get(), PATIENCE) == ("😀 𝒳", b"")
        # In what it polls, lengths count characters for it, and not JavaScript's UTF-16 units.
        text = "😀 𝒳" if transport != "polling" else "ü"
        # A binary packet without data is one without a value for it.
        assert await peer.do("call", "echo", text, b"") == [text, None]
        await peer.sent_away(io)


async def test_server_asks_and_gets_an_answer(
    old: Peers, kind: str, front: str, transport: str
) -> None:
    io = echo_server()
    async with serving(io, front) as url:
        peer = await old.open(kind)
        await peer.connect(url, transport)
        (socket,) = io.sockets.values()
        answer = await socket.emit_with_ack("question", 1, b"\x02", timeout=10)
        assert answer == ("yes", 1, b"\x02")
        assert await peer.event("question") == [1, b"\x02"]
        await peer.sent_away(io)


async def test_namespace_beside_the_main_one(
    old: Peers, kind: str, front: str, transport: str
) -> None:
    io = echo_server()
    async with serving(io, front) as url:
        peer = await old.open(kind)
        await peer.connect(url, transport, "/chat")
        await peer.do("emit", "echo", 1, b"\x03", namespace="/chat")
        assert await peer.event("echoed", "/chat") == [1, b"\x03"]
        assert await peer.do("call", "echo", 2, b"\x04", namespace="/chat") == [2, b"\x04"]
        io.emit("echoed", "main")
        io.of("/chat").emit("echoed", "chat")
        assert await peer.event("echoed") == ["main"]
        assert await peer.event("echoed", "/chat") == [2, b"\x04"]
        assert await peer.event("echoed", "/chat") == ["chat"]
        await peer.sent_away(io)


async def test_refusal_of_a_namespace_is_told(
    old: Peers, kind: str, front: str, transport: str
) -> None:
    io = echo_server()

    def refuse(socket: Socket) -> None:
        raise ConnectError("not for you")

    io.of("/chat").use(refuse)
    async with serving(io, front) as url:
        peer = await old.open(kind)
        await peer.do("connect", url, transports=TRANSPORTS[transport], namespaces=["/chat"])
        assert await peer.event("connect_error", "/chat") == ["not for you"]
        assert await peer.do("call", "echo", 1, 2) == [1, 2]
        assert not io.of("/chat").sockets
        await peer.sent_away(io)


async def test_client_is_refused_where_old_ones_are_not_allowed(
    old: Peers, kind: str, front: str, transport: str
) -> None:
    io = Server()
    async with serving(io, front) as url:
        peer = await old.open(kind)
        # The asyncio client closes its connections before it has read why, and may wait for that.
        with pytest.raises(PeerError, match=r"ConnectionError|TimeoutError"):
            await peer.do("connect", url, transports=TRANSPORTS[transport])
        assert not io.sockets


async def test_client_keeps_the_session_alive_and_ends_it(
    old: Peers, kind: str, front: str, transport: str
) -> None:
    io = echo_server(ping_interval=0.2, ping_timeout=0.4)
    reasons: asyncio.Queue[str] = asyncio.Queue()
    io.event("disconnect")(lambda socket, reason: reasons.put_nowait(str(reason)))
    async with serving(io, front) as url:
        peer = await old.open(kind)
        await peer.connect(url, transport)
        await asyncio.sleep(0.8)  # longer than both together
        assert reasons.empty()
        assert await peer.do("call", "echo", 1, 2) == [1, 2]
        await peer.do("disconnect")
        reason = await asyncio.wait_for(reasons.get(), PATIENCE)
        # It may give up its poll or its WebSocket before it has said goodbye, or say nothing.
        goodbye = {"client namespace disconnect"}
        assert reason in goodbye | {"transport close", "transport error", "ping timeout"}
