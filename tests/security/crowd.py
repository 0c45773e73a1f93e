"""Many connections of an attacker at once, each as light as it can be."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, Self, TypeVar

from sockwave.codec.message_reader import MessageReader
from sockwave.codec.websocket import Opcode, encode_close, encode_frame
from tests.security.settings import scaled
from tests.support.raw import RawWebSocket, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from tests.support.fronts import Wire

__all__ = ["CROWD_DEADLINE", "PollingMember", "Reader", "SocketMember", "TcpMember", "crowd"]

CROWD_DEADLINE: Final = scaled(200, 40)
"""Seconds for what a whole crowd waits for."""

_TOGETHER: Final = 100
"""Connections that are opened at a time."""

_WINDOW: Final = 4_096
"""Bytes that the kernel keeps for a member who does not read."""


class TcpMember(asyncio.Protocol):
    """One connection.

    Args:
        first: Bytes that it sends at once.

    Attributes:
        received: What has come.
        opened, ended: When the first packet went out and the last came in, on the monotonic clock;
            `ended` is None until then.
    """

    tcp: asyncio.Transport

    def __init__(self, first: bytes = b"") -> None:
        self.first = first
        self.received = bytearray()
        self.opened = 0.0
        self.ended: float | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is open."""
        self.tcp = transport  # type: ignore[assignment] # uvloop's is no asyncio.Transport
        self.tcp.write(self.first)

    def data_received(self, data: bytes) -> None:
        """Keep it."""
        self.received += data

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection has ended."""
        self.ended = time.monotonic()

    @property
    def age(self) -> float:
        """Seconds from the beginning to the end of the connection."""
        assert self.ended is not None
        return self.ended - self.opened


class SocketMember(TcpMember):
    """A session on a WebSocket; it answers pings of Engine.IO and the close of the WebSocket.

    Args:
        wire: To the server.
        packets: What it sends when the session is open.

    Attributes:
        handshake: Of the session; empty until it is open.
        packets: Text that has come behind the handshake, but for pings.
        code: Of the close frame that has come.
    """

    def __init__(self, wire: Wire, *packets: str) -> None:
        headers = RawWebSocket.request_headers(Host="test.example")
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        super().__init__(f"GET {wire.target('websocket')} HTTP/1.1\r\n{lines}\r\n".encode())
        self.handshake: dict[str, str] = {}
        self.packets: list[str] = []
        self.code: int | None = None
        self._sent_first = packets
        self._is_switched = False
        self._reader = MessageReader(self, is_server=False, max_message=2**24)

    def data_received(self, data: bytes) -> None:
        """Frames, once the head is there."""
        if not self._is_switched:
            self.received += data
            head, separator, data = bytes(self.received).partition(b"\r\n\r\n")
            if not separator:
                return
            assert head.startswith(b"HTTP/1.1 101 "), head
            self._is_switched = True
        self._reader.feed(data)

    def send(self, *packets: str) -> None:
        """Send packets, a frame each."""
        frames = [encode_frame(Opcode.TEXT, packet.encode(), mask=True) for packet in packets]
        self.tcp.write(b"".join(frames))

    @property
    def receiver(self) -> Self:
        """Of messages."""
        return self

    def text_received(self, data: bytes) -> None:
        """From the reader."""
        if not self.handshake:
            self.handshake = json.loads(data[1:])
            self.send(*self._sent_first)
        elif data == b"2":
            self.send("3")
        else:
            self.packets.append(data.decode())

    def binary_received(self, data: bytes) -> None:
        """From the reader."""
        raise AssertionError("nobody sends binary to a crowd")

    def ping_received(self, data: bytes) -> None:
        """A host asks whether the member lives."""
        self.tcp.write(encode_frame(Opcode.PONG, data, mask=True))

    def pong_received(self, data: bytes) -> None:
        """From the reader."""

    def close_received(self, code: int, reason: str) -> None:
        """Answer, and wait for the server to close."""
        self.code = int(code)
        self.tcp.write(encode_close(None if code == 1005 else code, mask=True))

    @property
    def socket_id(self) -> str:
        """The id in the first packet, which is the answer to a CONNECT to the main namespace."""
        id_: str = json.loads(self.packets[0].removeprefix("40"))["sid"]
        return id_


class Reader(SocketMember):
    """Reads what it gets as fast as it can: a stream of frames of one known size.

    Attributes:
        events: Frames that have come since `expect`.
    """

    _events: memoryview | None = None
    _size = 0
    events = 0

    def expect(self, events: bytes, size: int) -> None:
        """Everything from now on are these frames, in order and each of so many bytes."""
        self._events = memoryview(events)
        self._size = size
        self._rest = b""

    def data_received(self, data: bytes) -> None:
        """Compare with what is expected; pings stand between frames."""
        if self._events is None:
            super().data_received(data)
            return
        data = self._rest + data
        view, at, size = memoryview(data), 0, self._size
        while len(data) - at >= 3:
            if data[at : at + 3] == b"\x81\x012":
                self.send("3")
                at += 3
                continue
            if len(data) - at < size:
                break
            begin = self.events * size
            assert view[at : at + size] == self._events[begin : begin + size]
            self.events += 1
            at += size
        self._rest = data[at:]


class PollingMember(TcpMember):
    """A session that polls on a single connection, and answers pings.

    Attributes:
        sid: Of the session; empty until it is open.
        packets: What has come behind the handshake, but for pings.
        status: Of the last answer.
    """

    def __init__(self, wire: Wire) -> None:
        self._target = wire.target()
        super().__init__(self._request("GET", self._target))
        self.sid = ""
        self.packets: list[str] = []
        self.status = 0

    @staticmethod
    def _request(method: str, target: str, body: str = "") -> bytes:
        length = f"Content-Length: {len(body)}\r\n" if method == "POST" else ""
        return f"{method} {target} HTTP/1.1\r\nHost: test.example\r\n{length}\r\n{body}".encode()

    def data_received(self, data: bytes) -> None:
        """Take answers apart, and poll on."""
        self.received += data
        while (end := self.received.find(b"\r\n\r\n")) >= 0:
            head = bytes(self.received[:end]).decode().lower()
            size = int(re.search(r"content-length: (\d+)", head)[1])  # type: ignore[index]
            if len(self.received) < end + 4 + size:
                return
            body = bytes(self.received[end + 4 : end + 4 + size]).decode()
            del self.received[: end + 4 + size]
            self._answered(int(head.split(" ")[1]), body)

    def _answered(self, status: int, body: str) -> None:
        self.status = status
        if status != 200 or body == "ok":
            return
        if not self.sid:
            self.sid = json.loads(body.split("\x1e")[0][1:])["sid"]
            self._target += f"&sid={self.sid}"
            self.poll()
            return
        for packet in body.split("\x1e"):
            if packet == "2":
                self.tcp.write(self._request("POST", self._target, "3"))
            else:
                self.packets.append(packet)
        self.poll()

    def poll(self) -> None:
        """Ask for packets."""
        self.tcp.write(self._request("GET", self._target))


Member = TypeVar("Member", bound=TcpMember)


@asynccontextmanager
async def crowd(
    wire: Wire, members: Sequence[Member], *, reads: bool = True, port: int | None = None
) -> AsyncIterator[Sequence[Member]]:
    """Open the connections of all members; cut those that are left at the end.

    Args:
        reads: False leaves them a receive buffer as small as the kernel allows, for members that
            are going to stop reading.
        port: Another one than that of the wire.
    """
    address = (wire.host, port or wire.port)
    connected: list[TcpMember] = []

    async def connect(member: Member) -> None:
        sock = socket.socket()
        sock.setblocking(False)
        if not reads:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _WINDOW)
        loop = asyncio.get_running_loop()
        member.opened = time.monotonic()
        await loop.sock_connect(sock, address)
        await loop.create_connection(lambda: member, sock=sock)
        connected.append(member)

    try:
        for at in range(0, len(members), _TOGETHER):
            await asyncio.gather(*map(connect, members[at : at + _TOGETHER]))
        yield members
    finally:
        for member in connected:
            member.tcp.abort()
        await until(lambda: all(member.ended is not None for member in connected))
