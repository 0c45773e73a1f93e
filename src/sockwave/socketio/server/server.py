"""The Socket.IO server: namespaces on an engine."""

from __future__ import annotations

import inspect
import logging
import re
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeVar, Unpack, overload

from sockwave.engine.core.handlers import Handler, check_handler, did_not_fit
from sockwave.engine.server.engine import EngineServer
from sockwave.engine.server.ids import generate_id
from sockwave.engine.server.peer_log import PeerLog
from sockwave.engine.server.serving import Servable
from sockwave.socketio.server.client_files import ClientFiles
from sockwave.socketio.server.connection import Connection
from sockwave.socketio.server.namespace import Namespace
from sockwave.socketio.server.options import ServerOptions, ServerOptionsDict
from sockwave.socketio.server.parent import NamespaceMatch, ParentNamespace
from sockwave.socketio.server.parsed import ParsedConnection
from sockwave.socketio.server.revision4 import Revision4Connection
from sockwave.types import DisconnectReason, Json, NamespaceName, Room, SocketId

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from sockwave.engine.core.request import Request
    from sockwave.engine.server.exchange import ResponseHeaders
    from sockwave.engine.server.session import ServerSession
    from sockwave.socketio.core.adapter import Adapter
    from sockwave.socketio.core.operators import BroadcastOperator
    from sockwave.socketio.core.order import Order
    from sockwave.socketio.server.socket import Socket

__all__ = ["HandlerFailure", "Server"]

F = TypeVar("F", bound=Handler)
_logger: Final = logging.getLogger("sockwave.socketio")
_OWN_OPTIONS: Final = frozenset(field.name for field in fields(ServerOptions))


@dataclass(frozen=True, slots=True)
class HandlerFailure:
    """Where a handler failed; what the `on_error` hook gets with the exception.

    Attributes:
        socket: Whose event it was.
        event: Its name; `connection`, `middleware` or `acknowledgement` for what is no event.
    """

    socket: Socket
    event: str


