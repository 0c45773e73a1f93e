"""A namespace: its connected sockets, its middlewares, and broadcasts to them."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar, overload

import orjson

from sockwave.codec.json import encode_json
from sockwave.codec.socketio import RESERVED_EVENTS, ack_prefix, event_prefix
from sockwave.engine.core.handlers import (
    Handler,
    HandlerTable,
    add_handler,
    check_handler,
    remove_handler,
)
from sockwave.errors import AckTimeout, ConnectError, SockwaveError
from sockwave.socketio.core.acks import AckResult, ack_value
from sockwave.socketio.core.adapter import Adapter, BroadcastOptions, InMemoryAdapter
from sockwave.socketio.core.operators import BroadcastOperator
from sockwave.socketio.server.socket import Socket
from sockwave.types import DisconnectReason, Json, NamespaceName, Room, SocketId

if TYPE_CHECKING:
    from sockwave.socketio.server.server import Server

__all__ = ["Middleware", "Namespace"]

F = TypeVar("F", bound=Handler)
Middleware = Callable[[Socket], object]

_LIFE_CYCLE = ("connection", "connect")


class Namespace:
    """A part of a server with its own sockets, rooms, handlers and middlewares.

    Attributes:
        name: With its leading slash.
        server: Its server.
        adapter: Rooms and broadcasts.
        event_handlers: Handlers for all sockets, by event.
    """

    def __init__(self, server: Server, name: NamespaceName) -> None:
        self.server = server
        self.name = name
        self.event_prefix = event_prefix(name)
        self.ack_prefix = ack_prefix(name)
        self.event_handlers: HandlerTable = {}
        self._connect_prefix = self.event_prefix.replace(b"42", b"40", 1)
        self._handlers: HandlerTable = {}
        self._middlewares: tuple[Middleware, ...] = ()
        self._sockets: dict[SocketId, Socket] = {}
        self._ack_ids = itertools.count()
        self.adapter: Adapter = InMemoryAdapter(self)

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
        is logged and refuses it with "Internal server error".
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

        For events of clients use `event`, or `socket.on` in a `connection` handler.
        """
        if handler is None:
            return lambda decorated: self.on(event, decorated)
        check_handler(event, handler)
        if event not in _LIFE_CYCLE:
            raise ValueError(
                f"a namespace has no event {event!r}: use @event for one handler for all sockets, "
                "or socket.on"
            )
        add_handler(self._handlers, "connection", handler)
        return handler

    def off(self, event: str, handler: Handler | None = None) -> None:
        """Remove a handler of `on` or `event`, or all of its name."""
        if event in _LIFE_CYCLE:
            remove_handler(self._handlers, "connection", handler)
        remove_handler(self.event_handlers, event, handler)

    @overload
    def event(self, handler: F) -> F: ...
    @overload
    def event(self, handler: str) -> Callable[[F], F]: ...
    def event(self, handler: F | str) -> Any:
        """Handle an event of all sockets of the namespace; the handler gets the socket first.

            @io.event
            async def rename(socket, name): ...     # the event "rename"

            @io.event("chat message")
            def message(socket, text): ...

        What it returns is the acknowledgement, as with `socket.on`. `connection`, `disconnecting`
        and `disconnect` work too.
        """
        if isinstance(handler, str):
            name = handler
            return lambda decorated: self._add_event(name, decorated)
        named = getattr(handler, "__name__", None)
        if named is None:
            raise TypeError(f"{handler!r} has no name: give one, as in event('rename')")
        return self._add_event(named, handler)

    def _add_event(self, name: str, handler: F) -> F:
        if name in _LIFE_CYCLE:
            return self.on(name, handler)
        check_handler(name, handler)
        if name in RESERVED_EVENTS - {"disconnect", "disconnecting"}:
            raise ValueError(f'"{name}" is a reserved event name')
        add_handler(self.event_handlers, name, handler)
        return handler

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

    # --- the target of operators ------------------------------------------------------------------

    def broadcast(self, args: tuple[Any, ...], options: BroadcastOptions) -> None:
        """Send to whom the options select; from any thread."""
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

    # --- sockets come and go ----------------------------------------------------------------------

    def next_ack_id(self) -> int:
        """Ids count up per namespace, for sockets and broadcasts alike (protocol.md section 15)."""
        return next(self._ack_ids)

    def connect_reply(self, id_: SocketId) -> bytes:
        """The packet that tells a client that it is in."""
        return b'%b{"sid":%b}' % (self._connect_prefix, orjson.dumps(id_))

    def admit(self, socket: Socket) -> None:
        """Ask the middlewares, and let the socket in; it waits only where they wait."""
        connection = socket._connection
        for at, middleware in enumerate(self._middlewares):
            try:
                result = middleware(socket)
                if result is not None and hasattr(result, "__await__"):
                    connection.hold(socket)
                    later = self._middlewares[at + 1 :]
                    self.server.engine.driver.spawn(self._admit_later(socket, result, later))
                    return
            except Exception as error:
                socket.refused(self._reason(socket, "middleware", error))
                return
        self._let_in(socket)

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
                socket.refused(self._reason(socket, "middleware", error))
            return
        socket._connection.release(socket)
        if socket._session.is_open and not socket._is_gone:
            self._let_in(socket)
        else:
            socket.abandoned()

    def _let_in(self, socket: Socket) -> None:
        """Connect, then run `connection` handlers; if one fails at once, nothing has happened."""
        mark = socket._session.mark_queue()
        self._sockets[socket.id] = socket
        socket.accepted()
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

    def forget(self, socket: Socket) -> None:
        """A socket has left."""
        self.adapter.remove_all(socket.id)
        self._sockets.pop(socket.id, None)

    def close(self, reason: DisconnectReason) -> None:
        """Everybody leaves."""
        for socket in list(self._sockets.values()):
            socket.left(reason, "")
        self.adapter.close()
