"""One QUIC connection to a server, with one WebTransport session on it.

Theory. `shaken` is done once the server has shown who it is; then `ask` sends the one request, and
`answered` is done when there is a session, whose stream is opened at once. Both fail with what has
gone wrong. From then on it is the session of a transport (`engine/io/webtransport.py`).

At the end in order (`close`) the stream ends first. Once the server's machine has confirmed all of
that, the session does, with a code, and then the connection: a server may drop what it has not read
when it hears of the end of the session.

There is no task: datagrams, a timer and the transport call in.
"""

from __future__ import annotations

from contextlib import suppress
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, Final

from aioquic.h3.connection import ErrorCode, FrameUnexpected
from aioquic.h3.events import DataReceived, HeadersReceived, WebTransportStreamDataReceived
from aioquic.quic import events

from sockwave.engine.client.failures import ADVICE, WEBTRANSPORT_ERROR, answered, shown
from sockwave.engine.client.quic.packets import QuicPackets
from sockwave.engine.client.quic.trust import NotTrusted
from sockwave.engine.core.taking import Taken
from sockwave.engine.core.transport import CONNECTION_LOST
from sockwave.engine.io.quic.capsules import CapsuleReader, encode_close
from sockwave.engine.io.quic.library import HTTP3
from sockwave.engine.io.quic.windows import FULL, ROOM
from sockwave.errors import FailureCause, TransportError
from sockwave.types import DisconnectReason

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Mapping

    from aioquic.h3.events import H3Event

    from sockwave.engine.client.quic.trust import Trust
    from sockwave.engine.client.runtime import Runtime
    from sockwave.engine.io.webtransport import WebTransportSessionReceiver

__all__ = ["QuicSession"]

HEAD_BYTES: Final = 32_768
"""Of the head of an answer."""

REFUSALS: Final = 3
"""How often in a row the server's machine has to say that nobody listens there. Anybody can say so
once who has seen a packet, and a machine that restarts its network does."""

LINGER: Final = 1.0
"""Seconds that the end of the session may take to reach the server."""

_MOST_REFUSED: Final = 128
"""Streams of the server that nobody wanted, above which the connection ends."""

_SESSION_GONE: Final = 0x170D7B68
_BAD_CERTIFICATE: Final = 0x12A
_PROTOCOL_SETTINGS: Final = (0x2B603742, 0xC671706A, 0x14E9CD29, 0x2C7CF000)
"""By which servers say that they speak WebTransport, of any draft."""


class _Phase(Enum):
    SHAKING = auto()
    """QUIC's handshake."""
    SHAKEN = auto()
    """Nothing is asked yet, or nothing is answered."""
    OPEN = auto()
    """There is a session."""
    ENDING = auto()
    """It ends as soon as the server has all of the stream."""
    OVER = auto()
    """It has ended on our side."""
    GONE = auto()
    """So has the connection."""


