"""The native front end: HTTP/1.1 on one asyncio protocol, and the switch to WebSocket.

Theory. A connection is fed by its TCP transport (`data_received`), and feeds its reader one request
at a time (`_consume`). The reader calls back with heads, bodies and ends; each request becomes an
exchange in `_queue`, which is given to the engine at once and answered whenever the engine has an
answer. Answers are written in the order of the requests, at the end of the tick like everything
else (`Driver.flush_later`): a poll that waits holds up only what the same client sent behind it.

What may be true at once:

- Bytes that nobody has read yet are in `_held`, and nowhere else. That is so while reading is
  paused, while a head that may be the host's is not whole, and behind the head of an upgrade.
- Reading is paused (`_is_reading` is False) by who comes too fast: more requests than
  `pipelined_requests`, answers that are not taken (`_can_write`), a turn that is over, a large body
  between two turns. The reasons are not kept: `_resume` goes on once answers are taken, and what is
  still too much stops reading again.
- `_exchange` is the request whose body is coming; it may have its answer already. Then what is
  left of the body is not worth reading, and its connection ends behind that answer.
- An upgrade that waits for the engine's answer (`_awaits_upgrade`) has no requests before it.

What must never happen: an answer that overtakes another one; a request that is read when its
connection is closing or is no longer ours (`_is_closing` is set before another protocol object gets
the TCP connection); bytes in `_held` without a bound: either reading is paused, or the limits
of a head hold (`owner_of`).
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from sockwave.engine.core.request import decoded
from sockwave.engine.io.tcp import close_once
from sockwave.engine.io.turns import READ_COST
from sockwave.engine.server.exchange import NO_SNIFF, PLAIN, ResponseHeaders
from sockwave.engine.server.fronts.answers import (
    CLOSE,
    KEEP,
    KEEP_OLD,
    encode_answer,
    encode_refusal,
)
from sockwave.engine.server.fronts.known_heads import KnownHeadsReader
from sockwave.engine.server.fronts.native_exchange import NativeExchange
from sockwave.engine.server.fronts.native_upgrade import NativeUpgrade, refusal_of
from sockwave.engine.server.fronts.shared_port import Host, SharedPort
from sockwave.engine.server.fronts.tcp_connection import Phase
from sockwave.engine.server.invalid_request import InvalidRequest
from sockwave.engine.server.routing import session_of
from sockwave.engine.server.rules.rates import RETRY_AFTER
from sockwave.engine.server.rules.verification import ErrorCode, error_body
from sockwave.engine.server.transports.websocket import WebSocketTransport

if TYPE_CHECKING:
    import asyncio

    from sockwave.codec.deflate import PerMessageDeflate
    from sockwave.engine.core.options import EngineOptions
    from sockwave.engine.core.request import Request
    from sockwave.engine.core.transport import TransportReceiver
    from sockwave.engine.server.engine import EngineServer
    from sockwave.types import DisconnectReason

__all__ = ["HttpConnection"]

MOST_LINGERING: Final = 24
"""Connections over the limit that linger at a time: the process has few descriptors beyond it
(`SPARE_DESCRIPTORS`), and the next ones want an answer too."""

_FULL_READ: Final = 65_536
"""Bytes read at once of which more is probably there. The loop would go on reading, up to 8 MB in
one turn: time for others after each piece of a large body, which can be all framing of chunks."""

PARTS_PER_TURN: Final = 1_024
"""Parts of what was read at once (`RequestReader.end_of_part`) before others get their turn: a body
can be all ends of heads."""

_WAITING: Final = Phase.WAITING
_IDLE: Final = Phase.IDLE


class HttpConnection(SharedPort):
    """One TCP connection while it speaks HTTP.

    Args:
        engine: Gets the requests under its path.
        host: Takes other requests; None answers them with 404.
        is_secure: Whether the connection is encrypted.
    """

    __slots__ = (
        "_awaits_upgrade",
        "_exchange",
        "_is_flushing",
        "_queue",
        "_reader",
        "_upgrade",
        "accounted",
    )

    def __init__(
        self, engine: EngineServer, host: Host | None = None, *, is_secure: bool = False
    ) -> None:
        super().__init__(engine)
        self._host = host
        self._held = b""
        self._reader = KnownHeadsReader(self, self._limits)
        self._reader.is_secure = is_secure
        self._reader.trusted_proxies = engine.trusted_proxies
        self._queue: list[NativeExchange] = []  # short; an empty deque takes 760 bytes
        self._exchange: NativeExchange | None = None
        self._upgrade: NativeUpgrade | None = None
        self._awaits_upgrade = False
        self._is_flushing = False
        self.accounted: int = 0

    @property
    def options(self) -> EngineOptions:
        """Of the engine."""
        return self._engine.options

    # --- the connection ---------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A peer has connected."""
        self._tcp = transport  # type: ignore[assignment] # uvloop's is no asyncio.Transport
        if self._reader.client is None:
            peer = transport.get_extra_info("peername")
            self._reader.client = (peer[0], peer[1]) if isinstance(peer, tuple) else None
        driver = self._engine.driver
        driver.connections.add(self)
        rates = self._engine.rates
        if driver.open_connections > driver.max_connections:
            self._refuse_for_process()
        elif rates is not None and not rates.connection_made(self, self._reader.client):
            self._refuse_for_address(rates.most_connections)
        else:
            self._enter(Phase.HEAD, self._limits.head_timeout)

    def _refuse_for_process(self) -> None:
        driver = self._engine.driver
        most = f"limits.connections={driver.max_connections}"
        self._log("refused: too many connections:", f"this process takes {most}")
        self.refuse(503, [*PLAIN, ("Retry-After", str(RETRY_AFTER))], b"too many connections")
        if driver.open_connections > driver.max_connections + MOST_LINGERING:
            self._tcp.close()  # descriptors are short

    def _refuse_for_address(self, most: str) -> None:
        self._log("refused: too many connections of the address:", most)
        headers = [("Content-Type", "application/json"), *NO_SNIFF]
        headers.append(("Retry-After", str(RETRY_AFTER)))
        self.refuse(429, headers, error_body(ErrorCode.RATE_LIMIT_EXCEEDED))

    def data_received(self, data: bytes) -> None:
        """Bytes from the peer."""
        if self._is_closing:
            self._drop(len(data))
            return
        if not self._is_reading or self._awaits_upgrade:
            self._hold(data)
            return
        turns = self._engine.driver.turns
        turns.credit = credit = turns.credit - (len(data) >> 2) - READ_COST
        if credit < 0 and turns.is_over():
            self._held += data
            self._pause()
            turns.later(self._turn_came, len(data))
            return
        try:
            self._consume(data)
        except InvalidRequest as invalid:
            self._fail(invalid)

    def _turn_came(self) -> None:
        """Go on with what came when the turn was over."""
        if self._is_closing or self._tcp.is_closing() or self._is_reading or not self._can_write:
            return
        self._is_reading = True
        self._tcp.resume_reading()
        if not self._awaits_upgrade:
            self._engine.driver.turns.credit += READ_COST  # it has had its turn
            self.data_received(b"")

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
        self._engine.driver.backlog_grew(self)

    def resume_writing(self) -> None:
        """It reads again."""
        self._can_write = True
        self._engine.driver.backlog_grew(self)
        self._resume()

    def discard(self, reason: DisconnectReason, description: str) -> None:
        """End it: the process holds too much, and most of that for this peer."""
        self._log(f"{reason}: {description}")
        self.abort()

    def close_if_idle(self) -> None:
        """Close unless an answer is due."""
        if not self._queue and not self._awaits_upgrade and not self._is_closing:
            close_once(self._tcp)

    @property
    def is_sending(self) -> bool:
        """Whether an answer is due, or on its way."""
        return bool(self._queue) or self._tcp.get_write_buffer_size() > 0

    # --- reading ----------------------------------------------------------------------------------

    def _consume(self, data: bytes) -> None:
        """Feed the reader; what is glued together, one request at a time."""
        reader, limits = self._reader, self._limits
        router = self._engine.router
        is_alone = self._host is None and router is None  # nobody else could own a request
        if (
            self._host is None
            and not self._held
            and (router is None or not router.is_elsewhere(session_of(data) or b""))
            and reader.feed_known(data)
        ):
            if not self._is_closing:  # as below, of a request that is whole and alone
                if len(self._queue) >= limits.pipelined_requests:
                    self._pause()
                self._phase, self._deadline = _WAITING, None
            return
        if self._held:  # came before `data`
            data, self._held = self._held + data, b""
        at, end, parts = 0, len(data), 0
        while at < end:
            if (
                not is_alone
                and not (reader.is_in_head or reader.is_in_body)
                and not self._is_for_us(data[at:] if at else data)
            ):
                return
            if not at and reader.feed_known(data):
                stop = end
            else:
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
            if self._phase is not Phase.HEAD:
                self._enter(Phase.HEAD, limits.head_timeout)
        elif reader.is_in_body:
            if self._phase is not Phase.BODY:
                self._enter(Phase.BODY, limits.body_timeout)
            if end >= _FULL_READ:
                self._pause()
                self._engine.call_soon(self._resume)
        else:  # a poll may wait for as long as its session lives
            self._phase, self._deadline = _WAITING, None

    def _hold(self, data: bytes) -> None:
        self._held += data
        if self._awaits_upgrade and self._is_reading:
            self._pause()

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

    @property
    def _owes_answers(self) -> bool:
        return bool(self._queue)

    # --- requests, from the reader ----------------------------------------------------------------

    def head_received(self, request: Request, length: int | None) -> None:
        """A request begins."""
        if self._reader.is_upgrade:
            self._upgrade = NativeUpgrade(request, self)
            return
        reader = self._reader
        end = KEEP if reader.keep_alive and not reader.is_old else self._end_of_old()
        exchange = NativeExchange(request, self, end, length is not None)
        self._exchange = exchange
        self._queue.append(exchange)
        self._engine.handle_request(exchange)
        if length is not None and exchange.answer is None:
            if length > self.options.max_payload:
                self._body_too_large(exchange)
            elif request.field(b"expect"):
                self._write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _end_of_old(self) -> bytes:
        return KEEP_OLD if self._reader.keep_alive else CLOSE

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
        self._log("the body is too large:", f"over max_payload={self.options.max_payload}")
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
            self._written = done.ends_at = self._written + len(answer)
            done.answer = b""
            if done.end is CLOSE:
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
        self._end_with(encode_answer(status, headers, body))

    def _fail(self, invalid: InvalidRequest) -> None:
        """A request that cannot be read: one answer, and the end."""
        exchange = self._exchange
        if exchange is not None and exchange.answer is not None:
            self._is_closing = True  # it was answered before it was whole: `flush` ends this
            return
        if exchange is not None and exchange.owner is not None:
            owner, exchange.owner = exchange.owner, None
            owner.exchange_lost(exchange)  # which ends the session, with a line in the log
        else:
            self._engine.peer_log.invalid(self._reader.client, invalid)
        self.flush()  # the answers of requests before it
        if not self._is_closing:
            self._end_with(encode_refusal(invalid))

    def _log(self, what: str, detail: str = "") -> None:
        self._engine.peer_log.info(self._reader.client, what, detail)

    def _lose_requests(self) -> None:
        _lose(self._take_requests())

    def _take_requests(self) -> list[NativeExchange]:
        """Those that will have no answer."""
        self._exchange = None
        queue, self._queue = self._queue, []
        return queue

    def _forget(self) -> None:
        """The engine has nothing more to do with this connection."""
        driver = self._engine.driver
        driver.cancel(self)
        driver.forget_backlog(self)
        driver.connection_lost(self)
        self._reader.close()

    # --- becoming a WebSocket ---------------------------------------------------------------------

    def _start_upgrade(self) -> None:
        """The head of an upgrade is whole; the answer may take a while."""
        upgrade, self._upgrade = self._upgrade, None
        self._enter(Phase.WAITING, None)
        if upgrade is None or self._queue:
            raise InvalidRequest(400, "an upgrade behind requests that wait for their answers")
        if not self._engine.is_ours(decoded(upgrade.request.path)):
            self.refuse(404, [], b"")
            return
        refusal = refusal_of(upgrade.request)
        if refusal is not None:
            self._log(f"refused: {refusal.why}{':' if refusal.detail else ''}", refusal.detail)
            self.refuse(400, refusal.headers, refusal.why.encode())
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
        driver.connection_moved(self, websocket)
        self._tcp.set_protocol(websocket)
        if not self._is_reading:
            self._tcp.resume_reading()
        self._reader.close()
        return websocket


def _lose(requests: list[NativeExchange]) -> None:
    for exchange in requests:
        exchange.lose()
