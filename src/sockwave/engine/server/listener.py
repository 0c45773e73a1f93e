"""The native front end: HTTP/1.1 on one asyncio protocol, and the switch to WebSocket.

One connection holds requests in the order they came and writes their answers in that order; a poll
that waits holds up only what the same client sent behind it. Answers are written at the end of the
tick, like everything else (`Driver.flush_later`).
"""

from __future__ import annotations

import asyncio
import http
import re
from enum import Enum, auto
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

from sockwave.codec.deflate import negotiate
from sockwave.codec.websocket import accept_key, is_extension_list
from sockwave.engine.core.heartbeat import GRANULARITY
from sockwave.engine.io.tcp import end_writing
from sockwave.engine.server.exchange import (
    NO_SNIFF,
    HttpExchange,
    ResponseHeaders,
    UpgradeExchange,
)
from sockwave.engine.server.http1 import InvalidRequest, RequestReader
from sockwave.engine.server.rates import RETRY_AFTER
from sockwave.engine.server.verification import ErrorCode, error_body
from sockwave.engine.server.websocket import WebSocketTransport

if TYPE_CHECKING:
    from sockwave.codec.deflate import PerMessageDeflate
    from sockwave.engine.core.options import EngineOptions
    from sockwave.engine.core.request import Request
    from sockwave.engine.core.transport import TransportReceiver
    from sockwave.engine.server.engine import EngineServer

__all__ = ["Host", "HttpConnection"]

LINGER: Final = 0.9
"""Seconds that a connection which was refused may take to go."""

LINGER_BYTES: Final = 512 * 1024
"""Bytes that are read from it, and dropped, meanwhile: what a client may have sent before it could
know; one that never ends is not read on."""

_FULL_READ: Final = 65_536
"""Bytes read at once of which more is probably there. The loop would go on reading, up to 8 MB in
one turn: time for others after each piece of a large body, which can be all framing of chunks."""

PARTS_PER_TURN: Final = 1_024
"""Parts of what was read at once (`RequestReader.end_of_part`) before others get their turn: a body
can be all ends of heads."""

_WEBSOCKET_KEY: Final = re.compile(rb"[+/0-9A-Za-z]{22}==")
_TOKEN: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")

_REASONS: Final = {status.value: status.phrase for status in http.HTTPStatus}
_STATUS_LINES: Final = {
    status: f"HTTP/1.1 {status} {phrase}\r\n".encode() for status, phrase in _REASONS.items()
}
_heads: dict[tuple[int, ResponseHeaders], bytes] = {}
"""Encoded heads of the answers whose headers are constants, which come as tuples."""


def _encode_head(status: int, headers: ResponseHeaders) -> bytes:
    """Encode status line and headers, but for the length."""
    if headers.__class__ is tuple:
        head = _heads.get((status, headers))
        if head is not None:
            return head
    lines = [f"{name}: {value}\r\n" for name, value in headers]
    head = (_STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status) + "".join(lines).encode(
        "latin-1"
    )
    if headers.__class__ is tuple:
        _heads[status, headers] = head
    return head


class Host(Protocol):
    """What takes over connections that are not ours."""

    def take_over(self, transport: asyncio.Transport, data: bytes) -> None:
        """Serve this connection from here on."""


