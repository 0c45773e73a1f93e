"""Pages of the reference, and which public names stand on each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from scripts.site.published import Published, published

__all__ = ["SUBJECTS", "TYPES_PAGE", "Subject", "names_of"]

TYPES_PAGE: Final = "types-in-signatures"


@dataclass(frozen=True, slots=True)
class Subject:
    """A page of the reference.

    Attributes:
        page: Its name below `reference/`.
        text: What stands below its title: where to read on, in Markdown.
        package: Where its names are imported from.
        names: In the order of the page; none stands for all that no other page has.
    """

    page: str
    title: str
    text: str
    package: str = "sockwave"
    names: tuple[str, ...] = ()


SUBJECTS: Final = (
    Subject(
        "server",
        "Server",
        "The object that everything begins with, and what it hands to hooks.",
        names=("Server", "Listener", "Request", "HandshakeFailure", "HandlerFailure"),
    ),
    Subject(
        "namespaces",
        "Namespaces and broadcasts",
        "Whom an event reaches: all sockets of a namespace, some rooms, all but one.",
        names=("Namespace", "ParentNamespace", "BroadcastOperator", "BroadcastAnswers"),
    ),
    Subject(
        "sockets",
        "Sockets",
        "One client in one namespace: what a `connection` handler gets.",
        names=("Socket", "SocketOperator", "RemoteSocket", "Handshake"),
    ),
    Subject(
        "client",
        "Client",
        'Needs `pip install "sockwave[client]"`. How to use it: [Client](../client.md).',
        names=("connect", "ClientSocket", "Manager", "EventStream"),
    ),
    Subject(
        "option-values",
        "Values of options",
        "Options that have options of their own. All of them: [Options](../options.md).",
        names=(
            "ServerOptions",
            "Cors",
            "Cookie",
            "HttpCompression",
            "Deflate",
            "Limits",
            "RateLimits",
            "Recovery",
            "Parser",
            "MsgpackParser",
        ),
    ),
    Subject(
        "errors",
        "Errors",
        "Everything that is raised is a `SockwaveError`, but for wrong options and wrong calls:"
        " these raise `TypeError` or `ValueError`.",
        names=(
            "SockwaveError",
            "ConnectError",
            "FailureCause",
            "ProtocolError",
            "PacketError",
            "TextEncodingError",
            "WebSocketError",
            "TransportError",
            "ConnectTimeout",
            "Disconnected",
            "AckTimeout",
            "ClusterTimeout",
            "EncodeError",
            "LimitExceeded",
        ),
    ),
    Subject(
        "clusters",
        "Clusters, and adapters of one process",
        "The other processes, and what keeps the rooms. How to run several:"
        " [More than one process](../scaling.md).",
        names=("Cluster", "ClusterMember", "Adapter", "InMemoryAdapter"),
    ),
    Subject("names", "Names, reasons, and others", "Types of ids, and texts with a meaning."),
    Subject(
        "adapters",
        "Adapters and carriers",
        "`Server(adapter=...)`: several servers as one. Which one to take:"
        " [More than one process](../scaling.md).",
        "sockwave.adapters",
    ),
    Subject(
        "emitters",
        "Emitters",
        "Events from processes that serve nobody. How to use them: [Emitters](../emitters.md).",
        "sockwave.emitters",
    ),
    Subject(
        "sync",
        "Blocking client and emitters",
        "For scripts and threads. How to use it: [Client](../client.md).",
        "sockwave.sync",
    ),
    Subject(
        "engine",
        "Engine.IO",
        "The layer below Socket.IO, for protocols of your own.",
        "sockwave.engine",
    ),
    Subject(
        "observe",
        "Observing",
        "What happens in a server, told to functions of yours. How to use it:"
        " [Observing](../observing.md).",
        "sockwave.observe",
    ),
    Subject(
        "testing",
        "Testing",
        "Clients without a port, faults, and suites for adapters of your own. How to use it:"
        " [Testing](../testing.md).",
        "sockwave.testing",
    ),
)


def names_of(subject: Subject) -> list[Published]:
    """The public names on a page, in its order."""
    own = {each.name: each for each in published() if each.package == subject.package}
    if subject.names:
        return [own[name] for name in subject.names]
    elsewhere = {
        name for each in SUBJECTS if each.package == subject.package for name in each.names
    }
    return [each for name, each in own.items() if name not in elsewhere]