class QuicSession(QuicPackets):
    """A connection, and the session that it carries; see `WebTransportSession`.

    Args:
        runtime: Of the client.
        host: Name or address in the URL: whose certificate is wanted.
        address: Where its UDP port is.
        trust: What is said about certificates.

    Attributes:
        shaken: Done when the server is who it should be.
        answered: Done when there is a session.
        gone: Done when nothing is left.
        has_heard: Whether anything has come from there.
        receiver: The transport, once there is one.
    """

    def __init__(self, runtime: Runtime, host: str, address: Any, trust: Trust) -> None:
        super().__init__(runtime, host, address)
        loop = runtime.loop
        self.shaken: asyncio.Future[None] = loop.create_future()
        self.answered: asyncio.Future[None] = loop.create_future()
        self.gone: asyncio.Future[None] = loop.create_future()
        self.has_heard: bool = False
        self.receiver: WebTransportSessionReceiver | None = None
        self.wheel_slot: int = 0
        self._host = host
        self._trust = trust
        self._refusals = 0
        self._http: HTTP3 | None = None
        self._phase = _Phase.SHAKING
        self._request: list[tuple[bytes, bytes]] | None = None
        self._session_stream = -1
        self._data_stream = -1
        self._early: list[bytes] = []
        self._is_full = False
        self._capsules = CapsuleReader()
        self._refused_streams: set[int] = set()
        self._close: tuple[int, str] = (0, "")
        self._end: tuple[DisconnectReason, str] | None = None
        for future in (self.shaken, self.answered):
            future.add_done_callback(_retrieve)

    # --- from the socket --------------------------------------------------------------------------

    def datagram_received(self, data: bytes, addr: Any) -> None:
        """A datagram of the server."""
        self._refusals = 0
        self.has_heard = True
        super().datagram_received(data, addr)

    def error_received(self, exc: Exception) -> None:
        """The machine there, or one on the way, says that this is in vain."""
        self._refusals += 1
        if self._phase is _Phase.SHAKING or self._refusals >= REFUSALS:
            refused = isinstance(exc, ConnectionRefusedError)
            cause = FailureCause.REFUSED if refused else FailureCause.UNREACHABLE
            self._lose(DisconnectReason.TRANSPORT_ERROR, str(exc), cause)

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is closed."""
        self._udp = None
        self._lose(DisconnectReason.TRANSPORT_ERROR, str(exc or CONNECTION_LOST))
        _resolve(self.gone)

    def _failed(self) -> None:
        self._lose(DisconnectReason.TRANSPORT_ERROR, "internal error")

    @property
    def _is_over(self) -> bool:
        return self._phase is _Phase.GONE

    def _worked(self) -> None:
        if self._is_full and self.buffered() <= ROOM:
            self._is_full = False
            if self._phase is _Phase.OPEN and self.receiver is not None:
                self.receiver.session_writable()
        if self._phase is _Phase.ENDING:
            self._end_if_delivered()
        elif self._phase is _Phase.OVER and self._quic.is_delivered(self._session_stream):
            self._finish()

    # --- events of the library --------------------------------------------------------------------

    def _event(self, event: events.QuicEvent) -> None:
        match event:
            case events.StreamDataReceived(stream_id=id_) if id_ == self._data_stream:
                self._data_received(event.data)
                return
            case events.StreamDataReceived(stream_id=id_) if id_ in self._refused_streams:
                return
            case events.ProtocolNegotiated():
                self._http = HTTP3(self._quic, HEAD_BYTES)
            case events.HandshakeCompleted():
                self._shake()
            case events.ConnectionTerminated():
                self._terminated(event)
                return
            case events.StreamReset() | events.StopSendingReceived():
                if event.stream_id in (self._session_stream, self._data_stream):
                    text = f"the server gave the stream up, with {event.error_code}"
                    self._lose(DisconnectReason.TRANSPORT_ERROR, text)
        if self._http is not None:
            for received in self._http.handle_event(event):
                self._http_event(received)
            self._ask_if_ready()

    def _http_event(self, event: H3Event) -> None:
        match event:
            case WebTransportStreamDataReceived():
                self._refuse_stream(event.stream_id)
            case HeadersReceived(stream_id=id_) if id_ == self._session_stream:
                self._head_received(event)
            case DataReceived(stream_id=id_) if id_ == self._session_stream:
                code = self._capsules.feed(event.data)
                if code is not None or event.stream_ended:
                    self._peer_closed(code or 0)

    def _refuse_stream(self, id_: int) -> None:
        """There is one stream, which is ours."""
        self._refused_streams.add(id_)
        if len(self._refused_streams) > _MOST_REFUSED:
            self._lose(DisconnectReason.TRANSPORT_ERROR, "too many streams")
            return
        with suppress(ValueError):  # it has ended by itself
            self._quic.stop_stream(id_, _SESSION_GONE)
        if not id_ & 2:
            self._quic.reset_stream(id_, _SESSION_GONE)

    def _shake(self) -> None:
        """The handshake is done: see who that is."""
        try:
            self._trust.check(self._quic.peer_certificates, self._host)
        except NotTrusted as error:
            self._quic.close(_BAD_CERTIFICATE, reason_phrase="bad certificate")
            text = str(error)
            self._lose(DisconnectReason.TRANSPORT_ERROR, text, FailureCause.CERTIFICATE)
            return
        self._phase = _Phase.SHAKEN
        _resolve(self.shaken)

    def _terminated(self, event: events.ConnectionTerminated) -> None:
        code, words = event.error_code, shown(event.reason_phrase)
        if event.reason_phrase == "Idle timeout":
            self._lose(DisconnectReason.PING_TIMEOUT, CONNECTION_LOST, FailureCause.TIMEOUT)
            return
        is_tls = 0x100 <= code < 0x200 and self._phase is _Phase.SHAKING
        cause = FailureCause.TLS if is_tls else FailureCause.LOST
        text = f"the connection ended with {code:#x} {words}"
        self._lose(DisconnectReason.TRANSPORT_ERROR, text, cause)

    # --- the request ------------------------------------------------------------------------------

    def ask(self, authority: str, path: str, headers: Mapping[str, str]) -> None:
        """Ask for a session, as soon as the server has said that it has some.

        Args:
            authority: Host and port, as in the URL.
            headers: Further fields.
        """
        fields = {
            ":method": "CONNECT",
            ":scheme": "https",
            ":authority": authority,
            ":path": path,
            ":protocol": "webtransport",
            "sec-webtransport-http3-draft02": "1",
        }
        fields |= {name.lower(): value for name, value in headers.items()}
        self._request = [(n.encode(), value.encode("latin-1")) for n, value in fields.items()]
        self._ask_if_ready()

    def _ask_if_ready(self) -> None:
        http, request = self._http, self._request
        if http is None or request is None or self._phase is not _Phase.SHAKEN:
            return
        settings = http.received_settings
        if settings is None:
            return
        self._request = None
        if not any(settings.get(name) for name in _PROTOCOL_SETTINGS):
            self._quic.close(ErrorCode.H3_NO_ERROR)
            text = "the server speaks HTTP/3, but no WebTransport"
            self._lose(DisconnectReason.TRANSPORT_ERROR, text, FailureCause.NOT_SOCKETIO)
            return
        self._session_stream = self._quic.get_next_available_stream_id()
        http.send_headers(self._session_stream, request)
        self._transmit_soon()

    def _head_received(self, event: HeadersReceived) -> None:
        if self._phase is not _Phase.SHAKEN:  # trailers
            self._peer_closed(0)
            return
        fields = {name.decode("latin-1"): v.decode("latin-1") for name, v in event.headers}
        status = int(fields.get(":status", "0"))
        if 100 <= status < 200:
            return
        if status != 200 or event.stream_ended:
            failure = answered(WEBTRANSPORT_ERROR, "webtransport", status, fields, "")
            if not self.answered.done():
                self.answered.set_exception(failure)
            self._quic.close(ErrorCode.H3_NO_ERROR)
            self._lose(DisconnectReason.TRANSPORT_ERROR, "refused")
            return
        self._phase = _Phase.OPEN
        assert self._http is not None  # it has brought the answer
        self._data_stream = self._http.create_webtransport_stream(self._session_stream)
        self._quic.taken_stream = self._data_stream
        _resolve(self.answered)

    # --- the stream -------------------------------------------------------------------------------

    def begin(self, receiver: WebTransportSessionReceiver) -> None:
        """Give what comes to a transport: what has come already, in the next turn."""
        self.receiver = receiver
        if self._early or self._phase is _Phase.GONE:
            self._runtime.call_soon(self._give_early)

    def _give_early(self) -> None:
        early, self._early = b"".join(self._early), []
        if early and self.receiver is not None:
            self.receiver.data_received(early)
        if self._end is not None:
            self._tell(*self._end)

    def _data_received(self, data: bytes) -> None:
        """Its end alone says nothing: that of the session comes behind it."""
        if not data or self._phase is not _Phase.OPEN:
            return
        if self.receiver is None or self._early:
            self._early.append(data)
        else:
            self.receiver.data_received(data)

    @property
    def is_writable(self) -> bool:
        """Whether the server takes what it is sent."""
        return self._phase is _Phase.OPEN and not self._is_full

    def write(self, data: bytes) -> None:
        """Send on the stream."""
        if self._phase is not _Phase.OPEN or not self._quic.may_send(self._data_stream):
            return
        self._quic.send_stream_data(self._data_stream, data)
        if not self._is_full and self.buffered() > FULL:
            self._is_full = True
        self._transmit_soon()

    def buffered(self) -> int:
        """Bytes that the server's machine has not confirmed."""
        return self.progress().waiting

    def progress(self) -> Taken:
        """How far the server's machine is."""
        if self._data_stream < 0:
            return Taken(0, 0)
        return Taken(*self._quic.confirmed(self._data_stream))

    def pause_reading(self) -> None:
        """Give the server no more credit."""
        self._quic.is_paused = True

    def resume_reading(self) -> None:
        """Give it credit for what was taken."""
        if self._quic.is_paused:
            self._quic.is_paused = False
            self._transmit_soon()

    # --- the end ----------------------------------------------------------------------------------

    def close(self, code: int, reason: str) -> None:
        """End the session once the server has what was written."""
        if self._phase is not _Phase.OPEN:
            return
        self._phase = _Phase.ENDING
        self._close = (code, reason)
        if self._quic.may_send(self._data_stream):
            self._quic.send_stream_data(self._data_stream, b"", end_stream=True)
        self._end_if_delivered()
        self._transmit_soon()

    def _end_if_delivered(self) -> None:
        if not self._quic.is_delivered(self._data_stream):
            return
        self._phase = _Phase.OVER
        self._runtime.schedule(self, self._runtime.clock() + LINGER)
        if self._http is not None and self._quic.may_send(self._session_stream):
            with suppress(FrameUnexpected):  # our side has ended
                capsule = encode_close(*self._close)
                self._http.send_data(self._session_stream, capsule, end_stream=True)

    def handle_timeout(self, now: float) -> None:
        """The server does not confirm the end of the session."""
        self._finish()

    def _finish(self) -> None:
        self._quic.close(ErrorCode.H3_NO_ERROR)
        self._lose(DisconnectReason.TRANSPORT_CLOSE, "")

    def _peer_closed(self, code: int) -> None:
        """The server has ended the session: nothing is left to say."""
        self._quic.close(ErrorCode.H3_NO_ERROR)
        self._lose(DisconnectReason.TRANSPORT_CLOSE, f"peer closed with {code}")

    def refuse(self, reason: str) -> None:
        """For servers."""
        self.abort()

    def abort(self) -> None:
        """End the connection now."""
        self._quic.close(ErrorCode.H3_NO_ERROR)
        self._lose(DisconnectReason.TRANSPORT_ERROR, CONNECTION_LOST)

    def _lose(
        self,
        reason: DisconnectReason,
        description: str,
        cause: FailureCause = FailureCause.LOST,
    ) -> None:
        """The connection is of no use any more; its last packet goes out in this turn."""
        if self._phase is _Phase.GONE:
            return
        was, self._phase = self._phase, _Phase.GONE
        self._runtime.cancel(self)
        advice = _ADVICE.get(cause, "") if was is _Phase.SHAKING else ""
        for future in (self.shaken, self.answered):
            if not future.done():
                future.set_exception(
                    TransportError(
                        WEBTRANSPORT_ERROR,
                        transport="webtransport",
                        cause=cause,
                        details=description,
                        advice=advice,
                    )
                )
        if self._udp is None:
            _resolve(self.gone)
        else:
            self._transmit_soon()
        self._end = reason, description
        if not self._early:
            self._tell(reason, description)

    def _tell(self, reason: DisconnectReason, description: str) -> None:
        receiver, self.receiver = self.receiver, None
        if receiver is not None:
            receiver.session_lost(reason, description)


_ADVICE: Final = {
    **ADVICE,
    FailureCause.REFUSED: "does the server speak WebTransport, on the UDP port of that number?",
    FailureCause.CERTIFICATE: "give its hash as `server_certificate_hashes`, or its authority as "
    "`webtransport_cafile`",
}


def _resolve(future: asyncio.Future[None]) -> None:
    """Whoever waited may have given up."""
    if not future.done():
        future.set_result(None)


def _retrieve(future: asyncio.Future[None]) -> None:
    """A failure that nobody waits for is not to be reported as lost."""
    if not future.cancelled():
        future.exception()
