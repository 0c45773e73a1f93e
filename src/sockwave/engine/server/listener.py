"""The native front end: HTTP/1.1 on one asyncio protocol, and the switch to WebSocket.

llhttp (by httptools) reads the syntax. What it does not bound, or lets through, is checked here:
sizes and counts, chunk extensions and trailers, time, pipelining, and every known way to make two
readers see two different requests (security.md, V24 to V38).

One connection holds requests in the order they came and writes their answers in that order; a poll
that waits holds up only what the same client sent behind it.
"""

from __future__ import annotations

import asyncio
import http
import re
from collections import deque
from typing import TYPE_CHECKING, Any, Final, Protocol

import httptools

from sockwave.codec.deflate import negotiate
from sockwave.codec.websocket import accept_key
from sockwave.engine.core.heartbeat import GRANULARITY
from sockwave.engine.core.request import Headers, Request
from sockwave.engine.server.exchange import (
    NO_SNIFF,
    HttpExchange,
    ResponseHeaders,
    UpgradeExchange,
)
from sockwave.engine.server.websocket import WebSocketTransport

if TYPE_CHECKING:
    from sockwave.codec.deflate import PerMessageDeflate
    from sockwave.engine.core.options import EngineOptions
    from sockwave.engine.core.transport import TransportReceiver
    from sockwave.engine.server.engine import EngineServer

__all__ = ["Host", "HttpConnection"]

_END_OF_HEAD: Final = b"\r\n\r\n"
_CHUNK_ALLOWANCE: Final = 16
"""Bytes of framing that each chunk of a body may take without counting as overhead."""

LINGER: Final = 0.9
"""Seconds that a connection which was refused may take to go."""

_WEBSOCKET_KEY: Final = re.compile(rb"[+/0-9A-Za-z]{22}==")
_CONTROL: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
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

_REASONS: Final = {status.value: status.phrase for status in http.HTTPStatus}
_STATUS_LINES: Final = {
    status: f"HTTP/1.1 {status} {phrase}\r\n".encode() for status, phrase in _REASONS.items()
}


