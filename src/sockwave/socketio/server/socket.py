"""One client in one namespace: what users hold in their handlers."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from threading import get_ident
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar, overload

from sockwave.codec.json import encode_json
from sockwave.codec.socketio import RESERVED_EVENTS, Packet, PacketType
from sockwave.engine.core.handlers import (
    Handler,
    HandlerTable,
    add_handler,
    check_handler,
    fit,
    remove_handler,
)
from sockwave.errors import ConnectError, Disconnected, SockwaveError
from sockwave.socketio.core.acks import AckResult, AckTable, ack_value
from sockwave.socketio.core.adapter import BroadcastFlags, BroadcastOptions
from sockwave.socketio.core.operators import BroadcastOperator, as_rooms
from sockwave.socketio.core.outgoing import EncodedPacket, check_event_name, encode
from sockwave.socketio.server.handshake import Handshake
from sockwave.socketio.server.recovery import goes_first
from sockwave.types import DisconnectReason, Json, Room

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from sockwave.engine.server.driver import Driver
    from sockwave.engine.server.session import ServerSession
    from sockwave.socketio.core.recovery import SavedSession
    from sockwave.socketio.server.connection import Connection
    from sockwave.socketio.server.namespace import Namespace

__all__ = ["Socket", "SocketOperator"]

F = TypeVar("F", bound=Handler)

_ANY: Final = "*incoming"
_ANY_OUTGOING: Final = "*outgoing"
_MIDDLEWARE: Final = "*middleware"
_NO_FLAGS: Final = BroadcastFlags()


class Socket:
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
        "_connection",
        "_data",
        "_drain_waiters",
        "_driver",
        "_handlers",
        "_handshake",
        "_has_hooks",
        "_is_gone",
        "_is_leaving",
        "_issued",
        "_pid",
        "_session",
        "connected",
        "id",
        "namespace",
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
        self.namespace = namespace
        self.connected = False
        self.recovered = restored is not None
        self._connection = connection
        self._session = connection.session
        self._driver: Driver = namespace.server.engine.driver
        self._auth = auth
        self._issued = issued
        self._is_gone = False
        self._is_leaving = False
        # Whether `emit` and incoming events take the long way: for hooks, or for the recovery log.
        self._has_hooks = namespace.recovery is not None
        self._handlers: HandlerTable | None = None
        self._data: dict[str, Any] | None = None if restored is None else restored.data
        self._pid: str | None = None if restored is None else restored.pid
        self._acks: AckTable | None = None
        self._handshake: Handshake | None = None
        self._drain_waiters: list[asyncio.Future[None]] | None = None

    def __repr__(self) -> str:
        return f"<Socket {self.id} in {self.namespace.name}>"

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
        if not self._is_gone:
            self.namespace.adapter.add(self.id, rooms)

    def _leave(self, rooms: tuple[Room, ...]) -> None:
        for room in rooms:
            self.namespace.adapter.remove(self.id, room)

    # --- handlers ---------------------------------------------------------------------------------

    @overload
    def on(self, event: str) -> Callable[[F], F]: ...
    @overload
    def on(self, event: str, handler: F) -> F: ...
    def on(self, event: str, handler: Handler | None = None) -> Any:
        """Handle an event of this client, as a call or as a decorator; `def` or `async def`.

        The handler gets the arguments of the event; what it returns is the acknowledgement, if the
        client asked for one: None as no argument, a tuple as several. Of several handlers the first
        one that returns something answers. Handlers start in the order in which events arrive.

        Beside the client's events there are `disconnecting` and `disconnect` (reason, description),
        and `error` (the error that ends the connection); their later arguments may be left out.
        """
        if handler is None:
            return lambda decorated: self.on(event, decorated)
        check_handler(event, handler)
        add_handler(self._table(), event, handler)
        return handler

    @overload
    def once(self, event: str) -> Callable[[F], F]: ...
    @overload
    def once(self, event: str, handler: F) -> F: ...
    def once(self, event: str, handler: Handler | None = None) -> Any:
        """Handle an event of this client once; as a call or as a decorator."""
        if handler is None:
            return lambda decorated: self.once(event, decorated)
        check_handler(event, handler)
        wanted = handler

        def once(*args: Any) -> Any:
            self.off(event, once)
            return wanted(*args)

        once.__wrapped__ = handler  # type: ignore[attr-defined] # `off` finds it by this
        add_handler(self._table(), event, once)
        return handler

    def off(self, event: str, handler: Handler | None = None) -> None:
        """Remove a handler, or all of an event."""
        if self._handlers is not None:
            remove_handler(self._handlers, event, handler)

    def on_any(self, handler: F) -> F:
        """Get every event of this client as (event, *args), before its own handlers."""
        return self._hook(_ANY, handler)

    def prepend_any(self, handler: F) -> F:
        """The same, before the others."""
        return self._hook(_ANY, handler, first=True)

    def off_any(self, handler: Handler | None = None) -> None:
        """Remove one of these, or all."""
        self.off(_ANY, handler)

    def listeners_any(self) -> list[Handler]:
        """Those registered with `on_any`."""
        return list((self._handlers or {}).get(_ANY, ()))

    def on_any_outgoing(self, handler: F) -> F:
        """Get every event sent to this client as (event, *args), broadcasts included."""
        return self._hook(_ANY_OUTGOING, handler)

    def prepend_any_outgoing(self, handler: F) -> F:
        """The same, before the others."""
        return self._hook(_ANY_OUTGOING, handler, first=True)

    def off_any_outgoing(self, handler: Handler | None = None) -> None:
        """Remove one of these, or all."""
        self.off(_ANY_OUTGOING, handler)

    def listeners_any_outgoing(self) -> list[Handler]:
        """Those registered with `on_any_outgoing`."""
        return list((self._handlers or {}).get(_ANY_OUTGOING, ()))

    @overload
    def use(self, middleware: F) -> F: ...
    @overload
    def use(self) -> Callable[[F], F]: ...
    def use(self, middleware: F | None = None) -> Any:
        """Let a function see each event of this client before its handlers; `def` or `async def`.

        As a call or as a decorator. It gets a list of name and arguments, and may change that, or
        return another one in its place. If it raises, the event goes no further and is not
        acknowledged: the `error` handlers of this socket get the exception; without one it is
        logged. Middlewares run in the order of registration, after `on_any`.

        While an async one waits, later events can overtake this one.
        """
        if middleware is None:
            return self.use
        check_handler("use", middleware)
        return self._hook(_MIDDLEWARE, middleware)

    def _hook(self, key: str, handler: F, *, first: bool = False) -> F:
        check_handler(key, handler)
        add_handler(self._table(), key, handler, first=first)
        self._has_hooks = True
        return handler

    def _table(self) -> HandlerTable:
        if self._handlers is None:
            self._handlers = {}
        return self._handlers

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
                encode(Packet(PacketType.DISCONNECT, name, None, None)).queue_on(self._session)
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

    def event_received(self, args: list[Any], id_: int | None) -> None:
        """An event of the client: run its handlers."""
        name = args[0]
        if self._has_hooks:
            for hook in self.listeners_any():
                self._run(hook, args, "on_any")
            if self._handlers is not None and _MIDDLEWARE in self._handlers:
                self._ask_middlewares(args, id_)
                return
        if name.__class__ is not str:
            name = _number_name(name)
        handlers = self._handlers.get(name) if self._handlers is not None else None
        shared = self.namespace.event_handlers.get(name)
        if shared or handlers is None or len(handlers) != 1:
            self._dispatch(name, args[1:], id_, handlers or (), shared or ())
            return
        # One handler: the path of nearly every event.
        try:
            result = handlers[0](*args[1:])
        except Exception as error:
            self.handler_failed(name, error)
            return
        if result.__class__ is CoroutineType or (
            result is not None and hasattr(result, "__await__")
        ):
            self._connection.handler_started()
            self._driver.start(self._finish(result, name, id_))
        elif id_ is not None:
            self._acknowledge(id_, result)

    def _ask_middlewares(self, args: list[Any], id_: int | None) -> None:
        """Run the middlewares, then the handlers; waits only where a middleware does."""
        middlewares = (self._handlers or {}).get(_MIDDLEWARE, ())
        event = list(args)
        for at, middleware in enumerate(middlewares):
            try:
                result = middleware(event)
            except Exception as error:
                self._stopped(event, error)
                return
            if result is not None and hasattr(result, "__await__"):
                self._connection.handler_started()
                later = middlewares[at + 1 :]
                self._driver.start(self._ask_later(event, id_, result, later))
                return
            event = event if result is None else list(result)
        self._asked(event, id_)

    async def _ask_later(
        self,
        event: list[Any],
        id_: int | None,
        running: Awaitable[Any],
        later: tuple[Handler, ...],
    ) -> None:
        try:
            result = await running
            event = event if result is None else list(result)
            for middleware in later:
                result = middleware(event)
                if result is not None and hasattr(result, "__await__"):
                    result = await result
                event = event if result is None else list(result)
        except Exception as error:
            self._stopped(event, error)
        else:
            self._asked(event, id_)
        finally:
            self._connection.handler_ended()
            self._driver.finished()

    def _asked(self, event: list[Any], id_: int | None) -> None:
        """Middlewares let an event pass, in the form that they gave it."""
        if not self.connected or not event:
            return
        name = event[0] if isinstance(event[0], str) else _number_name(event[0])
        handlers = (self._handlers or {}).get(name, ())
        shared = self.namespace.event_handlers.get(name, ())
        self._dispatch(name, event[1:], id_, handlers, shared)

    def _stopped(self, event: list[Any], error: Exception) -> None:
        """A middleware did not let an event pass."""
        if "error" in (self._handlers or {}) or "error" in self.namespace.event_handlers:
            self.emit_local("error", error)
        else:
            self.handler_failed("middleware", error)

    def _dispatch(
        self,
        name: str,
        args: list[Any],
        id_: int | None,
        handlers: tuple[Handler, ...],
        shared: tuple[Handler, ...],
    ) -> None:
        """Run any number of handlers; the first that returns something answers."""
        if not handlers and not shared:
            self.namespace.unhandled(name)
        answers = _Answers(self, id_, len(handlers) + len(shared))
        for handler in handlers:
            self._run(handler, args, name, answers)
        for handler in shared:
            self._run(handler, [self, *args], name, answers)

    def _run(
        self, handler: Handler, args: Iterable[Any], name: str, answers: _Answers | None = None
    ) -> None:
        try:
            result = handler(*args)
        except Exception as error:
            self.handler_failed(name, error)
            return
        if result is not None and hasattr(result, "__await__"):
            self._connection.handler_started()
            self._driver.start(self._finish(result, name, None, answers))
        elif answers is not None:
            answers.returned(result)

    async def _finish(
        self, awaitable: Awaitable[Any], name: str, id_: int | None, answers: _Answers | None = None
    ) -> None:
        """Wait for a handler in its task."""
        try:
            result = await awaitable
        except Exception as error:
            self.handler_failed(name, error)
        else:
            if id_ is not None:
                self._acknowledge(id_, result)
            elif answers is not None:
                answers.returned(result)
        finally:
            self._connection.handler_ended()
            self._driver.finished()

    def _acknowledge(self, id_: int, result: Any) -> None:
        """Send what a handler returned."""
        if self._is_gone:
            return
        values = [] if result is None else result if isinstance(result, tuple) else [result]
        try:
            json, attachments = encode_json(values)
            if not attachments:
                text = b"%b%d%b" % (self.namespace.ack_prefix, id_, json)
                self._session.send_packet(text, len(text))
                return
            encode(Packet(PacketType.ACK, self.namespace.name, id_, values)).queue_on(self._session)
        except SockwaveError as error:
            self.handler_failed("acknowledgement", error)

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
        self._connection.add(self)
        session = self._session
        text = self._connection.connect_reply(self)
        if missed and goes_first(session):
            for packet in missed:
                packet.queue_on(session)
            missed = ()
        session.send_packet(text, len(text))
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

    def emit_local(self, event: str, *args: Any) -> None:
        """Run this side's handlers of a life-cycle event."""
        for handler in (self._handlers or {}).get(event, ()):
            self._run(handler, fit(handler, args), event)
        for handler in self.namespace.event_handlers.get(event, ()):
            self._run(handler, fit(handler, (self, *args)), event)

    def handler_failed(self, event: str, error: Exception) -> None:
        """Report a handler's exception; the connection lives on."""
        self.namespace.server.handler_failed(self, event, error)

    # --- private: emitting ------------------------------------------------------------------------

    def _emit(
        self, args: tuple[Any, ...], flags: BroadcastFlags, ack: Callable[..., object] | None
    ) -> None:
        """Emit with whatever flags, from whatever thread."""
        if ack is None:
            packet = self._encoded(args, None, flags)
            if self.namespace.recovery is not None:
                self._on_loop(self.namespace.recovery.emit, self, args, flags)
            else:
                self._on_loop(self._deliver_unless_gone, packet, args, flags)
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
        return encode(packet, compress=flags.compress)

    def _ack_table(self) -> AckTable:
        if self._acks is None:
            self._acks = AckTable(self._driver, self.namespace.server.options.max_pending_acks)
        return self._acks

    def _on_loop(self, method: Callable[..., object], *args: Any) -> None:
        if self._driver.is_foreign_thread():
            self._driver.call_from_thread(method, *args)
        else:
            method(*args)


