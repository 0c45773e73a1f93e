"""What can happen in a server: a class for each, whose values tell of one time that it did."""

from __future__ import annotations

from typing import Final

import msgspec

from sockwave.observe.records import ConnectionRecord  # noqa: TC001 # msgspec reads it

__all__ = [
    "KINDS",
    "AckReceived",
    "AckSent",
    "AckTimedOut",
    "BacklogGrew",
    "Broadcast",
    "ClusterFailed",
    "ClusterMessageReceived",
    "ClusterMessageSent",
    "ConnectionEnded",
    "EventReceived",
    "EventRefused",
    "EventSent",
    "HandlerEnded",
    "HandlerFailed",
    "HandlerStarted",
    "LoopLag",
    "NodeJoined",
    "NodeLeft",
    "RateLimited",
    "RequestRefused",
    "Seen",
    "SessionClosed",
    "SessionOpened",
    "SessionUpgraded",
    "SocketConnected",
    "SocketDisconnected",
    "SocketRefused",
    "UpgradeFailed",
]


class Seen(msgspec.Struct, frozen=True, gc=False):
    """Something that has happened; the base of all kinds."""


# --- sessions -------------------------------------------------------------------------------------


class SessionOpened(Seen, frozen=True, gc=False):
    """A client has a session of Engine.IO; `io.engine.sessions` has it, with its request.

    Attributes:
        session: Its id; a credential.
        transport: On which it began.
        protocol: Revision of Engine.IO, 4 or 3.
        address: Host of the client; empty on a Unix socket.
    """

    session: str
    transport: str
    protocol: int
    address: str


class SessionUpgraded(Seen, frozen=True, gc=False):
    """A session has moved to another transport.

    Attributes:
        session: Its id; a credential.
        transport: To which.
    """

    session: str
    transport: str


class UpgradeFailed(Seen, frozen=True, gc=False):
    """A second transport was tried, in vain; the session goes on where it was.

    Attributes:
        session: Its id; a credential.
        transport: Which was tried.
        reason: `timeout` where it took too long, `closed` where it broke off, `protocol` where the
            client sent something else than it had to.
    """

    session: str
    transport: str
    reason: str = ""


class SessionClosed(Seen, frozen=True, gc=False):
    """A session is over; its sockets leave next. Told once.

    Attributes:
        session: Its id; a credential.
        transport: On which it ended.
        reason: As of `DisconnectReason`.
        description: More about it, as `disconnect` handlers get it.
    """

    session: str
    transport: str
    reason: str
    description: str


class ConnectionEnded(Seen, frozen=True):
    """A session is over, and this is the record of it; behind `SessionClosed`.

    Told where the server keeps records of connections: see its option `connection_records`.

    Attributes:
        record: All that is known; its `sentence` says why it has ended.
    """

    record: ConnectionRecord


class RequestRefused(Seen, frozen=True, gc=False):
    """A request was answered with an error: a handshake, or one of a session.

    Attributes:
        code: What the client is told, as of the JavaScript version: 0 to 5.
        message: The same in words.
        address: Host of the client; empty on a Unix socket.
    """

    code: int
    message: str
    address: str


# --- sockets --------------------------------------------------------------------------------------


class SocketConnected(Seen, frozen=True, gc=False):
    """A client is in a namespace; its `connection` handlers run next.

    Attributes:
        namespace: Its name.
        socket: Id of the socket.
        session: Id of its session; a credential.
        recovered: Whether it goes on as the one that it was before a loss.
    """

    namespace: str
    socket: str
    session: str
    recovered: bool


class SocketRefused(Seen, frozen=True, gc=False):
    """A client was not let into a namespace.

    Attributes:
        namespace: The name that it has asked for.
        session: Id of its session; a credential.
        message: What it was told.
    """

    namespace: str
    session: str
    message: str


class SocketDisconnected(Seen, frozen=True, gc=False):
    """A client has left a namespace; its `disconnect` handlers run next.

    Attributes:
        namespace: Its name.
        socket: Id of the socket.
        session: Id of its session; a credential.
        reason: As of `DisconnectReason`.
    """

    namespace: str
    socket: str
    session: str
    reason: str


# --- events ---------------------------------------------------------------------------------------


class EventReceived(Seen, frozen=True, gc=False):
    """An event of a client is about to be handled.

    Attributes:
        namespace: Where.
        socket: Id of the socket.
        event: Its name.
        size: Bytes.
        wants_ack: Whether the client asks for an acknowledgement.
    """

    namespace: str
    socket: str
    event: str
    size: int
    wants_ack: bool


class EventRefused(Seen, frozen=True, gc=False):
    """Arguments of an event were not what the annotations of its handler admit.

    Attributes:
        namespace: Where.
        socket: Id of the socket.
        event: Its name.
        path: Where in the arguments, as `$.items[3].price`.
        reason: What was wrong; it may quote names of the client's, never its values.
    """

    namespace: str
    socket: str
    event: str
    path: str
    reason: str


