"""One client in one namespace: what users hold in their handlers."""

from __future__ import annotations

import logging
from threading import get_ident
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeVar, overload

from sockwave.codec.json import encode_plain
from sockwave.codec.socketio import RESERVED_EVENTS
from sockwave.debug import shortened
from sockwave.engine.core.handlers import NO_HANDLERS
from sockwave.socketio.core.adapter import BroadcastFlags, BroadcastOptions
from sockwave.socketio.core.emit_operator import EmitOperator
from sockwave.socketio.core.handshake import Handshake, pack_auth
from sockwave.socketio.core.operators import BroadcastOperator
from sockwave.socketio.core.outgoing import check_event_name
from sockwave.socketio.core.rooms import as_rooms
from sockwave.socketio.server.sending import OutgoingEvents
from sockwave.socketio.server.states import IN, State
from sockwave.types import DisconnectReason, Json, Room, SocketId

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping

    from sockwave.engine.core.request import Request
    from sockwave.engine.server.sessions.session import ServerSession
    from sockwave.errors import InvalidEvent
    from sockwave.socketio.core.answers import Answers
    from sockwave.socketio.core.events import AckEvent, Answer, Args, Event
    from sockwave.socketio.core.remote_socket import RemoteSocket
    from sockwave.socketio.core.saved_session import SavedSession
    from sockwave.socketio.server.contracts import MemberConnection
    from sockwave.socketio.server.namespace import Namespace

__all__ = ["Socket", "SocketOperator", "SocketsById"]

_logger: Final = logging.getLogger("sockwave.socketio.socket")

_NO_FLAGS: Final = BroadcastFlags()

_DISCONNECTED: Final = State.DISCONNECTED


