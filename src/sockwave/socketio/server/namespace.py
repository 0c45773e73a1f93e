"""A namespace: its connected sockets, its middlewares, and broadcasts to them."""

from __future__ import annotations

import asyncio
import inspect
import itertools
import logging
from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeVar, overload

from sockwave.codec.json import encode_json
from sockwave.codec.socketio import (
    RESERVED_EVENTS,
    Packet,
    PacketType,
    ack_prefix,
    event_prefix,
)
from sockwave.debug import shortened
from sockwave.engine.core.handlers import (
    Handler,
    HandlerTable,
    add_handler,
    add_once,
    check_handler,
    listeners_of,
    remove_handler,
)
from sockwave.errors import AckTimeout, ConnectError, SockwaveError
from sockwave.socketio.core.acks import AckResult, ack_value
from sockwave.socketio.core.adapter import (
    Adapter,
    BroadcastOptions,
    InMemoryAdapter,
    SupportsServerEvents,
)
from sockwave.socketio.core.operators import BroadcastOperator
from sockwave.socketio.core.order import Lane, Order, OrderedHandler, check_order
from sockwave.socketio.core.outgoing import encode
from sockwave.socketio.core.recovery import RecoveryAdapter, SupportsRecovery
from sockwave.socketio.server.recovery import NamespaceRecovery
from sockwave.socketio.server.socket import Socket
from sockwave.types import DisconnectReason, Json, NamespaceName, Room, SocketId

if TYPE_CHECKING:
    from sockwave.socketio.core.outgoing import EncodedPacket
    from sockwave.socketio.core.recovery import Recovery
    from sockwave.socketio.server.parent import ParentNamespace
    from sockwave.socketio.server.server import Server

__all__ = ["Middleware", "Namespace"]

_logger: Final = logging.getLogger("sockwave.socketio.namespace")

F = TypeVar("F", bound=Handler)
Middleware = Callable[[Socket], object]

_LIFE_CYCLE = ("connection", "connect")
_OWN_EVENTS = (*_LIFE_CYCLE, "new_namespace")


