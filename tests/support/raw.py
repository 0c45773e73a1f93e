"""A client that knows nothing of Sockwave but the codec of its frames: bytes out, bytes in.

Every read has a deadline, so that a server which stays silent fails a test and hangs nothing.
"""

from __future__ import annotations

import asyncio
import base64
import inspect
import json
import os
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, Self

from sockwave.codec.message_reader import MessageReader
from sockwave.codec.websocket import Opcode, accept_key, encode_close, encode_frame
from tests.support.yardstick import delay

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from sockwave.codec.deflate import PerMessageDeflate

__all__ = [
    "DEADLINE",
    "UNIT",
    "Closed",
    "Peer",
    "PollingPeer",
    "RawHttp",
    "RawWebSocket",
    "Reply",
    "WebSocketPeer",
    "polling_packet",
    "until",
    "within",
]

UNIT: Final = 0.05 * float(os.environ.get("SOCKWAVE_TIME_SCALE") or delay())
"""Seconds: what all intervals of these tests are multiples of; longer on a slow or busy machine."""

DEADLINE: Final = max(40.0, 100 * UNIT)
"""Seconds for anything that should come at once: a machine may have other things to do."""

_BIG: Final = 2**26


async def within(awaitable: Awaitable[Any], seconds: float = DEADLINE) -> Any:
    """Wait for what must come in time."""
    async with asyncio.timeout(seconds):
        return await awaitable


async def until(condition: Callable[[], object], seconds: float = DEADLINE) -> None:
    """Wait for something inside the server that no wire shows."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.002)


def stack_depth() -> int:
    """How many calls stand one inside the other."""
    depth, frame = 0, inspect.currentframe()
    while frame is not None:
        depth, frame = depth + 1, frame.f_back
    return depth


class Reply(NamedTuple):
    """An HTTP response."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def text(self) -> str:
        """The body."""
        return self.body.decode()

    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)

    def header(self, name: str) -> str | None:
        """Values of a header, joined."""
        values = [value for key, value in self.headers if key == name.lower()]
        return ", ".join(values) if values else None


