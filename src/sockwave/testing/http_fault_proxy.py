"""An HTTP proxy that does what proxies must not: repeats, loses, delays, and breaks WebSockets.

It buffers requests and answers as wholes, and sends each request over a connection of its own, so
the server sees a client whose address changes all the time.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from typing import TYPE_CHECKING, Any, Final, Literal

from sockwave.testing.fault_proxy import FaultProxy

if TYPE_CHECKING:
    from collections.abc import Coroutine

__all__ = ["HttpFaultProxy", "WebSocketFault"]

WebSocketFault = Literal["pass", "refuse", "hang", "mute"]
"""What becomes of a WebSocket: `pass`; `refuse`: the request is answered with 200; `hang`: not at
all; `mute`: it opens, and no frame ever arrives on either side."""

_LENGTH: Final = re.compile(rb"\r\ncontent-length:\s*(\d+)", re.IGNORECASE)
_CONNECTION: Final = re.compile(rb"\r\nconnection:[^\r]*", re.IGNORECASE)
_UPGRADE: Final = re.compile(rb"\r\nupgrade:", re.IGNORECASE)
_CHUNK: Final = 65_536


class HttpFaultProxy(FaultProxy):
    """Forwards HTTP requests to a server, and spoils them when told to.

    The faults of `FaultProxy` apply to WebSockets that pass, and `down` and `up` to everything.

    Attributes:
        answer_delay: Seconds by which answers come later.
        repeats: Method of the requests that are sent twice; the client gets the latter answer.
        repeats_at_once: Send them at the same time, else one after the other.
        websockets: See `WebSocketFault`.
        requests: How many have come, by method; `UPGRADE` for WebSockets.
    """

    def __init__(self, host: str, port: int, *, seed: int = 0) -> None:
        super().__init__(host, port, seed=seed)
        self.answer_delay: float = 0.0
        self.repeats: str | None = None
        self.repeats_at_once = False
        self.websockets: WebSocketFault = "pass"
        self.requests: Counter[str] = Counter()
        self._losses: Counter[str] = Counter()

    def lose_answers(self, count: int = 1, method: str = "GET") -> None:
        """Cut the connection in place of the next answers to requests of a method."""
        self._losses[method] += count

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one request."""
        try:
            await self._serve(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if _UPGRADE.search(head):
            self.requests["UPGRADE"] += 1
            await self._serve_websocket(head, reader, writer)
        else:
            length = _LENGTH.search(head)
            body = await reader.readexactly(int(length[1])) if length else b""
            await self._serve_request(head, body, reader, writer)

    # --- requests ---------------------------------------------------------------------------------

    async def _serve_request(
        self, head: bytes, body: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        method = head.split(b" ", 1)[0].decode()
        self.requests[method] += 1
        request = _CONNECTION.sub(b"", head[:-4]) + b"\r\nConnection: close\r\n\r\n" + body
        answer = await self._unless_gone(self._answer(method, request), reader)
        if answer is None or self._losses[method] > 0:
            self._losses[method] -= answer is not None
            writer.transport.abort()
        else:
            writer.write(answer)
            await writer.drain()

    async def _answer(self, method: str, request: bytes) -> bytes:
        if method != self.repeats:
            answer = await self._ask(request)
        elif self.repeats_at_once:
            _, answer = await asyncio.gather(self._ask(request), self._ask(request))
        else:
            await self._ask(request)
            answer = await self._ask(request)
        await asyncio.sleep(self.answer_delay)
        return answer

    async def _ask(self, request: bytes) -> bytes:
        """The server's answer, whole; it closes behind it."""
        reader, writer = await asyncio.open_connection(*self._target)
        try:
            writer.write(request)
            return await reader.read(-1)
        finally:
            writer.close()

    @staticmethod
    async def _unless_gone(
        answering: Coroutine[Any, Any, bytes], reader: asyncio.StreamReader
    ) -> bytes | None:
        """Wait for an answer, or give up with the client."""
        answer = asyncio.ensure_future(answering)
        gone = asyncio.ensure_future(reader.read(1))
        try:
            await asyncio.wait((answer, gone), return_when=asyncio.FIRST_COMPLETED)
            return answer.result() if answer.done() else None
        finally:
            for task in (answer, gone):
                task.cancel()

    # --- WebSockets -------------------------------------------------------------------------------

    async def _serve_websocket(
        self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if self.websockets == "refuse":
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
            return
        if self.websockets == "hang":
            await _skip(reader)
            return
        there_reader, there = await asyncio.open_connection(*self._target)
        there.write(head)
        if self.websockets == "pass":
            await self.forward(reader, writer, there_reader, there)
            return
        try:
            writer.write(await there_reader.readuntil(b"\r\n\r\n"))
            await _skip(reader)
        finally:
            there.close()


async def _skip(reader: asyncio.StreamReader) -> None:
    while await reader.read(_CHUNK):
        pass