class Socket(OutgoingEvents["Namespace"]):
    """A connected client in a namespace.

    Attributes:
        id: Of this socket; not secret, and a room that holds only it.
        namespace: Where it is.
        recovered: Whether it continues an earlier one after a short loss.
    """

    __slots__ = ("_auth", "_data", "_handshake", "_issued", "recovered")

    pid: str | None

    def __init__(
        self,
        namespace: Namespace,
        connection: MemberConnection,
        id_: SocketId,
        auth: dict[str, Any] | None,
        issued: float,
        restored: SavedSession | None,
    ) -> None:
        super().__init__(namespace, connection, id_, None if restored is None else restored.pid)
        self.recovered: bool = restored is not None
        self._auth = pack_auth(auth)
        self._issued = issued
        self._data: dict[str, Any] | None = None if restored is None else restored.data
        self._handshake: Handshake | None = None

    def __repr__(self) -> str:
        state = self.state.name.lower()
        by = f" by {self._session.transport.name}" if self.connected else ""
        return f"<Socket {self.id_in_logs} in {shortened(self.namespace.name)}: {state}{by}>"

    # --- what it is -------------------------------------------------------------------------------

    @property
    def connected(self) -> bool:
        """Whether it is in its namespace: from before the `connection` handlers until before the
        `disconnect` handlers."""
        return self.state in IN

    @property
    def data(self) -> dict[str, Any]:
        """Anything the application wants to keep with the socket."""
        if self._data is None:
            self._data = {}
        if (recovery := self.namespace.recovery) is not None:
            recovery.touched(self)
        return self._data

    @property
    def params(self) -> Mapping[str, str]:
        """What the client has chosen of the name of its namespace: `params` of that one."""
        return self.namespace.params

    @property
    def rooms(self) -> set[Room]:
        """A copy of its rooms, its own id included; empty when it is not connected."""
        return self.namespace.adapter.rooms_of(self.id) if self.connected else set()

    @property
    def handshake(self) -> Handshake:
        """The first request of the connection, and `auth`."""
        if self._handshake is None:
            self._handshake = Handshake(self._session.request, self._auth, self._issued)
        return self._handshake

    @property
    def id_in_logs(self) -> str:
        """The id, cut short where it is a credential: an old client's is that of its session."""
        return self.id if self._session.protocol == 4 else f"{self.id[:-16]}..."

    @property
    def connection(self) -> MemberConnection:
        """What takes its packets, shared with the client's sockets in other namespaces."""
        return self._connection

    @property
    def request(self) -> Request:
        """The first HTTP request of the connection; its `state` has what middlewares of the engine
        found out."""
        return self._session.request

    @property
    def conn(self) -> ServerSession:
        """The Engine.IO session below, shared with the client's sockets in other namespaces."""
        return self._session

    # --- sending ----------------------------------------------------------------------------------

    @overload
    def emit(
        self, event: Event[*Args], *args: *Args, ack: Callable[..., object] | None = None
    ) -> None: ...
    @overload
    def emit(self, event: str, *args: Json, ack: Callable[..., object] | None = None) -> None: ...
    def emit(self, event: Any, *args: Any, ack: Callable[..., object] | None = None) -> None:  # type: ignore[misc] # see `AnyEvent`
        """Send an event to this client; it is queued, and goes out at the end of this turn.

        Order: events arrive in the order of the calls. Delivery: at most once; after the socket has
        left its namespace the event is dropped. May be called from any thread.

        Args:
            args: JSON values; `bytes` anywhere inside become attachments.
            ack: Called with the arguments of the client's acknowledgement, if it comes within the
                server's `ack_timeout`. To wait for it, see `emit_with_ack`.

        Raises:
            ValueError: The name is reserved.
            EncodeError: An argument cannot be sent.
            LimitExceeded: Too many acknowledgements of this socket are outstanding.
        """
        if event.__class__ is not str:
            check_event_name(event)
            self.emit_flagged((event, *args), _NO_FLAGS, ack)
            return
        if event in RESERVED_EVENTS:
            check_event_name(event)
        if ack is not None or self.plain is None:
            self.emit_flagged((event, *args), _NO_FLAGS, ack)
            return
        try:
            json = encode_plain((event, *args))
        except TypeError:  # the long way finds bytes, or says what it is
            self.emit_flagged((event, *args), _NO_FLAGS, None)
            return
        if get_ident() != self._driver.thread_id:
            self.emit_flagged((event, *args), _NO_FLAGS, None)
        elif self.state is not _DISCONNECTED:
            text = self.namespace.event_prefix + json
            self._session.send_packet(text, len(text))

    def send(self, *args: Json) -> None:
        """Send a `message` event."""
        self.emit("message", *args)

    @overload
    def emit_with_ack(
        self, event: AckEvent[*Args, Answer], *args: *Args, timeout: float | None = None
    ) -> Coroutine[Any, Any, Answer]: ...
    @overload
    def emit_with_ack(
        self, event: str, *args: Json, timeout: float | None = None
    ) -> Coroutine[Any, Any, Any]: ...
    def emit_with_ack(  # type: ignore[misc] # see `AnyEvent`
        self, event: Any, *args: Any, timeout: float | None = None
    ) -> Coroutine[Any, Any, Any]:
        """Send an event and wait for the client's acknowledgement.

        The arguments are encoded at the call; the event is sent when the result is awaited. That
        may be in any event loop, in any thread.

        Args:
            timeout: Seconds until the wait ends, by default the server's `ack_timeout`; the event
                itself is not taken back.

        Returns:
            What the client acknowledged with: a single argument as itself, none as None, several as
            a tuple.

        Raises:
            AckTimeout: No acknowledgement in time.
            Disconnected: The socket left the namespace first.
            LimitExceeded: Too many acknowledgements of this socket are outstanding.
            EncodeError: An argument cannot be sent.

        Cancelling is safe: a late acknowledgement is dropped.
        """
        check_event_name(event)
        return self.emit_flagged_and_wait((event, *args), BroadcastFlags(timeout=timeout))

    @property
    def volatile(self) -> SocketOperator:
        """Drop the next event if the client cannot take it at once: nothing is queued."""
        return SocketOperator(self, BroadcastFlags(volatile=True))

    def compress(self, compress: bool) -> SocketOperator:
        """Let the transport compress the next event, or not."""
        return SocketOperator(self, BroadcastFlags(compress=compress))

    def timeout(self, seconds: float) -> SocketOperator:
        """Set how long the acknowledgement of the next event is waited for."""
        return SocketOperator(self, BroadcastFlags(timeout=seconds))

    # --- sending to others ------------------------------------------------------------------------

    @property
    def broadcast(self) -> BroadcastOperator[Socket | RemoteSocket]:
        """Reach everybody in the namespace but this socket."""
        return BroadcastOperator(self.namespace, BroadcastOptions(excluded=(self.id,)))

    @property
    def local(self) -> BroadcastOperator[Socket]:
        """Reach everybody but this socket, in this process only."""
        return self.broadcast.local

    def to(self, *rooms: Room | Iterable[Room]) -> BroadcastOperator[Socket | RemoteSocket]:
        """Reach the other sockets of these rooms."""
        return self.broadcast.to(*rooms)

    def in_(self, *rooms: Room | Iterable[Room]) -> BroadcastOperator[Socket | RemoteSocket]:
        """Reach the sockets of rooms: another name of `to`."""
        return self.broadcast.to(*rooms)

    def except_(self, *rooms: Room | Iterable[Room]) -> BroadcastOperator[Socket | RemoteSocket]:
        """Reach everybody but this socket and those in these rooms."""
        return self.broadcast.except_(*rooms)

    # --- rooms ------------------------------------------------------------------------------------

    def join(self, *rooms: Room | Iterable[Room]) -> None:
        """Enter rooms; nothing happens once the socket has left its namespace for good.

        May be called from any thread. A socket that is lost and may come back is in them then, and
        gets what is sent to them from now on (see `Recovery`).

        Raises:
            ValueError: A room is another socket's id: what is meant for that one alone would come
                here too. The server's option `allow_sid_rooms` allows it.
        """
        names = as_rooms(rooms)
        if not self.namespace.server.options.allow_sid_rooms:
            for name in names:
                if name != self.id and name in self.namespace.sockets:
                    raise ValueError("this room is the id of another socket")
        self._on_loop(self._join, names)

    def leave(self, *rooms: Room | Iterable[Room]) -> None:
        """Leave rooms; one that it is not in is no error. May be called from any thread.

        A socket that is lost and may come back is not in them then.
        """
        self._on_loop(self._leave, as_rooms(rooms))

    def _join(self, rooms: tuple[Room, ...]) -> None:
        if self._driver.debug:
            self._say("joins %d rooms", len(rooms))
        namespace, recovery = self.namespace, self.namespace.recovery
        if (
            self.state is not _DISCONNECTED
            or (recovery is not None and recovery.may_return(self.id))
            or self.id in namespace.sockets  # it is back, as another object
        ):
            namespace.adapter.add(self.id, rooms)

    def _leave(self, rooms: tuple[Room, ...]) -> None:
        for room in rooms:
            self.namespace.adapter.remove(self.id, room)

    # --- leaving and waiting ----------------------------------------------------------------------

    def disconnect(self, *, close: bool = False) -> None:
        """Take this client out of the namespace; what was emitted before arrives first.

        May be called from any thread. A client that is lost cannot come back as this socket any
        more: it is a new one (see `Recovery`). One that has come back already is disconnected.

        Args:
            close: End the whole connection, with its sockets in other namespaces.
        """
        self._on_loop(self._disconnect, close)

    def _disconnect(self, close: bool) -> None:
        if self.connected:
            self._connection.disconnect(self, close=close)
        else:
            self._revoke(close)

    def _revoke(self, close: bool) -> None:
        """It is disconnected after it was lost: it may be away, or back as another object."""
        recovery = self.namespace.recovery
        if recovery is None or self.state is not _DISCONNECTED:
            return
        self.pid = None
        recovery.revoke(self.id, close=close)
        back = self.namespace.sockets.get(self.id)
        if back is not None:
            back.disconnect(close=close)

    async def drain(self) -> None:
        """Wait until what was sent is on its way and more can be taken.

        Call it between large or many emits to a client that may be slow, from any event loop.

        Raises:
            Disconnected: The socket left first.
        """
        if self._driver.is_elsewhere():
            await self._driver.visit(self.drain())
        else:
            await self._drain()

    # --- called by whoever lets it in and out -----------------------------------------------------

    def handles(self, event: str) -> bool:
        """Whether it, or its namespace, has handlers of an event."""
        return event in self._handlers or event in self.namespace.event_handlers

    def superseded(self) -> None:
        """Its client knows of a loss that was not noticed here, and is back on another one."""
        self._session.discard(DisconnectReason.TRANSPORT_CLOSE, "came back on a new connection")
        self._connection.end_now()

    def leave_namespace(self, reason: DisconnectReason) -> None:
        """Its namespace ends."""
        self._connection.leave(self, reason, "")

    def tell_left(self, reason: DisconnectReason, description: str) -> None:
        """It has left: whoever waits for the client, and handlers of `disconnect`, hear of it."""
        if self._acks is not None or self._drain_waiters is not None:
            self.unreachable(reason)
        self.emit_local("disconnect", reason, description)
        self._handlers = NO_HANDLERS

    def forget_handlers(self) -> None:
        """Nothing happens to it any more.

        Handlers refer to the socket more often than not: without this only the garbage collector
        could free the two.
        """
        self._handlers = NO_HANDLERS

    def handler_failed(self, event: str, error: BaseException) -> None:
        """Report a handler's exception; the connection lives on."""
        self.namespace.server.handler_failed(self, event, error)

    def _refused(self, event: str, error: InvalidEvent, answers: Answers | None) -> None:
        """Tell the client what was not admitted: it is its event, and nothing of ours is in it."""
        server = self.namespace.server
        told = {"error": "validation", "event": event, "path": error.path, "reason": error.reason}
        server.event_refused(self, event, error)
        name = server.options.validation_event
        if answers is not None and answers.id is not None:
            answers.returned(told)
        elif name is not None:
            self.emit(name, told)

    def _say(self, text: str, *args: object) -> None:
        _logger.debug("%s %s", self.id, text % args)

    def _on_loop(self, method: Callable[..., object], *args: Any) -> None:
        if self._driver.is_foreign_thread():
            self._driver.call_from_thread(method, *args)
        else:
            method(*args)