class Namespace:
    """A part of a server with its own sockets, rooms, handlers and middlewares.

    Attributes:
        name: With its leading slash.
        server: Its server.
        adapter: Rooms and broadcasts.
        event_handlers: Handlers for all sockets, by event.
        parent: The parent namespace that has made it, if one has.
        recovery: Brings lost sockets back; None while the server's option is off.
    """

    def __init__(
        self, server: Server, name: NamespaceName, *, parent: ParentNamespace | None = None
    ) -> None:
        self.server = server
        self.name = name
        self.parent = parent
        self.event_prefix = event_prefix(name)
        self.ack_prefix = ack_prefix(name)
        self.parser = server.options.parser
        self.event_handlers: HandlerTable = {}
        self._handlers: HandlerTable = {}
        self._middlewares: tuple[Middleware, ...] = ()
        self._sockets: dict[SocketId, Socket] = {}
        self._admitting = 0
        self._warned: set[str] = set()
        self._order = server.options.order
        self._lanes: dict[Hashable, Lane[Any]] = {}
        self._ack_ids = itertools.count()
        self.recovery: NamespaceRecovery | None = None
        options = server.options.recovery
        adapter: Adapter
        if server.options.adapter is not None:
            adapter = server.options.adapter(self)
        elif options is None:
            adapter = InMemoryAdapter(self)
        else:
            adapter = self._recovery_adapter(options)
        self.adapter = adapter
        if options is not None:
            if not isinstance(adapter, SupportsRecovery):
                raise ValueError("adapter: this one cannot do connection state recovery")
            self.recovery = NamespaceRecovery(self, adapter, options)

    def _recovery_adapter(self, options: Recovery) -> RecoveryAdapter:
        engine = self.server.engine
        return RecoveryAdapter(
            self,
            engine.driver,
            options,
            grace=engine.options.ping_interval + engine.options.ping_timeout,
            max_replay=engine.options.max_backlog // 2,
            vacated=self.vacated,
        )

    def __repr__(self) -> str:
        return f"<Namespace {self.name}>"

    @property
    def sockets(self) -> Mapping[SocketId, Socket]:
        """Connected sockets of this process by id, in the order of connection."""
        return MappingProxyType(self._sockets)

    # --- registration -----------------------------------------------------------------------------

    @overload
    def use(self, middleware: F) -> F: ...
    @overload
    def use(self) -> Callable[[F], F]: ...
    def use(self, middleware: F | None = None) -> Any:
        """Ask a function about each new socket before it is let in; as a call or as a decorator.

        Middlewares run in the order of registration with the socket, which is not connected yet.
        One that raises `ConnectError` refuses it, with that message and data; any other exception
        is logged and refuses it with "Internal server error". One that still waits when the client
        goes is cancelled.
        """
        if middleware is None:
            return self.use
        check_handler("use", middleware)
        self._middlewares = (*self._middlewares, middleware)
        return middleware

    @overload
    def on(self, event: str) -> Callable[[F], F]: ...
    @overload
    def on(self, event: str, handler: F) -> F: ...
    def on(self, event: str, handler: Handler | None = None) -> Any:
        """Handle `connection` (also called `connect`): it gets each socket that was let in.

        As a call or as a decorator; `def` or `async def`. A handler that fails takes the connection
        back: the client gets `connect_error`.

        `new_namespace`, on the main namespace, gets each namespace that is made after it. Any other
        name is an event of other servers: see `server_side_emit`. For events of clients use
        `event`, or `socket.on` in a `connection` handler.
        """
        if handler is None:
            return lambda decorated: self.on(event, decorated)
        add_handler(self._handlers, _own_event(event, handler), handler)
        return handler

    @overload
    def once(self, event: str) -> Callable[[F], F]: ...
    @overload
    def once(self, event: str, handler: F) -> F: ...
    def once(self, event: str, handler: Handler | None = None) -> Any:
        """Handle one such event, as `on` handles all."""
        if handler is None:
            return lambda decorated: self.once(event, decorated)
        add_once(self._handlers, _own_event(event, handler), handler)
        return handler

    def listeners(self, event: str) -> list[Handler]:
        """Handlers of `on`, `once` and `event` for a name, as they were registered."""
        own = "connection" if event in _LIFE_CYCLE else event
        return listeners_of(self._handlers, own) + listeners_of(self.event_handlers, event)

    def handlers(self, event: str) -> tuple[Handler, ...]:
        """Those of `on` for an event."""
        return self._handlers.get("connection" if event in _LIFE_CYCLE else event, ())

    def off(self, event: str | None = None, handler: Handler | None = None) -> None:
        """Remove a handler of `on` or `event`, all of its name, or all of the namespace."""
        own = "connection" if event in _LIFE_CYCLE else event
        remove_handler(self._handlers, own, handler)
        remove_handler(self.event_handlers, event, handler)

    @overload
    def event(self, handler: F, *, order: Order | None = None) -> F: ...
    @overload
    def event(
        self, handler: str | None = None, *, order: Order | None = None
    ) -> Callable[[F], F]: ...
    def event(self, handler: F | str | None = None, *, order: Order | None = None) -> Any:
        """Handle an event of all sockets of the namespace; the handler gets the socket first.

            @io.event
            async def rename(socket, name): ...     # the event "rename"

            @io.event("chat message", order="socket")
            async def message(socket, text): ...

        What it returns is the acknowledgement, as with `socket.on`. `connection`, `disconnecting`
        and `disconnect` work too.

        Args:
            order: How the handler runs beside others, see `Order`; by default what `order` of the
                namespace says.
        """
        check_order(order)
        if handler is None:
            return lambda decorated: self.event(decorated, order=order)
        if isinstance(handler, str):
            name = handler
            return lambda decorated: self._add_event(name, decorated, order)
        named = getattr(handler, "__name__", None)
        if named is None:
            raise TypeError(f"{handler!r} has no name: give one, as in event('rename')")
        return self._add_event(named, handler, order)

    def _add_event(self, name: str, handler: F, order: Order | None) -> F:
        if name in _LIFE_CYCLE:
            return self.on(name, handler)
        check_handler(name, handler)
        if name in RESERVED_EVENTS - {"disconnect", "disconnecting"}:
            raise ValueError(f'"{name}" is a reserved event name')
        ordered = handler if order is None else OrderedHandler(handler, order)
        add_handler(self.event_handlers, name, ordered)
        return handler

    @property
    def order(self) -> Order | None:
        """How handlers of this namespace run beside each other, see `Order`; the server's at first.

        It holds for sockets that connect after it is set.
        """
        return self._order

    @order.setter
    def order(self, order: Order | None) -> None:
        check_order(order)
        self._order = order

    # --- broadcasting -----------------------------------------------------------------------------

    def emit(self, event: str, *args: Json) -> None:
        """Send an event to all sockets of the namespace; see `BroadcastOperator.emit`."""
        BroadcastOperator(self).emit(event, *args)

    def send(self, *args: Json) -> None:
        """Send a `message` event to all."""
        self.emit("message", *args)

    async def emit_with_ack(
        self, event: str, *args: Json, timeout: float | None = None
    ) -> list[Any]:
        """Send to all and wait for their answers; see `BroadcastOperator.emit_with_ack`."""
        return await BroadcastOperator(self).emit_with_ack(event, *args, timeout=timeout)

    def to(self, *rooms: Room | Iterable[Room]) -> BroadcastOperator[Socket]:
        """Reach the sockets of rooms; a socket's id is a room."""
        return BroadcastOperator(self).to(*rooms)

    def in_(self, *rooms: Room | Iterable[Room]) -> BroadcastOperator[Socket]:
        """The same as `to`."""
        return self.to(*rooms)

    def except_(self, *rooms: Room | Iterable[Room]) -> BroadcastOperator[Socket]:
        """Reach all but the sockets of rooms."""
        return BroadcastOperator(self).except_(*rooms)

    @property
    def volatile(self) -> BroadcastOperator[Socket]:
        """Drop the event for sockets that cannot take it at once."""
        return BroadcastOperator(self).volatile

    @property
    def local(self) -> BroadcastOperator[Socket]:
        """Reach only sockets of this process."""
        return BroadcastOperator(self).local

    def compress(self, compress: bool) -> BroadcastOperator[Socket]:
        """Let transports compress the event, or not."""
        return BroadcastOperator(self).compress(compress)

    def timeout(self, seconds: float) -> BroadcastOperator[Socket]:
        """How long `emit_with_ack` waits."""
        return BroadcastOperator(self).timeout(seconds)

    async def fetch_sockets(self) -> list[Socket]:
        """The sockets of the namespace."""
        return await BroadcastOperator(self).fetch_sockets()

    def sockets_join(self, *rooms: Room | Iterable[Room]) -> None:
        """Put all sockets of the namespace into rooms."""
        BroadcastOperator(self).sockets_join(*rooms)

    def sockets_leave(self, *rooms: Room | Iterable[Room]) -> None:
        """Take all sockets of the namespace out of rooms."""
        BroadcastOperator(self).sockets_leave(*rooms)

    def disconnect_sockets(self, *, close: bool = False) -> None:
        """Disconnect all sockets of the namespace.

        Args:
            close: End their whole connections, with the sockets of other namespaces on them.
        """
        BroadcastOperator(self).disconnect_sockets(close=close)

    # --- other servers ----------------------------------------------------------------------------

    def server_side_emit(self, event: str, *args: Json) -> None:
        """Send an event to the other servers of a cluster, for their handlers of `on`.

        An adapter of a single process has no others: then the log says so, once.

        Raises:
            ValueError: The name is reserved.
        """
        _check_server_event(event)
        if isinstance(self.adapter, SupportsServerEvents):
            self._on_loop(self.adapter.server_side_emit, (event, *args))
        elif "server_side_emit" not in self._warned:
            self._warned.add("server_side_emit")
            self.server.logger.warning("this adapter does not support server_side_emit()")

    async def server_side_emit_with_ack(
        self, event: str, *args: Json, timeout: float | None = None
    ) -> list[Any]:
        """Send an event to the other servers of a cluster and wait for their answers.

        Args:
            timeout: Seconds; by default the server's `ack_timeout`.

        Returns:
            One answer per other server; empty with an adapter of a single process.

        Raises:
            AckTimeout: A server did not answer; `responses` has the answers that came.
        """
        _check_server_event(event)
        if not isinstance(self.adapter, SupportsServerEvents):
            return []
        if timeout is None:
            timeout = self.server.options.ack_timeout
        return await self.adapter.server_side_emit_with_ack((event, *args), timeout)

    async def server_event_received(self, event: str, *args: Json) -> Any:
        """Run the handlers of `on` for an event of another server; adapters call it.

        Returns:
            What the first handler that returns something returns: the answer.
        """
        answer: Any = None
        if event in _OWN_EVENTS:
            return answer
        for handler in self._handlers.get(event, ()):
            try:
                result = handler(*args)
                if inspect.isawaitable(result):
                    result = await result
            except Exception:
                self.server.logger.exception("a handler of %r of another server failed", event)
                continue
            answer = result if answer is None else answer
        return answer

    def unhandled(self, event: str) -> None:
        """No handler for an event of a client: say so, once, if that looks like a mix-up."""
        if event in self._handlers and event not in self._warned and event not in _OWN_EVENTS:
            self._warned.add(event)
            self.server.logger.warning(
                "a client has sent %r, for which only `on` of the namespace has a handler: that is "
                "for events of other servers; use `@event` or `socket.on`",
                event,
            )

    # --- the target of operators ------------------------------------------------------------------

    def broadcast(self, args: tuple[Any, ...], options: BroadcastOptions) -> None:
        """Send to whom the options select; from any thread."""
        if self.server.engine.driver.debug:
            whom = "everybody" if options.rooms is None else f"{len(options.rooms)} rooms"
            _logger.debug("%s: %s to %s", shortened(self.name), shortened(args[0]), whom)
        if self.server.engine.driver.is_foreign_thread():
            encode_json(args)  # errors belong to the caller
        self._on_loop(self.adapter.broadcast, args, options)

    async def broadcast_with_ack(
        self, args: tuple[Any, ...], options: BroadcastOptions
    ) -> list[Any]:
        """Send, and collect answers until all have come or the time is over."""
        responses: list[Any] = []
        missing = 0
        left = False
        complete = asyncio.Event()

        def done(result: AckResult) -> None:
            nonlocal missing, left
            missing -= 1
            if isinstance(result, SockwaveError):
                left = True
            else:
                responses.append(ack_value(result))
            if missing == 0:
                complete.set()

        id_ = self.next_ack_id()
        asked = self.adapter.broadcast_with_ack(args, options, id_, done)
        missing += len(asked)
        if missing:
            timeout = options.flags.timeout
            if timeout is None:
                timeout = self.server.options.ack_timeout
            try:
                async with asyncio.timeout(timeout):
                    await complete.wait()
            except TimeoutError:
                left = True
            finally:
                for socket in asked:
                    socket.forget_ack(id_)
        if left:
            raise AckTimeout(responses)
        return responses

    async def fetch_selected(self, options: BroadcastOptions) -> list[Socket]:
        """The sockets that a broadcast would reach."""
        selected = self.adapter.select(options)
        return [socket for socket in selected if isinstance(socket, Socket)]

    def join_selected(self, options: BroadcastOptions, rooms: tuple[Room, ...]) -> None:
        """Put the selected sockets into rooms; from any thread."""
        self._on_loop(self._for_each, options, lambda socket: socket.join(rooms))

    def leave_selected(self, options: BroadcastOptions, rooms: tuple[Room, ...]) -> None:
        """Take the selected sockets out of rooms; from any thread."""
        self._on_loop(self._for_each, options, lambda socket: socket.leave(rooms))

    def disconnect_selected(self, options: BroadcastOptions, *, close: bool) -> None:
        """Disconnect the selected sockets; from any thread."""
        self._on_loop(self._for_each, options, lambda socket: socket.disconnect(close=close))

    def _for_each(self, options: BroadcastOptions, act: Callable[[Socket], None]) -> None:
        for socket in self.adapter.select(options):
            if isinstance(socket, Socket):
                act(socket)

    def _on_loop(self, method: Callable[..., object], *args: Any) -> None:
        driver = self.server.engine.driver
        if driver.is_foreign_thread() and driver.is_bound:
            driver.call_from_thread(method, *args)
        else:
            method(*args)

    @property
    def has_long_way(self) -> bool:
        """Whether events of all its sockets take more than the shortest way."""
        is_plain = self.recovery is None and self.order is None and self.parser is None
        return not is_plain or self.server.engine.driver.debug

    # --- order ------------------------------------------------------------------------------------

    def lane(self, key: Hashable) -> Lane[Any]:
        """The lane of a key; it is made if there is none."""
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = Lane(key)
        return lane

    def lane_emptied(self, lane: Lane[Any]) -> None:
        """Nothing waits in a lane any more."""
        self._lanes.pop(lane.key, None)

    # --- sockets come and go ----------------------------------------------------------------------

    def next_ack_id(self) -> int:
        """Ids count up per namespace, for sockets and broadcasts alike (protocol.md section 15)."""
        return next(self._ack_ids)

    def connect_reply(self, id_: SocketId, pid: str | None = None) -> EncodedPacket:
        """The packet that tells a client that it is in."""
        data = {"sid": id_} if pid is None else {"sid": id_, "pid": pid}
        return encode(Packet(PacketType.CONNECT, self.name, None, data), parser=self.parser)

    def admit(self, socket: Socket) -> None:
        """Ask the middlewares, and let the socket in; it waits only where they wait."""
        connection = socket._connection
        self._admitting += 1
        for at, middleware in enumerate(self._asked(socket)):
            try:
                result = middleware(socket)
                if result is not None and hasattr(result, "__await__"):
                    connection.hold(socket)
                    later = self._middlewares[at + 1 :]
                    task = self.server.engine.driver.spawn(self._admit_later(socket, result, later))
                    connection.held_by(self.name, task)
                    return
            except Exception as error:
                self._refuse(socket, error)
                return
        self._let_in(socket)

    def _asked(self, socket: Socket) -> tuple[Middleware, ...]:
        """The middlewares of a new socket."""
        recovery = self.recovery
        if recovery is not None and socket.recovered and recovery.options.skip_middlewares:
            return ()
        return self._middlewares

    async def _admit_later(
        self, socket: Socket, running: Awaitable[object], later: tuple[Middleware, ...]
    ) -> None:
        try:
            await running
            for middleware in later:
                result = middleware(socket)
                if result is not None and hasattr(result, "__await__"):
                    await result
        except Exception as error:
            socket._connection.release(socket)
            if not socket._is_gone:
                self._refuse(socket, error)
            return
        socket._connection.release(socket)
        if socket._session.is_open and not socket._is_gone:
            self._let_in(socket)
        else:
            socket.abandoned()

    def _let_in(self, socket: Socket) -> None:
        """Connect, then run `connection` handlers; if one fails at once, nothing has happened."""
        mark = socket._session.mark_queue()
        missed = self.recovery.let_in(socket) if self.recovery is not None else ()
        if missed is None:  # then let the client try again, as a new one
            socket.abandoned()
            socket._session.close()
            return
        self._admitting -= 1
        self._sockets[socket.id] = socket
        socket.accepted(missed)
        for handler in self._handlers.get("connection", ()):
            try:
                result = handler(socket)
            except Exception as error:
                withdrawn = socket._session.withdraw(mark)
                self._take_back(socket, error, withdrawn=withdrawn)
                return
            if result is not None and hasattr(result, "__await__"):
                self.server.engine.driver.spawn(self._finish_connection(socket, result))

    async def _finish_connection(self, socket: Socket, running: Awaitable[object]) -> None:
        try:
            await running
        except Exception as error:
            self._take_back(socket, error)

    def _take_back(self, socket: Socket, error: Exception, *, withdrawn: bool = False) -> None:
        """Refuse after all.

        Args:
            withdrawn: The client was not told anything yet, not even that its socket has left.
        """
        reason = self._reason(socket, "connection", error)
        was_connected = socket.connected
        socket.left(DisconnectReason.SERVER_NAMESPACE_DISCONNECT, "")
        if was_connected or withdrawn:
            socket._connection.send_connect_error(self.name, reason)

    def _reason(self, socket: Socket, event: str, error: Exception) -> ConnectError:
        """What the client is told: a refusal as it is, and nothing of any other exception."""
        if isinstance(error, ConnectError):
            return error
        socket.handler_failed(event, error)
        return ConnectError("Internal server error")

    def _refuse(self, socket: Socket, error: Exception) -> None:
        socket.refused(self._reason(socket, "middleware", error))
        self._admitting -= 1
        self.vacated()

    def abandoned(self, socket: Socket) -> None:
        """The connection of a socket ended before middlewares were done."""
        if self.recovery is not None:
            self.recovery.abandoned(socket)
        self.adapter.remove_all(socket.id)
        self._admitting -= 1
        self.vacated()

    def forget(self, socket: Socket) -> None:
        """A socket has left."""
        self.adapter.remove_all(socket.id)
        self._sockets.pop(socket.id, None)
        self.vacated()

    def vacated(self) -> None:
        """Go, if this is a child that the server does not keep and nobody is here or may return."""
        if (
            self.parent is not None
            and not self._sockets
            and not self._admitting
            and self.server.options.cleanup_empty_child_namespaces
            and not (isinstance(self.adapter, RecoveryAdapter) and self.adapter.has_saved)
        ):
            self.adapter.close()
            self.server.forget_namespace(self)

    def close(self, reason: DisconnectReason) -> None:
        """Everybody leaves."""
        for socket in list(self._sockets.values()):
            socket.left(reason, "")
        self.adapter.close()


def _own_event(event: str, handler: Handler) -> str:
    """Check what is given to `on`."""
    check_handler(event, handler)
    if event in _LIFE_CYCLE:
        return "connection"
    if event in RESERVED_EVENTS:
        raise ValueError(
            f"a namespace has no event {event!r}: use @event for one handler for all sockets, "
            "or socket.on"
        )
    return event


def _check_server_event(event: str) -> None:
    if event in _OWN_EVENTS:
        raise ValueError(f'"{event}" is a reserved event name')
    if not isinstance(event, str):
        raise TypeError(f"the name of an event must be text, not {type(event).__name__}")
