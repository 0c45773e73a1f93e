"""Connection state recovery of one namespace: whose connection was lost, and who comes back."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Protocol

from sockwave.engine.core.states import State
from sockwave.engine.core.transport import SLICE
from sockwave.engine.server.sessions.ids import generate_id
from sockwave.socketio.core.adapter import BroadcastOptions
from sockwave.socketio.core.recovery_contract import (
    SupportsHaste,
    SupportsMirrors,
    SupportsRevocation,
    SupportsSupersession,
    SupportsWatch,
)
from sockwave.socketio.core.saved_session import SavedSession
from sockwave.socketio.server.member_log import say_not_restored
from sockwave.types import DisconnectReason

if TYPE_CHECKING:
    import logging
    from collections.abc import Awaitable, Mapping, Sequence

    from sockwave.engine.server.sessions.session import ServerSession
    from sockwave.socketio.core.adapter import Adapter, BroadcastFlags
    from sockwave.socketio.core.outgoing import EncodedPacket
    from sockwave.socketio.core.recovery import Recovery
    from sockwave.socketio.core.recovery_contract import SupportsRecovery
    from sockwave.types import NamespaceName, Room, SocketId

__all__ = [
    "NamespaceRecovery",
    "RecoverableSocket",
    "RecoveryHost",
    "RecoveryServer",
    "goes_first",
    "without_secret",
]

NOT_RECOVERABLE: Final = frozenset(
    {
        DisconnectReason.CLIENT_NAMESPACE_DISCONNECT,
        DisconnectReason.SERVER_NAMESPACE_DISCONNECT,
        DisconnectReason.PARSE_ERROR,
    }
)
"""Reasons that are meant, or the fault of the client (docs/protocol/reasons.md#server)."""


class RecoverableSocket(Protocol):
    """A socket that may be lost and come back."""

    id: SocketId
    recovered: bool
    pid: str | None
    """Its secret: whoever knows it is the client. None where it must not come back."""

    @property
    def data(self) -> dict[str, Any]:
        """What the application keeps with it."""

    @property
    def conn(self) -> ServerSession:
        """The session that it is on."""

    def superseded(self) -> None:
        """Its client is back on another connection: end this one."""


class RecoveryHost(Protocol):
    """The namespace whose sockets they are."""

    name: NamespaceName

    @property
    def adapter(self) -> Adapter:
        """Knows their rooms."""

    @property
    def server(self) -> RecoveryServer:
        """Whose namespace it is."""

    @property
    def recovery(self) -> NamespaceRecovery | None:
        """That of the namespace itself."""


class RecoveryServer(Protocol):
    """Where sockets of the same client may be in other namespaces."""

    logger: logging.Logger

    @property
    def namespaces(self) -> Mapping[NamespaceName, RecoveryHost]:
        """All of them."""


def goes_first(session: ServerSession, missed: Sequence[EncodedPacket], reply: int) -> bool:
    """Whether what a client has missed goes before its CONNECT reply, as in the reference.

    Only where both arrive together or not at all: in one response to a poll, which has a size.
    JavaScript clients keep events that come before the reply until it is there, over a second loss
    too; if the reply is cut off they get the same events again, and handle them twice. ADR 0006.
    """
    if session.transport.name != "polling" or session.state is not State.OPEN:
        return False
    return session.backlog + sum(packet.size for packet in missed) + reply <= SLICE


def without_secret(auth: dict[str, Any] | None) -> dict[str, Any] | None:
    """What a client tells, without what is meant for the recovery: who logs it leaks nothing."""
    if not auth or ("pid" not in auth and "offset" not in auth):
        return auth
    return {key: value for key, value in auth.items() if key not in ("pid", "offset")}


class NamespaceRecovery:
    """Saves the sockets of a namespace and brings them back.

    Attributes:
        options: Of the server.
    """

    def __init__(
        self, namespace: RecoveryHost, adapter: SupportsRecovery, options: Recovery
    ) -> None:
        self.options = options
        self._namespace = namespace
        self._adapter = adapter
        self._live: dict[str, RecoverableSocket] = {}
        # The same adapter, where other processes keep copies of what it keeps.
        self._mirrors = adapter if isinstance(adapter, SupportsMirrors) else None
        self._watcher = adapter if isinstance(adapter, SupportsWatch) else None
        self._late = adapter if isinstance(adapter, SupportsHaste) else None
        if isinstance(adapter, SupportsSupersession):
            adapter.when_wanted(self._supersede)

    def restore(
        self, auth: Mapping[str, Any] | None
    ) -> SavedSession | Awaitable[SavedSession | None] | None:
        """Look for the session that a CONNECT asks for."""
        if not auth:
            return None
        pid, offset = auth.get("pid"), auth.get("offset")
        if pid.__class__ is not str or (offset is not None and offset.__class__ is not str):
            return None
        self._supersede(pid)
        try:
            return self._adapter.restore(pid, offset)
        except Exception:
            say_not_restored(self._namespace.name)
            return None

    def _supersede(self, pid: str) -> None:
        if (socket := self._live.get(pid)) is not None:
            # The client knows of a loss that has not been noticed here.
            socket.superseded()

    def let_in(self, socket: RecoverableSocket) -> list[EncodedPacket] | None:
        """Begin to log for a socket; middlewares are done with it.

        Returns:
            What it has missed; None when some of that is gone, so that it cannot be let in.
        """
        missed: list[EncodedPacket] | None = []
        if socket.recovered:
            missed = self._adapter.replay(socket.id)
        else:
            socket.pid = self._adapter.epoch + generate_id()
            self._adapter.begin(socket.id)
        if missed is not None and socket.pid is not None:
            self._live[socket.pid] = socket
            if self._watcher is not None:
                self._watcher.watch(socket.id, socket)
        return missed

    def touched(self, socket: RecoverableSocket) -> None:
        """The application may change its data."""
        if self._watcher is not None:
            self._watcher.touched(socket.id)

    def hasten(self, id_: SocketId) -> None:
        """Something goes directly to a socket, which must not overtake what was emitted before."""
        if self._late is not None:
            self._late.hasten(id_)

    def left(self, socket: RecoverableSocket, reason: DisconnectReason) -> None:
        """A socket leaves; its rooms are still known."""
        if socket.pid is None:
            return
        self._live.pop(socket.pid, None)
        if reason in NOT_RECOVERABLE:
            socket.pid = None
        else:
            self._save(socket, socket.pid)

    def abandoned(self, socket: RecoverableSocket) -> None:
        """The connection ended before middlewares were done: the client may try once more."""
        if socket.recovered and socket.pid is not None:
            self._save(socket, socket.pid)

    def put_back(self, session: SavedSession, connection: ServerSession) -> None:
        """A client has gone before what was saved of it was found: it may try once more."""
        rooms = tuple(self._namespace.adapter.rooms_of(session.id) - {session.id})
        self._adapter.save(replace(session, rooms=rooms, connection=connection.id))
        self._namespace.adapter.remove_all(session.id)

    def _save(self, socket: RecoverableSocket, pid: str) -> None:
        rooms = self._namespace.adapter.rooms_of(socket.id) - {socket.id}
        self._adapter.save(SavedSession(socket.id, pid, tuple(rooms), socket.data, socket.conn.id))

    # --- while they are away ----------------------------------------------------------------------

    def may_return(self, id_: SocketId) -> bool:
        """Whether a socket is away, and changes of its rooms are for when it comes back."""
        adapter = self._adapter
        return isinstance(adapter, SupportsRevocation) and adapter.may_return(id_)

    def join_lost(self, options: BroadcastOptions, rooms: tuple[Room, ...]) -> None:
        """Put the selected ones into rooms."""
        for id_ in self._selected(options):
            self._namespace.adapter.add(id_, rooms)

    def leave_lost(self, options: BroadcastOptions, rooms: tuple[Room, ...]) -> None:
        """Take the selected ones out of rooms."""
        for id_ in self._selected(options):
            for room in rooms:
                self._namespace.adapter.remove(id_, room)

    def revoke_lost(self, options: BroadcastOptions, *, close: bool) -> None:
        """The selected ones must not come back."""
        for id_ in self._selected(options):
            self.revoke(id_, close=close)

    def _selected(self, options: BroadcastOptions) -> list[SocketId]:
        adapter = self._adapter
        return adapter.select_lost(options) if isinstance(adapter, SupportsRevocation) else []

    def revoke(self, id_: SocketId, *, close: bool) -> None:
        """A socket that is away must not come back.

        Args:
            close: Nor must those of other namespaces that were lost with it.
        """
        if not isinstance(self._adapter, SupportsRevocation):
            return
        connection = self._adapter.revoke(id_)
        if connection and close:
            for namespace in list(self._namespace.server.namespaces.values()):
                if namespace.recovery is not None:
                    namespace.recovery.revoke_lost_with(connection)

    def revoke_lost_with(self, connection: str) -> None:
        """Those that were lost with a connection must not come back."""
        if isinstance(self._adapter, SupportsRevocation):
            for id_ in self._adapter.lost_with(connection):
                self._adapter.revoke(id_)

    def emit(self, id_: SocketId, args: Sequence[Any], flags: BroadcastFlags) -> None:
        """Send an event to one socket through the log, also to one that may come back."""
        if self._mirrors is not None and self._mirrors.is_here(id_):
            flags = replace(flags, local=True)
        options = BroadcastOptions(rooms=(id_,), flags=flags)
        self._namespace.adapter.broadcast(args, options)
