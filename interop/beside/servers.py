"""The two servers: the same application on each, which notes what happens under a client's tag.

What the application does is in `Ours` and in `servers/beside.cjs`, line by line.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections import deque
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Final, Protocol, Self
from urllib.parse import urlsplit

from interop.fronts import serving
from sockwave import ConnectError, Server, Socket
from tests.support.peers import INTEROP, NodePeer

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from sockwave.engine.server.sessions.session import ServerSession

__all__ = ["MAX_PAYLOAD", "Notes", "Ours", "Reference", "ServerBeside"]

MAX_PAYLOAD: Final = 5_000

LONG: Final = 300.0
"""Seconds that no script lasts: no ping and no time-out comes between two actions."""

TURNS: Final = 8
"""Turns of the loop until all that was sent to our server has been read and answered: a uvicorn
needs some more than our listener."""

Notes = dict[str, list[Any]]
"""What the application has noted: `log` of its sockets, `ends` of its sessions."""


class ServerBeside(Protocol):
    """One of the two.

    Attributes:
        port: On 127.0.0.1.
        name: Of the side.
    """

    port: int
    name: str

    async def command(
        self,
        tag: str,
        what: str = "look",
        session: int | None = None,
        namespace: str = "/",
        args: Any = (),
    ) -> Notes:
        """Let the application do something to a socket; return what was noted, and forget it.

        By then the server has read what it was sent before the one before the last call.
        """


class Reference:
    """`servers/beside.cjs` in a process, from entering to leaving the context."""

    name = "reference"

    def __init__(self, peer: NodePeer) -> None:
        self._peer = peer
        self._answers: deque[asyncio.Future[Notes]] = deque()
        self.port = 0

    async def __aenter__(self) -> Self:
        """Start it."""
        self._process = await asyncio.create_subprocess_exec(
            self._peer.executable,
            INTEROP / "servers" / "beside.cjs",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=self._peer.env,
            limit=2**24,
        )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._stdin, self._stdout = self._process.stdin, self._process.stdout
        self.port = int(await self._stdout.readline())
        self._reading = asyncio.create_task(self._read())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        frames: TracebackType | None,
    ) -> None:
        """End it."""
        self._stdin.close()
        await self._process.wait()
        await self._reading

    async def command(
        self,
        tag: str,
        what: str = "look",
        session: int | None = None,
        namespace: str = "/",
        args: Any = (),
    ) -> Notes:
        """See `ServerBeside`."""
        fields = {"tag": tag, "session": session, "namespace": namespace, "args": list(args)}
        answer: asyncio.Future[Notes] = asyncio.get_running_loop().create_future()
        self._answers.append(answer)
        self._stdin.write(json.dumps({"what": what, **fields}).encode() + b"\n")
        return await answer

    async def _read(self) -> None:
        """Answers come in the order of the commands; many are under way at a time."""
        while line := await self._stdout.readline():
            answer = self._answers.popleft()
            if not answer.cancelled():
                answer.set_result(json.loads(line))


class _Client:
    """What is known under one tag."""

    def __init__(self) -> None:
        self.sessions: list[ServerSession] = []
        self.notes: Notes = {"log": [], "ends": []}


class Ours:
    """A server of ours in this loop."""

    def __init__(self, front: str) -> None:
        self.name = front
        self.port = 0
        self._stack = AsyncExitStack()
        self._clients: dict[str, _Client] = {}
        self._io = io = Server(
            allow_eio3=True,
            ping_interval=LONG,
            upgrade_timeout=LONG,
            max_payload=MAX_PAYLOAD,
        )
        for namespace in (io, io.of("/chat"), io.of("/later")):
            namespace.on("connection", self._serve)
        io.of(re.compile(r"/dyn-\d")).on("connection", self._serve)
        io.of("/no").use(_refuse)
        io.of("/later").use(_wait)
        self._open = io.engine.session_handler
        io.engine.session_handler = self._opened

    async def __aenter__(self) -> Self:
        """Start it."""
        url = await self._stack.enter_async_context(serving(self._io, self.name))
        self.port = urlsplit(url).port or 0
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        frames: TracebackType | None,
    ) -> None:
        """End it."""
        for session in list(self._io.engine.sessions.values()):
            session.discard()
        await self._stack.aclose()

    def _client(self, tag: str) -> _Client:
        return self._clients.setdefault(tag, _Client())

    def _opened(self, session: ServerSession) -> None:
        client = self._client(session.request.query.get("tag", ""))
        number, ends = len(client.sessions), client.notes["ends"]
        client.sessions.append(session)
        self._open(session)
        session.on("upgrade", lambda transport: ends.append([number, "upgrade"]))
        session.on("close", lambda reason: ends.append([number, "close", str(reason)]))

    def _serve(self, socket: Socket) -> None:
        tag = socket.handshake.query.get("tag", "")
        client, name = self._client(tag), socket.namespace.name
        log, session = client.notes["log"], client.sessions.index(socket.conn)
        log.append([session, "connect", name, _packed(socket.handshake.auth)])
        socket.on(
            "disconnect", lambda reason: log.append([session, "disconnect", name, str(reason)])
        )
        socket.on("error", lambda error: log.append([session, "error", name, str(error)]))
        socket.on_any(
            lambda event, *args: log.append([session, "event", name, event, _packed(args)])
        )

        def on(event: str, handler: Callable[..., Any]) -> None:
            socket.on(event, lambda *args: handler(*args) or ())

        on("echo", lambda *args: socket.emit("echo", *args))
        on("ack", lambda *args: args)

        def twice(*args: Any) -> None:
            socket.emit("one", 1)
            socket.emit("two", b"\x02")

        on("twice", twice)
        on("everybody", lambda *args: socket.namespace.to(f"room {tag}").emit("all", name))
        on("join", lambda *args: socket.join(f"room {tag}"))
        on("leave", lambda *args: socket.disconnect())
        on("drop", lambda *args: socket.disconnect(close=True))
        on("end", lambda *args: socket.conn.close())

    async def command(
        self,
        tag: str,
        what: str = "look",
        session: int | None = None,
        namespace: str = "/",
        args: Any = (),
    ) -> Notes:
        """See `ServerBeside`."""
        client = self._client(tag)
        if what != "look":
            self._do(client, what, session or 0, namespace, args)
        for _ in range(TURNS):
            await asyncio.sleep(0)
        notes = {name: list(noted) for name, noted in client.notes.items()}
        for noted in client.notes.values():
            noted.clear()
        return notes

    def _do(self, client: _Client, what: str, session: int, namespace: str, args: Any) -> None:
        conn = client.sessions[session] if session < len(client.sessions) else None
        if what == "end":
            if conn is not None:
                conn.close()
            return
        here = self._io._namespaces.get(namespace)
        socket = next((s for s in here.sockets.values() if s.conn is conn), None) if here else None
        log = client.notes["log"]
        if socket is None:
            log.append([session, "nobody"])
        elif what == "emit":
            socket.emit(*args)
        elif what == "bytes":
            socket.emit("bytes", b"\x01\x02\xff", *args)
        elif what == "ask":
            note = lambda *answer: log.append([session, "answer", _packed(answer)])  # noqa: E731
            socket.emit("ask", *args, ack=note)
        elif what == "leave":
            socket.disconnect()
        elif what == "drop":
            socket.disconnect(close=True)


def _refuse(socket: Socket) -> None:
    raise ConnectError("no", data={"code": 1})


async def _wait(socket: Socket) -> None:
    await asyncio.sleep(0)


def _packed(value: Any) -> Any:
    """Values as `servers/beside.cjs` notes them."""
    if isinstance(value, bytes):
        return {"$bytes": value.hex()}
    if isinstance(value, (list, tuple)):
        return [_packed(item) for item in value]
    if isinstance(value, dict):
        return {key: _packed(item) for key, item in value.items()}
    return value
