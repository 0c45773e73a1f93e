"""WebTransport sessions whose clients have not said yet what they want.

A request for WebTransport names neither revision nor session: the first packet does, `0` for a new
session and `0{"sid":"..."}` for the move of one that polls. Until then, and for as long as the
application is asked, a newcomer has the transport. Whatever it does not understand ends that, and
so does `upgrade_timeout`; a session that it names and does not get is untouched.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from sockwave.engine.server.calling import CallingDriver
from sockwave.engine.server.routing import HandOver
from sockwave.engine.server.rules.admission import AdmissionHost, admit
from sockwave.engine.server.rules.verification import (
    ErrorCode,
    Refused,
    refused_by_shutdown,
    verify_webtransport,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sockwave.engine.core.heartbeat import WheelEntry
    from sockwave.engine.core.request import Request
    from sockwave.engine.core.transport import Transport
    from sockwave.engine.io.webtransport import CarriedSession
    from sockwave.engine.server.exchange import ResponseHeaders, WebTransportExchange
    from sockwave.engine.server.peer_log import PeerLog
    from sockwave.engine.server.routing import Router
    from sockwave.engine.server.sessions.session import ServerSession
    from sockwave.types import DisconnectReason, SessionId, TransportName

__all__ = ["NewcomerHost", "receive_mover", "receive_newcomer"]

MAX_FIRST_PACKET: Final = 1_024
"""Bytes: a session id is much shorter."""


class NewcomerDriver(CallingDriver, Protocol):
    """Clock and deadlines."""

    def clock(self) -> float:
        """Monotonic seconds."""

    def schedule(self, entry: WheelEntry, deadline: float) -> None:
        """Put a deadline into the wheel."""

    def cancel(self, entry: WheelEntry) -> None:
        """Take a deadline out."""


class NewcomerHost(AdmissionHost, Protocol):
    """What is needed of the engine."""

    session_handler: Callable[[ServerSession], None]

    router: Router | None
    peer_log: PeerLog

    @property
    def driver(self) -> NewcomerDriver:
        """Deadlines, and what runs functions of the application."""

    @property
    def sessions(self) -> Mapping[str, ServerSession]:
        """Open sessions by id."""

    def success_headers(
        self, headers: ResponseHeaders, request: Request, new_sid: SessionId | None
    ) -> ResponseHeaders:
        """Let handlers of the application edit headers of a good answer."""

    def open_packet(self, id_: SessionId, upgrades: tuple[TransportName, ...]) -> bytes:
        """The handshake of a session."""

    def open_session(
        self, id_: SessionId, transport: Transport, request: Request, handshake: bytes | None
    ) -> ServerSession:
        """Make a session, and queue its handshake."""


class _Move(msgspec.Struct):
    """What a client says that moves to this transport."""

    sid: str


_move_decoder: Final = msgspec.json.Decoder(_Move)


def receive_newcomer(host: NewcomerHost, exchange: WebTransportExchange) -> None:
    """Let a client begin a WebTransport session, and wait for its first packet.

    Raises:
        Refused: With the answer that is due.
    """
    verify_webtransport(exchange.request, host.options, by_http=exchange.admits_http)
    if host.is_stopping and not host.sessions:  # a client that polls may still move
        raise refused_by_shutdown()
    newcomer = Newcomer(host, exchange)
    headers = host.success_headers([], exchange.request, None)
    transport = exchange.accept(newcomer, headers)
    if transport is not None:
        newcomer.begin(transport)


def receive_mover(host: NewcomerHost, exchange: WebTransportExchange) -> None:
    """Wait for the first packet of a client to which another process has answered, since it moves
    to a session of this one."""
    newcomer = Newcomer(host, exchange)
    transport = exchange.accept(newcomer, [])
    if transport is not None:
        newcomer.begin(transport)


class Newcomer:
    """Has a transport until its client has said what it is for; see `TransportReceiver`."""

    __slots__ = ("_exchange", "_host", "_transport", "wheel_slot")

    def __init__(self, host: NewcomerHost, exchange: WebTransportExchange) -> None:
        self.wheel_slot: int = 0
        self._host = host
        self._exchange = exchange
        self._transport: Transport | None = None

    def begin(self, transport: Transport) -> None:
        """Wait."""
        self._transport = transport
        driver = self._host.driver
        driver.schedule(self, driver.clock() + self._host.options.upgrade_timeout)

    # --- from the transport -----------------------------------------------------------------------

    def text_received(self, packet: bytes) -> None:
        """The first packet."""
        self._host.driver.cancel(self)
        try:
            if packet == b"0":
                self._ask_for_session()
            elif packet[:1] == b"0" and len(packet) <= MAX_FIRST_PACKET:
                self._move(packet)
            else:
                raise _not_understood()
        except Refused as refused:
            self._host.refuse(self._exchange, refused)

    def binary_received(self, data: bytes) -> None:
        """No first packet is binary."""
        self._host.driver.cancel(self)
        self._host.refuse(self._exchange, _not_understood())

    def transport_writable(self, transport: Transport) -> None:
        """Nothing waits here."""

    def transport_closed(
        self, transport: Transport, reason: DisconnectReason, description: str
    ) -> None:
        """It has gone."""
        self._host.driver.cancel(self)
        self._transport = None

    def handle_timeout(self, now: float) -> None:
        """It has said nothing."""
        context = {"name": "TRANSPORT_HANDSHAKE_ERROR"}
        self._host.refuse(self._exchange, Refused(ErrorCode.BAD_REQUEST, context))

    # --- a session that moves ---------------------------------------------------------------------

    def _move(self, packet: bytes) -> None:
        """Try this transport for a session that polls; one at a time, and once in its life.

        Raises:
            Refused: There is no such session, or it does not poll any more.
        """
        try:
            sid = _move_decoder.decode(packet[1:]).sid
        except msgspec.MsgspecError:
            raise _not_understood() from None
        session = self._host.sessions.get(sid)
        if session is None and self._handed_over(sid, packet):
            return
        if session is None or session.is_over_by_now():
            raise Refused(ErrorCode.UNKNOWN_SID, {"sid": sid})
        if session.protocol != 4:
            context = {"name": "PROTOCOL_MISMATCH", "protocol": 4}
            raise Refused(ErrorCode.BAD_REQUEST, {**context, "previousProtocol": session.protocol})
        transport = self._transport
        if transport is None:
            return
        if session.may_upgrade and session.transport.name == "polling":
            session.begin_upgrade(transport)
        else:  # as with a WebSocket: closed without a word, and the session is untouched
            transport.discard()

    def _handed_over(self, sid: str, packet: bytes) -> bool:
        """Give the client to the process of its session, where that is another one."""
        host, exchange = self._host, self._exchange
        router, id_ = host.router, sid.encode()
        if router is None or not router.is_elsewhere(id_):
            return False
        outcome = HandOver.GONE

        def take(carried: CarriedSession, data: bytes) -> bool:
            nonlocal outcome
            outcome = router.hand_over_session(id_, carried, exchange.request, data)
            return outcome is HandOver.DONE

        exchange.hand_over(take, packet)
        if outcome is HandOver.BUSY:
            text = "refused: another worker takes no connections just now"
            host.peer_log.info(exchange.request.client, text)
            exchange.reject(503, (), b"busy")
        elif outcome is HandOver.DONE:
            self._transport = None
        return outcome is not HandOver.GONE

    # --- a new session ----------------------------------------------------------------------------

    def _ask_for_session(self) -> None:
        """Ask the application, which may take its time: nothing is read meanwhile.

        Raises:
            Refused: The client may have none.
        """
        if self._transport is not None:
            self._transport.pause_reading()
            admit(self._host, self._exchange.request, self._open, self._exchange)

    def _open(self, id_: SessionId) -> None:
        transport = self._transport
        if transport is None:  # it has gone meanwhile
            return
        host, request = self._host, self._exchange.request
        session = host.open_session(id_, transport, request, host.open_packet(id_, ()))
        transport.receiver = session
        host.session_handler(session)
        session.request.pack()
        transport.resume_reading()


def _not_understood() -> Refused:
    return Refused(ErrorCode.BAD_REQUEST, {"name": "TRANSPORT_HANDSHAKE_ERROR"})
