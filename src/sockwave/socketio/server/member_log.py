"""What is logged of a client's way into a namespace and out of it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, Protocol

from sockwave.debug import known, masked, shortened

if TYPE_CHECKING:
    from sockwave.types import DisconnectReason, NamespaceName, SessionId

__all__ = [
    "say_asks",
    "say_connected",
    "say_leaves",
    "say_not_heeded",
    "say_not_restored",
    "say_unsendable",
]

_logger: Final = logging.getLogger("sockwave.socketio")
_connection_logger: Final = logging.getLogger("sockwave.socketio.connection")
_socket_logger: Final = logging.getLogger("sockwave.socketio.socket")


class LoggedNamespace(Protocol):
    """Where it is."""

    name: NamespaceName


class LoggedSocket(Protocol):
    """What is known of a client in a namespace."""

    @property
    def id_in_logs(self) -> str:
        """The id, cut short where it is a credential."""

    @property
    def namespace(self) -> LoggedNamespace:
        """Where it is."""


def say_asks(session: SessionId, name: NamespaceName) -> None:
    """A client wants to join a namespace."""
    fields = known(sid=session, namespace=name)
    _connection_logger.debug("%s asks for %s", masked(session), shortened(name), extra=fields)


def say_connected(socket: LoggedSocket) -> None:
    """It is in."""
    id_, name = socket.id_in_logs, socket.namespace.name
    fields = known(socket=id_, namespace=name)
    _socket_logger.debug("%s connected to %s", id_, shortened(name), extra=fields)


def say_leaves(socket: LoggedSocket, reason: DisconnectReason) -> None:
    """It is out."""
    id_, name = socket.id_in_logs, socket.namespace.name
    fields = known(socket=id_, namespace=name, reason=reason)
    _socket_logger.debug("%s leaves %s: %s", id_, shortened(name), reason, extra=fields)


def say_not_restored(name: NamespaceName) -> None:
    """The adapter has failed to bring a lost socket back; the exception is handled just now."""
    _logger.exception("a session could not be restored", extra=known(namespace=name))


def say_unsendable(name: NamespaceName) -> None:
    """What a refused client should be told cannot be encoded."""
    _logger.exception("the data of a ConnectError cannot be sent", extra=known(namespace=name))


def say_not_heeded(told: set[str], middleware: str) -> None:
    """Say once that False lets the client in: elsewhere, in python-socketio, it refuses."""
    if middleware not in told:
        told.add(middleware)
        _logger.warning(
            "the middleware %s returned False, which lets the client in: "
            "to refuse it, raise ConnectError",
            middleware,
        )
