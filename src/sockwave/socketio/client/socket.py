"""One namespace of a server, as a client holds it (docs/protocol/client-sockets.md).

Theory: what users call stands here, and nothing else: each call finds its thread and its event
loop, then hands over to one of three parts. `Life` is the way in and out, by a table of states; the
manager and the connection talk to it, never to the socket. `Outbox` is what the socket sends.
`IncomingEvents` is handlers and streams. The usual event does not pass through the outbox, but goes
from `emit` straight to the session.

The manager keeps its sockets, and they keep it: a socket lives as long as its manager.
"""

from __future__ import annotations

import asyncio
import contextlib
from threading import get_ident
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self, overload

from sockwave.codec.json import encode_plain
from sockwave.codec.socketio import RESERVED_EVENTS, event_prefix
from sockwave.errors import ConnectTimeout, Disconnected, FailureCause, SockwaveError
from sockwave.socketio.client.dispatch import IncomingEvents
from sockwave.socketio.client.life import Life
from sockwave.socketio.client.outbox import Outbox, SendBuffer
from sockwave.socketio.client.states import State
from sockwave.socketio.core.adapter import BroadcastFlags
from sockwave.socketio.core.emit_operator import EmitOperator
from sockwave.socketio.core.outgoing import check_event_name

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from sockwave.socketio.client.manager import Manager
    from sockwave.socketio.client.options import Auth, SocketOptions
    from sockwave.socketio.core.encoded_event import EncodedEvent
    from sockwave.socketio.core.events import AckEvent, Answer, Args, Event
    from sockwave.types import Json, NamespaceName, SocketId

__all__ = ["ClientKinds", "ClientOperator", "ClientSocket"]

_NO_FLAGS: Final = BroadcastFlags()