class EventSent(Seen, frozen=True, gc=False):
    """An event for one client was queued, by `socket.emit` and its like.

    Attributes:
        namespace: Where.
        socket: Id of the socket.
        event: Its name.
        size: Bytes.
        wants_ack: Whether an acknowledgement is asked for.
    """

    namespace: str
    socket: str
    event: str
    size: int
    wants_ack: bool


class Broadcast(Seen, frozen=True, gc=False):
    """An event was sent to sockets of this process, by `io.emit`, `io.to` and their like.

    One that comes from another process of a cluster is told here, too, with its receivers here.

    Attributes:
        namespace: Where.
        event: Its name.
        receivers: Sockets of this process that get it.
        size: Bytes that each of them gets.
        wants_ack: Whether acknowledgements are asked for.
    """

    namespace: str
    event: str
    receivers: int
    size: int
    wants_ack: bool


class AckSent(Seen, frozen=True, gc=False):
    """A client gets the acknowledgement that it has asked for.

    Attributes:
        namespace: Where.
        socket: Id of the socket.
        event: Which was acknowledged.
    """

    namespace: str
    socket: str
    event: str


class AckReceived(Seen, frozen=True, gc=False):
    """A client has acknowledged an event that was sent to it alone.

    Attributes:
        namespace: Where.
        socket: Id of the socket.
        event: Which was acknowledged.
        seconds: Since it was sent.
    """

    namespace: str
    socket: str
    event: str
    seconds: float


class AckTimedOut(Seen, frozen=True, gc=False):
    """A client has not acknowledged in time, or has left before.

    Attributes:
        namespace: Where.
        socket: Id of the socket.
        event: Which was to be acknowledged.
        has_left: It was not the time.
    """

    namespace: str
    socket: str
    event: str
    has_left: bool


# --- handlers -------------------------------------------------------------------------------------


class HandlerStarted(Seen, frozen=True, gc=False):
    """A handler of an event is called next; of several handlers each is told.

    It is told in the context in which the handler runs: context variables that an observer sets
    are seen by the handler and what it starts, and by nobody else.

    Attributes:
        namespace: Where.
        socket: Id of the socket.
        event: Its name; `connection`, `disconnect` or `acknowledgement` for what no client sends.
    """

    namespace: str
    socket: str
    event: str


class HandlerEnded(Seen, frozen=True, gc=False):
    """A handler has returned; an `async` one has ended.

    Attributes:
        namespace: Where.
        socket: Id of the socket.
        event: Its name.
        seconds: Since it was called, with all that it has waited for.
    """

    namespace: str
    socket: str
    event: str
    seconds: float


class HandlerFailed(Seen, frozen=True):
    """A handler has raised: a failure, or what becomes its answer.

    Attributes:
        namespace: Where.
        socket: Id of the socket.
        event: Its name.
        seconds: Since it was called.
        error: What it has raised.
    """

    namespace: str
    socket: str
    event: str
    seconds: float
    error: BaseException


# --- limits ---------------------------------------------------------------------------------------


class BacklogGrew(Seen, frozen=True, gc=False):
    """More is held back for a client that does not read what it gets.

    Attributes:
        session: Id of its session; a credential.
        held: Bytes that are held for it.
        total: Bytes that are held for all such clients of the process.
    """

    session: str
    held: int
    total: int


class RateLimited(Seen, frozen=True, gc=False):
    """A rate limit has acted: a session was closed, or a new one or a connection refused.

    Attributes:
        limit: Name of the field of `RateLimits`.
    """

    limit: str


class LoopLag(Seen, frozen=True, gc=False):
    """How late the event loop is, measured twice a second as long as somebody observes it.

    Attributes:
        seconds: Between when a timer was due and when it was served.
    """

    seconds: float


# --- clusters -------------------------------------------------------------------------------------


class ClusterMessageSent(Seen, frozen=True, gc=False):
    """A message goes to other processes of the cluster.

    Attributes:
        namespace: Whose adapter sends it.
        kind: What it is, such as `broadcast` or `fetch_sockets`.
    """

    namespace: str
    kind: str


class ClusterMessageReceived(Seen, frozen=True, gc=False):
    """A message of another process has come.

    Attributes:
        namespace: Whose adapter gets it.
        kind: What it is.
    """

    namespace: str
    kind: str


class NodeJoined(Seen, frozen=True, gc=False):
    """Another process of the cluster was heard.

    Attributes:
        node: Its id.
    """

    node: str


class NodeLeft(Seen, frozen=True, gc=False):
    """A process of the cluster is gone.

    Attributes:
        node: Its id.
    """

    node: str


class ClusterFailed(Seen, frozen=True, gc=False):
    """Something was lost on the way between processes, or does not work.

    Attributes:
        message: What, as the log has it.
    """

    message: str


KINDS: Final[tuple[type[Seen], ...]] = tuple(
    kind
    for kind in list(globals().values())
    if isinstance(kind, type) and issubclass(kind, Seen) and kind is not Seen
)
"""All that can be observed."""
