"""One QUIC connection, with one WebTransport session on it.

Theory. The life of a connection: its handshake; one request for a session, which the engine answers
when it likes; a session with one stream, that the client opens, maybe before it has the answer; and
the end. `_phase` says where it is. Whatever else the client asks for is refused, and the connection
goes with its session: browsers open one for each.

At the end in order (`close`) the stream ends first. Once the peer's machine has confirmed all of
that, the session does, with a code; and once that is confirmed, the connection. In another order a
client could lose what was sent to it before, or hear of a failure.
"""

from __future__ import annotations

from contextlib import suppress
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, Final

from aioquic.h3.connection import ErrorCode, FrameUnexpected
from aioquic.h3.events import DataReceived, HeadersReceived, WebTransportStreamDataReceived
from aioquic.quic import events

from sockwave.engine.core.taking import Taken
from sockwave.engine.core.transport import CONNECTION_LOST
from sockwave.engine.io.quic.capsules import CapsuleReader, encode_close
from sockwave.engine.io.quic.library import HTTP3
from sockwave.engine.io.quic.windows import FULL, ROOM
from sockwave.engine.server.fronts.quic.packets import QuicPackets
from sockwave.engine.server.fronts.quic.requests import QuicExchange, request_of
from sockwave.engine.server.invalid_request import InvalidRequest
from sockwave.types import DisconnectReason

if TYPE_CHECKING:
    from collections.abc import Callable

    from aioquic.h3.events import H3Event

    from sockwave.engine.io.quic.library import WindowedConnection
    from sockwave.engine.io.webtransport import WebTransportSessionReceiver
    from sockwave.engine.server.engine import EngineServer
    from sockwave.engine.server.exchange import ResponseHeaders
    from sockwave.engine.server.fronts.quic.packets import QuicPort

__all__ = ["QuicFront"]

LINGER: Final = 1.0
"""Seconds that a connection may take to go, when its session has ended or is refused."""

_MOST_REFUSED: Final = 128
"""Streams that nobody wanted, above which the connection ends."""

_SESSION_GONE: Final = 0x170D7B68
"""Resets a stream whose session has ended, or that no session wants."""


class _Phase(Enum):
    HANDSHAKE = auto()
    """Until there is a request."""
    ASKED = auto()
    """The engine has it."""
    OPEN = auto()
    """There is a session."""
    ENDING = auto()
    """It ends as soon as the peer has all of the stream."""
    OVER = auto()
    """It has ended, or was refused; the connection goes."""
    GONE = auto()
    """So has the connection."""


