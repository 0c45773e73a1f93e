"""Values of labels: few, whatever clients send.

Each pair of a namespace and an event becomes several series, which cost memory here and at whoever
keeps them. So an event of a client has its name only if there is a handler for it, or it is
declared, or was named at the start; and a namespace that clients have chosen has the pattern of its
parent. All else is `other`. Beside that there is a bound: what comes when it is reached is `other`,
too, so that handlers whose names a client chooses do no harm.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sockwave.engine.server.rules.verification import ErrorCode
from sockwave.socketio.core.events import Event
from sockwave.types import DisconnectReason, SocketId

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sockwave.socketio.server.namespace import Namespace
    from sockwave.socketio.server.server import Server

__all__ = ["OTHER", "Labels", "known"]

OTHER: Final = "other"

MOST_EVENTS: Final = 200
"""Pairs of a namespace and an event that have a name of their own."""

MOST_NAMESPACES: Final = 50
"""Namespaces that have."""

OWN_FUNCTIONS: Final = frozenset(
    (
        *("acknowledgement", "connection", "disconnect", "disconnecting", "error"),
        *("middleware", "on_any", "on_any_outgoing"),
    )
)
"""What handlers are told as that handle no event of a client."""

CODES: Final = frozenset(str(int(code)) for code in ErrorCode)
KINDS_OF_TRANSPORTS: Final = frozenset(("polling", "websocket", "webtransport"))
REASONS: Final = frozenset(map(str, DisconnectReason))


def known(value: str, values: frozenset[str]) -> str:
    """A value that is one of these, or `other`."""
    return value if value in values else OTHER


class Labels:
    """Finds the labels of what a server sees.

    Args:
        server: Whose namespaces and handlers are known.
        events: Names of events that have one of their own beside.
    """

    def __init__(self, server: Server, events: Iterable[str] = ()) -> None:
        self._server = server
        self._given = frozenset(events)
        self._namespaces: set[str] = set()
        self._events: set[tuple[str, str]] = set()
        self._declared: dict[tuple[type[object], ...], frozenset[str]] = {}

    def namespace(self, name: str) -> str:
        """The label of a namespace."""
        namespace = self._server.find_namespace(name)
        return OTHER if namespace is None else self._bounded_namespace(_label_of(namespace))

    def event(self, name: str, event: str, socket: str | None) -> tuple[str, str]:
        """The labels of an event.

        Args:
            name: Of the namespace.
            event: Its name.
            socket: Id of the socket that it comes from; None for one that is sent.
        """
        namespace = self._server.find_namespace(name)
        if namespace is None:
            return OTHER, OTHER
        pair = self._bounded_namespace(_label_of(namespace)), event
        if pair in self._events:
            return pair
        is_known = len(self._events) < MOST_EVENTS and self._is_known(namespace, event, socket)
        if not is_known or pair[0] == OTHER:
            return pair[0], OTHER
        self._events.add(pair)
        return pair

    def _bounded_namespace(self, label: str) -> str:
        if label in self._namespaces:
            return label
        if len(self._namespaces) >= MOST_NAMESPACES:
            return OTHER
        self._namespaces.add(label)
        return label

    def _is_known(self, namespace: Namespace, event: str, socket: str | None) -> bool:
        if event in self._given or event in OWN_FUNCTIONS or event in namespace.event_handlers:
            return True
        if any(
            event in self._declared_in(each.registered.declared_events)
            for each in (namespace, self._server.of("/"))
        ):
            return True
        asked = None if socket is None else namespace.sockets.get(SocketId(socket))
        return asked is not None and bool(asked.listeners(event))

    def _declared_in(self, classes: tuple[type[object], ...]) -> frozenset[str]:
        """Names of the events of these classes; as many as the program has."""
        found = self._declared.get(classes)
        if found is None:
            found = self._declared[classes] = frozenset(
                str(value)
                for each in classes
                for base in each.__mro__
                for value in vars(base).values()
                if isinstance(value, Event)
            )
        return found


def _label_of(namespace: Namespace) -> str:
    if namespace.parent is None:
        return namespace.name
    match = namespace.parent.match
    return OTHER if callable(match) else str(match.pattern)