def _number_name(name: float) -> str:
    """A number as an event's name, in JavaScript's form: handlers are registered under its text."""
    return str(int(name)) if name == int(name) else str(name)


@dataclass(slots=True)
class _Answers:
    """Collects what several handlers of one event return, until one answers or all are done.

    A handler that fails never returns: then there is no empty answer, as with a single handler.
    """

    socket: Socket
    id: int | None
    remaining: int

    def returned(self, result: Any) -> None:
        self.remaining -= 1
        if self.id is not None and (result is not None or not self.remaining):
            id_, self.id = self.id, None
            self.socket._acknowledge(id_, result)


@dataclass(frozen=True, slots=True)
class SocketOperator:
    """How the next event to one socket is sent; made by `volatile`, `compress`, `timeout`."""

    _socket: Socket
    _flags: BroadcastFlags = field(default_factory=BroadcastFlags)

    @property
    def volatile(self) -> Self:
        """Drop the event if the client cannot take it at once."""
        return replace(self, _flags=replace(self._flags, volatile=True))

    def compress(self, compress: bool) -> Self:
        """Let the transport compress the event, or not."""
        return replace(self, _flags=replace(self._flags, compress=compress))

    def timeout(self, seconds: float) -> Self:
        """Set how long the acknowledgement is waited for."""
        return replace(self, _flags=replace(self._flags, timeout=seconds))

    @property
    def broadcast(self) -> BroadcastOperator[Socket]:
        """Reach everybody in the namespace but this socket, with these flags."""
        options = BroadcastOptions(excluded=(self._socket.id,), flags=self._flags)
        return BroadcastOperator(self._socket.namespace, options)

    def to(self, *rooms: Room | Iterable[Room]) -> BroadcastOperator[Socket]:
        """Reach the other sockets of these rooms, with these flags."""
        return self.broadcast.to(*rooms)

    def in_(self, *rooms: Room | Iterable[Room]) -> BroadcastOperator[Socket]:
        """The same as `to`."""
        return self.broadcast.to(*rooms)

    def except_(self, *rooms: Room | Iterable[Room]) -> BroadcastOperator[Socket]:
        """Reach everybody but this socket and those in these rooms, with these flags."""
        return self.broadcast.except_(*rooms)

    def emit(self, event: str, *args: Json, ack: Callable[..., object] | None = None) -> None:
        """Send an event; see `Socket.emit`.

        Args:
            ack: With `timeout()`, called as `ack(None, *args)`, or `ack(error)` when the time is
                over or the socket has left.
        """
        check_event_name(event)
        self._socket._emit((event, *args), self._flags, ack)

    async def emit_with_ack(self, event: str, *args: Json, timeout: float | None = None) -> Any:
        """Send an event and wait for its acknowledgement; see `Socket.emit_with_ack`."""
        check_event_name(event)
        flags = self._flags if timeout is None else replace(self._flags, timeout=timeout)
        return await self._socket._emit_and_wait((event, *args), flags)