class Server(Servable):
    """A Socket.IO server for the JavaScript clients 3 and 4, and with `allow_eio3` for 1 and 2.

    Options are those of `sockwave.engine.EngineOptions` and of `ServerOptions`, by keyword; wrong
    ones raise ValueError or TypeError here. The methods for sockets and broadcasts are those of the
    main namespace, `/`.

    It can be run (`run`), opened inside an event loop (`listen`), and is an ASGI application.
    """

    def __init__(self, **options: Unpack[ServerOptionsDict]) -> None:
        own = {name: value for name, value in options.items() if name in _OWN_OPTIONS}
        rest: Any = {name: value for name, value in options.items() if name not in _OWN_OPTIONS}
        rest.setdefault("path", "/socket.io")
        self.options = ServerOptions(**own)  # type: ignore[arg-type] # split by name above
        self.logger = _logger
        self.peer_log = PeerLog(_logger)
        self._engine = EngineServer(**rest)
        if self.options.parser is not None and self._engine.options.allow_eio3:
            raise ValueError("parser: the clients of allow_eio3 know only the default one")
        self._engine.session_handler = self._session_opened
        self._engine.session_closer = _close_session
        if self.options.serve_client:
            self._client_files = ClientFiles()
            self._engine.file_handler = self._find_client_file
        self._namespaces: dict[NamespaceName, Namespace] = {}
        self._parents: tuple[ParentNamespace, ...] = ()
        self._error_handlers: tuple[Handler, ...] = ()
        self._main = self._namespaces["/"] = Namespace(self, "/")

    @property
    def engine(self) -> EngineServer:
        """The engine below: sessions, and events such as `connection_error` and `headers`."""
        return self._engine

    @property
    def path(self) -> str:
        """What the paths of its requests start with, without a slash at the end."""
        return self._engine.options.path

    @property
    def namespaces(self) -> Mapping[NamespaceName, Namespace]:
        """Namespaces by name, those of parents included."""
        return MappingProxyType(self._namespaces)

    @overload
    def of(self, name: NamespaceName) -> Namespace: ...
    @overload
    def of(self, name: NamespaceMatch) -> ParentNamespace: ...
    def of(self, name: NamespaceName | NamespaceMatch) -> Namespace:
        """Give the namespace of this name; it is made if there is none.

        With a pattern or a function, make a parent namespace: when a client asks for a name that
        there is not, the parents are tried in the order in which they were made, and the first that
        fits makes a namespace.

        Args:
            name: A missing leading slash is added. A pattern must match the whole name, which has
                255 bytes at most; keep it plain: nested repetition can take long on a hostile name.
                A function is called with the name and the client's auth; it may be `async def`.
        """
        if isinstance(name, re.Pattern) or callable(name):
            if isinstance(name, re.Pattern) and not isinstance(name.pattern, str):
                raise TypeError("the pattern of a namespace must be for text")
            parent = ParentNamespace(self, name)
            self._parents = (*self._parents, parent)
            return parent
        if not isinstance(name, str):
            raise TypeError(f"the name of a namespace must be text, not {type(name).__name__}")
        if "," in name:
            raise ValueError("the name of a namespace cannot contain a comma")
        name = name if name.startswith("/") else f"/{name}"
        if name not in self._namespaces:
            parents = [each for each in self._parents if each.is_pattern and each.fits(name, {})]
            self._make(name, parents[0] if parents else None)
        return self._namespaces[name]

    def on_error(self, handler: F) -> F:
        """Hear of exceptions in handlers, as `handler(error, failure)`; as a call or a decorator.

        They are logged in any case. The connection lives on.
        """
        check_handler("on_error", handler)
        self._error_handlers = (*self._error_handlers, handler)
        return handler

    async def close(
        self, *, drain_period: float | None = None, shutdown_timeout: float | None = None
    ) -> None:
        """End all sockets with the reason `server shutting down`, and all sessions.

        What was emitted before reaches the clients first. They see the end of the connection and
        try again by themselves. See `EngineServer.close` for the arguments; for a last word of the
        application there is the event `closing` of the engine.
        """
        try:
            await self._engine.close(drain_period=drain_period, shutdown_timeout=shutdown_timeout)
        finally:
            for namespace in list(self._namespaces.values()):
                namespace.close(DisconnectReason.SERVER_SHUTTING_DOWN)

    # --- the main namespace -----------------------------------------------------------------------

    @property
    def sockets(self) -> Mapping[SocketId, Socket]:
        """Connected sockets of the main namespace."""
        return self._main.sockets

    @property
    def adapter(self) -> Adapter:
        """Of the main namespace."""
        return self._main.adapter

    @overload
    def use(self, middleware: F) -> F: ...
    @overload
    def use(self) -> Callable[[F], F]: ...
    def use(self, middleware: F | None = None) -> Any:
        """See `Namespace.use`."""
        return self._main.use(middleware) if middleware is not None else self._main.use

    @overload
    def on(self, event: str) -> Callable[[F], F]: ...
    @overload
    def on(self, event: str, handler: F) -> F: ...
    def on(self, event: str, handler: Handler | None = None) -> Any:
        """See `Namespace.on`."""
        return self._main.on(event, handler) if handler is not None else self._main.on(event)

    @overload
    def once(self, event: str) -> Callable[[F], F]: ...
    @overload
    def once(self, event: str, handler: F) -> F: ...
    def once(self, event: str, handler: Handler | None = None) -> Any:
        """See `Namespace.once`."""
        return self._main.once(event, handler) if handler is not None else self._main.once(event)

    def off(self, event: str | None = None, handler: Handler | None = None) -> None:
        """See `Namespace.off`."""
        self._main.off(event, handler)

    def listeners(self, event: str) -> list[Handler]:
        """See `Namespace.listeners`."""
        return self._main.listeners(event)

    @overload
    def event(self, handler: F, *, order: Order | None = None) -> F: ...
    @overload
    def event(
        self, handler: str | None = None, *, order: Order | None = None
    ) -> Callable[[F], F]: ...
    def event(self, handler: Any = None, *, order: Order | None = None) -> Any:
        """See `Namespace.event`."""
        return self._main.event(handler, order=order)

    def emit(self, event: str, *args: Json) -> None:
        """Send an event to all sockets; see `BroadcastOperator.emit`."""
        self._main.emit(event, *args)

    def send(self, *args: Json) -> None:
        """Send a `message` event to all sockets."""
        self._main.send(*args)

    async def emit_with_ack(
        self, event: str, *args: Json, timeout: float | None = None
    ) -> list[Any]:
        """Send to all sockets and wait; see `BroadcastOperator.emit_with_ack`."""
        return await self._main.emit_with_ack(event, *args, timeout=timeout)

    def to(self, *rooms: Room | Iterable[Room]) -> BroadcastOperator[Socket]:
        """Reach the sockets of rooms; a socket's id is a room."""
        return self._main.to(*rooms)

    def in_(self, *rooms: Room | Iterable[Room]) -> BroadcastOperator[Socket]:
        """The same as `to`."""
        return self._main.to(*rooms)

    def except_(self, *rooms: Room | Iterable[Room]) -> BroadcastOperator[Socket]:
        """Reach all but the sockets of rooms."""
        return self._main.except_(*rooms)

    @property
    def volatile(self) -> BroadcastOperator[Socket]:
        """Drop the event for sockets that cannot take it at once."""
        return self._main.volatile

    @property
    def local(self) -> BroadcastOperator[Socket]:
        """Reach only sockets of this process."""
        return self._main.local

    def compress(self, compress: bool) -> BroadcastOperator[Socket]:
        """Let transports compress the event, or not."""
        return self._main.compress(compress)

    def timeout(self, seconds: float) -> BroadcastOperator[Socket]:
        """How long `emit_with_ack` waits."""
        return self._main.timeout(seconds)

    def server_side_emit(self, event: str, *args: Json) -> None:
        """Send an event to the other servers; see `Namespace.server_side_emit`."""
        self._main.server_side_emit(event, *args)

    async def server_side_emit_with_ack(
        self, event: str, *args: Json, timeout: float | None = None
    ) -> list[Any]:
        """The same, and wait; see `Namespace.server_side_emit_with_ack`."""
        return await self._main.server_side_emit_with_ack(event, *args, timeout=timeout)

    async def fetch_sockets(self) -> list[Socket]:
        """The sockets of the main namespace."""
        return await self._main.fetch_sockets()

    def sockets_join(self, *rooms: Room | Iterable[Room]) -> None:
        """Put all sockets of the main namespace into rooms."""
        self._main.sockets_join(*rooms)

    def sockets_leave(self, *rooms: Room | Iterable[Room]) -> None:
        """Take all sockets of the main namespace out of rooms."""
        self._main.sockets_leave(*rooms)

    def disconnect_sockets(self, *, close: bool = False) -> None:
        """Disconnect all sockets of the main namespace."""
        self._main.disconnect_sockets(close=close)

    # --- for connections and sockets --------------------------------------------------------------

    def _session_opened(self, session: ServerSession) -> None:
        if session.protocol != 4:
            Revision4Connection(self, session)
        elif self.options.parser is not None:
            ParsedConnection(self, session, self.options.parser)
        else:
            Connection(self, session)

    def connection_closed(self, connection: Connection) -> None:
        """A connection is over."""

    def find_namespace(self, name: NamespaceName) -> Namespace | None:
        """The namespace that a client asks for."""
        return self._namespaces.get(name)

    def make_dynamic(
        self, name: NamespaceName, auth: dict[str, Any]
    ) -> Namespace | Awaitable[Namespace | None] | None:
        """Make a namespace for a client, if a parent wants to; waits only where the parent does."""
        for at, parent in enumerate(self._parents):
            try:
                fits = parent.fits(name, auth)
            except Exception:
                _logger.exception("the function of %r failed", parent)
                continue
            if inspect.isawaitable(fits):
                return self._make_later(name, auth, parent, fits, self._parents[at + 1 :])
            if fits:
                return self._make(name, parent)
        return None

    async def _make_later(
        self,
        name: NamespaceName,
        auth: dict[str, Any],
        parent: ParentNamespace,
        fits: Awaitable[bool],
        later: tuple[ParentNamespace, ...],
    ) -> Namespace | None:
        for candidate in (parent, *later):
            try:
                answer: Any = fits if candidate is parent else candidate.fits(name, auth)
                if inspect.isawaitable(answer):
                    answer = await answer
            except Exception:
                _logger.exception("the function of %r failed", candidate)
                continue
            if answer:  # it may have been made meanwhile
                return self._namespaces.get(name) or self._make(name, candidate)
        return self._namespaces.get(name)

    def _make(self, name: NamespaceName, parent: ParentNamespace | None) -> Namespace:
        namespace = Namespace(self, name) if parent is None else parent.make_child(name)
        self._namespaces[name] = namespace
        for handler in self._main.handlers("new_namespace"):
            try:
                result = handler(namespace)
                if inspect.iscoroutine(result):
                    self._spawn(result)
            except Exception:
                _logger.exception("a handler of 'new_namespace' failed")
        return namespace

    def _spawn(self, running: Any) -> None:
        if self._engine.driver.is_bound:
            self._engine.driver.spawn(_report(running, "a handler of 'new_namespace'"))
        else:
            running.close()
            _logger.error("an async handler of 'new_namespace' cannot run before the server does")

    def forget_namespace(self, namespace: Namespace) -> None:
        """A child namespace goes."""
        if self._namespaces.get(namespace.name) is namespace:
            del self._namespaces[namespace.name]
        if namespace.parent is not None:
            namespace.parent.forget_child(namespace)

    def new_socket_id(self) -> SocketId:
        """Make an id for a socket."""
        return SocketId(generate_id())

    def handler_failed(self, socket: Socket, event: str, error: Exception) -> None:
        """Log a handler's exception once, and tell the `on_error` hook.

        Arguments that do not fit are most likely the client's fault, who may send them in a flood.
        """
        if did_not_fit(error):
            client = socket.request.client
            what = "arguments of an event do not fit its handler:"
            self.peer_log.warning(client, what, f"{event!r}: {error}")
        else:
            _logger.error(
                "a handler of %r failed (socket %s, namespace %s)",
                event[:128],
                socket.id_in_logs,
                socket.namespace.name,
                exc_info=error,
            )
        failure = HandlerFailure(socket, event)
        for handler in self._error_handlers:
            try:
                result = handler(error, failure)
                if result is not None and hasattr(result, "__await__"):
                    self._engine.driver.spawn(_report(result, "the on_error hook"))
            except Exception:
                _logger.exception("the on_error hook failed")

    def _find_client_file(self, request: Request) -> tuple[int, ResponseHeaders, bytes] | None:
        name = request.path[len(self._engine.options.prefix) :]
        return self._client_files.respond(name, request.headers) if name else None


async def _report(running: Any, what: str) -> None:
    try:
        await running
    except Exception:
        _logger.exception("%s failed", what)


def _close_session(session: ServerSession) -> None:
    connection = session.sink
    if isinstance(connection, Connection):
        connection.server_stops()
    else:
        session.close(DisconnectReason.SERVER_SHUTTING_DOWN)
