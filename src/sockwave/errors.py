"""Every exception that Sockwave raises.

    SockwaveError
    ├── ConnectError            refused: raise it in a middleware; a client gets it from a server
    ├── ProtocolError           the peer broke a protocol
    │   ├── PacketError         an Engine.IO or Socket.IO packet that cannot be decoded
    │   │   └── TextEncodingError   text that is not UTF-8 (WebSocket close code 1007)
    │   └── WebSocketError      RFC 6455 or RFC 7692 broken; carries the close code
    ├── TransportError          the network failed, or the peer went away
    │   └── ConnectTimeout      no connection in time; also a TimeoutError
    ├── Disconnected            the socket left its namespace before the answer came
    ├── AckTimeout              no acknowledgement in time; also a TimeoutError
    ├── EncodeError             a value that the wire cannot carry; also a TypeError
    └── LimitExceeded           this side asked for more than an option allows

Wrong option values and wrong calls raise the built-in ValueError or TypeError, naming the option.
"""

from __future__ import annotations

from typing import Any

__all__ = [
    "AckTimeout",
    "ConnectError",
    "ConnectTimeout",
    "Disconnected",
    "EncodeError",
    "LimitExceeded",
    "PacketError",
    "ProtocolError",
    "SockwaveError",
    "TextEncodingError",
    "TransportError",
    "WebSocketError",
]


class SockwaveError(Exception):
    """Root of all errors of this package."""


class ConnectError(SockwaveError):
    """A connection to a namespace was refused.

    Raise it in a middleware or a `connection` handler: the client gets its `connect_error` event
    with `message` and `data`. Any other exception there becomes the text "Internal server error".

    Args:
        message: Text for the client.
        data: JSON value for the client; left out of the packet when None.
    """

    def __init__(self, message: str = "Not authorized", data: Any = None) -> None:
        super().__init__(message)
        self.message = message
        self.data = data


class ProtocolError(SockwaveError):
    """The peer broke a protocol; its session ends."""


class PacketError(ProtocolError):
    """A packet that cannot be decoded; the text is the reference's (server.md section 19)."""


class TextEncodingError(PacketError):
    """Text from the peer is not UTF-8."""


class WebSocketError(ProtocolError):
    """The peer broke RFC 6455 or RFC 7692.

    Attributes:
        code: Close code that the peer is told (RFC 6455 section 7.4.1).
    """

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class TransportError(SockwaveError):
    """The network failed or the peer went away in the middle of an exchange.

    Args:
        message: The reference's text, such as `xhr poll error`; the cause is `__cause__`.
        transport: Which transport failed, where one is known.
        status: HTTP status of the server's answer, None when there was none.
        body: Start of the body of that answer.
    """

    def __init__(
        self,
        message: str,
        *,
        transport: str | None = None,
        status: int | None = None,
        body: str = "",
    ) -> None:
        super().__init__(message if status is None else f"{message}: HTTP status {status}")
        self.message = message
        self.transport = transport
        self.status = status
        self.body = body


class ConnectTimeout(TransportError, TimeoutError):
    """No connection could be made in time."""


class Disconnected(SockwaveError):
    """The socket left its namespace before the answer came.

    Attributes:
        reason: Why it left.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(f"socket disconnected: {reason}")
        self.reason = reason


class AckTimeout(SockwaveError, TimeoutError):
    """No acknowledgement came in time.

    Attributes:
        responses: For a broadcast, the answers that did come, in order of arrival.
    """

    def __init__(self, responses: list[Any] | None = None) -> None:
        super().__init__("operation has timed out")
        self.responses: list[Any] = [] if responses is None else responses


class EncodeError(SockwaveError, TypeError):
    """A value given to `emit` or returned as an acknowledgement cannot go on the wire."""


class LimitExceeded(SockwaveError):
    """This side asked for more than an option allows, such as too many open acknowledgements."""