class NativeExchange(HttpExchange):
    """A request on a connection of ours.

    Attributes:
        answer: Its bytes, once there are any.
        body: What has come; None without one. Pieces are joined as they come: the objects of many
            tiny ones would take many times their bytes.
        is_complete: Whether the request is whole.
        keep_alive: Whether the connection outlives it.
    """

    __slots__ = ("_connection", "answer", "body", "is_complete", "keep_alive")

    def __init__(
        self, request: Request, connection: HttpConnection, keep_alive: bool, has_body: bool
    ) -> None:
        self.request = request
        self.owner = None
        self._connection: HttpConnection | None = connection
        self.answer: bytes | None = None
        self.keep_alive = keep_alive
        self.is_complete = not has_body
        self.body: bytes | bytearray | None = b"" if has_body else None

    def respond(self, status: int, headers: ResponseHeaders, body: bytes = b"") -> None:
        """Answer, in the order of the requests of this connection."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if not self.is_complete:  # what is left of the body is not worth reading
            self.keep_alive = False
        head = _encode_head(status, headers)
        if status not in (204, 304):
            head += b"Content-Length: %d\r\n" % len(body)
        end = b"\r\n" if self.keep_alive else b"Connection: close\r\n\r\n"
        self.answer = head + end + body if self.request.method != "HEAD" else head + end
        connection.answered()

    def close_after(self) -> None:
        """End the connection with the answer."""
        self.keep_alive = False

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

    __slots__ = ("_connection",)

    def __init__(self, request: Request, connection: HttpConnection) -> None:
        super().__init__(request)
        self._connection = connection

    def accept(
        self, receiver: TransportReceiver, headers: ResponseHeaders
    ) -> WebSocketTransport | None:
        """Write the 101 and give the TCP connection a new protocol object."""
        head = [
            (
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Accept: "
            ),
            accept_key(self.request.field(b"sec-websocket-key") or b""),
            b"\r\n",
        ]
        deflate = None
        options = self._connection.options.per_message_deflate
        if options is not None:
            offers = self.request.headers.get("sec-websocket-extensions", "")
            if answer := negotiate(offers, options):
                extension, deflate = answer
                head.append(b"Sec-WebSocket-Extensions: %b\r\n" % extension.encode())
        protocols = self.request.field(b"sec-websocket-protocol")
        if protocols is not None and (first := _first_token(protocols)):
            head += [b"Sec-WebSocket-Protocol: ", first, b"\r\n"]
        head += [f"{name}: {value}\r\n".encode("latin-1") for name, value in headers]
        head.append(b"\r\n")
        return self._connection.become_websocket(b"".join(head), receiver, deflate)

    def reject(self, status: int, headers: ResponseHeaders, body: bytes) -> None:
        """Answer and close."""
        self._connection.refuse(status, headers, body)


def _first_token(value: bytes) -> bytes | None:
    first = value.partition(b",")[0].strip(b" \t")
    return first if _TOKEN.fullmatch(first) else None


class _Phase(Enum):
    """What a connection waits for, and so which deadline it has."""

    HEAD = auto()
    BODY = auto()
    IDLE = auto()
    WAITING = auto()
    """For an answer of ours: no deadline."""


_WAITING: Final = _Phase.WAITING
_IDLE: Final = _Phase.IDLE


class HttpConnection(asyncio.Protocol):
    """One TCP connection while it speaks HTTP.

    Args:
        engine: Gets the requests under its path.
        host: Takes other requests; None answers them with 404.
        is_secure: Whether the connection is encrypted.
    """

    __slots__ = (
        "_awaits_upgrade",
        "_can_write",
        "_deadline",
        "_dropped",
        "_engine",
        "_exchange",
        "_held",
        "_host",
        "_is_closing",
        "_is_flushing",
        "_is_reading",
        "_limits",
        "_phase",
        "_queue",
        "_reader",
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
        self._limits = engine.options.limits
        self._reader = RequestReader(self, self._limits)
        self._reader.is_secure = is_secure
        self._reader.trusted_proxies = engine.trusted_proxies
        self._queue: list[NativeExchange] = []  # short; an empty deque takes 760 bytes
        self._exchange: NativeExchange | None = None
        self._upgrade: NativeUpgrade | None = None
        self._awaits_upgrade = False
        self._held = b""
        self._is_reading = True
        self._is_closing = False
        self._dropped = 0
        self._is_flushing = False
        self._can_write = True
        self._phase = _Phase.HEAD
        self._deadline: float | None = None
        self.wheel_slot = 0

    @property
    def options(self) -> EngineOptions:
        """Of the engine."""
        return self._engine.options

    # --- the connection ---------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A peer has connected."""
        self._tcp = transport  # type: ignore[assignment] # uvloop's is no asyncio.Transport
        peer = transport.get_extra_info("peername")
        self._reader.client = (peer[0], peer[1]) if isinstance(peer, tuple) else None
        driver = self._engine.driver
        driver.connections.add(self)
        if len(driver.connections) > driver.max_connections:
            self._log("refused: too many connections")
            self.refuse(503, [("Retry-After", "5")], b"")
            return
        rates = self._engine.rates
        if rates is not None and not rates.connection_made(self, self._reader.client):
            self._log("refused: too many connections of the address")
            headers = [("Content-Type", "application/json"), *NO_SNIFF]
            headers.append(("Retry-After", str(RETRY_AFTER)))
            self.refuse(429, headers, error_body(ErrorCode.RATE_LIMIT_EXCEEDED))
            return
        self._enter(_Phase.HEAD, self.options.limits.head_timeout)

    def data_received(self, data: bytes) -> None:
        """Bytes from the peer."""
        if self._is_closing:
            self._dropped += len(data)
            if self._dropped > LINGER_BYTES:
                self._pause()
            return
        if not self._is_reading or self._awaits_upgrade:
            self._hold(data)
            return
        try:
            self._consume(data)
        except InvalidRequest as invalid:
            self._fail(invalid.status)

    def eof_received(self) -> bool:
        """The peer sends nothing more: over."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The TCP connection has ended."""
        self._is_closing = True
        self._forget()
        queue = self._take_requests()
        if queue:
            self._engine.driver.departures.add(partial(_lose, queue))

    def pause_writing(self) -> None:
        """The peer does not read its answers: take no more requests."""
        self._can_write = False
        self._pause()

    def resume_writing(self) -> None:
        """It reads again."""
        self._can_write = True
        self._resume()

    def abort(self) -> None:
        """Cut the connection."""
        self._is_closing = True
        self._tcp.abort()

    def close_if_idle(self) -> None:
        """Close unless an answer is due."""
        if not self._queue and not self._awaits_upgrade and not self._is_closing:
            self._tcp.close()

    @property
    def is_sending(self) -> bool:
        """Whether an answer is due, or on its way."""
        return bool(self._queue) or self._tcp.get_write_buffer_size() > 0

    # --- reading ----------------------------------------------------------------------------------

    def _consume(self, data: bytes) -> None:
        """Feed the reader; what is glued together, one request at a time."""
        reader, limits = self._reader, self._limits
        if self._held:  # came before `data`
            data, self._held = self._held + data, b""
        at, end, parts = 0, len(data), 0
        while at < end:
            if (
                self._host is not None
                and not (reader.is_in_head or reader.is_in_body)
                and not self._is_for_us(data[at:] if at else data)
            ):
                return
            stop = reader.end_of_part(data, at)
            read = reader.feed(data if stop - at == end else data[at:stop])
            if read is not None:
                self._held = data[at + read :]
                self._start_upgrade()
                return
            if self._is_closing:
                return
            at = stop
            parts += 1
            if parts == PARTS_PER_TURN and at < end:
                self._held = data[at:]
                self._pause()
                self._engine.call_soon(self._resume)
                return
            if len(self._queue) >= limits.pipelined_requests and not reader.is_in_body:
                self._held = data[at:]
                self._pause()
                break
        if reader.is_in_head:
            if self._phase is not _Phase.HEAD:
                self._enter(_Phase.HEAD, limits.head_timeout)
        elif reader.is_in_body:
            if self._phase is not _Phase.BODY:
                self._enter(_Phase.BODY, limits.body_timeout)
            if end >= _FULL_READ:
                self._pause()
                self._engine.call_soon(self._resume)
        else:  # a poll may wait for as long as its session lives
            self._phase, self._deadline = _WAITING, None

    def _is_for_us(self, data: bytes) -> bool:
        """Look at the request line; hand the connection over if its path is not ours."""
        first = data.find(b" ")
        second = data.find(b" ", first + 1)
        if second < 0 and len(data) < self.options.limits.target_bytes:
            if b"\n" not in data:
                self._held = data
                return False
            second = data.find(b"\n")
        path = data[first + 1 : second].partition(b"?")[0].decode("latin-1")
        if self._engine.is_ours(path):
            return True
        if self._queue:  # answers are due first
            self._held = data
            self._pause()
            return False
        assert self._host is not None
        self._is_closing = True
        self._forget()
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
        if self._is_reading or not self._can_write or self._is_closing or self._tcp.is_closing():
            return
        self._is_reading = True
        self._tcp.resume_reading()
        if self._held:
            self._engine.call_soon(self._go_on)

    def _go_on(self) -> None:
        if self._held and self._is_reading and not self._awaits_upgrade:
            self.data_received(b"")

    # --- requests, from the reader ----------------------------------------------------------------

    def head_received(self, request: Request, length: int | None) -> None:
        """A request begins."""
        if self._reader.is_upgrade:
            self._upgrade = NativeUpgrade(request, self)
            return
        exchange = NativeExchange(request, self, self._reader.keep_alive, length is not None)
        self._exchange = exchange
        self._queue.append(exchange)
        if length is not None and length > self.options.max_payload:
            self._body_too_large(exchange)
            return
        self._engine.handle_request(exchange)
        if length is not None and exchange.answer is None and request.field(b"expect"):
            self._tcp.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def body_received(self, data: bytes) -> None:
        """A piece of its body."""
        exchange = self._exchange
        if exchange is None or exchange.answer is not None or exchange.body is None:
            return
        if len(exchange.body) + len(data) > self.options.max_payload:
            self._body_too_large(exchange)
        elif not exchange.body:
            exchange.body = data
        else:
            if exchange.body.__class__ is bytes:
                exchange.body = bytearray(exchange.body)
            exchange.body += data

    def request_completed(self) -> None:
        """It is whole."""
        exchange, self._exchange = self._exchange, None
        if exchange is None or exchange.body is None:
            return
        exchange.is_complete = True
        if exchange.owner is not None:
            body, exchange.body = exchange.body, None
            exchange.owner.body_received(exchange, bytes(body))

    def _body_too_large(self, exchange: NativeExchange) -> None:
        owner, exchange.owner = exchange.owner, None
        if owner is not None:
            owner.body_too_large(exchange)
        self._log("request body over max_payload")
        exchange.respond(413, self._engine.error_headers(exchange.request))

    # --- answers ----------------------------------------------------------------------------------

    def answered(self) -> None:
        """An exchange has its answer: write it with this tick."""
        if not self._is_flushing:
            self._is_flushing = True
            self._engine.driver.flush_later(self)

    def flush(self) -> None:
        """Write the answers that are next in order."""
        self._is_flushing = False
        queue = self._queue
        while queue and (answer := queue[0].answer) is not None:
            done = queue.pop(0)
            self._tcp.write(answer)
            if not done.keep_alive:
                self._finish()
                return
        if self._is_closing:
            return
        if not queue and self._phase is _WAITING:
            self._enter(_IDLE, self._limits.keep_alive_timeout)
        if not self._is_reading and len(queue) < self._limits.pipelined_requests:
            self._resume()

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
        exchange = self._exchange
        if exchange is not None and exchange.answer is not None:
            self._is_closing = True  # it was answered before it was whole: `flush` ends this
            return
        if exchange is not None and exchange.owner is not None:
            owner, exchange.owner = exchange.owner, None
            owner.exchange_lost(exchange)  # which ends the session, with a line in the log
        else:
            self._log(f"bad request: {status} {_REASONS[status]}")
        self.flush()  # the answers of requests before it
        if not self._is_closing:
            self.refuse(status, [("Content-Type", "text/plain"), *NO_SNIFF], b"")

    def _log(self, what: str) -> None:
        self._engine.peer_log.info(self._reader.client, what)

    def _finish(self) -> None:
        """Close after what was written; what still comes is read and dropped for a moment.

        Closing with bytes unread would reset the connection and could take the answer with it.
        """
        self._is_closing = True
        _lose(self._take_requests())
        if end_writing(self._tcp):
            self._engine.driver.schedule(self, self._engine.driver.clock() + LINGER)
        else:
            self._tcp.close()

    def _take_requests(self) -> list[NativeExchange]:
        """Those that will have no answer."""
        self._exchange = None
        queue, self._queue = self._queue, []
        return queue

    def _forget(self) -> None:
        """The engine has nothing more to do with this connection."""
        driver = self._engine.driver
        driver.cancel(self)
        driver.connection_lost(self)
        self._reader.close()

    # --- deadlines --------------------------------------------------------------------------------

    def _enter(self, phase: _Phase, timeout: float | None) -> None:
        """Begin a phase with its own deadline; going on in one does not move it.

        The wheel is touched only when its entry would come too late: on most connections the
        deadline moves with every request and never comes.
        """
        self._phase = phase
        if timeout is None:
            self._deadline = None
            return
        self._deadline = deadline = self._engine.driver.clock() + timeout
        if not self.wheel_slot or self.wheel_slot > deadline / GRANULARITY + 1:
            self._engine.driver.schedule(self, deadline)

    def handle_timeout(self, now: float) -> None:
        """A deadline has come, or has moved or gone meanwhile."""
        if self._is_closing:
            self._tcp.abort()
        elif self._deadline is None:
            pass
        elif now < self._deadline:
            self._engine.driver.schedule(self, self._deadline)
        elif self._phase is _Phase.IDLE:
            if self._engine.keeps_idle_connections:
                self._enter(_IDLE, self._limits.keep_alive_timeout)
            else:
                self._tcp.close()
        else:
            self._fail(408)

    # --- becoming a WebSocket ---------------------------------------------------------------------

    def _start_upgrade(self) -> None:
        """The head of an upgrade is whole; the answer may take a while."""
        upgrade, self._upgrade = self._upgrade, None
        self._enter(_Phase.WAITING, None)
        if upgrade is None or self._queue:
            raise InvalidRequest(400)
        request = upgrade.request
        if not self._engine.is_ours(request.target):
            self.refuse(404, [], b"")
            return
        if not _wants_websocket(request.field(b"upgrade") or b""):
            raise InvalidRequest(400)
        if request.method != "GET":
            raise InvalidRequest(405)
        if request.field(b"sec-websocket-version") not in (b"13", b"8"):
            self._log("refused: unknown version of WebSocket")
            self.refuse(400, [("Sec-WebSocket-Version", "13, 8")], b"")
            return
        if not _WEBSOCKET_KEY.fullmatch(request.field(b"sec-websocket-key") or b""):
            body = "Missing or invalid Sec-WebSocket-Key header"
            self._log(f"refused: {body}")
            self.refuse(400, [("Content-Type", "text/html"), *NO_SNIFF], body.encode())
            return
        extensions = request.field(b"sec-websocket-extensions")
        if extensions is not None and not is_extension_list(extensions):
            raise InvalidRequest(400)
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
        driver.connection_moved(self, websocket)
        self._tcp.set_protocol(websocket)
        if not self._is_reading:
            self._tcp.resume_reading()
        self._reader.close()
        return websocket


def _lose(requests: list[NativeExchange]) -> None:
    for exchange in requests:
        exchange.lose()


def _wants_websocket(upgrade: bytes) -> bool:
    return any(token.strip(b" \t") == b"websocket" for token in upgrade.lower().split(b","))