class _Invalid(Exception):  # never leaves this module
    """A request that is answered with a status and the end of its connection."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Host(Protocol):
    """What takes over connections that are not ours."""

    def take_over(self, transport: asyncio.Transport, data: bytes) -> None:
        """Serve this connection from here on."""


class NativeExchange(HttpExchange):
    """A request on a connection of ours."""

    __slots__ = ("_connection", "answer", "body", "keep_alive")

    def __init__(self, request: Request, connection: HttpConnection, *, keep_alive: bool) -> None:
        super().__init__(request)
        self._connection: HttpConnection | None = connection
        self.answer: bytes | None = None
        self.keep_alive = keep_alive
        self.body: list[bytes] = []

    def respond(self, status: int, headers: ResponseHeaders, body: bytes = b"") -> None:
        """Answer, in the order of the requests of this connection."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if connection.is_receiving(self):  # what is left of the body is not worth reading
            self.keep_alive = False
        head = [_STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status]
        head += [f"{name}: {value}\r\n".encode("latin-1") for name, value in headers]
        if status not in (204, 304):
            head.append(b"Content-Length: %d\r\n" % len(body))
        head.append(b"\r\n" if self.keep_alive else b"Connection: close\r\n\r\n")
        if self.request.method != "HEAD":
            head.append(body)
        self.answer = b"".join(head)
        connection.answered(self)

    def abort(self) -> None:
        """Cut the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.abort()

    def lose(self) -> None:
        """The connection has ended first."""
        self._connection = None
        if self.owner is not None:
            owner, self.owner = self.owner, None
            owner.exchange_lost(self)


class NativeUpgrade(UpgradeExchange):
    """A request to become a WebSocket on a connection of ours."""

    __slots__ = ("_connection", "_headers")

    def __init__(
        self, request: Request, connection: HttpConnection, headers: dict[bytes, bytes]
    ) -> None:
        super().__init__(request)
        self._connection = connection
        self._headers = headers

    def accept(
        self, receiver: TransportReceiver, headers: ResponseHeaders
    ) -> WebSocketTransport | None:
        """Write the 101 and give the TCP connection a new protocol object."""
        head = [
            (
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Accept: "
            ),
            accept_key(self._headers[b"sec-websocket-key"]),
            b"\r\n",
        ]
        deflate = None
        options = self._connection.options.per_message_deflate
        if options is not None:
            offers = self.request.headers.get("sec-websocket-extensions", "")
            if answer := negotiate(offers, options):
                extension, deflate = answer
                head.append(b"Sec-WebSocket-Extensions: %b\r\n" % extension.encode())
        protocols = self._headers.get(b"sec-websocket-protocol")
        if protocols is not None and (first := _first_token(protocols)):
            head += [b"Sec-WebSocket-Protocol: ", first, b"\r\n"]
        head += [f"{name}: {value}\r\n".encode("latin-1") for name, value in headers]
        head.append(b"\r\n")
        return self._connection.become_websocket(b"".join(head), receiver, deflate)

    def reject(self, status: int, headers: ResponseHeaders, body: bytes) -> None:
        """Answer and close."""
        self._connection.refuse(status, headers, body)


_TOKEN: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")


def _first_token(value: bytes) -> bytes | None:
    first = value.partition(b",")[0].strip(b" \t")
    return first if _TOKEN.fullmatch(first) else None


class HttpConnection(asyncio.Protocol):
    """One TCP connection while it speaks HTTP.

    Args:
        engine: Gets the requests under its path.
        host: Takes other requests; None answers them with 404.
        is_secure: Whether the connection is encrypted.
    """

    __slots__ = (
        "_awaits_upgrade",
        "_body_size",
        "_chunks",
        "_deadline",
        "_engine",
        "_exchange",
        "_fed",
        "_header_count",
        "_header_size",
        "_headers",
        "_held",
        "_host",
        "_in_body",
        "_in_head",
        "_is_closing",
        "_is_reading",
        "_is_secure",
        "_parser",
        "_queue",
        "_raw_headers",
        "_target",
        "_tcp",
        "_upgrade",
        "wheel_slot",
    )

    _tcp: asyncio.Transport

    def __init__(
        self, engine: EngineServer, host: Host | None = None, *, is_secure: bool = False
    ) -> None:
        self._engine = engine
        self._host = host
        self._is_secure = is_secure
        self._parser: Any = httptools.HttpRequestParser(self)
        self._queue: deque[NativeExchange] = deque()
        self._exchange: NativeExchange | None = None
        self._upgrade: NativeUpgrade | None = None
        self._awaits_upgrade = False
        self._held = b""
        self._is_reading = True
        self._is_closing = False
        self._in_head = self._in_body = False
        self._target = b""
        self._raw_headers: list[tuple[bytes, bytes]] = []
        self._headers: dict[bytes, bytes] = {}
        self._header_count = self._header_size = 0
        self._fed = self._body_size = self._chunks = 0
        self._deadline = 0.0
        self.wheel_slot = 0

    @property
    def options(self) -> EngineOptions:
        """Of the engine."""
        return self._engine.options

    # --- the connection ---------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A peer has connected."""
        assert isinstance(transport, asyncio.Transport) or hasattr(transport, "write")
        self._tcp = transport  # type: ignore[assignment] # uvloop's is no asyncio.Transport
        driver = self._engine.driver
        driver.connections.add(self)
        if len(driver.connections) > driver.max_connections:
            self._engine.peer_log.info(self._client(), "refused: too many connections")
            self.refuse(503, [("Retry-After", "5")], b"")
            return
        self._set_deadline(self._engine.options.limits.head_timeout)

    def data_received(self, data: bytes) -> None:
        """Bytes from the peer."""
        if self._is_closing:
            return
        if not self._is_reading or self._awaits_upgrade:
            self._hold(data)
            return
        try:
            self._consume(data)
        except _Invalid as invalid:
            self._fail(invalid.status)
        except httptools.HttpParserError:
            self._fail(400)

    def eof_received(self) -> bool:
        """The peer sends nothing more: over."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The TCP connection has ended."""
        self._is_closing = True
        self._engine.driver.cancel(self)
        self._engine.driver.connection_lost(self)
        queue, self._queue = self._queue, deque()
        for exchange in queue:
            exchange.lose()
        self._exchange = None

    def pause_writing(self) -> None:
        """The peer does not read its answers: take no more requests."""
        self._pause()

    def resume_writing(self) -> None:
        """It reads again."""
        self._resume()

    def abort(self) -> None:
        """Cut the connection."""
        self._is_closing = True
        self._tcp.abort()

    # --- reading ----------------------------------------------------------------------------------

    def _consume(self, data: bytes) -> None:
        """Feed the parser; where several heads are glued together, one at a time."""
        limits = self._engine.options.limits
        while data:
            if not self._in_head and not self._in_body:
                if self._host is not None and not self._is_for_us(data):
                    return
                if not self._queue:
                    self._set_deadline(limits.head_timeout)
            part, rest = data, b""
            end = data.find(_END_OF_HEAD)
            if end >= 0 and data.find(_END_OF_HEAD, end + 4) >= 0:
                part, rest = data[: end + 4], data[end + 4 :]
            self._feed(part, rest)
            if self._is_closing or self._awaits_upgrade:
                return
            data = rest
            if len(self._queue) >= limits.pipelined_requests:
                self._held = data
                self._pause()
                return

    def _feed(self, data: bytes, rest: bytes) -> None:
        self._fed += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._held = data[upgrade.args[0] :] + rest
            self._start_upgrade()
            return
        except httptools.HttpParserCallbackError as error:
            if isinstance(error.__context__, _Invalid):
                raise error.__context__ from None
            raise
        overhead = self._fed - self._body_size - self._chunks * _CHUNK_ALLOWANCE
        if (self._in_head or self._in_body) and overhead > self._engine.options.limits.head_bytes:
            raise _Invalid(431 if self._headers or self._in_body else 414)

    def _is_for_us(self, data: bytes) -> bool:
        """Look at the request line; hand the connection over if its path is not ours."""
        data = self._held + data
        first = data.find(b" ")
        second = data.find(b" ", first + 1)
        if second < 0 and len(data) < self._engine.options.limits.target_bytes:
            if b"\n" not in data:
                self._held = data
                return False
            second = data.find(b"\n")
        path = data[first + 1 : second].partition(b"?")[0].decode("latin-1")
        if self._engine.is_ours(path):
            self._held = b""
            return True
        if self._queue:  # answers are due first
            self._held = data
            self._pause()
            return False
        assert self._host is not None
        self._is_closing = True
        self._engine.driver.cancel(self)
        self._engine.driver.connection_lost(self)
        self._host.take_over(self._tcp, data)
        return False

    def _hold(self, data: bytes) -> None:
        self._held += data
        if self._awaits_upgrade and self._is_reading:
            self._pause()

    def _pause(self) -> None:
        if self._is_reading and not self._tcp.is_closing():
            self._is_reading = False
            self._tcp.pause_reading()

    def _resume(self) -> None:
        if self._is_reading or self._is_closing or self._tcp.is_closing():
            return
        self._is_reading = True
        self._tcp.resume_reading()
        if self._held:
            self._engine.call_soon(self._go_on)

    def _go_on(self) -> None:
        if self._is_reading and not self._awaits_upgrade:
            held, self._held = self._held, b""
            self.data_received(held)

    # --- llhttp's callbacks -----------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """A request begins."""
        self._in_head = True
        self._target = b""
        self._raw_headers = []
        self._headers = {}
        self._header_size = 0
        self._body_size = self._chunks = 0

    def on_url(self, target: bytes) -> None:
        """A piece of the target."""
        self._target += target
        if len(self._target) > self._engine.options.limits.target_bytes:
            raise _Invalid(414)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header field; behind the head it is a trailer, which nobody reads."""
        if not self._in_head:
            return
        name = name.lower()
        self._raw_headers.append((name, value))
        self._header_size += len(name) + len(value) + 4
        limits = self._engine.options.limits
        if self._header_size > limits.head_bytes or len(self._raw_headers) > limits.head_count:
            raise _Invalid(431)
        if _CONTROL.search(value):
            raise _Invalid(400)
        if name in self._headers:
            if name in _ONCE:
                raise _Invalid(400)
            value = self._headers[name] + b", " + value
        self._headers[name] = value

    def on_headers_complete(self) -> None:
        """The head is there: check it, and start on the request."""
        parser = self._parser
        headers = self._headers
        version = parser.get_http_version()
        if version not in ("1.1", "1.0"):
            raise _Invalid(505)
        if b"host" not in headers and version == "1.1":
            raise _Invalid(400)
        self._check_body_headers(headers)
        target = self._target
        if not target.startswith(b"/"):
            raise _Invalid(400)
        path, _, query = target.partition(b"?")
        request = Request(
            parser.get_method().decode("ascii"),
            path.decode("latin-1"),
            query.decode("latin-1"),
            Headers(self._raw_headers),
            client=self._client(),
            is_secure=self._is_secure,
        )
        self._raw_headers = []
        self._in_head = False
        self._in_body = True
        if parser.should_upgrade():
            self._upgrade = NativeUpgrade(request, self, headers)
            return
        exchange = NativeExchange(request, self, keep_alive=parser.should_keep_alive())
        self._exchange = exchange
        self._queue.append(exchange)
        if b"content-length" in headers or b"transfer-encoding" in headers:
            self._set_deadline(self._engine.options.limits.body_timeout)
        else:
            self._deadline = 0.0
        self._handle(exchange)
        if headers.get(b"expect", b"").lower() == b"100-continue" and exchange.answer is None:
            self._tcp.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_chunk_header(self) -> None:
        """A chunk of the body begins."""
        self._chunks += 1

    def on_body(self, data: bytes) -> None:
        """A piece of the body."""
        self._body_size += len(data)
        exchange = self._exchange
        if exchange is None or exchange.answer is not None:
            return
        if self._body_size > self._engine.options.max_payload:
            self._body_too_large(exchange)
            return
        exchange.body.append(data)

    def on_message_complete(self) -> None:
        """The request is whole."""
        self._in_body = False
        self._fed = 0
        exchange, self._exchange = self._exchange, None
        if exchange is None:
            return
        self._deadline = 0.0
        if exchange.owner is not None:
            body, exchange.body = exchange.body, []
            exchange.owner.body_received(exchange, body[0] if len(body) == 1 else b"".join(body))
        if not self._queue:
            self._set_deadline(self._engine.options.limits.keep_alive_timeout)

    # --- requests ---------------------------------------------------------------------------------

    def _check_body_headers(self, headers: dict[bytes, bytes]) -> None:
        """Refuse what two readers could take for two different bodies."""
        length = headers.get(b"content-length")
        coding = headers.get(b"transfer-encoding")
        if coding is not None and (length is not None or coding.lower() != b"chunked"):
            raise _Invalid(400)
        if length is not None:
            if not _LENGTH.fullmatch(length):
                raise _Invalid(413 if length.isdigit() else 400)
            if int(length) > self._engine.options.max_payload:
                raise _Invalid(413)
        if headers.get(b"content-encoding", b"identity").lower() != b"identity":
            raise _Invalid(415)

    def _handle(self, exchange: NativeExchange) -> None:
        if self._engine.is_ours(exchange.request.path):
            self._engine.handle_request(exchange)
        else:
            exchange.respond(404, [])

    def _body_too_large(self, exchange: NativeExchange) -> None:
        owner, exchange.owner = exchange.owner, None
        if owner is not None:
            owner.body_too_large(exchange)
        self._engine.peer_log.info(self._client(), "request body over max_payload")
        exchange.respond(413, self._engine.error_headers(exchange.request))

    def is_receiving(self, exchange: NativeExchange) -> bool:
        """Whether the body of this request is still expected."""
        return exchange is self._exchange and (
            b"transfer-encoding" in self._headers
            or self._body_size < int(self._headers.get(b"content-length", b"0"))
        )

    def answered(self, exchange: NativeExchange) -> None:
        """Write the answers that are next in order."""
        queue = self._queue
        while queue and (answer := queue[0].answer) is not None:
            done = queue.popleft()
            self._tcp.write(answer)
            if not done.keep_alive:
                self._finish()
                return
        if not queue:
            if self._exchange is None:
                self._set_deadline(self._engine.options.limits.keep_alive_timeout)
            if not self._is_reading:
                self._resume()

    def _client(self) -> tuple[str, int] | None:
        peer = self._tcp.get_extra_info("peername")
        return (peer[0], peer[1]) if isinstance(peer, tuple) else None

    # --- refusing and closing ---------------------------------------------------------------------

    def refuse(self, status: int, headers: ResponseHeaders, body: bytes) -> None:
        """Answer outside the order, and close."""
        head = [_STATUS_LINES.get(status, _STATUS_LINES[400])]
        head += [f"{name}: {value}\r\n".encode("latin-1") for name, value in headers]
        head.append(b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body))
        self._tcp.write(b"".join(head) + body)
        self._finish()

    def _fail(self, status: int) -> None:
        """A request that cannot be read: one answer, and the end."""
        self._engine.peer_log.info(self._client(), f"bad request: {status} {_REASONS[status]}")
        exchange = self._exchange
        if exchange is not None and exchange.answer is None and exchange.owner is not None:
            owner, exchange.owner = exchange.owner, None
            if status == 413:
                owner.body_too_large(exchange)
            else:
                owner.exchange_lost(exchange)
        if not self._is_closing:
            self.refuse(status, [("Content-Type", "text/plain"), *NO_SNIFF], b"")

    def _finish(self) -> None:
        """Close after what was written; what still comes is read and dropped for a moment.

        Closing with bytes unread would reset the connection and could take the answer with it.
        """
        self._is_closing = True
        queue, self._queue = self._queue, deque()
        for exchange in queue:
            exchange.lose()
        if self._tcp.can_write_eof() and not self._tcp.is_closing():
            self._tcp.write_eof()
            self._schedule(self._engine.driver.clock() + LINGER)
        else:
            self._tcp.close()

    # --- deadlines --------------------------------------------------------------------------------

    def _set_deadline(self, delay: float) -> None:
        """Move the deadline; the wheel is touched only when its entry would come too late."""
        self._deadline = deadline = self._engine.driver.clock() + delay
        if not self.wheel_slot or self.wheel_slot > deadline / GRANULARITY + 1:
            self._engine.driver.schedule(self, deadline)

    def _schedule(self, deadline: float) -> None:
        self._deadline = deadline
        self._engine.driver.schedule(self, deadline)

    def handle_timeout(self, now: float) -> None:
        """A deadline has come, or has moved or gone meanwhile."""
        if self._is_closing:
            self._tcp.abort()
        elif self._deadline and now < self._deadline:
            self._engine.driver.schedule(self, self._deadline)
        elif self._deadline:
            if self._in_head or self._in_body or self._awaits_first_byte():
                self._fail(408)
            else:
                self._tcp.close()

    def _awaits_first_byte(self) -> bool:
        return self._parser is not None and not self._target

    # --- becoming a WebSocket ---------------------------------------------------------------------

    def _start_upgrade(self) -> None:
        """The head of an upgrade is whole; the answer may take a while."""
        upgrade, self._upgrade = self._upgrade, None
        self._in_body = False
        self._deadline = 0.0
        headers = self._headers
        if upgrade is None or self._queue:
            raise _Invalid(400)
        path = upgrade.request.path
        if not self._engine.is_ours(path):
            self.refuse(404, [], b"")
            return
        if "websocket" not in self._engine.options.transports or not _wants_websocket(headers):
            raise _Invalid(400)
        if upgrade.request.method != "GET":
            raise _Invalid(405)
        if headers.get(b"sec-websocket-version") not in (b"13", b"8"):
            self.refuse(400, [("Sec-WebSocket-Version", "13, 8")], b"")
            return
        if not _WEBSOCKET_KEY.fullmatch(headers.get(b"sec-websocket-key", b"")):
            body = b"Missing or invalid Sec-WebSocket-Key header"
            self.refuse(400, [("Content-Type", "text/html"), *NO_SNIFF], body)
            return
        self._awaits_upgrade = True
        self._engine.handle_upgrade(upgrade)

    def become_websocket(
        self, head: bytes, receiver: TransportReceiver, deflate: PerMessageDeflate | None
    ) -> WebSocketTransport | None:
        """Give the TCP connection to a WebSocket; None when it has ended meanwhile."""
        if self._is_closing or self._tcp.is_closing():
            return None
        driver = self._engine.driver
        driver.cancel(self)
        self._is_closing = True
        self._tcp.write(head)
        websocket = WebSocketTransport(self._tcp, receiver, driver, deflate, self._held)
        driver.connections.discard(self)
        driver.connections.add(websocket)
        self._tcp.set_protocol(websocket)
        if not self._is_reading:
            self._tcp.resume_reading()
        # The parser refers to this object: without this only the garbage collector could free both.
        self._parser = None
        return websocket


def _wants_websocket(headers: dict[bytes, bytes]) -> bool:
    tokens = headers.get(b"upgrade", b"").lower().split(b",")
    return any(token.strip(b" \t") == b"websocket" for token in tokens)
