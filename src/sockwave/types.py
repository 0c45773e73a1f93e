"""Names for the values that travel between the layers; imports nothing from sockwave."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Literal, NewType, TypeAlias

__all__ = [
    "DisconnectReason",
    "Json",
    "NamespaceName",
    "Room",
    "SessionId",
    "SocketId",
    "TransportName",
]

SessionId = NewType("SessionId", str)
"""Engine.IO session id: a credential, never logged above debug and never shown to other peers."""

SocketId = NewType("SocketId", str)
"""Socket.IO id of one client in one namespace; not secret, and never equal to the session id."""

Room: TypeAlias = str
"""Name of a set of sockets in one namespace; a socket's own id is a room that holds only it."""

NamespaceName: TypeAlias = str
"""Literal namespace name with its leading slash: `/`, `/admin`."""

TransportName: TypeAlias = Literal["polling", "websocket", "webtransport"]

Json: TypeAlias = (
    bool
    | int
    | float
    | str
    | bytes
    | bytearray
    | memoryview
    | Sequence["Json"]
    | Mapping[str, object]
    | None
)
"""What can be sent with an event of any name: JSON values, with binary data anywhere inside.

What stands in a mapping is left to the codec, as a TypedDict, or a `dict[str, object]`, is one.
What comes is `Any` to type checkers, until a handler says what it takes; what is sent is checked in
full where the event is declared.
"""


class DisconnectReason(StrEnum):
    """Why a session or socket ended; the reference's texts (docs/protocol/reasons.md)."""

    CLIENT_NAMESPACE_DISCONNECT = "client namespace disconnect"
    SERVER_NAMESPACE_DISCONNECT = "server namespace disconnect"
    SERVER_SHUTTING_DOWN = "server shutting down"
    TRANSPORT_CLOSE = "transport close"
    TRANSPORT_ERROR = "transport error"
    PING_TIMEOUT = "ping timeout"
    PARSE_ERROR = "parse error"
    FORCED_CLOSE = "forced close"
    FORCED_SERVER_CLOSE = "forced server close"
    BACKLOG_EXCEEDED = "backlog exceeded"
    RATE_LIMIT_EXCEEDED = "rate limit exceeded"
    IO_SERVER_DISCONNECT = "io server disconnect"
    """On a client: the server took this socket out of its namespace."""
    IO_CLIENT_DISCONNECT = "io client disconnect"
    """On a client: this side left the namespace."""
