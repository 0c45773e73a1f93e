"""HTTP/1.1 requests from bytes: llhttp reads the syntax (by httptools), and here is what it leaves.

It bounds nothing: sizes, counts, chunk extensions and trailers are counted here. It lets through
some requests that another reader could understand in another way, such as two lengths or a coding
before `chunked`: those are refused (security.md, V24 and V30 to V38).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, Protocol

import httptools

from sockwave.engine.core.request import Request

if TYPE_CHECKING:
    from sockwave.engine.core.forwarded import TrustedProxies
    from sockwave.engine.core.options import Limits

__all__ = ["InvalidRequest", "RequestHandler", "RequestReader"]

_CHUNK_ALLOWANCE: Final = 16
"""Bytes of framing that each chunk of a body may take without counting as overhead."""

_REQUEST_LINE: Final = re.compile(rb"(GET|POST) (/[!-~]*) HTTP/1\.1\r\n")
"""The request lines of polling; whatever else is a request goes to llhttp."""

_MAX_KNOWN: Final = 4
_MAX_KNOWN_BYTES: Final = 2_048

_END_OF_HEAD: Final = b"\r\n\r\n"
"""Also of a chunked body."""

_METHODS: Final = {b"GET": "GET", b"POST": "POST"}
_LENGTH: Final = re.compile(rb"[0-9]{1,15}")
_ONCE: Final = frozenset(
    {
        b"host",
        b"origin",
        b"content-length",
        b"content-type",
        b"transfer-encoding",
        b"sec-websocket-key",
        b"sec-websocket-version",
    }
)
"""Headers whose repetition is an attack or a mistake."""


class InvalidRequest(Exception):  # an answer, not a failure of ours
    """A request that is answered with a status and the end of its connection."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class RequestHandler(Protocol):
    """What a reader tells its connection."""

    def head_received(self, request: Request, length: int | None) -> None:
        """A request has begun.

        Args:
            length: Bytes of the body that were announced, 0 for a chunked one; None without a body.
        """

    def body_received(self, data: bytes) -> None:
        """A piece of its body."""

    def request_completed(self) -> None:
        """It is whole."""


