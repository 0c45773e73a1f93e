"""Which transport a client gets: for a new session, or as a second one on trial.

The only place that knows all transports and both revisions of the protocol. A new transport that
clients may begin with is opened here, and one that they may move to is tried here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from sockwave.engine.core.transport import NOBODY
from sockwave.engine.server.exchange import WebTransportExchange
from sockwave.engine.server.newcomers import NewcomerHost, receive_newcomer
from sockwave.engine.server.rules.admission import admit
from sockwave.engine.server.rules.verification import revision, verify
from sockwave.engine.server.transports.payloads import (
    REVISION_3,
    REVISION_3_BASE64,
    REVISION_4,
    Jsonp,
    Payloads,
)
from sockwave.engine.server.transports.polling import PollingHost, PollingTransport
from sockwave.engine.server.transports.websocket_layer import Base64WebSocket
from sockwave.engine.server.transports.websocket_v3 import WebSocketV3

if TYPE_CHECKING:
    from sockwave.engine.core.options import EngineOptions
    from sockwave.engine.core.request import Request
    from sockwave.engine.core.transport import Transport
    from sockwave.engine.server.exchange import HttpExchange, UpgradeExchange
    from sockwave.engine.server.sessions.session import ServerSession
    from sockwave.types import SessionId, TransportName

__all__ = [
    "OpeningHost",
    "accept_websocket",
    "begin_upgrade",
    "open_polling",
    "open_probe",
    "open_websocket",
]


class OpeningHost(PollingHost, NewcomerHost, Protocol):
    """What is needed of the engine."""

    polling_kind: type[PollingTransport]
    webtransport_fronts: int
    """How many serve WebTransport now."""


def open_polling(host: OpeningHost, exchange: HttpExchange, id_: SessionId) -> None:
    """Begin a session with a GET, which is answered with the handshake."""
    options, request = host.options, exchange.request
    transport = host.polling_kind(host, id_, _payloads(options, request))
    upgrades: tuple[TransportName, ...] = ()
    if options.allow_upgrades and "websocket" in options.transports:
        upgrades = ("websocket",)
    # Only to who polls: the JavaScript client never ends a move from a WebSocket.
    if host.webtransport_fronts and options.allow_upgrades and revision(request.query) == 4:
        upgrades = (*upgrades, "webtransport")
    handshake = host.open_packet(id_, upgrades)
    session = host.open_session(id_, transport, request, handshake)
    transport.receiver = session
    transport.poll_received(exchange)
    host.session_handler(session)
    session.request.pack()


def _payloads(options: EngineOptions, request: Request) -> Payloads:
    """How this client polls."""
    index = request.query.get("j") if options.allow_eio3 else None
    if revision(request.query) == 4:
        payloads = REVISION_4
    else:
        base64 = request.query.get("b64") or index is not None
        payloads = REVISION_3_BASE64 if base64 else REVISION_3
    return payloads if index is None else Jsonp(index, payloads)


def begin_upgrade(host: OpeningHost, upgrade: UpgradeExchange) -> None:
    """Take a request for another transport than polling, which middlewares have let pass.

    Raises:
        Refused: With the answer that is due.
    """
    request = upgrade.request
    if isinstance(upgrade, WebTransportExchange):
        receive_newcomer(host, upgrade)
        return
    session = verify(request, host.sessions, host.options, is_upgrade=True)
    if session is not None:
        open_probe(host, upgrade, session)
    else:
        admit(host, request, lambda id: open_websocket(host, upgrade, id), upgrade)


def open_websocket(host: OpeningHost, upgrade: UpgradeExchange, id_: SessionId) -> None:
    """Begin a session on a WebSocket."""
    transport = accept_websocket(host, upgrade, id_, host.open_packet(id_, ()))
    if transport is not None:
        session = host.open_session(id_, transport, upgrade.request, None)
        transport.receiver = session
        host.session_handler(session)
        session.request.pack()


def open_probe(host: OpeningHost, upgrade: UpgradeExchange, session: ServerSession) -> None:
    """Try a WebSocket for a polling session; one at a time, and only once in its life."""
    is_free = session.may_upgrade and session.transport.name == "polling"
    transport = accept_websocket(host, upgrade, None, None)
    if transport is None:
        return
    if is_free:
        session.begin_upgrade(transport)
    else:  # as the reference: 101, then the end; the session is untouched
        transport.discard()


def accept_websocket(
    host: OpeningHost,
    upgrade: UpgradeExchange,
    new_sid: SessionId | None,
    first: bytes | None,
) -> Transport | None:
    """Answer 101, with the form of packets that this client wants; None when it has gone.

    Args:
        new_sid: Of the session that begins with it, if one does.
        first: A text packet that follows at once.
    """
    request = upgrade.request
    transport = upgrade.accept(NOBODY, host.success_headers([], request, new_sid), first)
    if transport is None:
        return None
    base64 = bool(request.query.get("b64"))
    if revision(request.query) == 3:
        return WebSocketV3(transport, base64=base64)
    return Base64WebSocket(transport) if base64 else transport
