"""Every exception that Sockwave raises.

    SockwaveError
    ├── ConnectError            refused: raise it in a middleware; a client gets it from a server
    ├── EventError              raise it in a handler: who waits for the acknowledgement gets it
    ├── ProtocolError           the peer broke a protocol
    │   ├── PacketError         an Engine.IO or Socket.IO packet that cannot be decoded
    │   │   └── TextEncodingError   text that is not UTF-8 (WebSocket close code 1007)
    │   └── WebSocketError      RFC 6455 or RFC 7692 broken; carries the close code
    ├── TransportError          the network failed, or the peer went away
    │   └── ConnectTimeout      no connection in time; also a TimeoutError
    ├── Disconnected            the socket left its namespace before the answer came
    ├── AckTimeout              no acknowledgement in time; also a TimeoutError
    ├── ClusterTimeout          not every process of the cluster answered; also a TimeoutError
    ├── EncodeError             a value that the wire cannot carry; also a TypeError
    ├── InvalidEvent            a client's event that its handler's annotations do not admit
    └── LimitExceeded           this side asked for more than an option allows

Wrong option values and wrong calls raise the built-in ValueError or TypeError, naming the option.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, TypeVar

__all__ = [
    "AckTimeout",
    "ClusterTimeout",
    "ConnectError",
    "ConnectTimeout",
    "Disconnected",
    "EncodeError",
    "EventError",
    "FailureCause",
    "InvalidEvent",
    "LimitExceeded",
    "PacketError",
    "ProtocolError",
    "SockwaveError",
    "TextEncodingError",
    "TransportError",
    "WebSocketError",
    "failure_of",
    "raise_failure",
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


class EventError(SockwaveError):
    """An event cannot be done, and who has sent it may know why.

    Raise it in a handler of an event, or in what that calls: the acknowledgement is
    `{"error": code, "message": message, "data": data}`. It is no failure: only the log at DEBUG
    tells of it. Where no acknowledgement was asked for, nothing is sent.

    Args:
        code: For programs, such as `not_found`.
        message: For people.
        data: JSON value with what else is to be known; left out of the answer when None.
    """

    def __init__(self, code: str, message: str = "", data: Any = None) -> None:
        super().__init__(code, message, data)
        self.code = code
        self.message = message
        self.data = data

    def __str__(self) -> str:
        return f"{self.code}: {self.message}" if self.message else self.code

    @property
    def value(self) -> dict[str, Any]:
        """What is acknowledged, `data` included unless it is None."""
        value: dict[str, Any] = {"error": self.code, "message": self.message}
        if self.data is not None:
            value["data"] = self.data
        return value


_T = TypeVar("_T")


def failure_of(answer: Any) -> EventError | None:
    """Find out whether an acknowledgement says that an event has failed or was refused.

        answer = await socket.emit_with_ack("place", order)
        if failure := sockwave.failure_of(answer):
            raise failure

    It is for answers of a server whose handlers raise `EventError`, have handlers of exceptions, or
    are checked by their annotations: an object with text under `error`, and text under `message`
    if it has that, is a failure. So what handlers return should have no `error` of its own.

    Args:
        answer: As `emit_with_ack` gives it; of a broadcast one of the answers.

    Returns:
        None where it is an answer like any other. The error has what was under `data`, or, where
        there is no such thing, all else that came: of arguments that did not fit, whose code is
        `validation`, these are `event`, `path` and `reason`, and the message says the last two.
    """
    if not isinstance(answer, dict):
        return None
    code, message = answer.get("error"), answer.get("message", "")
    if not isinstance(code, str) or not isinstance(message, str):
        return None
    if "data" in answer:
        return EventError(code, message, answer["data"])
    rest = {name: value for name, value in answer.items() if name not in ("error", "message")}
    if not message and isinstance(rest.get("reason"), str):
        message = rest["reason"]
        if isinstance(rest.get("path"), str):
            message += f" at {rest['path']}"
    return EventError(code, message, rest or None)


def raise_failure(answer: _T) -> _T:
    """Give back what a server has acknowledged with, unless it is a failure; see `failure_of`.

    Raises:
        EventError: That of the failure.
    """
    failure = failure_of(answer)
    if failure is not None:
        raise failure
    return answer


class ProtocolError(SockwaveError):
    """The peer broke a protocol; its session ends."""


class PacketError(ProtocolError):
    """A packet that cannot be decoded; the text is the reference's (docs/protocol/errors.md).

    Attributes:
        detail: What exactly is wrong with it, for people; nothing of the packet is in it.
    """

    def __init__(self, text: str, detail: str = "") -> None:
        super().__init__(text)
        self.detail = detail


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


class FailureCause(StrEnum):
    """Why a client could not connect, or lost its connection; of a `TransportError`."""

    REFUSED = "refused"
    """Nothing listens there."""
    UNREACHABLE = "unreachable"
    """The network has no way to the host, or none that answers."""
    NAME = "name"
    """The host's name is not known."""
    CERTIFICATE = "certificate"
    """The server's certificate is not trusted."""
    TLS = "tls"
    """TLS could not be agreed on."""
    PROXY = "proxy"
    """The proxy cannot be reached, or refuses."""
    TIMEOUT = "timeout"
    """No answer in time."""
    LOST = "lost"
    """The connection ended before the answer, or in the middle of it."""
    STATUS = "status"
    """The answer has another HTTP status than it should; see `TransportError.status`."""
    REDIRECT = "redirect"
    """The answer points elsewhere; see `TransportError.location`."""
    NOT_SOCKETIO = "not socketio"
    """What answers is no server of Socket.IO."""
    OLD_REVISION = "old revision"
    """The server speaks Engine.IO 3, that is Socket.IO 1 or 2."""
    TOO_LARGE = "too large"
    """A message is larger than the other side takes."""
    CLOSED = "closed"
    """The server closed the connection."""
    PING_TIMEOUT = "ping timeout"
    """The server's heartbeat did not come."""
    APPLICATION = "application"
    """A function of this side's application failed, such as `auth` or `extra_headers`."""
    OTHER = "other"


