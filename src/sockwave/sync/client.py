"""The blocking twin of the client: the same names, methods and errors, without `await`."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack, overload

from sockwave.engine.core.handlers import Handler, check_handler
from sockwave.engine.core.options import check_integer
from sockwave.socketio.client import manager as asyncio_client
from sockwave.sync.portal import Portal

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from sockwave.socketio.client.options import (
        Auth,
        ConnectOptionsDict,
        ManagerOptionsDict,
        SocketOptionsDict,
    )
    from sockwave.socketio.client.socket import ClientOperator, ClientSocket
    from sockwave.socketio.client.stream import EventStream, Overflow
    from sockwave.types import Json, NamespaceName, SocketId, TransportName

__all__ = ["EndOfEvents", "Events", "Manager", "Operator", "Socket", "connect"]

F = TypeVar("F", bound=Handler)


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
    # Wrong options are refused before there is a thread.
    unstarted: ConnectOptionsDict = {**options, "auto_connect": False}
    asyncio_client.connect(url, **unstarted)
    portal = Portal(handler_threads)

    def make() -> ClientSocket:
        return asyncio_client.connect(url, retry=retry, wait_timeout=wait_timeout, **options)

    socket = portal.run(make)
    portal.on_close(socket.aclose)
    return Socket(socket, portal, owns_portal=True)


class Manager:
    """One connection to a server, shared by sockets of several namespaces; see `sockwave.Manager`.

    Every method may be called from any thread, but for the event loop's.
    """

    def __init__(
        self, url: str, *, handler_threads: int = 1, **options: Unpack[ManagerOptionsDict]
    ) -> None:
        check_integer("handler_threads", handler_threads, 1)
        self._manager = asyncio_client.Manager(url, **options)
        self._portal = Portal(handler_threads)
        self._portal.on_close(self._close)
        self._sockets: dict[int, Socket] = {}

    async def _close(self) -> None:
        await self._manager.__aexit__()

    @property
    def is_open(self) -> bool:
        """Whether the connection stands."""
        return self._manager.is_open

    @property
    def transport(self) -> TransportName | None:
        """What carries the connection now."""
        return self._manager.transport

    def socket(
        self, namespace: NamespaceName = "/", **options: Unpack[SocketOptionsDict]
    ) -> Socket:
        """The socket of a namespace; see `sockwave.Manager.socket`."""
        socket = self._portal.run(lambda: self._manager.socket(namespace, **options))
        return self._sockets.setdefault(id(socket), Socket(socket, self._portal, owns_portal=False))

    @overload
    def on(self, event: str) -> Callable[[F], F]: ...
    @overload
    def on(self, event: str, handler: F) -> F: ...
    def on(self, event: str, handler: Handler | None = None) -> Any:
        """Handle an event of the manager, as a call or as a decorator; it runs in a worker."""
        if handler is None:
            return lambda decorated: self.on(event, decorated)
        check_handler(event, handler)
        self._manager.on(event, self._portal.wrap(handler))
        return handler

    def off(self, event: str, handler: Handler | None = None) -> None:
        """Remove a handler, or all of an event."""
        self._manager.off(event, handler)

    def close(self) -> None:
        """Close the connection and all its sockets, for good."""
        self._portal.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


class Socket:
    """A namespace of a server; see `sockwave.ClientSocket`, whose blocking form this is.

    Every method may be called from any thread, also from handlers: those run in worker threads.
    """

    def __init__(self, socket: ClientSocket, portal: Portal, *, owns_portal: bool) -> None:
        self._socket = socket
        self._portal = portal
        self._owns_portal = owns_portal

    def __repr__(self) -> str:
        return repr(self._socket)

    # --- what it is -------------------------------------------------------------------------------

    @property
    def namespace(self) -> NamespaceName:
        """Its name, with the leading slash."""
        return self._socket.namespace

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
        return self._socket.auth

    @auth.setter
    def auth(self, auth: Auth | None) -> None:
        self._socket.auth = auth

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

    def emit(self, event: str, *args: Json, ack: Callable[..., object] | None = None) -> None:
        """Send an event; does not wait. See `ClientSocket.emit`; `ack` runs in a worker."""
        self._socket.emit(event, *args, ack=self._ack(ack))

    def send(self, *args: Json) -> None:
        """Send a `message` event."""
        self.emit("message", *args)

    def emit_with_ack(self, event: str, *args: Json, timeout: float | None = None) -> Any:
        """Send an event and wait for its acknowledgement; see `ClientSocket.emit_with_ack`."""
        return self._portal.call(self._socket.emit_with_ack(event, *args, timeout=timeout))

    def drain(self, timeout: float | None = None) -> None:
        """Wait until what was emitted is on its way.

        Raises:
            TimeoutError: Not in `timeout` seconds.
        """
        self._portal.call(asyncio.wait_for(self._socket.drain(), timeout))

    @property
    def volatile(self) -> Operator:
        """Drop the next event unless it can go out at once."""
        return Operator(self, self._socket.volatile)

    def compress(self, compress: bool) -> Operator:
        """Let the WebSocket compress the next event, or not."""
        return Operator(self, self._socket.compress(compress))

    def timeout(self, seconds: float) -> Operator:
        """Set how long the acknowledgement of the next event is waited for."""
        return Operator(self, self._socket.timeout(seconds))

    def _ack(self, ack: Callable[..., object] | None) -> Callable[..., object] | None:
        if ack is None:
            return None
        return lambda *args: self._portal.start(ack, *args)

    # --- receiving --------------------------------------------------------------------------------

    @overload
    def on(self, event: str) -> Callable[[F], F]: ...
    @overload
    def on(self, event: str, handler: F) -> F: ...
    def on(self, event: str, handler: Handler | None = None) -> Any:
        """Handle an event, as a call or as a decorator; it runs in a worker thread.

        What it returns is the acknowledgement, if the server asked for one.
        """
        if handler is None:
            return lambda decorated: self.on(event, decorated)
        check_handler(event, handler)
        self._socket.on(event, self._portal.wrap(handler))
        return handler

    @overload
    def once(self, event: str) -> Callable[[F], F]: ...
    @overload
    def once(self, event: str, handler: F) -> F: ...
    def once(self, event: str, handler: Handler | None = None) -> Any:
        """Handle an event once; as a call or as a decorator."""
        if handler is None:
            return lambda decorated: self.once(event, decorated)
        check_handler(event, handler)
        self._socket.once(event, self._portal.wrap(handler))
        return handler

    def off(self, event: str | None = None, handler: Handler | None = None) -> None:
        """Remove a handler, all handlers of an event, or all."""
        self._socket.off(event, handler)

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
        return Events(stream, self._portal, timeout)

    def __iter__(self) -> Events:
        return self.events()


class EndOfEvents(Exception):
    """No more events will come."""


class Events:
    """Iterates over events; made by `Socket.events`. Several threads may take from it.

    Attributes:
        timeout: Seconds that a step waits; None waits until the socket is disconnected.
    """

    def __init__(self, stream: EventStream, portal: Portal, timeout: float | None) -> None:
        self.timeout = timeout
        self._stream = stream
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

    def __init__(self, socket: Socket, operator: ClientOperator) -> None:
        self._socket = socket
        self._operator = operator

    @property
    def volatile(self) -> Operator:
        """Drop the event unless it can go out at once."""
        return Operator(self._socket, self._operator.volatile)

    def compress(self, compress: bool) -> Operator:
        """Let the WebSocket compress the event, or not."""
        return Operator(self._socket, self._operator.compress(compress))

    def timeout(self, seconds: float) -> Operator:
        """Set how long the acknowledgement is waited for."""
        return Operator(self._socket, self._operator.timeout(seconds))

    def emit(self, event: str, *args: Json, ack: Callable[..., object] | None = None) -> None:
        """Send an event; does not wait."""
        self._operator.emit(event, *args, ack=self._socket._ack(ack))

    def emit_with_ack(self, event: str, *args: Json, timeout: float | None = None) -> Any:
        """Send an event and wait for its acknowledgement."""
        return self._socket._portal.call(
            self._operator.emit_with_ack(event, *args, timeout=timeout)
        )
