"""What the way of a client sees of those whom it passes: its socket, the namespace, the server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from sockwave.socketio.server.recovery import RecoverableSocket

if TYPE_CHECKING:
    import logging
    from collections.abc import Awaitable, Hashable

    from sockwave.engine.core.handlers import Handler
    from sockwave.engine.server.driver import Driver
    from sockwave.engine.server.engine import EngineServer
    from sockwave.engine.server.peer_log import PeerLog
    from sockwave.engine.server.sessions.session import ServerSession
    from sockwave.socketio.core.adapter import Adapter
    from sockwave.socketio.core.intake import Account, Intake
    from sockwave.socketio.core.parser import Parser
    from sockwave.socketio.core.saved_session import SavedSession
    from sockwave.socketio.server.options import ServerOptions
    from sockwave.socketio.server.recovery import NamespaceRecovery
    from sockwave.socketio.server.registration import Registered
    from sockwave.socketio.server.states import State
    from sockwave.types import DisconnectReason, NamespaceName, SocketId

__all__ = ["MemberConnection", "MemberNamespace", "MemberServer", "MemberSocket"]


class MemberSocket(RecoverableSocket, Protocol):
    """One client in one namespace."""

    state: State

    @property
    def id_in_logs(self) -> str:
        """The id, cut short where it is a credential."""

    @property
    def namespace(self) -> MemberNamespace:
        """Where it is, or wants to be."""

    def event_received(self, args: list[Any], id_: int | None) -> None:
        """An event of the client."""

    def ack_received(self, id_: int | None, args: tuple[Any, ...]) -> None:
        """The client answers."""

    def drained(self) -> None:
        """Everything queued was taken."""

    def watched(self, handler: Handler, name: str) -> Handler:
        """What is called for a handler."""

    def handles(self, event: str) -> bool:
        """Whether it has handlers of an event."""

    def emit_local(self, event: str, *args: Any) -> None:
        """Run handlers of a life-cycle event."""

    def handler_failed(self, event: str, error: BaseException) -> None:
        """Report an exception of the application."""

    def unreachable(self, reason: DisconnectReason) -> None:
        """Whoever waits for the client waits in vain."""

    def tell_left(self, reason: DisconnectReason, description: str) -> None:
        """It has left."""

    def forget_handlers(self) -> None:
        """Nothing happens to it any more."""


class MemberNamespace(Protocol):
    """Where clients want to be."""

    name: NamespaceName
    registered: Registered

    @property
    def adapter(self) -> Adapter:
        """Its rooms."""

    @property
    def recovery(self) -> NamespaceRecovery | None:
        """Brings lost sockets back."""

    def make_socket(
        self,
        connection: MemberConnection,
        id_: SocketId,
        auth: dict[str, Any] | None,
        issued: float,
        restored: SavedSession | None,
    ) -> MemberSocket:
        """Make a socket that is asked about; the namespace stays as long as there is one."""

    def admitted(self, id_: SocketId) -> None:
        """That socket is in."""

    def turned_away(self, id_: SocketId) -> None:
        """It will not be."""

    def forget(self, id_: SocketId) -> None:
        """A socket that was in has left."""

    def vacated(self) -> None:
        """Go, if nobody is here and nobody would miss it."""


class MemberServer(Protocol):
    """Whose namespaces they are."""

    options: ServerOptions
    logger: logging.Logger
    peer_log: PeerLog
    parser: Parser | None
    pending: Account
    heedless: set[str]

    @property
    def engine(self) -> EngineServer:
        """Below."""

    def find_namespace(self, name: NamespaceName) -> MemberNamespace | None:
        """The namespace of a name."""

    def make_dynamic(
        self, name: NamespaceName, auth: dict[str, Any]
    ) -> MemberNamespace | Awaitable[MemberNamespace | None] | None:
        """Make one for a client, if a parent wants to."""

    def new_socket_id(self) -> SocketId:
        """Make an id."""


class MemberConnection(Protocol):
    """What a socket sees of the connection that it is on."""

    driver: Driver
    session: ServerSession

    @property
    def intake(self) -> Intake:
        """What bounds its handlers; made with the first one that waits."""

    def handler_started(self, handler: Hashable) -> None:
        """A handler has begun, and waits."""

    def handler_ended(self, handler: Hashable) -> None:
        """A handler that was waited for has ended."""

    def leave(self, socket: MemberSocket, reason: DisconnectReason, description: str) -> None:
        """A socket leaves its namespace."""

    def disconnect(self, socket: MemberSocket, *, close: bool) -> None:
        """The application takes a socket out."""

    def end_now(self) -> None:
        """Wait no longer with the end of a session that is over."""
