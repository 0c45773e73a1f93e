"""The blocking twin of the client: the same names, methods and errors, without `await`."""

from __future__ import annotations

import asyncio
import logging
import threading
import weakref
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar, Unpack, overload

from sockwave.engine.client.options import ClientEngineOptions
from sockwave.engine.core.handlers import Handler
from sockwave.engine.core.option_checks import check_integer
from sockwave.engine.core.option_signature import names_options
from sockwave.socketio.client import manager as asyncio_client
from sockwave.socketio.client.keywords import (
    ConnectOptionsDict,
    ManagerOptionsDict,
    SocketOptionsDict,
)
from sockwave.socketio.client.options import ManagerOptions, SocketOptions
from sockwave.sync.emitter import WorkerEmitter
from sockwave.sync.portal import Portal, raised_by

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from sockwave.socketio.client.options import Auth
    from sockwave.socketio.client.socket import ClientOperator, ClientSocket
    from sockwave.socketio.client.stream import EventStream, Overflow
    from sockwave.socketio.core.events import AckEvent, Answer, Args, Event
    from sockwave.types import Json, NamespaceName, SocketId, TransportName

__all__ = ["EndOfEvents", "Events", "Manager", "Operator", "Socket", "connect"]

F = TypeVar("F", bound=Handler)
_logger: Final = logging.getLogger("sockwave.socketio")


@names_options(
    ConnectOptionsDict, ClientEngineOptions, ManagerOptions, SocketOptions, path="/socket.io"
)
def connect(
    url: str,
    *,
    retry: bool = False,
    wait_timeout: float | None = None,
    handler_threads: int = 1,
    **options: Unpack[ConnectOptionsDict],
) -> Socket:
    """Connect to a server: `with sockwave.sync.connect("http://localhost:3000/chat") as socket`.

    As `sockwave.connect`: returns at once, connects in the background, and for ever again after
    each loss. The `with` block begins when the socket is connected; at its end it is closed.

    Args:
        retry: `with` waits through failed attempts; else it raises at the first one.
        wait_timeout: Seconds that `with` waits at most.
        handler_threads: Threads that run handlers: with one, handlers run in the order of events,
            one at a time; with more, several may run at once.
        options: As `sockwave.connect`.

    Raises:
        TypeError, ValueError: A wrong URL or option.
    """
    check_integer("handler_threads", handler_threads, 1)
    _guard(options)
    # Wrong options are refused before there is a thread.
    unstarted: ConnectOptionsDict = {**options, "auto_connect": False}
    asyncio_client.connect(url, **unstarted)
    portal = Portal(handler_threads)

    def make() -> ClientSocket:
        return asyncio_client.connect(url, retry=retry, wait_timeout=wait_timeout, **options)

    socket = portal.run(make)
    portal.on_close(socket.aclose)
    return _OwnManager(socket.manager, portal).only_socket(socket)


