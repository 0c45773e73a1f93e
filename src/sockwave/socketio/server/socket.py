"""One client in one namespace: what users hold in their handlers."""

from __future__ import annotations

import asyncio
import logging
from threading import get_ident
from typing import TYPE_CHECKING, Any, Final

from sockwave.codec.json import encode_json
from sockwave.codec.socketio import RESERVED_EVENTS, Packet, PacketType
from sockwave.debug import shortened
from sockwave.errors import ConnectError, Disconnected, SockwaveError
from sockwave.socketio.core.acks import AckResult, AckTable, ack_value
from sockwave.socketio.core.adapter import BroadcastFlags, BroadcastOptions
from sockwave.socketio.core.operators import BroadcastOperator, as_rooms
from sockwave.socketio.core.outgoing import EncodedPacket, check_event_name, encode
from sockwave.socketio.server.dispatch import IncomingEvents
from sockwave.socketio.server.handshake import Handshake
from sockwave.socketio.server.recovery import goes_first
from sockwave.socketio.server.socket_operator import SocketOperator
from sockwave.types import DisconnectReason, Json, Room

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from sockwave.engine.core.request import Request
    from sockwave.engine.server.session import ServerSession
    from sockwave.socketio.core.recovery import SavedSession
    from sockwave.socketio.server.connection import Connection
    from sockwave.socketio.server.namespace import Namespace

__all__ = ["Socket"]

_logger: Final = logging.getLogger("sockwave.socketio.socket")

_NO_FLAGS: Final = BroadcastFlags()


