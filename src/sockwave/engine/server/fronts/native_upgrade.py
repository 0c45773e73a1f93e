"""A request to become a WebSocket on the native front end: is it one, and the answer if so.

RFC 6455 section 4.2 says what such a head must have. What any reader would doubt ends as a bad
request; for what an honest client may get wrong there is an answer that says how it is right.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from sockwave.codec.deflate import negotiate
from sockwave.codec.websocket import accept_key, is_extension_list, server_frame
from sockwave.engine.server.exchange import NO_SNIFF, PLAIN, ResponseHeaders, UpgradeExchange
from sockwave.engine.server.invalid_request import InvalidRequest

if TYPE_CHECKING:
    from sockwave.codec.deflate import PerMessageDeflate
    from sockwave.engine.core.options import EngineOptions
    from sockwave.engine.core.request import Request
    from sockwave.engine.core.transport import TransportReceiver
    from sockwave.engine.server.transports.websocket import WebSocketTransport

__all__ = ["NativeUpgrade", "Refusal", "refusal_of"]

_WEBSOCKET_KEY: Final = re.compile(rb"[+/0-9A-Za-z]{22}==")
_TOKEN: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request becomes no WebSocket: answered with 400.

    Attributes:
        why: The body of the answer, and the kind of fault in the log.
        headers: Of the answer.
        detail: More for the log.
    """

    why: str
    headers: ResponseHeaders
    detail: str = ""


def refusal_of(request: Request) -> Refusal | None:
    """Compare a head with what RFC 6455 asks of it; None where nothing is wrong.

    Raises:
        InvalidRequest: It is not even a request that makes sense.
    """
    if request.method != "GET":
        raise InvalidRequest(405, "a WebSocket begins with GET", f"not {request.method}")
    if request.field(b"sec-websocket-version") not in (b"13", b"8"):
        version = repr(request.headers.get("sec-websocket-version"))
        headers = [*PLAIN, ("Sec-WebSocket-Version", "13, 8")]
        return Refusal("unknown version of WebSocket", headers, version)
    if not _WEBSOCKET_KEY.fullmatch(request.field(b"sec-websocket-key") or b""):
        headers = [("Content-Type", "text/html"), *NO_SNIFF]
        return Refusal("Missing or invalid Sec-WebSocket-Key header", headers)
    extensions = request.field(b"sec-websocket-extensions")
    if extensions is not None and not is_extension_list(extensions):
        detail = repr(extensions)
        raise InvalidRequest(400, "sec-websocket-extensions is not a list of them", detail)
    return None


class Upgradable(Protocol):
    """The connection that is to become a WebSocket."""

    @property
    def options(self) -> EngineOptions:
        """Of the engine."""

    def become_websocket(
        self, head: bytes, receiver: TransportReceiver, deflate: PerMessageDeflate | None
    ) -> WebSocketTransport | None:
        """Give the TCP connection to a WebSocket; None when it has ended meanwhile."""

    def refuse(self, status: int, headers: ResponseHeaders, body: bytes) -> None:
        """Answer outside the order, and close."""


class NativeUpgrade(UpgradeExchange):
    """A request to become a WebSocket on a connection of ours."""

    __slots__ = ("_connection",)

    def __init__(self, request: Request, connection: Upgradable) -> None:
        super().__init__(request)
        self._connection = connection

    def accept(
        self, receiver: TransportReceiver, headers: ResponseHeaders, first: bytes | None = None
    ) -> WebSocketTransport | None:
        """Write the 101 and what follows it, and give the TCP connection a new protocol object."""
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
        if first is not None and deflate is None:  # one write for both
            head.append(server_frame(first))
            first = None
        websocket = self._connection.become_websocket(b"".join(head), receiver, deflate)
        if first is not None and websocket is not None:
            websocket.write([first])
        return websocket

    def reject(self, status: int, headers: ResponseHeaders, body: bytes) -> None:
        """Answer and close."""
        self._connection.refuse(status, headers, body)


def _first_token(value: bytes) -> bytes | None:
    first = value.partition(b",")[0].strip(b" \t")
    return first if _TOKEN.fullmatch(first) else None
