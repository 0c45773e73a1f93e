"""Connection state recovery of one namespace: whose connection was lost, and who comes back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sockwave.engine.core.states import State
from sockwave.engine.server.ids import generate_id
from sockwave.socketio.core.adapter import BroadcastOptions
from sockwave.socketio.core.recovery import SavedSession
from sockwave.types import DisconnectReason

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping

    from sockwave.engine.server.session import ServerSession
    from sockwave.socketio.core.adapter import BroadcastFlags
    from sockwave.socketio.core.outgoing import EncodedPacket
    from sockwave.socketio.core.recovery import Recovery, SupportsRecovery
    from sockwave.socketio.server.namespace import Namespace
    from sockwave.socketio.server.socket import Socket

__all__ = ["NamespaceRecovery", "goes_first"]

NOT_RECOVERABLE: Final = frozenset(
    {
        DisconnectReason.CLIENT_NAMESPACE_DISCONNECT,
        DisconnectReason.SERVER_NAMESPACE_DISCONNECT,
        DisconnectReason.PARSE_ERROR,
    }
)
"""Reasons that are meant, or the fault of the client (server.md section 10)."""


def goes_first(session: ServerSession) -> bool:
    """Whether what a client has missed goes before its CONNECT reply, as in the reference.

    Only where both arrive together or not at all: in one response to a poll. JavaScript clients
    keep events that come before the reply until it is there, over a second loss too; if the reply
    is cut off they get the same events again, and handle them twice. ADR 0006.
    """
    return session.transport.name == "polling" and session.state is State.OPEN


class NamespaceRecovery:
    """Saves the sockets of a namespace and brings them back.

    Attributes:
        options: Of the server.
    """

    def __init__(self, namespace: Namespace, adapter: SupportsRecovery, options: Recovery) -> None:
        self.options = options
        self._namespace = namespace
        self._adapter = adapter
        self._live: dict[str, Socket] = {}

    def restore(
        self, auth: Mapping[str, Any] | None
    ) -> SavedSession | Awaitable[SavedSession | None] | None:
        """Look for the session that a CONNECT asks for."""
        if not auth:
            return None
        pid, offset = auth.get("pid"), auth.get("offset")
        if pid.__class__ is not str or offset.__class__ is not str:
            return None
        if (socket := self._live.get(pid)) is not None:
            # The client knows of a loss that has not been noticed here.
            socket.conn.discard(DisconnectReason.TRANSPORT_CLOSE, "came back on a new connection")
        try:
            return self._adapter.restore(pid, offset)
        except Exception:
            self._namespace.server.logger.exception("a session could not be restored")
            return None

    def let_in(self, socket: Socket) -> list[EncodedPacket] | None:
        """Begin to log for a socket; middlewares are done with it.

        Returns:
            What it has missed; None when some of that is gone, so that it cannot be let in.
        """
        missed: list[EncodedPacket] | None = []
        if socket.recovered:
            missed = self._adapter.replay(socket.id)
        else:
            socket._pid = generate_id()
            self._adapter.begin(socket.id)
        if missed is not None and socket._pid is not None:
            self._live[socket._pid] = socket
        return missed

    def left(self, socket: Socket, reason: DisconnectReason) -> None:
        """A socket leaves; its rooms are still known."""
        if socket._pid is None:
            return
        self._live.pop(socket._pid, None)
        if reason in NOT_RECOVERABLE:
            socket._pid = None
        else:
            self._save(socket, socket._pid)

    def abandoned(self, socket: Socket) -> None:
        """The connection ended before middlewares were done: the client may try once more."""
        if socket.recovered and socket._pid is not None:
            self._save(socket, socket._pid)

    def _save(self, socket: Socket, pid: str) -> None:
        rooms = self._namespace.adapter.rooms_of(socket.id) - {socket.id}
        self._adapter.save(SavedSession(socket.id, pid, tuple(rooms), socket.data))

    def emit(self, socket: Socket, args: tuple[Any, ...], flags: BroadcastFlags) -> None:
        """Send an event to one socket through the log, also to one that may come back."""
        if socket.connected or (socket._is_gone and socket._pid is not None):
            options = BroadcastOptions(rooms=(socket.id,), flags=flags)
            self._namespace.adapter.broadcast(args, options)
        elif not socket._is_gone:  # in middlewares: not logged, it may never be let in
            socket.deliver(socket._encoded(args, None, flags), args, flags)