class RequestReader:
    """Reads the requests of one connection.

    Attributes:
        client: Host and port of the peer, for its requests.
        trusted_proxies: Whose word its requests take for where they come from.
        is_secure: Whether the connection is encrypted.
        is_in_head: Whether a head has begun and is not all there.
        is_in_body: Whether a body is not all there.
        keep_alive: Whether another request may follow the present one.
        is_upgrade: Whether the present one asks for another protocol.
    """

    __slots__ = (
        "_body_size",
        "_chunks",
        "_fed",
        "_handler",
        "_header_count",
        "_header_size",
        "_headers",
        "_is_chunked",
        "_known",
        "_length",
        "_limits",
        "_parser",
        "_target",
        "client",
        "is_in_body",
        "is_in_head",
        "is_secure",
        "is_upgrade",
        "keep_alive",
        "trusted_proxies",
    )

    def __init__(self, handler: RequestHandler, limits: Limits) -> None:
        self._handler = handler
        self._limits = limits
        self._parser: Any = httptools.HttpRequestParser(self)
        self._target = b""
        self._headers: dict[bytes, bytes] = {}
        self._header_count = self._header_size = 0
        self._fed = self._body_size = self._chunks = 0
        self._length: int | None = None
        self._is_chunked = False
        self._known: dict[bytes, tuple[dict[bytes, bytes], int | None]] = {}
        self.client: tuple[str, int] | None = None
        self.is_secure = False
        self.trusted_proxies: TrustedProxies | None = None
        self.is_in_head = self.is_in_body = False
        self.keep_alive = self.is_upgrade = False

    def close(self) -> None:
        """Let go of the parser: it refers back, and only the collector would free the two."""
        self._parser = None

    def end_of_part(self, data: bytes, at: int) -> int:
        """Where to stop reading what begins at `at`, so that no two heads are read together.

        A small request is one part with its body. What is behind a large one is not fed with it:
        the size of a head that begins in the midst of a part is not counted.
        """
        end = len(data)
        if self.is_in_body:
            if not self._is_chunked:
                return min(end, at + (self._length or 0) - self._body_size)
        elif end - at <= self._limits.head_bytes and data.count(_END_OF_HEAD, at) < 2:
            return end
        first = data.find(_END_OF_HEAD, at)
        return end if first < 0 else first + len(_END_OF_HEAD)

    def feed(self, data: bytes) -> int | None:
        """Read what the peer sent.

        Returns:
            None; behind the head of an upgrade, how much of `data` was read.

        Raises:
            InvalidRequest: The connection has to end.
        """
        at_start = not (self.is_in_head or self.is_in_body)
        # Nothing follows a request that ends its connection: llhttp knows, and refuses it.
        if at_start and self._known and self.keep_alive and self._feed_known(data):
            return None
        self._fed += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            return int(upgrade.args[0])
        except httptools.HttpParserCallbackError as error:
            if isinstance(error.__context__, InvalidRequest):
                raise error.__context__ from None
            raise
        except httptools.HttpParserError:
            raise InvalidRequest(400) from None
        if self.is_in_head or self.is_in_body:
            overhead = self._fed - self._body_size - self._chunks * _CHUNK_ALLOWANCE
            if overhead > self._limits.head_bytes:
                raise InvalidRequest(431 if self._headers or self.is_in_body else 414)
        elif at_start:
            self._remember(data)
        return None

    # --- heads that were read before --------------------------------------------------------------
    #
    # A polling client sends the same headers with every request of a kind. A block of header lines
    # that equals, byte for byte, one that llhttp has read on this connection needs no second
    # reading: what is left is the request line, for which there is a strict expression.

    def _feed_known(self, data: bytes) -> bool:
        """Read a whole request whose header lines are known; False leaves it to llhttp."""
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
        self.keep_alive, self.is_upgrade = True, False
        request = Request(
            _METHODS[method],
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

    def _remember(self, data: bytes) -> None:
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

    # --- llhttp's callbacks -----------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """A request begins."""
        self.is_in_head = True
        self._target = b""
        self._headers = {}
        self._header_count = self._header_size = 0
        self._body_size = self._chunks = 0

    def on_url(self, target: bytes) -> None:
        """A piece of the target."""
        self._target += target
        if len(self._target) > self._limits.target_bytes:
            raise InvalidRequest(414)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header field; behind the head it is a trailer, which nobody reads."""
        if not self.is_in_head:
            return
        self._header_count += 1
        self._header_size += len(name) + len(value) + 4
        limits = self._limits
        if self._header_size > limits.head_bytes or self._header_count > limits.head_count:
            raise InvalidRequest(431)
        name = name.lower()
        if name in self._headers:
            if name in _ONCE:
                raise InvalidRequest(400)
            joint = b"; " if name == b"cookie" else b", "
            value = self._headers[name] + joint + value
        self._headers[name] = value

    def on_headers_complete(self) -> None:
        """The head is there: check it, and tell."""
        parser, headers = self._parser, self._headers
        version = parser.get_http_version()
        if version != "1.1" and version != "1.0":
            raise InvalidRequest(505)
        if b"host" not in headers and version == "1.1":
            raise InvalidRequest(400)
        if self._target[:1] != b"/":
            raise InvalidRequest(400)
        length = self._length = self._check_body_headers(headers)
        self._is_chunked = b"transfer-encoding" in headers
        method = parser.get_method()
        self.is_in_head = False
        self.is_in_body = True
        self.keep_alive = parser.should_keep_alive()
        self.is_upgrade = parser.should_upgrade()
        if self.is_upgrade and version != "1.1":  # RFC 6455 section 4.2.1
            raise InvalidRequest(400)
        request = Request(
            _METHODS.get(method) or method.decode("ascii"),
            self._target.decode("latin-1"),
            headers,
            self.client,
            self.is_secure,
            trusted_proxies=self.trusted_proxies,
        )
        self._handler.head_received(request, length)

    def on_chunk_header(self) -> None:
        """A chunk of the body begins."""
        self._chunks += 1

    def on_body(self, data: bytes) -> None:
        """A piece of the body."""
        self._body_size += len(data)
        self._handler.body_received(data)

    def on_message_complete(self) -> None:
        """The request is whole."""
        self.is_in_body = False
        self._fed = 0
        self._handler.request_completed()

    def _check_body_headers(self, headers: dict[bytes, bytes]) -> int | None:
        """Refuse what two readers could take for two different bodies."""
        length = headers.get(b"content-length")
        coding = headers.get(b"transfer-encoding")
        if coding is not None and (length is not None or coding.lower() != b"chunked"):
            raise InvalidRequest(400)
        if length is not None:
            if not _LENGTH.fullmatch(length):
                raise InvalidRequest(413 if length.isdigit() else 400)
        elif coding is None:
            return None
        if headers.get(b"content-encoding", b"identity").lower() != b"identity":
            raise InvalidRequest(415)
        return int(length) if length is not None else 0
