"""Heads that were read before on the same connection need no second reading.

A polling client sends the same headers with every request of a kind. A block of header lines that
equals, byte for byte, one that llhttp has read on this connection can only mean the same again:
what is left is the request line, for which there is a strict expression. Whatever else comes is
read by llhttp, which alone decides what is a request, so nothing gets in here that would not get in
there.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from sockwave.engine.core.request import Request
from sockwave.engine.server.fronts.http1 import METHODS, RequestHandler, RequestReader

if TYPE_CHECKING:
    from sockwave.engine.core.limits import Limits

__all__ = ["KnownHeadsReader"]

_REQUEST_LINE: Final = re.compile(rb"(GET|POST) (/[!-~]*) HTTP/1\.1\r\n")
"""The request lines of polling; whatever else is a request goes to llhttp."""

_MAX_KNOWN: Final = 4
"""Blocks that are kept for one connection: a client that polls has two, of its GETs and POSTs."""

_MAX_KNOWN_BYTES: Final = 2_048
"""Of a block: what connections remember is small beside what they take anyway."""


class KnownHeadsReader(RequestReader):
    """Reads the requests of one connection, and remembers their header lines."""

    __slots__ = ("_known",)

    keep_alive: bool
    is_upgrade: bool
    is_old: bool

    def __init__(self, handler: RequestHandler, limits: Limits) -> None:
        super().__init__(handler, limits)
        self._known: dict[bytes, tuple[dict[bytes, bytes], int | None]] = {}

    def feed_known(self, data: bytes) -> bool:
        """Read one whole request whose header lines are known; False leaves it to `feed`."""
        # Nothing follows a request that ends its connection: llhttp knows, and refuses it.
        if not self._known or not self.keep_alive or self.is_in_head or self.is_in_body:
            return False
        line = _REQUEST_LINE.match(data)
        if line is None:
            return False
        block_end = data.find(b"\r\n\r\n", line.end() - 2) + 4
        known = self._known.get(data[line.end() : block_end])
        if known is None:
            return False
        headers, length = known
        method, target = line.groups()
        if len(data) != block_end + (length or 0) or len(target) > self._limits.target_bytes:
            return False
        self.keep_alive, self.is_upgrade, self.is_old = True, False, False
        request = Request(
            METHODS[method],
            target.decode("ascii"),
            headers,
            self.client,
            self.is_secure,
            trusted_proxies=self.trusted_proxies,
        )
        handler = self._handler
        handler.head_received(request, length)
        if length:
            handler.body_received(data[block_end:])
        handler.request_completed()
        return True

    def _request_read(self, data: bytes) -> None:
        """Know the header lines of a request that llhttp has read, if `data` is just that."""
        if not self.keep_alive or len(self._known) >= _MAX_KNOWN:
            return
        line = _REQUEST_LINE.match(data)
        if line is None or b"transfer-encoding" in self._headers or b"expect" in self._headers:
            return
        block_end = data.find(b"\r\n\r\n", line.end() - 2) + 4
        block = data[line.end() : block_end]
        # Of several requests glued together the last one's length cannot make this sum.
        if len(block) <= _MAX_KNOWN_BYTES and len(data) == block_end + (self._length or 0):
            self._known[block] = (self._headers, self._length)