class Manager(WorkerEmitter):
    """One connection to a server, shared by sockets of several namespaces; see `sockwave.Manager`.

    Every method may be called from any thread, but for the event loop's. When it and its sockets
    are dropped without `close()`, the connection and the threads end, with a ResourceWarning.

    Events are those of `sockwave.Manager`; their handlers run in worker threads.
    """

    _manager: asyncio_client.Manager
    _portal: Portal
    _sockets: weakref.WeakValueDictionary[NamespaceName, Socket]

    @names_options(ManagerOptionsDict, ClientEngineOptions, ManagerOptions, path="/socket.io")
    def __init__(
        self, url: str, *, handler_threads: int = 1, **options: Unpack[ManagerOptionsDict]
    ) -> None:
        check_integer("handler_threads", handler_threads, 1)
        _guard(options)
        manager = asyncio_client.Manager(url, **options)
        portal = Portal(handler_threads)
        portal.on_close(manager.__aexit__)
        self._set_up(manager, portal)

    @property
    def _emitter(self) -> asyncio_client.Manager:
        return self._manager

    def _set_up(self, manager: asyncio_client.Manager, portal: Portal) -> None:
        self._manager = manager
        self._portal = portal
        self._sockets = weakref.WeakValueDictionary()
        portal.close_with(self, repr(self))

    def _wrap(self, socket: ClientSocket, *, is_only_one: bool = False) -> Socket:
        return self._sockets.setdefault(
            socket.namespace, Socket(socket, self, self._portal, is_only_one=is_only_one)
        )

    def __repr__(self) -> str:
        server = self._manager.server
        return f"<sockwave.sync.Manager {server.host}:{server.port} {self.transport or 'closed'}>"

    @property
    def is_open(self) -> bool:
        """Whether the connection stands."""
        return self._manager.is_open

    @property
    def transport(self) -> TransportName | None:
        """What carries the connection now."""
        return self._manager.transport

    @names_options(SocketOptionsDict, SocketOptions)
    def socket(
        self, namespace: NamespaceName = "/", **options: Unpack[SocketOptionsDict]
    ) -> Socket:
        """The socket of a namespace; see `sockwave.Manager.socket`."""
        _guard(options)
        return self._wrap(self._portal.run(lambda: self._manager.socket(namespace, **options)))

    def on_error(self, hook: F) -> F:
        """Call `hook(error, socket, event)` when a handler of a socket fails, after the log.

        It runs in a worker. A callback given as `ack` counts as a handler, its event is
        `acknowledgement`.
        """
        wrap = weakref.WeakMethod(self._wrap)  # the loop keeps nothing that the user has dropped

        def call(error: Exception, socket: ClientSocket, event: str) -> None:
            if (wrap_it := wrap()) is not None:
                hook(raised_by(error), wrap_it(socket), event)

        self._manager.on_error(self._portal.callback(call, _hook_failed))
        return hook

    def close(self) -> None:
        """Close the connection and all its sockets, for good."""
        self._portal.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


class _OwnManager(Manager):
    """That of a socket which `connect` has made, and which has it for itself."""

    def __init__(self, manager: asyncio_client.Manager, portal: Portal) -> None:
        self._set_up(manager, portal)

    def only_socket(self, socket: ClientSocket) -> Socket:
        """The socket, whose end is that of everything."""
        return self._wrap(socket, is_only_one=True)


def _guard(options: Any) -> None:
    """Functions of the user that run in the loop cannot end it."""
    for name in ("auth", "extra_headers"):
        if callable(options.get(name)):
            options[name] = Portal.guard(options[name])


def _hook_failed(error: Exception) -> None:
    _logger.error("the on_error hook failed", exc_info=error)


