"""A server that attacks its clients: raw bytes over either transport, and nothing of ours but the
codec of its frames."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from sockwave.codec.websocket import accept_key, server_frame
from tests.security.ways import SLICED
from tests.support.raw import DEADLINE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

__all__ = ["ACCEPTED", "Hostile", "close_codes", "opening"]

ACCEPTED: Final = b'40{"sid":"s"}'
"""Lets the client into the main namespace."""

_CLOSE: Final = 0x88
"""First byte of a close frame."""

_HANDSHAKE: Final = {
    "sid": "abc",
    "upgrades": [],
    "pingInterval": 10_000,
    "pingTimeout": 5_000,
    "maxPayload": 1_000_000,
}


def opening(**changes: Any) -> bytes:
    """An OPEN packet; None leaves a key out."""
    body = {**_HANDSHAKE, **changes}
    return b"0" + json.dumps({key: body[key] for key in body if body[key] is not None}).encode()


class Hostile:
    """Serves sessions that all begin with the same packets, and end as the client likes.

    Args:
        transport: Which one it speaks.
        packets: Engine.IO packets behind OPEN: text with its type digit; tuples of one item are
            binary messages.
        open_with: The OPEN packet.
        raw: Bytes behind the packets: frames as they are, or the whole body of the next poll.
        answer: Bytes to every request instead of all this, before the connection is cut.
        then_silent: Leave the connection open after them.
        is_sliced: Send the frames of a WebSocket one byte a segment, as far as `SLICED`.

    Attributes:
        answer: As given.
        heads: Of all requests so far.
        bodies: Of all POSTs so far.
        sessions: When each session was asked for, in seconds of the loop's kind of clock.
        received: What came from clients behind the handshake of a WebSocket.
        pending: Bytes that were not yet sent, by the latest connection that attacks.
    """

    def __init__(
        self,
        transport: str,
        packets: Sequence[bytes | tuple[bytes]] = (),
        *,
        open_with: bytes | None = None,
        raw: bytes | None = None,
        answer: bytes | None = None,
        then_silent: bool = False,
        is_sliced: bool = False,
    ) -> None:
        self.transport = transport
        self.heads: list[str] = []
        self.bodies: list[bytes] = []
        self.sessions: list[float] = []
        self.received = bytearray()
        self._open = opening() if open_with is None else open_with
        self._packets = list(packets)
        self._raw = raw
        self.answer = answer
        self._then_silent = then_silent
        self._is_sliced = is_sliced
        self._polls = 0
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._writer: asyncio.StreamWriter | None = None

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[str]:
        """Listen until the block ends; gives the URL."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        try:
            yield f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        finally:
            self._server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def pending(self) -> int:
        """See the class."""
        return 0 if self._writer is None else self._writer.transport.get_write_buffer_size()

    async def asked(self, times: int, seconds: float = DEADLINE) -> None:
        """Wait until so many sessions were asked for."""
        async with asyncio.timeout(seconds):
            while len(self.sessions) < times:
                await asyncio.sleep(0.002)

    # --- private ----------------------------------------------------------------------------------

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._serve(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # asyncio reports a cancelled connection as an error
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            self.heads.append(head)
            if "sid=" not in head.partition("\r\n")[0]:
                self.sessions.append(time.monotonic())
            if self.answer is not None:
                writer.write(self.answer)
                await writer.drain()
                while self._then_silent and await reader.read(65_536):
                    pass
                return
            if self.transport == "websocket":
                await self._attack_by_frames(head, reader, writer)
                return
            await self._answer_request(head, reader, writer)

    async def _attack_by_frames(
        self, head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        accept = accept_key(_field(head, "Sec-WebSocket-Key").encode()).decode()
        writer.write(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept}\r\n\r\n".encode()
        )
        self._writer = writer
        frames = [
            server_frame(packet[0], binary=True)
            if isinstance(packet, tuple)
            else server_frame(packet)
            for packet in (self._open, *self._packets)
        ]
        frames.append(self._raw or b"")
        if self._is_sliced:
            await _write_sliced(writer, b"".join(frames))
        else:
            writer.writelines(frames)
        while data := await reader.read(65_536):
            self.received += data
            if close_codes(self.received):
                return

    async def _answer_request(
        self, head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if head.startswith("POST"):
            self.bodies.append(await reader.readexactly(int(_field(head, "Content-Length"))))
            _respond(writer, b"ok")
        elif "sid=" not in head.partition("\r\n")[0]:
            self._polls = 0
            _respond(writer, self._open)
        else:
            self._polls += 1
            bodies = [b"\x1e".join(map(_in_payload, self._packets))] if self._packets else []
            if self._raw is not None:
                bodies.append(self._raw)
            if self._polls > len(bodies):
                await asyncio.Event().wait()
            self._writer = writer
            _respond(writer, bodies[self._polls - 1])


async def _write_sliced(writer: asyncio.StreamWriter, data: bytes) -> None:
    for at in range(min(len(data), SLICED)):
        writer.write(data[at : at + 1])
        await asyncio.sleep(0)
    writer.write(data[SLICED:])


def close_codes(data: bytes | bytearray) -> set[int]:
    """Codes of the close frames, 1005 for an empty one, among frames of a client, all short."""
    codes = set()
    while len(data) >= 6:
        size = data[1] & 0x7F
        payload = bytes(b ^ data[2 + at % 4] for at, b in enumerate(data[6 : 6 + size]))
        if data[0] == _CLOSE:
            codes.add(int.from_bytes(payload[:2], "big") if payload else 1005)
        data = data[6 + size :]
    return codes


def _field(head: str, name: str) -> str:
    found = re.search(rf"^{name}: (.*)\r$", head, re.MULTILINE | re.IGNORECASE)
    assert found is not None, head
    return found[1]


def _in_payload(packet: bytes | tuple[bytes]) -> bytes:
    if isinstance(packet, bytes):
        return packet
    return b"b" + base64.b64encode(packet[0])


def _respond(writer: asyncio.StreamWriter, body: bytes) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body))
    writer.write(body)