class ClientSocket(IncomingEvents):
    """A namespace of a server; made by `connect` and by `Manager.socket`.

    It wants to be connected from `connect()` until `disconnect()`, or until the server disconnects
    or refuses it. In between its manager connects again after every loss. Events emitted meanwhile
    wait in `send_buffer` and go out in order.

    Beside the server's events there are `connect` (at every connection), `connect_error` (the
    error: `ConnectError` when the server refused, which ends the attempts, else why there was no
    connection, which does not), and `disconnect` (a `DisconnectReason`, and the error or None).
    Their arguments may be left out. Do not register handlers in `connect`. What a handler returns
    is the acknowledgement, if the server asked for one: None as no argument, a tuple as several.

    As an asynchronous context manager it is connected inside the block, and disconnected after.

    Attributes:
        namespace: Its name, with the leading slash.
        manager: The connection, which it may share with sockets of other namespaces.
        auth: What the server is told at each connection; may be replaced at any time.
    """

    __slots__ = (
        "__weakref__",
        "_event_prefix",
        "_life",
        "_max_backlog",
        "_owns_manager",
        "_retry_first",
        "_wait_timeout",
        "auth",
        "manager",
    )

    def __init__(self, manager: Manager, namespace: NamespaceName, options: SocketOptions) -> None:
        max_backlog = manager.engine_options.max_backlog
        outbox = Outbox(
            self,
            namespace,
            options,
            manager.runtime,
            parser=manager.parser,
            max_backlog=max_backlog,
        )
        super().__init__(namespace, manager.runtime, outbox)
        self.manager: Manager = manager
        self.auth: Auth | None = options.auth
        self._life = Life(self, namespace, manager, outbox)
        self._max_backlog = max_backlog
        self._event_prefix = event_prefix(namespace)
        self._owns_manager = False
        self._wait_timeout: float | None = None
        self._retry_first = True

    def __repr__(self) -> str:
        if self.connected:
            state = f"connected as {self.id}"
        else:
            state = "connecting" if self.active else "not connecting"
        if waiting := len(self._outbox.buffer):
            state += ", 1 event waits" if waiting == 1 else f", {waiting} events wait"
        return f"<ClientSocket {self.namespace} of {self.manager.server!r}: {state}>"

    # --- what it is -------------------------------------------------------------------------------

    @property
    def id(self) -> SocketId | None:
        """The server's id for this socket; None while not connected."""
        return self._life.id

    @property
    def recovered(self) -> bool:
        """Whether the latest connection continues the one before it, and nothing was missed."""
        return self._life.recovered

    @property
    def connected(self) -> bool:
        """Whether the server has accepted it and the connection stands."""
        return self._life.state is State.CONNECTED and not self._runtime.is_forked

    @property
    def active(self) -> bool:
        """Whether it wants to be connected: also while the connection is lost."""
        return self._life.is_active

    @property
    def send_buffer(self) -> SendBuffer:
        """Events that wait for the connection."""
        return SendBuffer(self._outbox.buffer)

    # --- connecting -------------------------------------------------------------------------------

    def connect(self) -> Self:
        """Want to be connected; returns at once.

        Nothing happens when it does already: while the manager waits to connect again, the socket
        joins its next attempt. Needs a running event loop at the first time; then it may be called
        from any thread.
        """
        if self._runtime.is_foreign_thread():
            self._runtime.call_from_thread(self.connect)
            return self
        self._life.connect()
        return self

    def disconnect(self) -> Self:
        """Leave the namespace and stay away; returns at once.

        Events already emitted go out first. When it was the manager's last active socket, the
        connection closes. `disconnect` handlers run if it was connected.
        """
        if self._runtime.is_foreign_thread():
            self._runtime.call_from_thread(self.disconnect)
            return self
        self._life.disconnect()
        return self

    async def wait_connected(self, timeout: float | None = None) -> None:
        """Wait until the server has accepted the socket; it starts to connect if it has not yet.

        It may have been lost again by the time the caller runs. Attempts that fail are repeated
        meanwhile, as the manager's options say.

        Args:
            timeout: Seconds; attempts go on after it.

        Raises:
            ConnectError: The server refused the socket.
            TransportError: The manager has given up; the last attempt's error.
            ConnectTimeout: Not in time.
            Disconnected: The socket was disconnected.
        """
        if self._runtime.is_elsewhere():
            await self._runtime.visit(self.wait_connected(timeout))
            return
        self.connect()
        try:
            async with asyncio.timeout(timeout):
                if not self.connected:
                    await self._life.arrivals.wait()
        except TimeoutError as error:
            if isinstance(error, SockwaveError):
                raise
            latest = self._life.last_error
            raise ConnectTimeout(
                f"not connected within {timeout:g} seconds",
                cause=getattr(latest, "cause", FailureCause.TIMEOUT),
                details=f"the latest attempt: {latest}" if latest else "",
            ) from latest

    async def aclose(self) -> None:
        """Disconnect, and wait until the connection is closed if nobody else uses it."""
        if self._runtime.is_elsewhere():
            with contextlib.suppress(Disconnected):  # its loop ends first, and everything with it
                await self._runtime.visit(self.aclose())
            return
        self.disconnect()
        if self._owns_manager:
            await self.manager.close()
        else:
            await self.manager.wait_closings()

    async def __aenter__(self) -> Self:
        """Connect and wait for it.

        Raises:
            ConnectError: The server refused the socket.
            TransportError: The first attempt failed (with `retry=True`: all of them).
        """
        if self._runtime.is_elsewhere():
            return await self._runtime.visit(self.__aenter__())
        try:
            if self._retry_first:
                await self.wait_connected(self._wait_timeout)
            else:
                await self._first_attempt()
        except BaseException:
            await self.aclose()
            raise
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()

    def enter_with(self, *, retry: bool, timeout: float | None) -> None:
        """How `async with` waits; for `connect`, whose socket has its manager for itself."""
        self._owns_manager = True
        self._retry_first = retry
        self._wait_timeout = timeout

    async def _first_attempt(self) -> None:
        """Wait until connected, or for the first failure."""
        failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def failure(error: Exception) -> None:
            if not failed.done():
                failed.set_exception(error)

        self.on("connect_error", failure)
        waiting = asyncio.ensure_future(self.wait_connected(self._wait_timeout))
        try:
            await asyncio.wait((waiting, failed), return_when=asyncio.FIRST_COMPLETED)
            (failed if failed.done() else waiting).result()
        finally:
            self.off("connect_error", failure)
            failed.cancel()
            waiting.cancel()
            await asyncio.gather(waiting, failed, return_exceptions=True)

    # --- sending ----------------------------------------------------------------------------------

    @overload
    def emit(
        self, event: Event[*Args], *args: *Args, ack: Callable[..., object] | None = None
    ) -> None: ...
    @overload
    def emit(self, event: str, *args: Json, ack: Callable[..., object] | None = None) -> None: ...
    def emit(self, event: Any, *args: Any, ack: Callable[..., object] | None = None) -> None:  # type: ignore[misc] # see `AnyEvent`
        """Send an event; it is queued, and goes out at the end of this turn of the loop.

        While the socket is not connected it waits in `send_buffer`. Order: events arrive in the
        order of the calls. Delivery: at most once, since what was sent when the connection breaks
        is lost; with `retries` at least once. May be called from any thread.

        Args:
            args: JSON values; `bytes` anywhere inside become attachments. They are encoded now.
            ack: Called with the arguments of the server's acknowledgement, and not at all when the
                connection is lost first; with an `ack_timeout`, `retries` or `timeout()` it is
                called as `ack(None, *args)` or `ack(error)`. To wait for it, see `emit_with_ack`.

        Raises:
            ValueError: The name is reserved.
            EncodeError: An argument cannot be sent.
            LimitExceeded: Too much waits to be sent (`send_buffer_limit`, `max_backlog`), or too
                many acknowledgements are outstanding.
        """
        outbox = self._outbox
        if event.__class__ is not str:
            check_event_name(event)
            outbox.emit_flagged((event, *args), _NO_FLAGS, ack)
            return
        if event in RESERVED_EVENTS:
            check_event_name(event)
        session = outbox.direct
        if ack is not None or session is None:
            outbox.emit_flagged((event, *args), _NO_FLAGS, ack)
            return
        try:
            json = encode_plain((event, *args))
        except TypeError:  # the long way finds bytes, or says what it is
            outbox.emit_flagged((event, *args), _NO_FLAGS, None)
            return
        if (
            get_ident() != self._runtime.thread_id
            or session.backlog > self._max_backlog
            or outbox.buffer
            or session.is_overdue()
        ):
            outbox.emit_flagged((event, *args), _NO_FLAGS, None)
        else:
            text = self._event_prefix + json
            try:
                session.send_packet(text, len(text))
            except RuntimeError:
                if not self._runtime.has_ended:
                    raise
                outbox.emit_flagged((event, *args), _NO_FLAGS, None)

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
        """Send an event and wait for the server's acknowledgement.

        The arguments are encoded at the call; the event is sent when the result is awaited. That
        may be in any event loop, in any thread.

        Args:
            timeout: Seconds until the wait ends, by default `ack_timeout`, else until the
                connection is lost. An event that still waits in `send_buffer` is then taken back.

        Returns:
            What the server acknowledged with: a single argument as itself, none as None, several
            as a tuple.

        Raises:
            AckTimeout: No acknowledgement in time.
            Disconnected: The connection was lost after the event was sent.
            EncodeError, LimitExceeded: As `emit`.

        Cancelling is safe: a late acknowledgement is dropped.
        """
        check_event_name(event)
        flags = _NO_FLAGS if timeout is None else BroadcastFlags(timeout=timeout)
        return self._outbox.emit_flagged_and_wait((event, *args), flags)

    @property
    def volatile(self) -> ClientOperator:
        """Drop the next event unless it can go out at once: nothing is kept."""
        return ClientOperator(self._outbox, BroadcastFlags(volatile=True))

    def compress(self, compress: bool) -> ClientOperator:
        """Let the WebSocket compress the next event, or not."""
        return ClientOperator(self._outbox, BroadcastFlags(compress=compress))

    def timeout(self, seconds: float) -> ClientOperator:
        """Set how long the acknowledgement of the next event is waited for."""
        return ClientOperator(self._outbox, BroadcastFlags(timeout=seconds))

    async def drain(self) -> None:
        """Wait until what was emitted is on its way: `send_buffer` too, hence until connected.

        Call it between large or many emits to a server or network that may be slow.

        Raises:
            Disconnected: The socket is not connected and will not be.
        """
        if self._runtime.is_elsewhere():
            await self._runtime.visit(self.drain())
            return
        await asyncio.sleep(0)  # lets this turn's packets go to the transport
        while not self._outbox.is_empty:
            if not self._life.may_connect:
                raise Disconnected("while draining")
            await self._outbox.wait_drained()

    # --- called by its parts, and by the manager --------------------------------------------------

    def become(self, kinds: ClientKinds) -> None:
        """Be made of other classes, which add methods and no attributes."""
        self._outbox.__class__ = kinds.outbox
        self._life.__class__ = kinds.life
        self.__class__ = kinds.socket

    def loop_changed(self) -> None:
        """Another loop runs: what waited in the one before cannot be told any more."""
        for stream in self._open_streams():
            stream.loop_changed()
        self._life.loop_changed()

    def handler_failed(self, event: str, error: BaseException) -> None:
        """Report a handler's exception; the connection lives on."""
        self.manager.handler_failed(error, self, event)

    def callback_failed(self, error: BaseException) -> None:
        """Report what the callback of an acknowledgement has raised: it counts as a handler."""
        self._failed("acknowledgement", error)

    def tell_outgoing(self, event: EncodedEvent) -> None:
        """Run the hooks on what goes out."""
        for hook in self.listeners_any_outgoing():
            self._run(hook, event, "on_any_outgoing")

    def _start_handler(self, handler: Coroutine[Any, Any, None]) -> None:
        task = self._runtime.start_handler(handler)
        if task is not None:
            self.manager.handler_started(task)

    def _handler_ended(self) -> None:
        self.manager.handler_ended(asyncio.current_task())


class ClientOperator(EmitOperator[Outbox]):
    """Flags for the next event; made by `volatile`, `compress` and `timeout` of a socket."""

    __slots__ = ()


class ClientKinds(NamedTuple):
    """What a socket of a client is made of."""

    socket: type[ClientSocket] = ClientSocket
    life: type[Life] = Life
    outbox: type[Outbox] = Outbox
