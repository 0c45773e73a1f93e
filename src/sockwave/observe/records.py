"""What is kept of a connection: how it went, and why it has ended."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import msgspec

__all__ = ["ConnectionRecord", "EndedBy", "NamespaceRecord", "PacketRecord"]

EndedBy: TypeAlias = Literal["", "client", "network", "server", "application", "limit"]
"""Who has ended a connection; empty while it is open."""


class PacketRecord(msgspec.Struct, frozen=True, gc=False):
    """One packet, without what it held.

    Attributes:
        type: `event`, `ack`, `connect`, `disconnect`, `connect_error`, `binary_event`, `binary_ack`
            of Socket.IO; `open`, `close`, `ping`, `pong`, `upgrade`, `noop` of Engine.IO; `binary`
            for an attachment, or a packet of a parser that makes binary ones; `message` for any
            other text, `unknown` for what is none of these.
        size: Bytes.
    """

    type: str
    size: int


class NamespaceRecord(msgspec.Struct, frozen=True, gc=False):
    """A namespace that the client has asked for.

    Attributes:
        name: Its name.
        socket: Id of the socket; empty where the client was refused.
        recovered: Whether it went on as the one that it was before a loss.
        refused: What the client was told where it was not let in; None where it was.
        left: Why it has left, as of `DisconnectReason`; None while it is in.
    """

    name: str
    socket: str = ""
    recovered: bool = False
    refused: str | None = None
    left: str | None = None


class ConnectionRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One connection of a client: a session of Engine.IO, or a handshake that was refused.

    Attributes:
        session: Id of the session; a credential as long as it is open, and empty where a handshake
            was refused.
        address: Host of the client; empty on a Unix socket.
        user_agent: What its first request says of the program, shortened.
        user: Whose it was, as the application calls them; None where it has not said so.
        protocol: Revision of Engine.IO, 4 or 3.
        opened: When, in seconds since 1970.
        ended: The same of the end; None while it is open.
        seconds: How long it has lasted, or lasts by now.
        transports: On which it was, in this order.
        failed_upgrades: Attempts at another transport that came to nothing, and why.
        namespaces: Those asked for, in this order; at most 20.
        received: The last packets of the client, the latest one last.
        sent: The last ones that it was sent, or that wait for it.
        backlog: Most bytes that were held back for it, as far as it was slow.
        lag: Seconds that the event loop of the server was late, at most, in its last 5 seconds.
        ended_by: `client` or `network`, `server` when it stops, `application`, or `limit` for an
            option that was exceeded; `network` is anything between the two programs.
        reason: As of `DisconnectReason`.
        description: More about it, as `disconnect` handlers get it.
        option: Name of the option that had a part in it, with its value; empty where none had.
        sentence: Why it has ended, in plain English.
        hints: Further sentences, for what else has gone wrong, or may be behind it.
    """

    session: str
    address: str
    user_agent: str
    user: str | None = None
    protocol: int
    opened: float
    ended: float | None = None
    seconds: float
    transports: tuple[str, ...] = ()
    failed_upgrades: tuple[str, ...] = ()
    namespaces: tuple[NamespaceRecord, ...] = ()
    received: tuple[PacketRecord, ...] = ()
    sent: tuple[PacketRecord, ...] = ()
    backlog: int = 0
    lag: float = 0.0
    ended_by: EndedBy = ""
    reason: str = ""
    description: str = ""
    option: str = ""
    sentence: str
    hints: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Give all of it as values of JSON, with no more of the session's id than a log may have.

        The keys are the names of the attributes.
        """
        values: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(self))
        if self.session:
            values["session"] = f"{self.session[:4]}..."
        return values