class Socket(IncomingEvents):
    """A connected client in a namespace.

    Attributes:
        id: Of this socket; not secret, and a room that holds only it.
        namespace: Where it is.
        connected: Whether it is in its namespace: from before the `connection` handlers until
            before the `disconnect` handlers.
        recovered: Whether it continues an earlier one after a short loss.
    """

    __slots__ = (
        "_acks",
        "_auth",
        "_data",
        "_drain_waiters",
        "_handshake",
        "_is_leaving",
        "_issued",
        "_pid",
        "id",
        "recovered",
    )

    def __init__(
        self,
        namespace: Namespace,
        connection: Connection,
        auth: dict[str, Any] | None,
        issued: float,
        restored: SavedSession | None = None,
    ) -> None:
        self.id = connection.new_socket_id(namespace) if restored is None else restored.id
        super().__init__(namespace, connection)
        self.recovered = restored is not None
        self._auth = auth
        self._issued = issued
        self._is_leaving = False
        self._data: dict[str, Any] | None = None if restored is None else restored.data
        self._pid: str | None = None if restored is None else restored.pid
        self._acks: AckTable | None = None
        self._handshake: Handshake | None = None
        self._drain_waiters: list[asyncio.Future[None]] | None = None

    def __repr__(self) -> str:
        return f"<Socket {self.id_in_logs} in {self.namespace.name}>"

    # --- what it is -------------------------------------------------------------------------------

    @property
    def data(self) -> dict[str, Any]:
        """Anything the application wants to keep with the socket."""
        if self._data is None:
            self._data = {}
        return self._data

    @property
    def rooms(self) -> set[Room]:
        """A copy of its rooms, its own id included; empty when it is not connected."""
        return self.namespace.adapter.rooms_of(self.id) if self.connected else set()

    @property
    def handshake(self) -> Handshake:
        """The first request of the connection, and `auth`."""
        if self._handshake is None:
            self._handshake = Handshake(self._session.request, self._auth or {}, self._issued)
        return self._handshake

    @property
    def id_in_logs(self) -> str:
        """The id, cut short where it is a credential: an old client's is that of its session."""
        return self.id if self._session.protocol == 4 else f"{self.id[:-16]}..."

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

    def emit(self, event: str, *args: Json, ack: Callable[..., object] | None = None) -> None:
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
        if event in RESERVED_EVENTS or event.__class__ is not str:
            check_event_name(event)
        if ack is not None or self._has_hooks:
            self._emit((event, *args), _NO_FLAGS, ack)
            return
        json, attachments = encode_json((event, *args))
        if attachments or get_ident() != self._driver.thread_id:
            self._emit((event, *args), _NO_FLAGS, None)
        elif not self._is_gone:
            text = self.namespace.event_prefix + json
            self._session.send_packet(text, len(text))

    def send(self, *args: Json) -> None:
        """Send a `message` event."""
        self.emit("message", *args)

    async def emit_with_ack(self, event: str, *args: Json, timeout: float | None = None) -> Any:
        """Send an event and wait for the client's acknowledgement.

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

        Cancelling is safe: a late acknowledgement is dropped.
        """
        check_event_name(event)
        return await self._emit_and_wait((event, *args), BroadcastFlags(timeout=timeout))

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
    def broadcast(self) -> BroadcastOperator[Socket]:
        """Reach everybody in the namespace but this socket."""
        return BroadcastOperator(self.namespace, BroadcastOptions(excluded=(self.id,)))

    @property
    def local(self) -> BroadcastOperator[Socket]:
        """Reach everybody but this socket, in this process only."""
        return self.broadcast.local

    def to(self, *rooms: Room | Iterable[Room]) -> BroadcastOperator[Socket]:
        """Reach the other sockets of these rooms."""
        return self.broadcast.to(*rooms)

    def in_(self, *rooms: Room | Iterable[Room]) -> BroadcastOperator[Socket]:
        """The same as `to`."""
        return self.broadcast.to(*rooms)

    def except_(self, *rooms: Room | Iterable[Room]) -> BroadcastOperator[Socket]:
        """Reach everybody but this socket and those in these rooms."""
        return self.broadcast.except_(*rooms)

    # --- rooms ------------------------------------------------------------------------------------

    def join(self, *rooms: Room | Iterable[Room]) -> None:
        """Enter rooms; nothing happens once the socket has left its namespace.

        May be called from any thread.

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
        """Leave rooms; one that it is not in is no error. May be called from any thread."""
        self._on_loop(self._leave, as_rooms(rooms))

    def _join(self, rooms: tuple[Room, ...]) -> None:
        if self._driver.debug:
            self._say("joins %d rooms", len(rooms))
        if not self._is_gone:
            self.namespace.adapter.add(self.id, rooms)

    def _leave(self, rooms: tuple[Room, ...]) -> None:
        for room in rooms:
            self.namespace.adapter.remove(self.id, room)

    # --- leaving and waiting ----------------------------------------------------------------------

    def disconnect(self, *, close: bool = False) -> None:
        """Take this client out of the namespace; what was emitted before arrives first.

        May be called from any thread.

        Args:
            close: End the whole connection, with its sockets in other namespaces.
        """
        self._on_loop(self._disconnect, close)

    def _disconnect(self, close: bool) -> None:
        if not self.connected:
            return
        for socket in self._connection.sockets() if close else (self,):
            if socket.connected and not socket._is_leaving:
                name = socket.namespace.name
                goodbye = Packet(PacketType.DISCONNECT, name, None, None)
                encode(goodbye, parser=self.namespace.parser).queue_on(self._session)
                self._connection.taken_out(socket)
                socket.left(DisconnectReason.SERVER_NAMESPACE_DISCONNECT, "")
        if close:
            self._session.close()

    async def drain(self) -> None:
        """Wait until what was sent is on its way and more can be taken.

        Call it between large or many emits to a client that may be slow.

        Raises:
            Disconnected: The socket left first.
        """
        await asyncio.sleep(0)  # lets this turn's packets go to the transport
        while not self._is_gone and self._session.backlog:
            if self._drain_waiters is None:
                self._drain_waiters = []
            waiter = self._driver.loop.create_future()
            self._drain_waiters.append(waiter)
            await waiter
        if self._is_gone:
            raise Disconnected("while draining")

    # --- called by the connection, the namespace and the adapter ----------------------------------

    def ack_received(self, id_: int | None, args: tuple[Any, ...]) -> None:
        """The client answers."""
        if self._acks is not None:
            self._acks.received(id_, args)

    def deliver(self, packet: EncodedPacket, args: tuple[Any, ...], flags: BroadcastFlags) -> None:
        """Send an event that is encoded already."""
        if self._has_hooks:
            for hook in self.listeners_any_outgoing():
                self._run(hook, args, "on_any_outgoing")
        session = self._session
        if flags.volatile and not session.is_writable:
            return
        if packet.attachments:
            packet.queue_on(session)
        else:
            session.send_packet(packet.text, packet.size)

    def expect_ack(self, id_: int, done: Callable[[AckResult], None]) -> None:
        """Wait for this socket's answer to a broadcast."""
        self._ack_table().expect(id_, done, None)

    def forget_ack(self, id_: int) -> None:
        """Do not wait for it any longer."""
        if self._acks is not None:
            self._acks.cancel(id_)

    def accepted(self, missed: Sequence[EncodedPacket] = ()) -> None:
        """Middlewares let it in; what it has missed is sent with the reply."""
        self.connected = True
        if self._driver.debug:
            self._say("connected to %s", shortened(self.namespace.name))
        self._connection.add(self)
        session = self._session
        reply = self._connection.connect_reply(self)
        if missed and goes_first(session):
            for packet in missed:
                packet.queue_on(session)
            missed = ()
        reply.queue_on(session)
        for packet in missed:
            packet.queue_on(session)

    def refused(self, error: ConnectError) -> None:
        """A middleware, or a `connection` handler, did not let it in."""
        self._is_gone = True
        self.namespace.adapter.remove_all(self.id)
        self._connection.send_connect_error(self.namespace.name, error)
        self._handlers = None

    def abandoned(self) -> None:
        """The connection ended before middlewares were done."""
        if not self._is_gone:
            self._is_gone = True
            self.namespace.abandoned(self)
            self._handlers = None

    def left(self, reason: DisconnectReason, description: str) -> None:
        """The socket leaves its namespace; its handlers hear of it, once."""
        if self._is_leaving or not self.connected:
            return
        self._is_leaving = True
        if self._driver.debug:
            self._say("leaves %s: %s", shortened(self.namespace.name), reason)
        self.emit_local("disconnecting", reason, description)
        self._is_gone = True
        self._connection.remove(self)
        if self.namespace.recovery is not None:
            self.namespace.recovery.left(self, reason)
        self.namespace.forget(self)
        self.connected = False
        if self._acks is not None:
            self._acks.disconnected(reason)
        self.drained()
        self.emit_local("disconnect", reason, description)
        # Handlers refer to the socket more often than not: without this only the garbage collector
        # could free the two.
        self._handlers = None

    def drained(self) -> None:
        """Wake those who wait in `drain`."""
        waiters, self._drain_waiters = self._drain_waiters, None
        for waiter in waiters or ():
            if not waiter.done():
                waiter.set_result(None)

    def handler_failed(self, event: str, error: Exception) -> None:
        """Report a handler's exception; the connection lives on."""
        self.namespace.server.handler_failed(self, event, error)

    def _say(self, text: str, *args: object) -> None:
        _logger.debug("%s %s", self.id, text % args)

    # --- private: emitting ------------------------------------------------------------------------

    def _emit(
        self, args: tuple[Any, ...], flags: BroadcastFlags, ack: Callable[..., object] | None
    ) -> None:
        """Emit with whatever flags, from whatever thread."""
        if self._driver.debug:
            self._say("%s goes out with %d arguments", shortened(args[0]), len(args) - 1)
        if ack is None:
            recovery = self.namespace.recovery
            if recovery is None:
                packet = self._encoded(args, None, flags)
                self._on_loop(self._deliver_unless_gone, packet, args, flags)
            elif self._driver.is_foreign_thread():
                self._encoded(args, None, flags)  # errors belong to the caller
                self._driver.call_from_thread(recovery.emit, self, args, flags)
            else:
                recovery.emit(self, args, flags)
        elif self._driver.is_foreign_thread():
            self._encoded(args, 0, flags)  # errors belong to the caller
            self._driver.call_from_thread(
                self._emit_expecting, args, flags, self._answered(ack, flags)
            )
        else:
            self._emit_expecting(args, flags, self._answered(ack, flags))

    def _deliver_unless_gone(
        self, packet: EncodedPacket, args: tuple[Any, ...], flags: BroadcastFlags
    ) -> None:
        if not self._is_gone:
            self.deliver(packet, args, flags)

    def _emit_expecting(
        self, args: tuple[Any, ...], flags: BroadcastFlags, done: Callable[[AckResult], None]
    ) -> int:
        """Send an event with an id, and wait for its answer."""
        id_ = self.namespace.next_ack_id()
        packet = self._encoded(args, id_, flags)
        if self._is_gone:
            done(Disconnected("before the event was sent"))
            return id_
        timeout = flags.timeout
        if timeout is None:
            timeout = self.namespace.server.options.ack_timeout
        self._ack_table().expect(id_, done, timeout)
        self.deliver(packet, args, flags)
        return id_

    async def _emit_and_wait(self, args: tuple[Any, ...], flags: BroadcastFlags) -> Any:
        answer: asyncio.Future[Any] = self._driver.loop.create_future()

        def done(result: AckResult) -> None:
            if answer.done():
                return
            if isinstance(result, SockwaveError):
                answer.set_exception(result)
            else:
                answer.set_result(ack_value(result))

        id_ = self._emit_expecting(args, flags, done)
        try:
            return await answer
        finally:
            self.forget_ack(id_)

    def _answered(
        self, ack: Callable[..., object], flags: BroadcastFlags
    ) -> Callable[[AckResult], None]:
        """Run a user's callback as a handler: with (error, *args) where a time-out was set."""

        def done(result: AckResult) -> None:
            if flags.timeout is None:
                if not isinstance(result, SockwaveError):
                    self._run(ack, result, "acknowledgement")
            elif isinstance(result, SockwaveError):
                self._run(ack, (result,), "acknowledgement")
            else:
                self._run(ack, (None, *result), "acknowledgement")

        return done

    def _encoded(
        self, args: tuple[Any, ...], id_: int | None, flags: BroadcastFlags
    ) -> EncodedPacket:
        packet = Packet(PacketType.EVENT, self.namespace.name, id_, args)
        return encode(packet, compress=flags.compress, parser=self.namespace.parser)

    def _ack_table(self) -> AckTable:
        if self._acks is None:
            self._acks = AckTable(self._driver, self.namespace.server.options.max_pending_acks)
        return self._acks

    def _on_loop(self, method: Callable[..., object], *args: Any) -> None:
        if self._driver.is_foreign_thread():
            self._driver.call_from_thread(method, *args)
        else:
            method(*args)