class Socket(WorkerEmitter):
    """A namespace of a server; see `sockwave.ClientSocket`, whose blocking form this is.

    Every method may be called from any thread, also from handlers: those run in worker threads.
    What a handler of `on` returns is the acknowledgement, if the server asked for one.
    """

    def __init__(
        self, socket: ClientSocket, manager: Manager, portal: Portal, *, is_only_one: bool
    ) -> None:
        self._socket = socket
        self._manager = manager
        self._portal = portal
        self._owns_portal = is_only_one

    @property
    def _emitter(self) -> ClientSocket:
        return self._socket

    def __repr__(self) -> str:
        return repr(self._socket)

    # --- what it is -------------------------------------------------------------------------------

    @property
    def namespace(self) -> NamespaceName:
        """Its name, with the leading slash."""
        return self._socket.namespace

    @property
    def manager(self) -> Manager:
        """Its connection, for events and errors of that."""
        return self._manager

    @property
    def connected(self) -> bool:
        """Whether the server has accepted it and the connection stands."""
        return self._socket.connected

    @property
    def active(self) -> bool:
        """Whether it wants to be connected: also while the connection is lost."""
        return self._socket.active

    @property
    def id(self) -> SocketId | None:
        """The server's id for this socket; None while not connected."""
        return self._socket.id

    @property
    def recovered(self) -> bool:
        """Whether the latest connection continues the one before it."""
        return self._socket.recovered

    @property
    def transport(self) -> TransportName | None:
        """What carries the connection now."""
        return self._socket.manager.transport

    @property
    def auth(self) -> Auth | None:
        """What the server is told at each connection; a function runs in the loop's thread."""
        auth = self._socket.auth
        return getattr(auth, "__wrapped__", auth)

    @auth.setter
    def auth(self, auth: Auth | None) -> None:
        self._socket.auth = Portal.guard(auth) if callable(auth) else auth

    # --- connecting -------------------------------------------------------------------------------

    def connect(self) -> Self:
        """Want to be connected; returns at once."""
        self._portal.run(self._socket.connect)
        return self

    def wait_connected(self, timeout: float | None = None) -> None:
        """Wait until the server has accepted the socket; see `ClientSocket.wait_connected`."""
        self._portal.call(self._socket.wait_connected(timeout))

    def disconnect(self) -> Self:
        """Leave the namespace and stay away; `connect()` comes back."""
        self._portal.run(self._socket.disconnect)
        return self

    def close(self) -> None:
        """Disconnect, and close the connection if nobody else uses it; of `connect`: for good."""
        if self._owns_portal:
            self._portal.close()
        else:
            self._portal.call(self._socket.aclose())

    def __enter__(self) -> Self:
        try:
            self._portal.call(self._socket.__aenter__())
        except BaseException:
            if self._owns_portal:
                self._portal.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    # --- sending ----------------------------------------------------------------------------------

    @overload
    def emit(
        self, event: Event[*Args], *args: *Args, ack: Callable[..., object] | None = None
    ) -> None: ...
    @overload
    def emit(self, event: str, *args: Json, ack: Callable[..., object] | None = None) -> None: ...
    def emit(self, event: Any, *args: Any, ack: Callable[..., object] | None = None) -> None:  # type: ignore[misc] # see `AnyEvent`
        """Send an event; does not wait. See `ClientSocket.emit`.

        Args:
            ack: Runs in the thread of the handlers, in order with them; that of a handler which
                still runs gets another thread, since the handler may wait for it.
        """
        self._socket.emit(event, *args, ack=self._ack(ack))

    def send(self, *args: Json) -> None:
        """Send a `message` event."""
        self.emit("message", *args)

    @overload
    def emit_with_ack(
        self, event: AckEvent[*Args, Answer], *args: *Args, timeout: float | None = None
    ) -> Answer: ...
    @overload
    def emit_with_ack(self, event: str, *args: Json, timeout: float | None = None) -> Any: ...
    def emit_with_ack(self, event: Any, *args: Any, timeout: float | None = None) -> Any:  # type: ignore[misc] # see `AnyEvent`
        """Send an event and wait for its acknowledgement; see `ClientSocket.emit_with_ack`."""
        return self._portal.call(self._socket.emit_with_ack(event, *args, timeout=timeout))

    def drain(self, timeout: float | None = None) -> None:
        """Wait until what was emitted is on its way.

        Raises:
            TimeoutError: Not in `timeout` seconds.
        """

        async def drain() -> None:
            async with asyncio.timeout(timeout):
                await self._socket.drain()

        self._portal.call(drain())

    @property
    def volatile(self) -> Operator:
        """Drop the next event unless it can go out at once."""
        return Operator(self._socket.volatile, self._portal, self._ack)

    def compress(self, compress: bool) -> Operator:
        """Let the WebSocket compress the next event, or not."""
        return Operator(self._socket.compress(compress), self._portal, self._ack)

    def timeout(self, seconds: float) -> Operator:
        """Set how long the acknowledgement of the next event is waited for."""
        return Operator(self._socket.timeout(seconds), self._portal, self._ack)

    def _ack(self, ack: Callable[..., object] | None) -> Callable[..., object] | None:
        if ack is None:
            return None
        failed = partial(self._socket.handler_failed, "acknowledgement")
        return self._portal.callback(ack, failed)

    # --- receiving --------------------------------------------------------------------------------

    def on_any(self, handler: F) -> F:
        """Get every event of the server as (event, *args); it runs in a worker thread."""
        self._socket.on_any(self._portal.wrap(handler))
        return handler

    def events(
        self,
        *events: str,
        timeout: float | None = None,
        maxsize: int = 1_000,
        overflow: Overflow = "error",
    ) -> Events:
        """Iterate over events of the server; see `ClientSocket.events`.

        Args:
            timeout: Seconds that each step waits for an event; then it raises TimeoutError, and
                the iteration can be taken up again.
        """
        stream = self._portal.run(
            lambda: self._socket.events(*events, maxsize=maxsize, overflow=overflow)
        )
        return Events(stream, self, self._portal, timeout)

    def __iter__(self) -> Events:
        return self.events()