class RawHttp:
    """One TCP connection that speaks HTTP/1.1."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self._methods: deque[str] = deque()

    @classmethod
    async def connect(cls, host: str, port: int) -> RawHttp:
        """Open a connection."""
        return cls(*await within(asyncio.open_connection(host, port, limit=_BIG)))

    def write(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.writer.write(data)

    def send(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> None:
        """Send a request; `read` gets its answer."""
        lines = {"Host": "test.example", **(headers or {})}
        if body is not None and "Transfer-Encoding" not in lines:
            lines.setdefault("Content-Length", str(len(body)))
        head = f"{method} {target} HTTP/1.1\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        self._methods.append(method)
        self.write(head.encode("latin-1") + b"\r\n" + (body or b""))

    async def read(self) -> Reply:
        """The next answer."""
        return await within(self._read())  # type: ignore[no-any-return]

    async def request(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Reply:
        """Send a request and read its answer."""
        self.send(method, target, headers, body)
        return await self.read()

    async def get(self, target: str, **headers: str) -> Reply:
        """GET; underscores in names of headers stand for hyphens."""
        return await self.request("GET", target, _headers(headers))

    async def post(self, target: str, body: bytes | str, **headers: str) -> Reply:
        """POST."""
        data = body.encode() if isinstance(body, str) else body
        return await self.request("POST", target, _headers(headers), data)

    async def _read(self) -> Reply:
        head = await self.reader.readuntil(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
        status = int(first.split(" ")[1])
        fields = [line.partition(":")[::2] for line in lines]
        reply = Reply(status, [(name.lower(), value.strip()) for name, value in fields], b"")
        if status == 100:
            return reply
        method = self._methods.popleft() if self._methods else "GET"
        if method == "HEAD" or status in (101, 204, 304):
            return reply
        return reply._replace(body=await self._read_body(reply))

    async def _read_body(self, reply: Reply) -> bytes:
        if reply.header("transfer-encoding") == "chunked":
            body = b""
            while size := int(await self.reader.readline(), 16):
                body += await self.reader.readexactly(size)
                await self.reader.readline()
            await self.reader.readline()
            return body
        length = reply.header("content-length")
        if length is not None:
            return await self.reader.readexactly(int(length))
        return await self.reader.read()

    async def is_closed(self, seconds: float = DEADLINE) -> bool:
        """Wait for the end of the connection; what comes before it is dropped."""
        with suppress(ConnectionError):
            async with asyncio.timeout(seconds):
                while await self.reader.read(65536):
                    pass
        return True

    async def close(self) -> None:
        """Close the connection."""
        self.writer.close()
        with suppress(OSError):
            await within(self.writer.wait_closed())

    def reset(self) -> None:
        """Drop the connection without a goodbye."""
        self.writer.transport.abort()


def _headers(keywords: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in keywords.items()}


class Closed(NamedTuple):
    """The end of a WebSocket: its close code, 1005 for an empty frame, 1006 for none."""

    code: int
    reason: str = ""


class RawWebSocket:
    """A WebSocket, as a client, over a connection whose handshake is done."""

    def __init__(self, http: RawHttp, deflate: PerMessageDeflate | None = None) -> None:
        self.http = http
        self.answers_close = True
        self._messages: deque[str | bytes | Closed] = deque()
        self._reader = MessageReader(self, is_server=False, max_message=_BIG, deflate=deflate)
        self.pongs: list[bytes] = []
        self.raw = bytearray()

    @staticmethod
    def request_headers(**more: str) -> dict[str, str]:
        """Headers of an upgrade."""
        return {
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
            **_headers(more),
        }

    def send(self, message: str | bytes) -> None:
        """Send a message in one frame."""
        if isinstance(message, str):
            self.frame(Opcode.TEXT, message.encode())
        else:
            self.frame(Opcode.BINARY, message)

    def frame(self, opcode: int, payload: bytes, *, fin: bool = True, rsv1: bool = False) -> None:
        """Send a frame."""
        self.http.write(encode_frame(opcode, payload, fin=fin, rsv1=rsv1, mask=True))

    async def receive(self) -> str | bytes | Closed:
        """The next message, or the end."""
        return await within(self._receive())  # type: ignore[no-any-return]

    async def receive_text(self) -> str:
        """The next message, which must be text."""
        message = await self.receive()
        assert isinstance(message, str), message
        return message

    async def closed(self) -> Closed:
        """Skip to the end."""
        while not isinstance(message := await self.receive(), Closed):
            pass
        return message

    async def _receive(self) -> str | bytes | Closed:
        while not self._messages:
            await self.read_more()
        return self._messages.popleft()

    async def read_more(self) -> None:
        """Read what comes next, whatever it is."""
        try:
            data = await self.http.reader.read(65536)
        except ConnectionError:
            data = b""
        if data:
            self.raw += data
            self._reader.feed(data)
        else:
            self._messages.append(Closed(1006))

    async def close(self, code: int | None = None) -> None:
        """Say goodbye, and wait for the server's."""
        self.answers_close = False
        self.http.write(encode_close(code, mask=True))
        await self.closed()
        await self.http.close()

    @property
    def receiver(self) -> Self:
        """Of messages."""
        return self

    def text_received(self, data: bytes) -> None:
        """From the reader."""
        self._messages.append(data.decode())

    def binary_received(self, data: bytes) -> None:
        """From the reader."""
        self._messages.append(data)

    def ping_received(self, data: bytes) -> None:
        """From the reader."""
        raise AssertionError("a ping of WebSocket from the server")

    def pong_received(self, data: bytes) -> None:
        """From the reader."""
        self.pongs.append(data)

    def close_received(self, code: int, reason: str) -> None:
        """From the reader."""
        self._messages.append(Closed(int(code), reason))
        if self.answers_close:
            self.http.write(encode_close(None if code == 1005 else code, mask=True))


def check_switched(reply: Reply, headers: Mapping[str, str]) -> None:
    """Assert that this is a correct 101."""
    assert reply.status == 101, reply
    assert (reply.header("upgrade") or "").lower() == "websocket"
    assert (reply.header("connection") or "").lower() == "upgrade"
    key = headers["Sec-WebSocket-Key"].encode()
    assert reply.header("sec-websocket-accept") == accept_key(key).decode()


