"""One connection to a server: its sockets, and reconnection (client.md section 4).

Theory: one task, the supervisor, lives while the connection is wanted. It opens an engine, waits
for its end, waits for the backoff, and so on. Whatever comes in arrives by direct calls from the
engine's session, on the stack of the read; the supervisor only learns of the end. Stopping cancels
the supervisor; the engine then closes by itself in a task of its own, so that a new supervisor may
start at once.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar, Unpack

from sockwave.engine.client.options import ClientEngineOptions
from sockwave.engine.client.runtime import Runtime
from sockwave.engine.client.url import ServerUrl, parse_url
from sockwave.engine.core.handlers import Handler, fit
from sockwave.errors import (
    ConnectTimeout,
    Disconnected,
    SockwaveError,
    TransportError,
)
from sockwave.socketio.client.backoff import Backoff
from sockwave.socketio.client.connection import ParsedServerConnection, ServerConnection
from sockwave.socketio.client.options import (
    ManagerOptions,
    ManagerOptionsDict,
    SocketOptions,
    SocketOptionsDict,
    split_options,
)
from sockwave.socketio.client.socket import ClientSocket
from sockwave.socketio.core.emitter import Emitter
from sockwave.types import DisconnectReason, NamespaceName

if TYPE_CHECKING:
    from collections.abc import Callable

    from sockwave.engine.core.client_session import ClientSession
    from sockwave.socketio.client.options import ConnectOptionsDict
    from sockwave.types import SessionId, TransportName

__all__ = ["Manager", "connect"]

F = TypeVar("F", bound=Handler)
_logger: Final = logging.getLogger("sockwave.socketio")


class Manager(Emitter):
    """One connection to a server, kept alive, and shared by sockets of several namespaces.

    It connects when a socket wants to be connected, and closes when none does any more. Everything
    happens in one event loop, the one that runs at the first connection.

    Events: `open`; `error` (why an attempt failed), `close` (a `DisconnectReason`, and the error or
    None), `ping`, `packet` (each decoded `Packet`), `upgrade`; `reconnect_attempt` (its number,
    from 1), `reconnect_error` (the error), `reconnect_failed` (no attempts are left), `reconnect`
    (the number of the attempt that succeeded).

    Options are those of `ClientEngineOptions` (with the path `/socket.io`) and `ManagerOptions`, by
    keyword; wrong ones raise ValueError or TypeError here.

    Args:
        url: `http://host:port`, or https, ws, wss. Its path is not used: namespaces are named at
            `socket`. Its query goes to the server with the handshake.
    """

    __slots__ = (
        "_backoff",
        "_closing",
        "_connection",
        "_error_hook",
        "_is_held_open",
        "_open_waiters",
        "_running",
        "_sockets",
        "_subscribed",
        "_supervisor",
        "_upgraded",
        "engine_options",
        "options",
        "runtime",
        "server",
    )

    def __init__(self, url: str, **options: Unpack[ManagerOptionsDict]) -> None:
        super().__init__()
        engine, manager, socket = split_options(options)
        if socket:
            raise TypeError(f"{min(socket)} is an option of a socket: Manager.socket(...)")
        self.server: ServerUrl = parse_url(url)
        self.engine_options = ClientEngineOptions(**{"path": "/socket.io", **engine})
        self.options = options_ = ManagerOptions(**manager)
        self.runtime = Runtime()
        self._backoff = Backoff(
            options_.reconnection_delay,
            options_.reconnection_delay_max,
            options_.randomization_factor,
        )
        self._connection: ServerConnection | None = None
        self._supervisor: asyncio.Task[None] | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self._sockets: dict[NamespaceName, ClientSocket] = {}
        self._subscribed: dict[NamespaceName, ClientSocket] = {}
        self._running = 0
        self._upgraded = False
        self._is_held_open = False
        self._open_waiters: list[asyncio.Future[None]] = []
        self._error_hook: Callable[[Exception, ClientSocket, str], object] | None = None

    def __repr__(self) -> str:
        return f"<Manager {self.server.host}:{self.server.port} {self.transport or 'closed'}>"

    # --- what it is -------------------------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        """Whether the connection stands."""
        return self._session is not None

    @property
    def is_connecting(self) -> bool:
        """Whether it tries to connect, or waits to try again."""
        return self._supervisor is not None and not self.is_open

    @property
    def transport(self) -> TransportName | None:
        """What carries the connection: `polling` or `websocket`; None while there is none."""
        return self._connection.engine.transport if self._connection and self.is_open else None

    @property
    def session_id(self) -> SessionId | None:
        """Engine.IO session id, a credential; None while there is no connection."""
        return self._connection.engine.id if self._connection is not None else None

    @property
    def watches_packets(self) -> bool:
        """Whether there are handlers of `packet`."""
        return "packet" in self._handlers

    @property
    def _session(self) -> ClientSession | None:
        return self._connection.session if self._connection is not None else None

    # --- using it ---------------------------------------------------------------------------------

    def socket(
        self, namespace: NamespaceName = "/", **options: Unpack[SocketOptionsDict]
    ) -> ClientSocket:
        """The socket of a namespace: the same one at each call, whose options the first call sets.

        It is told to connect, unless the manager has `auto_connect=False`; that needs a running
        event loop.

        Raises:
            TypeError, ValueError: A wrong option or namespace.
        """
        if not isinstance(namespace, str):
            raise TypeError(f"namespace must be text, not {type(namespace).__name__}")
        if not namespace.startswith("/"):
            namespace = f"/{namespace}"
        if "," in namespace:
            raise ValueError(f"namespace: {namespace!r} cannot contain a comma")
        return self.own_socket(namespace, SocketOptions(**options))

    def own_socket(self, namespace: NamespaceName, options: SocketOptions) -> ClientSocket:
        """As `socket`, with options that were checked."""
        socket = self._sockets.get(namespace)
        if socket is None:
            socket = self._sockets[namespace] = ClientSocket(self, namespace, options)
        if self.options.auto_connect:
            socket.connect()
        return socket

    async def open(self) -> None:
        """Connect although no socket wants to, and wait for it; returns at once when it stands.

        Raises:
            SockwaveError: The attempts have ended; the last one's error.
        """
        self._is_held_open = True
        self._start()
        while not self.is_open:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._open_waiters.append(waiter)
            await waiter

    async def close(self) -> None:
        """Close the connection and stop reconnecting; waits until nothing is left behind.

        Connected sockets get `disconnect` with `forced close`; `socket.connect()` opens it again.
        What was emitted goes out first, if the server takes it within `close_timeout`. Handlers
        that still run are cancelled, but not the calling one.
        """
        self._is_held_open = False
        if not self.runtime.is_bound:
            return
        self._stop()
        await self.wait_closings()
        await self.runtime.cancel_all()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        for socket in list(self._subscribed.values()):
            socket.disconnect()
        await self.close()

    def on_error(self, hook: F) -> F:
        """Call `hook(error, socket, event)` when a handler of a socket fails, after the log."""
        self._error_hook = hook
        return hook

    # --- called by sockets ------------------------------------------------------------------------

    def socket_activated(self, socket: ClientSocket) -> None:
        """A socket wants to be connected."""
        self.runtime.bind()
        if socket.namespace not in self._subscribed:
            self._subscribed[socket.namespace] = socket
        session = self._session
        if session is not None:
            socket.engine_opened(session)
        else:
            self._start()

    def socket_deactivated(self, socket: ClientSocket) -> None:
        """A socket does not want to be connected; when it was the last, nobody does."""
        self._subscribed.pop(socket.namespace, None)
        if not self._subscribed and not self._is_held_open:
            self._stop()

    def restart(self) -> None:
        """Close the connection and let it come again, by the backoff."""
        session = self._session
        if session is not None:
            session.end(DisconnectReason.FORCED_CLOSE, None)

    def handler_started(self) -> None:
        """One more handler runs; past the bound nothing more is read from the server."""
        self._running += 1
        if self._running > self.options.max_pending_handlers:
            self._pause_reading()

    def handler_ended(self) -> None:
        """One handler less runs."""
        self._running -= 1
        if self._running == self.options.max_pending_handlers // 2:
            session = self._session
            if session is not None and session.transport is not None:
                session.transport.resume_reading()

    def _pause_reading(self) -> None:
        session = self._session
        if session is not None and session.transport is not None:
            session.transport.pause_reading()

    def handler_failed(self, error: Exception, socket: ClientSocket, event: str) -> None:
        """Log a handler's exception, and tell the hook."""
        _logger.error("a handler of %r in %s failed", event, socket.namespace, exc_info=error)
        if self._error_hook is not None:
            try:
                self._error_hook(error, socket, event)
            except Exception:
                _logger.exception("the on_error hook failed")

    async def wait_closings(self) -> None:
        """Wait until engines that were closed are gone."""
        while closing := [task for task in self._closing if task is not asyncio.current_task()]:
            await asyncio.wait(closing)

    # --- the supervisor ---------------------------------------------------------------------------

    def _start(self) -> None:
        self.runtime.bind()
        if self._supervisor is None:
            self._supervisor = self.runtime.start(self._supervise())

    def _stop(self) -> None:
        """End supervision; the connection closes in the background."""
        supervisor, self._supervisor = self._supervisor, None
        connection, self._connection = self._connection, None
        self._backoff.reset()
        if connection is not None:
            connection.engine.close()
            self._dispose_later(connection)
        if supervisor is not None:
            supervisor.cancel()
            self._tell_closed(DisconnectReason.FORCED_CLOSE, None)
            self._attempts_ended(Disconnected(DisconnectReason.FORCED_CLOSE))

    async def _supervise(self) -> None:
        me = asyncio.current_task()
        attempt = 0
        while True:
            failure = await self._connect_once(attempt)
            if self._supervisor is not me:
                return  # stopped by a handler
            if failure is None:
                attempt = 0
            if not await self._wait_to_retry(attempt, failure):
                return
            attempt += 1
            self.emit_local("reconnect_attempt", attempt)
            if self._supervisor is not me:
                return

    async def _connect_once(self, attempt: int) -> SockwaveError | None:
        """Open a connection and wait for its end; returns why it could not be opened."""
        options = self.engine_options
        try:
            connection = self._connection = self._new_connection(attempt)
        except Exception as error:  # of a function given as `extra_headers`
            failed = TransportError(f"extra_headers failed: {error}")
            failed.__cause__ = error
            self._attempt_failed(failed)
            return failed
        begin_with: TransportName | None = None
        if options.remember_upgrade and self._upgraded:
            begin_with = "websocket"
        failure: SockwaveError | None = None
        try:
            try:
                async with asyncio.timeout(options.timeout):
                    await connection.engine.open(begin_with)
            except SockwaveError as error:
                failure = error
            except TimeoutError:
                failure = ConnectTimeout("timeout")
            else:
                await connection.ended
        except asyncio.CancelledError:
            if self._connection is connection:  # it is not us who cancel: the loop ends
                self._connection = None
                await connection.engine.aclose()
            raise
        if self._connection is connection:
            self._connection = None
            self._dispose_later(connection)
        if failure is not None:
            self._attempt_failed(failure)
        return failure

    def _new_connection(self, attempt: int) -> ServerConnection:
        parser = self.options.parser
        if parser is None:
            return ServerConnection(self, self._subscribed, attempt)
        return ParsedServerConnection(self, self._subscribed, attempt, parser)

    def _attempt_failed(self, failure: SockwaveError) -> None:
        self._upgraded = False
        self.emit_local("error", failure)
        for socket in list(self._subscribed.values()):
            socket.connection_failed(failure)

    async def _wait_to_retry(self, attempt: int, failure: SockwaveError | None) -> bool:
        """Wait for the time of the next attempt; False when there is none."""
        options = self.options
        limit = options.reconnection_attempts or None
        exhausted = limit is not None and attempt >= limit
        ends = exhausted or not options.reconnection
        if ends:
            self._supervisor = None
            self._backoff.reset()
            if options.reconnection:
                self.emit_local("reconnect_failed")
        if failure is not None and attempt:
            self.emit_local("reconnect_error", failure)
        if ends:
            if self._supervisor is None:  # else a handler has started anew
                self._attempts_ended(failure or Disconnected(DisconnectReason.TRANSPORT_CLOSE))
            return False
        await asyncio.sleep(self._backoff.next())
        return True

    def _attempts_ended(self, error: SockwaveError) -> None:
        for socket in list(self._subscribed.values()):
            socket.attempts_ended(error)
        self._wake(error)

    def _wake(self, error: SockwaveError | None) -> None:
        waiters, self._open_waiters = self._open_waiters, []
        for waiter in waiters:
            if waiter.done():
                continue
            if error is None:
                waiter.set_result(None)
            else:
                waiter.set_exception(error)

    def _dispose_later(self, connection: ServerConnection) -> None:
        task = self.runtime.loop.create_task(_dispose(connection))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    # --- from the connection ----------------------------------------------------------------------

    def connection_opened(self, connection: ServerConnection) -> None:
        """The handshake is done: tell, and let all sockets join, in the order they wanted to."""
        self._upgraded = connection.engine.transport == "websocket"
        self.emit_local("open")
        if connection.attempt:
            self.emit_local("reconnect", connection.attempt)
        self._wake(None)
        for socket in list(self._subscribed.values()):
            session = connection.session
            if session is not None:
                socket.engine_opened(session)

    def connection_upgraded(self) -> None:
        """It is a WebSocket now."""
        self._upgraded = True
        self.emit_local("upgrade")

    def connection_closed(
        self, connection: ServerConnection, reason: DisconnectReason, error: SockwaveError | None
    ) -> None:
        """It is over; one that was left behind interests nobody."""
        if connection is self._connection:
            if reason is DisconnectReason.TRANSPORT_ERROR:
                self._upgraded = False
            self._tell_closed(reason, error)

    def socket_accepted(self) -> None:
        """The server lets a socket in: it means well, and the next loss begins with short delays.

        Not at the handshake, as the reference does: a server that drops everybody at once would be
        called again at the base delay, by all, for ever (security.md C04).
        """
        self._backoff.reset()

    def _tell_closed(self, reason: DisconnectReason, error: SockwaveError | None) -> None:
        self.emit_local("close", reason, error)
        for socket in list(self._subscribed.values()):
            socket.connection_lost(reason, error)

    def emit_local(self, event: str, *args: Any) -> None:
        """Run the handlers of an event of the manager."""
        for handler in self._handlers.get(event, ()):
            try:
                result = handler(*fit(handler, args))
                if hasattr(result, "__await__"):
                    self.runtime.start(_guarded(result, event))
            except Exception:
                _logger.exception("a handler of the manager's event %r failed", event)


