"""Any bytes, in any segments, to the listener of a server that echoes (docs/security.md, row Z2).

Nothing may come out of the protocol, no line of level ERROR into the log; what is answered is HTTP
and, after a 101, whole frames; with its connections gone and some time passed, a client has left no
session, no socket, no connection and no task.
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any, Final, Self

from fuzz.stream import FakeTcp, Problems, ScriptLoop, read_script, turns
from sockwave import Cookie, Cors, Deflate, Limits, Server
from sockwave.codec.deflate import agree
from sockwave.codec.message_reader import MessageReader
from sockwave.engine.server.fronts.listener import HttpConnection

if TYPE_CHECKING:
    from sockwave import Socket
    from sockwave.codec.deflate import PerMessageDeflate

__all__ = ["ListenerTarget"]

_MAX_ROUNDS: Final = 12
_HEAD: Final = re.compile(
    rb"HTTP/1\.1 (\d{3}) [ -~]*\r\n((?:[!-9;-~]+: [\t -~\x80-\xff]*\r\n)*)\r\n"
)
_STATUSES: Final = frozenset(
    {*(100, 101, 200, 204, 304, 400, 403, 404, 405, 408, 413, 414, 415, 431), *(500, 505)}
)
"""500 is the reference's answer to a method other than GET and POST on a session."""


def _server() -> Server:
    io = Server(
        allow_eio3=True,
        per_message_deflate=Deflate(threshold=20),
        cors=Cors(origin=["https://a.example"]),
        cookie=Cookie(name="io"),
        connection_state_recovery=True,
        cleanup_empty_child_namespaces=True,
        trusted_proxies=["192.0.2.1"],
        max_payload=4_000,
        max_backlog=20_000,
        limits=Limits(head_bytes=2_000, target_bytes=500, head_count=30),
    )
    for namespace in (io.of("/"), io.of("/admin"), io.of(re.compile(r"/dynamic-\d+"))):
        namespace.on("connection", _connected)
    return io


def _connected(socket: Socket) -> None:
    def echo(*args: Any) -> Any:
        socket.emit("echoed", *args)
        return args

    async def later(*args: Any) -> Any:
        await asyncio.sleep(0)
        return args

    def join(*rooms: Any) -> None:
        socket.join([room for room in rooms if isinstance(room, str) and room])
        socket.to("a").emit("joined", *rooms)

    def ask(*args: Any) -> None:
        socket.timeout(1.0).emit("question", *args, ack=lambda *_: None)

    def flood(*args: Any) -> None:
        for _ in range(30):
            socket.emit("flood", "x" * 300)
        socket.volatile.emit("flood", *args)

    def leave(*args: Any) -> None:
        socket.disconnect(close=bool(args))

    for name, handler in {
        "echo": echo,
        "later": later,
        "join": join,
        "ask": ask,
        "flood": flood,
        "leave": leave,
    }.items():
        socket.on(name, handler)


class ListenerTarget:
    """One server for all inputs: what they leave behind would be seen in the next one too."""

    def __init__(self) -> None:
        self._loop = ScriptLoop()
        asyncio.set_event_loop(self._loop)
        self._problems = Problems(self._loop)
        self._io = _server()
        self._io.engine.driver.bind(self._loop)

    def __call__(self, data: bytes) -> None:
        """Play a script."""
        self._loop.run_until_complete(self._play(data))

    async def _play(self, data: bytes) -> None:
        connections: dict[str, FakeTcp] = {}
        tcp = self._connect(connections, "0")
        for letter, segments in read_script(data):
            await turns(2)
            if letter in "012":
                tcp = connections.get(letter) or self._connect(connections, letter)
            elif letter == "h":
                await self._loop.pass_time(30.0)
            else:
                tcp.obey(letter)
            for segment in segments:
                if b"@SID" in segment:
                    segment = segment.replace(b"@SID", self._last_sid())
                tcp.bring(segment)
        await turns(3)
        for tcp in connections.values():
            tcp.lose(None)
        await turns(3)
        await self._check_that_all_is_gone()
        for tcp in connections.values():
            check_answers(b"".join(tcp.written))
        self._problems.check()

    def _connect(self, connections: dict[str, FakeTcp], name: str) -> FakeTcp:
        protocol = HttpConnection(self._io.engine)
        tcp = connections[name] = FakeTcp(self._loop, protocol)
        protocol.connection_made(tcp)
        return tcp

    def _last_sid(self) -> bytes:
        sids = list(self._io.engine.sessions)
        return sids[-1].encode() if sids else b"unknown"

    async def _check_that_all_is_gone(self) -> None:
        """Sessions that poll end when no pong comes."""
        engine = self._io.engine
        for _ in range(_MAX_ROUNDS):
            if not engine.sessions:
                break
            await self._loop.pass_time(30.0)
        await turns(2)
        assert not engine.sessions, "a session is left"
        assert not engine.driver.connections, "a connection is left"
        assert not engine.driver.backlog, "bytes are counted for a session that has ended"
        sockets = [socket for space in self._io.namespaces.values() for socket in space.sockets]
        assert not sockets, "a socket is left"
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        assert not tasks, f"a task is left: {tasks}"


def check_answers(data: bytes) -> None:
    """Check that these are answers of HTTP, and after a 101 frames."""
    at = 0
    while at < len(data):
        head = _HEAD.match(data, at)
        assert head, f"no answer of HTTP: {data[at : at + 80]!r}"
        status, fields = int(head[1]), head[2].lower()
        assert status in _STATUSES, f"status {status}"
        at = head.end()
        if status == 101:
            check_frames(data[at:], fields)
            return
        length = re.search(rb"^content-length: (\d+)\r$", fields, re.MULTILINE)
        if length:
            # The answer to HEAD has the length only.
            at = min(at + int(length[1]), len(data)) if not data.startswith(b"HTTP", at) else at


def check_frames(data: bytes, fields: bytes) -> None:
    """Check that these are frames of a server."""
    extension = re.search(rb"^sec-websocket-extensions: (.*)\r$", fields, re.MULTILINE)
    deflate = agree(extension[1].decode(), Deflate()) if extension else None
    reader = _frames_reader(deflate)
    assert not reader.feed(data)


class _Ignored:
    @property
    def receiver(self) -> Self:
        """Of messages."""
        return self

    def text_received(self, data: bytes) -> None:
        """Must be text."""
        data.decode()

    def binary_received(self, data: bytes) -> None:
        """Anything."""

    ping_received = pong_received = binary_received

    def close_received(self, code: int, reason: str) -> None:
        """The reader has checked it."""


def _frames_reader(deflate: PerMessageDeflate | None) -> MessageReader:
    return MessageReader(_Ignored(), is_server=False, max_message=2**20, deflate=deflate)