class QuicFront(QuicPackets):
    """A connection, and the session that it carries; see `WebTransportSession`.

    Args:
        port: The port.
        quic: The library's connection.
        address: Where the first packet came from.

    Attributes:
        client: Host and port of the peer, as they were when it began.
        receiver: The transport, once there is one.
    """

    __slots__ = (
        "_capsules",
        "_close",
        "_data_session",
        "_data_stream",
        "_early",
        "_http",
        "_is_ended",
        "_is_full",
        "_is_shaken",
        "_phase",
        "_refused_streams",
        "_session_stream",
        "_watcher",
        "client",
        "receiver",
        "wheel_slot",
    )

    def __init__(self, port: QuicPort, quic: WindowedConnection, address: Any) -> None:
        super().__init__(port, quic)
        host: str = address[0].partition("%")[0]
        self.client: tuple[str, int] = (host.removeprefix("::ffff:"), address[1])
        self.receiver: WebTransportSessionReceiver | None = None
        self.wheel_slot: int = 0
        self._http: HTTP3 | None = None
        self._phase = _Phase.HANDSHAKE
        self._is_shaken = False
        self._session_stream = -1
        self._data_stream: int | None = None
        self._data_session = -1
        self._early: list[bytes] = []
        self._is_ended = False
        self._is_full = False
        self._capsules = CapsuleReader()
        self._refused_streams: set[int] = set()
        self._close: tuple[int, str] = (0, "")
        self._watcher: Callable[[], None] | None = None
        port.handshakes += 1
        driver = self._driver
        driver.connections.add(self)
        driver.schedule(self, driver.clock() + port.engine.options.limits.head_timeout)

    @property
    def engine(self) -> EngineServer:
        """Gets the session."""
        return self._port.engine

    def _worked(self) -> None:
        if self._watcher is not None:
            self._watcher()
        if self._is_full and self.buffered() <= ROOM:
            self._is_full = False
            if self._phase is _Phase.OPEN and self.receiver is not None:
                self.receiver.session_writable()
        if self._phase is _Phase.ENDING:
            self._end_if_delivered()
        elif self._phase is _Phase.OVER and self._quic.is_delivered(self._session_stream):
            self._quic.close(ErrorCode.H3_NO_ERROR)

    # --- events of the library --------------------------------------------------------------------

    def _event(self, event: events.QuicEvent) -> None:
        match event:
            case events.StreamDataReceived(stream_id=id_) if id_ == self._data_stream:
                self._data_received(event.data, is_last=event.end_stream)
                return
            case events.StreamDataReceived(stream_id=id_) if id_ in self._refused_streams:
                return
            case events.ProtocolNegotiated():
                self._http = HTTP3(self._quic, self.engine.options.limits.head_bytes)
            case events.HandshakeCompleted():
                self._shaken()
            case events.ConnectionTerminated():
                self._terminated(event)
            case events.StreamReset() | events.StopSendingReceived():
                if event.stream_id in (self._session_stream, self._data_stream):
                    self._peer_closed(event.error_code)
        if self._http is not None:
            for received in self._http.handle_event(event):
                self._http_event(received)

    def _http_event(self, event: H3Event) -> None:
        match event:
            case WebTransportStreamDataReceived():
                self._stream_received(event)
            case HeadersReceived():
                self._head_received(event)
            case DataReceived(stream_id=id_) if id_ == self._session_stream:
                code = self._capsules.feed(event.data)
                if code is not None or event.stream_ended:
                    self._peer_closed(code or 0)

    def _shaken(self) -> None:
        """The handshake is done: the peer is where it says."""
        self._is_shaken = True
        self._port.handshakes -= 1
        rates = self.engine.rates
        if rates is not None and not rates.connection_made(self, self.client):
            text = "refused: too many connections of the address:"
            self.engine.peer_log.info(self.client, text, rates.most_connections)
            self._quic.close(ErrorCode.H3_EXCESSIVE_LOAD)
            self._lose(CONNECTION_LOST)

    def _terminated(self, event: events.ConnectionTerminated) -> None:
        is_idle = event.reason_phrase == "Idle timeout"
        self._lose(CONNECTION_LOST if is_idle else f"peer closed with {event.error_code}")

    # --- the request ------------------------------------------------------------------------------

    def _head_received(self, event: HeadersReceived) -> None:
        if event.stream_id == self._session_stream:  # trailers
            self._peer_closed(0)
            return
        if self._phase is not _Phase.HANDSHAKE:
            self._answer(event.stream_id, 429)
            return
        self._session_stream = event.stream_id
        self._phase = _Phase.ASKED
        engine = self.engine
        engine.driver.cancel(self)
        try:
            request = request_of(engine, event.headers, self.client)
        except InvalidRequest as invalid:
            engine.peer_log.invalid(self.client, invalid)
            self.respond(invalid.status, (), invalid.why.encode())
            return
        if event.stream_ended:
            self._peer_closed(0)
            return
        if request is None:
            self.respond(404, (), b"")
            return
        admits_http = not self._port.is_beside_tls
        exchange = QuicExchange(request, self, engine.driver, admits_http=admits_http)
        engine.handle_upgrade(exchange)

    def _answer(self, stream: int, status: int, headers: ResponseHeaders = ()) -> None:
        if not self._quic.may_send(stream):
            return
        fields = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
        assert self._http is not None  # it has brought the request
        self._http.send_headers(stream, [(b":status", b"%d" % status), *fields], status != 200)
        self._transmit_soon()

    def accept(self, headers: ResponseHeaders) -> bool:
        """Answer that there is a session; False when the peer has gone meanwhile."""
        if self._phase is not _Phase.ASKED:
            return False
        self._phase = _Phase.OPEN
        more = (*headers, ("sec-webtransport-http3-draft", "draft02"))
        self._answer(self._session_stream, 200, more)
        return True

    def respond(self, status: int, headers: ResponseHeaders, body: bytes) -> None:
        """Answer that there is none. Its client sees no more of that than that it has failed."""
        if self._phase is not _Phase.ASKED:
            return
        self._answer(self._session_stream, status, headers)
        self._over()

    def begin(self, receiver: WebTransportSessionReceiver) -> None:
        """Give what comes to a transport: what has come already, in the next turn."""
        self.receiver = receiver
        if self._early or self._is_ended:
            self._driver.call_soon(self._give_early)

    def _give_early(self) -> None:
        early, self._early = b"".join(self._early), []
        if early and self.receiver is not None:
            self.receiver.data_received(early)
        if self._is_ended:
            self._peer_closed(0)

    # --- the stream -------------------------------------------------------------------------------

    def _stream_received(self, event: WebTransportStreamDataReceived) -> None:
        """The first bytes of a stream: the first one that a client opens in both directions is that
        of the session, though the request for it may come behind."""
        id_ = event.stream_id
        is_first = self._data_stream is None and not id_ & 3
        if not is_first or self._session_stream not in (-1, event.session_id):
            self._refuse_stream(id_)
            return
        self._data_stream, self._data_session = id_, event.session_id
        self._quic.taken_stream = id_
        self._data_received(event.data, is_last=event.stream_ended)
        if self._phase is _Phase.OPEN and self.receiver is not None:
            self.receiver.session_writable()

    def _refuse_stream(self, id_: int) -> None:
        self._refused_streams.add(id_)
        if len(self._refused_streams) > _MOST_REFUSED:
            self._quic.close(ErrorCode.H3_EXCESSIVE_LOAD)
            self._lose("too many streams")
            return
        with suppress(ValueError):  # it has ended by itself
            self._quic.stop_stream(id_, _SESSION_GONE)
        if not id_ & 2:
            self._quic.reset_stream(id_, _SESSION_GONE)

    def _data_received(self, data: bytes, *, is_last: bool) -> None:
        self._is_ended = self._is_ended or is_last
        if self.receiver is None or self._early:
            if self._phase in (_Phase.HANDSHAKE, _Phase.ASKED, _Phase.OPEN):
                self._early.append(data)
            return
        if data and self._phase is _Phase.OPEN:
            self.receiver.data_received(data)
        if is_last:
            self._peer_closed(0)

    @property
    def is_writable(self) -> bool:
        """Whether there is a stream whose peer takes what it is sent."""
        if self._phase is not _Phase.OPEN or self._is_full:
            return False
        return self._data_stream is not None and self._data_session == self._session_stream

    def write(self, data: bytes) -> None:
        """Send on the stream."""
        if self._phase is not _Phase.OPEN or self._data_stream is None:
            return
        if not self._quic.may_send(self._data_stream):
            return
        self._quic.send_stream_data(self._data_stream, data)
        if not self._is_full and self.buffered() > FULL:
            self._is_full = True
        self._transmit_soon()

    def buffered(self) -> int:
        """Bytes that the peer's machine has not confirmed."""
        return self.progress().waiting

    def progress(self) -> Taken:
        """How far the peer's machine is."""
        if self._data_stream is None:
            return Taken(0, 0)
        return Taken(*self._quic.confirmed(self._data_stream))

    def watch(self, progressed: Callable[[], None]) -> None:
        """Call back whenever the peer may have confirmed something."""
        self._watcher = progressed

    def pause_reading(self) -> None:
        """Give the peer no more credit."""
        self._quic.is_paused = True

    def resume_reading(self) -> None:
        """Give it credit for what was taken."""
        if self._quic.is_paused:
            self._quic.is_paused = False
            self._transmit_soon()

    # --- the end ----------------------------------------------------------------------------------

    def close(self, code: int, reason: str) -> None:
        """End the session once the peer has what was written."""
        if self._phase is not _Phase.OPEN:
            return
        self._phase = _Phase.ENDING
        self._close = (code, reason)
        stream = self._data_stream
        if stream is not None and self._quic.may_send(stream):
            self._quic.send_stream_data(stream, b"", end_stream=True)
        self._end_if_delivered()
        self._transmit_soon()

    def _end_if_delivered(self) -> None:
        if self._data_stream is not None and not self._quic.is_delivered(self._data_stream):
            return
        self._send_capsule(encode_close(*self._close))
        self._over()
        self._tell(DisconnectReason.TRANSPORT_CLOSE, "")

    def _send_capsule(self, capsule: bytes) -> None:
        if self._http is None or not self._quic.may_send(self._session_stream):
            return
        try:
            self._http.send_data(self._session_stream, capsule, end_stream=True)
        except FrameUnexpected:  # our side has ended
            return

    def _over(self) -> None:
        """The session has ended on our side: soon the connection goes, whatever the peer does."""
        self._phase = _Phase.OVER
        self._driver.schedule(self, self._driver.clock() + LINGER)
        self._transmit_soon()

    def _peer_closed(self, code: int) -> None:
        """The peer has ended the session, or its stream: nothing is left to say."""
        if self._phase in (_Phase.OVER, _Phase.GONE):
            return
        self._quic.close(ErrorCode.H3_NO_ERROR)
        self._lose(f"peer closed with {code}")

    def _lose(self, description: str) -> None:
        """The connection is of no use any more."""
        if self._phase is _Phase.GONE:
            return
        self._phase = _Phase.GONE
        if not self._is_shaken:
            self._port.handshakes -= 1
            self._is_shaken = True
        self._early.clear()
        driver = self._driver
        driver.cancel(self)
        driver.connection_lost(self)
        self._transmit_soon()
        self._tell(DisconnectReason.TRANSPORT_CLOSE, description)

    def _tell(self, reason: DisconnectReason, description: str) -> None:
        receiver, self.receiver, self._watcher = self.receiver, None, None
        if receiver is not None:
            receiver.session_lost(reason, description)

    def refuse(self, reason: str) -> None:
        """End the connection: its client is not to have a session of ours."""
        self._quic.close(ErrorCode.H3_REQUEST_REJECTED, reason_phrase=reason)
        self._lose("refused")

    def handle_timeout(self, now: float) -> None:
        """There was no request in time, or the connection does not go."""
        self.abort()

    # --- when the server stops, and for whoever has the session -----------------------------------

    def abort(self) -> None:
        """End the connection now."""
        if self._phase is not _Phase.GONE:
            self._quic.close(ErrorCode.H3_NO_ERROR)
            self._lose(CONNECTION_LOST)
            self._transmit()

    def close_if_idle(self) -> None:
        """Close it unless there is a session, or may be one."""
        if self._phase is _Phase.HANDSHAKE:
            self.abort()

    @property
    def is_sending(self) -> bool:
        """Whether the peer has not confirmed everything yet, or another process has the session and
        is to end it in its turn."""
        is_carried = self._watcher is not None
        return is_carried or self._phase is _Phase.ENDING or self.buffered() > 0