D = TypeVar("D")

if TYPE_CHECKING:

    class SocketsById(Mapping[SocketId, Socket]):
        """Sockets by their ids: any text may be asked for."""

        def __init__(self, sockets: Mapping[SocketId, Socket]) -> None: ...

        def __getitem__(self, id_: str, /) -> Socket: ...
        @overload
        def get(self, id_: str, /) -> Socket | None: ...
        @overload
        def get(self, id_: str, /, default: D) -> Socket | D: ...
        def get(self, id_: str, /, default: Any = None) -> Any: ...
        def __iter__(self) -> Iterator[SocketId]: ...
        def __len__(self) -> int: ...
        def __eq__(self, other: object) -> bool: ...

else:
    SocketsById = MappingProxyType


class SocketOperator(EmitOperator["Socket"]):
    """Flags for the next event; made by `volatile`, `compress` and `timeout` of a socket."""

    __slots__ = ()

    @property
    def broadcast(self) -> BroadcastOperator[Socket | RemoteSocket]:
        """Reach everybody in the namespace but this socket, with these flags."""
        options = BroadcastOptions(excluded=(self._socket.id,), flags=self._flags)
        return BroadcastOperator(self._socket.namespace, options)

    def to(self, *rooms: Room | Iterable[Room]) -> BroadcastOperator[Socket | RemoteSocket]:
        """Reach the other sockets of these rooms, with these flags."""
        return self.broadcast.to(*rooms)

    def in_(self, *rooms: Room | Iterable[Room]) -> BroadcastOperator[Socket | RemoteSocket]:
        """Reach the sockets of rooms: another name of `to`."""
        return self.broadcast.to(*rooms)

    def except_(self, *rooms: Room | Iterable[Room]) -> BroadcastOperator[Socket | RemoteSocket]:
        """Reach everybody but this socket and those in these rooms, with these flags."""
        return self.broadcast.except_(*rooms)