class EndOfEvents(Exception):
    """No more events will come."""


class Events:
    """Iterates over events; made by `Socket.events`. Several threads may take from it.

    Attributes:
        timeout: Seconds that a step waits; None waits until the socket is disconnected.
    """

    def __init__(
        self, stream: EventStream, socket: Socket, portal: Portal, timeout: float | None
    ) -> None:
        self.timeout = timeout
        self._stream = stream
        self._socket = socket  # keeps the connection
        self._portal = portal
        self._lock = threading.Lock()

    @property
    def dropped(self) -> int:
        """Events that were left out because the queue was full."""
        return self._stream.dropped

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> tuple[Any, ...]:
        try:
            return self.get(self.timeout)
        except EndOfEvents:
            raise StopIteration from None

    def get(self, timeout: float | None = None) -> tuple[Any, ...]:
        """Wait for the next event.

        Raises:
            TimeoutError: None came within `timeout` seconds.
            EndOfEvents: The socket was disconnected: none will come.
        """
        self._portal.check_process()  # before the lock, which another thread may hold for ever
        with self._lock:
            if (event := self._stream.pop()) is not None:  # no need to ask the loop
                return event
            return self._portal.call(self._next(timeout))

    async def _next(self, timeout: float | None) -> tuple[Any, ...]:
        try:
            async with asyncio.timeout(timeout):
                return await anext(self._stream)
        except StopAsyncIteration:
            raise EndOfEvents from None

    def close(self) -> None:
        """Collect nothing more; what is queued can still be read."""
        self._portal.run(self._stream.close)


class Operator:
    """How the next event is sent; made by `volatile`, `compress` and `timeout`. Immutable."""

    def __init__(
        self,
        operator: ClientOperator,
        portal: Portal,
        ack: Callable[[Callable[..., object] | None], Callable[..., object] | None],
    ) -> None:
        self._operator = operator
        self._portal = portal
        self._ack = ack  # the socket's, which it keeps, and with it the connection

    @property
    def volatile(self) -> Operator:
        """Drop the event unless it can go out at once."""
        return Operator(self._operator.volatile, self._portal, self._ack)

    def compress(self, compress: bool) -> Operator:
        """Let the WebSocket compress the event, or not."""
        return Operator(self._operator.compress(compress), self._portal, self._ack)

    def timeout(self, seconds: float) -> Operator:
        """Set how long the acknowledgement is waited for."""
        return Operator(self._operator.timeout(seconds), self._portal, self._ack)

    @overload
    def emit(
        self, event: Event[*Args], *args: *Args, ack: Callable[..., object] | None = None
    ) -> None: ...
    @overload
    def emit(self, event: str, *args: Json, ack: Callable[..., object] | None = None) -> None: ...
    def emit(self, event: Any, *args: Any, ack: Callable[..., object] | None = None) -> None:  # type: ignore[misc] # see `AnyEvent`
        """Send an event; does not wait."""
        self._operator.emit(event, *args, ack=self._ack(ack))

    @overload
    def emit_with_ack(
        self, event: AckEvent[*Args, Answer], *args: *Args, timeout: float | None = None
    ) -> Answer: ...
    @overload
    def emit_with_ack(self, event: str, *args: Json, timeout: float | None = None) -> Any: ...
    def emit_with_ack(self, event: Any, *args: Any, timeout: float | None = None) -> Any:  # type: ignore[misc] # see `AnyEvent`
        """Send an event and wait for its acknowledgement."""
        return self._portal.call(self._operator.emit_with_ack(event, *args, timeout=timeout))
