"""HTTP/1.1 requests from bytes: llhttp reads the syntax (by httptools), and here is what it leaves.

It bounds nothing: sizes, counts, chunk extensions and trailers are counted here. It lets through
some requests that another reader could understand in another way, such as two lengths or a coding
before `chunked`: those are refused (docs/security.md, rows V24 and V30 to V38).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

import httptools

from sockwave.engine.core.request import Request
from sockwave.engine.server.fronts.ignored_upgrades import parser_after_upgrade, wants_websocket
from sockwave.engine.server.fronts.targets import ABSOLUTE
from sockwave.engine.server.invalid_request import ONCE, InvalidRequest, check_body_headers

if TYPE_CHECKING:
    from sockwave.engine.core.forwarded import TrustedProxies
    from sockwave.engine.core.limits import Limits

__all__ = ["END_OF_HEAD", "METHODS", "RequestHandler", "RequestReader", "unreadable"]

_CHUNK_ALLOWANCE: Final = 16
"""Bytes of framing that each chunk of a body may take without counting as overhead."""

_AROUND_HEADER: Final = 4
"""Bytes of a header line beside its name and value: colon, space, and the end."""

END_OF_HEAD: Final = b"\r\n\r\n"
"""Also of a chunked body."""

METHODS: Final = {b"GET": "GET", b"POST": "POST"}
"""Those that nearly all requests have: no new text for each."""


def unreadable(error: httptools.HttpParserError, data: bytes) -> InvalidRequest:
    """Say what is wrong with bytes that llhttp does not take for a request."""
    if isinstance(error.__context__, InvalidRequest):  # from a callback of ours
        return error.__context__
    if data.startswith(b"\x16\x03"):
        return InvalidRequest(400, "a TLS handshake on a port without TLS")
    if data.startswith(b"PRI * HTTP/2"):
        return InvalidRequest(400, "HTTP/2 is not spoken here")
    if isinstance(error, httptools.HttpParserCallbackError):
        return InvalidRequest(400, "not a request that makes sense")
    return InvalidRequest(400, f"not HTTP/1.1: {error}")  # of llhttp's constant texts


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
        is_old: Whether the present one is of HTTP/1.0, where a connection ends by default.
        is_upgrade: Whether the present one asks for a WebSocket. Any other protocol that it may ask
            for is none of ours, and such a request is one like others (RFC 9110 section 7.8).
    """

    __slots__ = (
        "_body_size",
        "_chunks",
        "_fed",
        "_handler",
        "_headers",
        "_is_chunked",
        "_is_ignoring",
        "_length",
        "_limits",
        "_most_headers",
        "_parser",
        "_repeated_bytes",
        "_target",
        "client",
        "is_in_body",
        "is_in_head",
        "is_old",
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
        self._most_headers = limits.head_count
        self._repeated_bytes = 0
        self._fed = self._body_size = self._chunks = 0
        self._length: int | None = None
        self._is_chunked = self._is_ignoring = False
        self.client: tuple[str, int] | None = None
        self.is_secure: bool = False
        self.trusted_proxies: TrustedProxies | None = None
        self.is_in_head: bool = False
        self.is_in_body: bool = False
        self.keep_alive: bool = False
        self.is_upgrade: bool = False
        self.is_old: bool = False

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
        elif end - at <= self._limits.head_bytes and data.count(END_OF_HEAD, at) < 2:
            return end
        first = data.find(END_OF_HEAD, at)
        return end if first < 0 else first + len(END_OF_HEAD)

    def feed(self, data: bytes) -> int | None:
        """Read what the peer sent.

        Returns:
            None; behind the head of an upgrade, how much of `data` was read.

        Raises:
            InvalidRequest: The connection has to end.
        """
        at_start = not (self.is_in_head or self.is_in_body)
        self._fed += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            read = int(upgrade.args[0])
            if self.is_upgrade:
                return read
            # The bytes behind the head were counted, and are fed again.
            self._fed -= len(data) - read
            self._parser = parser_after_upgrade(self, self._headers if self._is_ignoring else {})
            self._is_ignoring = False
            return self.feed(data[read:]) if read < len(data) else None
        except httptools.HttpParserCallbackError as error:
            if isinstance(error.__context__, InvalidRequest):
                raise error.__context__ from None
            raise
        except httptools.HttpParserError as error:
            raise unreadable(error, data) from None
        if self.is_in_head or self.is_in_body:
            self._check_overhead()
        elif at_start:
            self._request_read(data)
        return None

    def _check_overhead(self) -> None:
        """Bound what is no body, while a request is not whole."""
        overhead = self._fed - self._body_size - self._chunks * _CHUNK_ALLOWANCE
        if overhead <= self._limits.head_bytes:
            return
        if self.is_in_body:
            raise InvalidRequest(431, "too much around the chunks of a body", self._most_bytes)
        if self._headers:
            raise InvalidRequest(431, "the head is too large", self._most_bytes)
        raise InvalidRequest(414, "the target is too long", self._most_bytes)

    @property
    def _most_bytes(self) -> str:
        return f"over limits.head_bytes={self._limits.head_bytes}"

    def _request_read(self, data: bytes) -> None:
        """What began with `data` has been read, and no other request has begun."""

    # --- llhttp's callbacks -----------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """A request begins."""
        self.is_in_head = True
        self._target = b""
        self._headers = {}
        self._most_headers = self._limits.head_count
        self._repeated_bytes = 0
        self._body_size = self._chunks = 0

    def on_url(self, target: bytes) -> None:
        """A piece of the target."""
        self._target += target
        most = self._limits.target_bytes
        if len(self._target) > most:
            raise InvalidRequest(414, "the target is too long", f"over limits.target_bytes={most}")

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header field; behind the head it is a trailer, which nobody reads."""
        if not self.is_in_head:
            return
        headers = self._headers
        name = name.lower()
        if name in headers:
            value = self._joined(name, value)
        headers[name] = value
        if len(headers) > self._most_headers:
            most = f"over limits.head_count={self._limits.head_count}"
            raise InvalidRequest(431, "too many headers", most)

    def _joined(self, name: bytes, value: bytes) -> bytes:
        """Put the value of a repeated header behind those before it."""
        if name in ONCE:
            raise InvalidRequest(400, f"two headers {name.decode()}")
        joint = b"; " if name == b"cookie" else b", "
        self._most_headers -= 1
        self._repeated_bytes += len(name) + _AROUND_HEADER - len(joint)
        return self._headers[name] + joint + value

    def _check_size(self, headers: dict[bytes, bytes]) -> None:
        size = sum(map(len, headers)) + sum(map(len, headers.values())) + self._repeated_bytes
        if size + _AROUND_HEADER * len(headers) > self._limits.head_bytes:
            raise InvalidRequest(431, "the head is too large", self._most_bytes)

    def on_headers_complete(self) -> None:
        """The head is there: check it, and tell."""
        parser, headers = self._parser, self._headers
        self._check_size(headers)
        version = parser.get_http_version()
        if version != "1.1" and version != "1.0":
            raise InvalidRequest(505, "not HTTP/1.1 or HTTP/1.0", f"but {version}")
        if b"host" not in headers and version == "1.1":
            raise InvalidRequest(400, "no header host")
        if self._target[:1] != b"/":
            self._read_absolute(headers)
        length = self._length = check_body_headers(headers)
        self._is_chunked = b"transfer-encoding" in headers
        method = parser.get_method()
        self.is_in_head = False
        self.is_in_body = True
        self.keep_alive = parser.should_keep_alive()
        self.is_old = version == "1.0"
        self.is_upgrade = self._is_ignoring = False
        if parser.should_upgrade():
            # RFC 9110 section 7.8: none by HTTP/1.0
            self.is_upgrade = not self.is_old and wants_websocket(headers.get(b"upgrade", b""))
            self._is_ignoring = bool(length or self._is_chunked) and not self.is_upgrade
        request = Request(
            METHODS.get(method) or method.decode("ascii"),
            self._target.decode("latin-1"),
            headers,
            self.client,
            self.is_secure,
            trusted_proxies=self.trusted_proxies,
        )
        self._handler.head_received(request, length)

    def _read_absolute(self, headers: dict[bytes, bytes]) -> None:
        """Take a target with a host in it apart; that host is the request's, whatever `Host` is."""
        found = ABSOLUTE.match(self._target)
        if found is None:
            raise InvalidRequest(400, "the target is neither a path nor a URL of http or https")
        headers[b"host"] = found[1]
        rest = self._target[found.end() :]
        self._target = rest if rest[:1] == b"/" else b"/" + rest

    def on_chunk_header(self) -> None:
        """A chunk of the body begins."""
        self._chunks += 1

    def on_body(self, data: bytes) -> None:
        """A piece of the body."""
        self._body_size += len(data)
        self._handler.body_received(data)

    def on_message_complete(self) -> None:
        """The request is whole."""
        if self._is_ignoring:  # its upgrade, and llhttp takes the body for another protocol
            return
        self.is_in_body = False
        self._fed = 0
        self._handler.request_completed()
