"""A port that answers `GET /metrics`, and nothing else."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import socket
    from collections.abc import Awaitable, Callable

__all__ = ["Endpoint"]

_logger: Final = logging.getLogger("sockwave.metrics")

PATH: Final = "/metrics"
MOST_HEAD: Final = 16_384
"""Bytes of a request; what scrapes sends a few hundred."""

HEAD_TIMEOUT: Final = 10.0
"""Seconds for a request to come."""

ANSWER_TIMEOUT: Final = 30.0
"""Seconds for an answer to be taken."""

MOST_CONNECTIONS: Final = 64
"""At a time: there are a few that scrape, and each answer takes some work."""


class Endpoint:
    """Answers with a text.

    Args:
        sock: That listens.
        text: Makes it, of the header `Accept`; returns it with its content type.
    """

    def __init__(
        self, sock: socket.socket, text: Callable[[str], Awaitable[tuple[bytes, str]]]
    ) -> None:
        self._sock = sock
        self._text = text
        self._server: asyncio.Server | None = None
        self._calls: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Answer from now on."""
        self._server = await asyncio.start_server(self._called, sock=self._sock, limit=MOST_HEAD)

    async def aclose(self) -> None:
        """Answer no more."""
        if self._server is not None:
            self._server.close()
            self._server = None
        else:
            self._sock.close()
        calls = list(self._calls)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)

    async def _called(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        call = asyncio.current_task()
        assert call is not None
        try:
            if len(self._calls) >= MOST_CONNECTIONS:
                return
            self._calls.add(call)
            async with asyncio.timeout(HEAD_TIMEOUT):
                head = await reader.readuntil(b"\r\n\r\n")
            answer = await self._answer(head.decode("latin-1"))
            async with asyncio.timeout(ANSWER_TIMEOUT):
                writer.write(answer)
                await writer.drain()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        except asyncio.CancelledError:
            pass  # this is the end of the call, and nobody waits for its task
        finally:
            self._calls.discard(call)
            with suppress(RuntimeError):  # the loop has ended
                writer.close()

    async def _answer(self, head: str) -> bytes:
        first, *lines = head.split("\r\n")
        method, _, rest = first.partition(" ")
        path = rest.partition(" ")[0].partition("?")[0]
        if path != PATH:
            return _response("404 Not Found", b"It is at /metrics.\n", method)
        if method not in ("GET", "HEAD"):
            return _response("405 Method Not Allowed", b"GET it.\n", method, more="Allow: GET\r\n")
        accepts = [
            line.partition(":")[2].strip()
            for line in lines
            if line.partition(":")[0].lower() == "accept"
        ]
        try:
            text, type_ = await self._text(",".join(accepts))
        except Exception:
            _logger.exception("the metrics cannot be told")
            return _response("500 Internal Server Error", b"See the log of the server.\n", method)
        return _response("200 OK", text, method, type_)


def _response(
    status: str, body: bytes, method: str, type_: str = "text/plain; charset=utf-8", more: str = ""
) -> bytes:
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: {type_}\r\nContent-Length: {len(body)}\r\n"
        f"Connection: close\r\n{more}\r\n"
    )
    return head.encode("latin-1") + (b"" if method == "HEAD" else body)