class TransportError(SockwaveError):
    """The network failed or the peer went away in the middle of an exchange.

    Args:
        message: The reference's text, such as `xhr poll error`; the text of the error begins with
            it, and goes on with the details and the advice. An exception below is `__cause__`.
        transport: Which transport failed, where one is known.
        status: HTTP status of the server's answer, None when there was none.
        body: Start of the body of that answer.
        cause: What went wrong, for programs.
        details: The same in words.
        advice: What to do about it, or a question that leads there; empty where nobody knows.
        location: Where a redirect points.
    """

    def __init__(
        self,
        message: str,
        *,
        transport: str | None = None,
        status: int | None = None,
        body: str = "",
        cause: FailureCause = FailureCause.OTHER,
        details: str = "",
        advice: str = "",
        location: str | None = None,
    ) -> None:
        text = f"{message}: {details}" if details else message
        super().__init__(f"{text} ({advice})" if advice else text)
        self.message = message
        self.transport = transport
        self.status = status
        self.body = body
        self.cause = cause
        self.details = details
        self.advice = advice
        self.location = location


class ConnectTimeout(TransportError, TimeoutError):
    """No connection could be made in time."""


class Disconnected(SockwaveError):
    """The socket left its namespace before the answer came.

    Attributes:
        reason: Why it left; where an error lies below that, it is in the text, and `__cause__`.
    """

    def __init__(self, reason: str, error: SockwaveError | None = None) -> None:
        text = f"socket disconnected: {reason}"
        super().__init__(text if error is None else f"{text}: {error}")
        self.reason = reason
        self.__cause__: BaseException | None = error


class AckTimeout(SockwaveError, TimeoutError):
    """No acknowledgement came in time, or who should have sent it went away first.

    Attributes:
        responses: For a broadcast, or a question to other servers, the answers that did come, in
            order of arrival.
        missing: For a broadcast, ids of the sockets that were asked and did not answer, as far as
            their servers told.
        missing_servers: Ids of other servers, as in `io.cluster.nodes`, that were asked and went
            away or did not answer, or whose clients did not without them telling which.
    """

    def __init__(
        self,
        responses: list[Any] | None = None,
        *,
        missing: tuple[str, ...] = (),
        missing_servers: tuple[str, ...] = (),
    ) -> None:
        super().__init__("operation has timed out")
        self.responses: list[Any] = [] if responses is None else responses
        self.missing = missing
        self.missing_servers = missing_servers

    @property
    def by_socket(self) -> dict[str, Any]:
        """The answers that did come, by the id of the socket, where it is known."""
        by_socket: dict[str, Any] = getattr(self.responses, "by_socket", {})
        return by_socket


class ClusterTimeout(SockwaveError, TimeoutError):
    """Not every process of the cluster answered: in time, or before it went away.

    Attributes:
        arrived: What is known without them: sockets, or their number.
        missing_servers: Their ids, as in `io.cluster.nodes`.
    """

    def __init__(self, arrived: Any, missing_servers: tuple[str, ...]) -> None:
        super().__init__("not every process of the cluster has answered")
        self.arrived = arrived
        self.missing_servers = missing_servers


class EncodeError(SockwaveError, TypeError):
    """A value given to `emit` or returned as an acknowledgement cannot go on the wire."""


class InvalidEvent(SockwaveError):
    """An event of a client has arguments that the annotations of its handler do not admit.

    The handler was not called. The client is told both texts, and `Server.on_invalid` gets this.

    Attributes:
        path: Where it is: `$.items[0].count`; with several arguments `$[1].count`, for the second.
        reason: What is wrong; it may quote what came, and is bounded.
    """

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{reason} at {path}")
        self.path = path
        self.reason = reason


class LimitExceeded(SockwaveError):
    """This side asked for more than an option allows, such as too many open acknowledgements."""
