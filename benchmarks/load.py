"""Clients for the benchmark: raw Socket.IO on asyncio protocols, as cheap as Python allows.

Their own cost does not matter: what is measured is the processor time of the server.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING, Any, Final

from sockwave.codec.websocket import encode_frame

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["BareClient", "PollingClient", "WebSocketClient", "leave_all"]

UPGRADE = (
    b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    b"Sec-WebSocket-Version: 13\r\n\r\n"
)


_open: Final[set[WebSocketClient | PollingClient]] = set()
"""All that have not left."""


class WebSocketClient(asyncio.Protocol):
    """A client in the main namespace; counts messages and tells `on_messages` how many came."""

    transport: Any

    def __init__(self) -> None:
        self.ready = asyncio.get_running_loop().create_future()
        self._ended = asyncio.Event()
        _open.add(self)
        self.on_messages: Callable[[int], None] | None = None
        self.answers: list[asyncio.Future[Any]] = []
        self._buffer = b""
        self._is_open = False

    @classmethod
    async def connect(cls, port: int, **options: Any) -> WebSocketClient:
        """Connect and join the main namespace; options are those of `create_connection`."""
        loop = asyncio.get_running_loop()
        _, client = await loop.create_connection(cls, "127.0.0.1", port, **options)
        await client.ready
        return client

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the upgrade."""
        self.transport = transport
        self.transport.write(UPGRADE)

    def data_received(self, data: bytes) -> None:
        """Read frames of the server."""
        data = self._buffer + data
        at = 0
        if not self._is_open:
            end = data.find(b"\r\n\r\n")
            if end < 0:
                self._buffer = data
                return
            at = end + 4
            self._is_open = True
            self.send(b"40")
        messages = 0
        while len(data) - at >= 2:
            length, head = data[at + 1], 2
            if length == 126:
                length, head = int.from_bytes(data[at + 2 : at + 4], "big"), 4
            if len(data) - at < head + length:
                break
            payload = data[at + head : at + head + length]
            at += head + length
            if payload[:2] == b"42" or payload[:3] == b"431":
                messages += 1
            elif payload[:2] == b"43":
                self.answers.pop(0).set_result(json.loads(payload[payload.index(b"[") :])[0])
            elif payload == b"2":
                self.send(b"3")
            elif payload[:2] == b"40":
                if not self.ready.done():
                    self.ready.set_result(None)
        self._buffer = data[at:]
        if messages and self.on_messages is not None:
            self.on_messages(messages)

    def connection_lost(self, exc: Exception | None) -> None:
        """The server has closed: the benchmark cannot go on."""
        if not self.ready.done():
            self.ready.set_exception(ConnectionError("closed by the server"))
        self._ended.set()
        _open.discard(self)

    @property
    def has_connection(self) -> bool:
        """Whether it was connected ever."""
        return hasattr(self, "transport")

    async def leave(self) -> None:
        """Cut the connection, and wait until it is gone."""
        self.transport.abort()
        await self._ended.wait()

    def send(self, packet: bytes) -> None:
        """Send a text packet."""
        self.transport.write(encode_frame(1, packet, mask=True))

    async def ask(self, event: str) -> Any:
        """Emit with an ack and wait for it."""
        answer = asyncio.get_running_loop().create_future()
        self.answers.append(answer)
        self.send(b'420["%b"]' % event.encode())
        return await answer


class PollingClient:
    """A client by long-polling, one connection for both directions."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._query = b"EIO=4&transport=polling"
        self.sid = ""
        _open.add(self)

    @classmethod
    async def connect(cls, port: int, **options: Any) -> PollingClient:
        """Connect and join the main namespace; options are those of `create_connection`."""
        client = await cls.open(port, **options)
        await client.post(b"40")
        await client.get()
        return client

    @classmethod
    async def open(cls, port: int, **options: Any) -> PollingClient:
        """Connect and open a session, in no namespace."""
        client = cls(*await asyncio.open_connection("127.0.0.1", port, **options))
        body = await client.get()
        client.sid = json.loads(body[1:])["sid"]
        client._query += b"&sid=" + client.sid.encode()
        return client

    def on_connection_of(self, other: PollingClient) -> PollingClient:
        """The same session, whose requests go over the connection of another one."""
        client = PollingClient(other._reader, other._writer)
        client.sid, client._query = self.sid, self._query
        return client

    async def get(self) -> bytes:
        """Poll."""
        self.begin_poll()
        return await self._response()

    def begin_poll(self) -> None:
        """Poll without waiting for the answer."""
        self._writer.write(b"GET /socket.io/?%b HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" % self._query)

    async def post(self, body: bytes) -> bytes:
        """Push packets."""
        self._writer.write(
            b"POST /socket.io/?%b HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            b"Content-Type: text/plain;charset=UTF-8\r\nContent-Length: %d\r\n\r\n%b"
            % (self._query, len(body), body)
        )
        return await self._response()

    async def _response(self) -> bytes:
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        if b"\r\ntransfer-encoding: chunked\r\n" in head:
            return await self._chunks()
        length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
        return await self._reader.readexactly(length)

    async def _chunks(self) -> bytes:
        body = b""
        while length := int(await self._reader.readline(), 16):
            body += (await self._reader.readexactly(length + 2))[:-2]
        await self._reader.readexactly(2)
        return body

    async def leave(self) -> None:
        """Drop the connection, and wait until it is gone."""
        _open.discard(self)
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()


async def leave_all() -> None:
    """End what a piece of work that was broken off has left: loops wait for open connections."""
    for client in list(_open):
        if isinstance(client, PollingClient) or client.has_connection:
            await client.leave()
    _open.clear()


class BareClient(asyncio.Protocol):
    """A client of the yardstick: sends bytes, counts what comes back."""

    def __init__(self) -> None:
        self.on_bytes: Callable[[bytes], None] | None = None

    @classmethod
    async def connect(cls, port: int) -> BareClient:
        """Connect."""
        loop = asyncio.get_running_loop()
        _, client = await loop.create_connection(cls, "127.0.0.1", port)
        return client

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport: Any = transport

    def data_received(self, data: bytes) -> None:
        """Pass on."""
        if self.on_bytes is not None:
            self.on_bytes(data)