class Peer(Protocol):
    """A client of Engine.IO, on whatever transport."""

    sid: str
    handshake: dict[str, Any]

    async def send(self, *packets: str | bytes) -> None:
        """Send packets: text with its type digit, or bytes as a binary message."""

    async def receive(self) -> str | bytes:
        """The next packet, heartbeats left out; fails when the session is over."""

    async def ended(self) -> Any:
        """Wait for the end of the session, and see that it is the end."""

    async def connect(self, namespace: str = "/", auth: Any = None) -> str:
        """CONNECT to a namespace; the reply."""


class _SocketIo:
    """What both peers share: a little Socket.IO."""

    async def send(self, *packets: str | bytes) -> None:
        raise NotImplementedError

    async def receive(self) -> str | bytes:
        raise NotImplementedError

    async def connect(self, namespace: str = "/", auth: Any = None) -> str:
        """CONNECT to a namespace; the reply."""
        name = "" if namespace == "/" else f"{namespace},"
        await self.send(f"40{name}{json.dumps(auth) if auth is not None else ''}")
        reply = await self.receive()
        assert isinstance(reply, str) and reply.startswith((f"40{name}", f"44{name}")), reply
        return reply


class PollingPeer(_SocketIo):
    """A session over polling: one connection for GETs, one for POSTs."""

    def __init__(self, gets: RawHttp, posts: RawHttp, target: str, first: Reply) -> None:
        packets = first.text.split("\x1e")
        self.gets = gets
        self.posts = posts
        self.handshake: dict[str, Any] = json.loads(packets[0].removeprefix("0"))
        self.sid: str = self.handshake["sid"]
        self.target = f"{target}&sid={self.sid}"
        self._sending = asyncio.Lock()
        self._packets: deque[str | bytes] = deque(packets[1:])

    async def send(self, *packets: str | bytes) -> None:
        """Send packets in one POST; a pong may be on its way for who waits for packets."""
        async with self._sending:
            reply = await self.post("\x1e".join(map(polling_packet, packets)))
        assert (reply.status, reply.body) == (200, b"ok"), reply

    async def post(self, body: str | bytes, **headers: str) -> Reply:
        """POST anything."""
        return await self.posts.post(self.target, body, **headers)

    async def poll(self) -> Reply:
        """GET once."""
        return await self.gets.get(self.target)

    async def receive(self) -> str | bytes:
        """The next packet."""
        while True:
            while self._packets:
                packet = self._packets.popleft()
                if packet == "2":
                    await self.send("3")
                elif packet != "6":
                    return packet
            reply = await self.poll()
            assert reply.status == 200, reply
            self._packets += [_packet(text) for text in reply.text.split("\x1e")]

    async def ended(self) -> None:
        """Poll until the end; then the id is unknown, or the connection over."""
        while (reply := await self.poll()).status == 200:
            if reply.header("connection") == "close":
                assert reply.text.split("\x1e")[-1] == "1"
                return
        assert reply.json() == {"code": 1, "message": "Session ID unknown"}


def polling_packet(packet: str | bytes) -> str:
    """A packet as it stands in a body of polling."""
    return packet if isinstance(packet, str) else f"b{base64.b64encode(packet).decode()}"


def _packet(text: str) -> str | bytes:
    return base64.b64decode(text[1:], validate=True) if text.startswith("b") else text


class WebSocketPeer(_SocketIo):
    """A session over a WebSocket."""

    def __init__(self, websocket: RawWebSocket, first: str) -> None:
        self.websocket = websocket
        self.handshake: dict[str, Any] = json.loads(first.removeprefix("0"))
        self.sid: str = self.handshake["sid"]

    async def send(self, *packets: str | bytes) -> None:
        """Send packets, a frame each."""
        for packet in packets:
            self.websocket.send(packet)
        await within(self.websocket.http.writer.drain())

    async def receive(self) -> str | bytes:
        """The next packet."""
        while True:
            packet = await self.websocket.receive()
            assert not isinstance(packet, Closed), packet
            if packet == "2":
                self.websocket.send("3")
            else:
                return packet

    async def ping(self) -> None:
        """Ping the WebSocket and wait for the pong: by then the server has read all before it."""
        before = len(self.websocket.pongs)
        self.websocket.frame(Opcode.PING, b"")
        async with asyncio.timeout(DEADLINE):
            while len(self.websocket.pongs) == before:
                await self.websocket.read_more()

    async def ended(self) -> Closed:
        """Wait for the close frame and the end of the connection."""
        closed = await self.websocket.closed()
        await self.websocket.http.is_closed()
        return closed