async def _dispose(connection: ServerConnection) -> None:
    """Let an orderly close take its time, which is limited, and free everything."""
    try:
        if connection.engine.is_closing:
            await connection.ended
    finally:
        await connection.engine.aclose()


async def _guarded(awaitable: Any, event: str) -> None:
    try:
        await awaitable
    except Exception:
        _logger.exception("a handler of the manager's event %r failed", event)


def connect(
    url: str,
    *,
    retry: bool = False,
    wait_timeout: float | None = None,
    **options: Unpack[ConnectOptionsDict],
) -> ClientSocket:
    """Connect to a server: `async with connect("http://localhost:3000/chat") as socket`.

    The path of the URL is the namespace. Returns at once, and connects in the background, for ever
    again after each loss. With `async with`, the block begins when the socket is connected, and at
    its end the socket disconnects and everything is closed; else `await socket.aclose()` does that.

    Each call makes a connection of its own. For several namespaces on one, see `Manager`.

    Args:
        retry: `async with` waits through failed attempts; else it raises at the first one.
        wait_timeout: Seconds that `async with` waits at most.
        options: Those of `Manager` (see `ClientEngineOptions` and `ManagerOptions`) and of the
            socket (`SocketOptions`). With `auto_connect=False` nothing happens until `connect()`
            of the socket, and no event loop needs to run.

    Raises:
        TypeError, ValueError: A wrong URL or option.
    """
    engine, manager_options, socket_options = split_options(options)
    manager = Manager(url, **engine, **manager_options)
    socket = manager.own_socket(manager.server.path, SocketOptions(**socket_options))
    socket.enter_with(retry=retry, timeout=wait_timeout)
    return socket
