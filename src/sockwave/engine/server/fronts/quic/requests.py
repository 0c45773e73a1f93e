"""Requests for WebTransport, as the engine knows requests, and the answers to them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Protocol

from sockwave.codec.webtransport import encode_frame
from sockwave.engine.core.request import Request, decoded
from sockwave.engine.io.webtransport import CarriedSession
from sockwave.engine.server.exchange import ResponseHeaders, WebTransportExchange
from sockwave.engine.server.invalid_request import ONCE, InvalidRequest
from sockwave.engine.server.transports.webtransport import WebTransportTransport

if TYPE_CHECKING:
    from collections.abc import Callable

    from sockwave.engine.core.transport import TransportReceiver
    from sockwave.engine.server.engine import EngineServer
    from sockwave.engine.server.transports.webtransport import WebTransportHost

__all__ = ["QuicExchange", "request_of"]

QUERY: Final = "EIO=4&transport=webtransport"
"""What the query of every other request says, and this one's does not."""

_PROTOCOLS: Final = (b"webtransport", b"webtransport-h3")
_TARGET: Final = re.compile(rb"/[!-~]*")
_AUTHORITY: Final = re.compile(rb"[!-~]+")


class Offer(CarriedSession, Protocol):
    """A session that may begin."""

    def accept(self, headers: ResponseHeaders) -> bool:
        """Answer that it has; False when the peer has gone meanwhile."""

    def respond(self, status: int, headers: ResponseHeaders, body: bytes) -> None:
        """Answer that it has not."""


class QuicExchange(WebTransportExchange):
    """A request for a session on a connection of ours."""

    __slots__ = ("_host", "_offer", "_transport")

    def __init__(
        self, request: Request, offer: Offer, host: WebTransportHost, *, admits_http: bool
    ) -> None:
        super().__init__(request, admits_http=admits_http)
        self._offer = offer
        self._host = host
        self._transport: WebTransportTransport | None = None

    def accept(
        self, receiver: TransportReceiver, headers: ResponseHeaders, first: bytes | None = None
    ) -> WebTransportTransport | None:
        """Answer 200, and give the session a transport."""
        if not self._offer.accept(headers):
            return None
        self._transport = transport = WebTransportTransport(self._offer, receiver, self._host)
        if first is not None:
            transport.write([first])
        self._offer.begin(transport)
        return transport

    def reject(self, status: int, headers: ResponseHeaders, body: bytes) -> None:
        """Answer, or close the session that has begun."""
        if self._transport is None:
            self._offer.respond(status, headers, body)
        else:
            self._transport.refuse(body.decode(errors="replace"))

    def hand_over(self, take: Callable[[CarriedSession, bytes], bool], packet: bytes) -> None:
        """Give the session, and what has come, to who carries it for another process."""
        transport = self._transport
        if transport is not None and take(self._offer, encode_frame(packet) + transport.unread):
            transport.let_go()


def request_of(
    engine: EngineServer, head: list[tuple[bytes, bytes]], client: tuple[str, int]
) -> Request | None:
    """Read a head; None where it is not for this engine.

    Args:
        head: Fields in the order in which they came, with those that begin with a colon.

    Raises:
        InvalidRequest: Two readers could understand it in two ways, or it is over the limits.
    """
    limits = engine.options.limits
    if len(head) > limits.head_count:
        detail = f"over limits.head_count={limits.head_count}"
        raise InvalidRequest(431, "too many headers", detail)
    fields: dict[bytes, bytes] = {}
    for name, value in head:
        if name not in fields:
            fields[name] = value
        elif name in ONCE or name[:1] == b":":
            raise InvalidRequest(400, f"{name.decode('latin-1')} comes twice")
        else:
            fields[name] += (b"; " if name == b"cookie" else b", ") + value
    special = {name: fields.pop(name) for name in [*fields] if name[:1] == b":"}
    path = special.get(b":path", b"")
    if len(path) > limits.target_bytes:
        detail = f"over limits.target_bytes={limits.target_bytes}"
        raise InvalidRequest(414, "the target is too long", detail)
    if special.get(b":method") != b"CONNECT" or special.get(b":protocol") not in _PROTOCOLS:
        return None
    if not _TARGET.fullmatch(path) or special.get(b":scheme") != b"https":
        raise InvalidRequest(400, "no target of https", repr(path))
    authority = special.get(b":authority", b"")
    if not _AUTHORITY.fullmatch(authority) or fields.get(b"host", authority) != authority:
        raise InvalidRequest(400, "no host, or two of them", repr(authority))
    fields[b"host"] = authority
    target, _, query = path.decode("ascii").partition("#")[0].partition("?")
    if not engine.is_ours(decoded(target)):
        return None
    query = f"{query}&{QUERY}" if query else QUERY
    return Request(
        "CONNECT",
        f"{target}?{query}",
        fields,
        client,
        True,
        trusted_proxies=engine.trusted_proxies,
    )
