"""One connection to a server: its sockets, and reconnection (docs/protocol/reconnection.md).

Theory: `Supervisor` keeps the connection while somebody wants it: a socket that is active, or who
has called `open()`. A connection (`ServerConnection`) belongs to one attempt; the manager is what
stays, with its sockets, its event handlers, and the handlers of sockets that still run when the
connection is replaced (`Intake`).

Sockets are kept twice: `_sockets` has every one that was made, since each namespace has one socket
for ever; `_subscribed` has the lives of those that want to be connected, in the order of asking,
and only these hear of the connection and get packets. Whoever tells all of them takes a copy first,
because their handlers may add and remove some.

Everything happens in one event loop. When that has ended, and the client is used in another one,
all that belonged to the first is forgotten and the connection comes anew (`_loop_changed`).
"""

from __future__ import annotations

import contextlib
import logging
import sys
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar, Unpack

from sockwave.debug import known
from sockwave.engine.client.loading import check_aiohttp, check_aioquic
from sockwave.engine.client.options import ClientEngineOptions
from sockwave.engine.client.runtime import Runtime
from sockwave.engine.client.url import ServerUrl, parse_url
from sockwave.engine.core.handlers import NO_HANDLERS, Handler
from sockwave.engine.core.in_turn import InTurn
from sockwave.engine.core.option_signature import names_options
from sockwave.engine.io.local_events import LocalEvents
from sockwave.errors import Disconnected, SockwaveError
from sockwave.socketio.client.connection import ParsedServerConnection, ServerConnection
from sockwave.socketio.client.connection_log import ConnectionLog
from sockwave.socketio.client.keywords import (
    ConnectOptionsDict,
    ManagerOptionsDict,
    SocketOptionsDict,
)
from sockwave.socketio.client.options import (
    ManagerOptions,
    SocketOptions,
    check_socket_options,
    split_options,
)
from sockwave.socketio.client.socket import ClientSocket
from sockwave.socketio.client.supervisor import Supervisor
from sockwave.socketio.client.waiting import Waiters
from sockwave.socketio.core.intake import Account, Intake
from sockwave.socketio.core.parser import guarded
from sockwave.types import DisconnectReason, NamespaceName

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Hashable

    from sockwave.socketio.client.life import Life
    from sockwave.socketio.core.parser import Parser
    from sockwave.types import SessionId, TransportName

__all__ = ["Manager", "connect"]

F = TypeVar("F", bound=Handler)
_logger: Final = logging.getLogger("sockwave.socketio")


class Manager(LocalEvents):
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
        "_error_hook",
        "_handlers",
        "_intake",
        "_is_held_open",
        "_log",
        "_made_socket",
        "_open_waiters",
        "_sockets",
        "_subscribed",
        "_supervisor",
        "ends",
        "engine_options",
        "options",
        "parser",
        "runtime",
        "server",
    )

    @names_options(ManagerOptionsDict, ClientEngineOptions, ManagerOptions, path="/socket.io")
    def __init__(self, url: str, **options: Unpack[ManagerOptionsDict]) -> None:
        check_aiohttp()
        engine, manager, socket = split_options(options, "Manager")
        if socket:
            raise TypeError(f"{min(socket)} is an option of a socket: Manager.socket(...)")
        self.server: ServerUrl = parse_url(url)
        self.engine_options: ClientEngineOptions = ClientEngineOptions(
            **{"path": "/socket.io", **engine}
        )
        if "webtransport" in self.engine_options.transports:
            check_aioquic()
        self.options: ManagerOptions = ManagerOptions(**manager)
        backlog = self.engine_options.max_backlog
        self.parser: Parser | None = guarded(self.options.parser, backlog)
        self.runtime: Runtime = Runtime()
        self.runtime.on_move(self._loop_changed)
        self._supervisor = Supervisor(self)
        self._log = ConnectionLog(_logger, self.server)
        self._sockets: dict[NamespaceName, ClientSocket] = {}
        self._subscribed: dict[NamespaceName, Life] = {}
        self._intake: Intake | None = None
        self.ends: InTurn = InTurn()
        self._is_held_open = False
        self._open_waiters = Waiters()
        self._made_socket: Callable[[ClientSocket], object] | None = None
        self._error_hook: Callable[[Any, ClientSocket, str], object] | None = None
        self._handlers = NO_HANDLERS

    def __repr__(self) -> str:
        if self.is_open:
            state = f"connected by {self.transport}"
        else:
            state = "connecting" if self.is_connecting else "closed"
        return (
            f"<Manager {self.server!r}: {state}; namespaces: {', '.join(self._sockets) or 'none'}>"
        )

    # --- what it is -------------------------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        """Whether the connection stands."""
        return self._supervisor.session is not None

    @property
    def is_connecting(self) -> bool:
        """Whether it tries to connect, or waits to try again."""
        return self._supervisor.is_running and not self.is_open

    @property
    def transport(self) -> TransportName | None:
        """What carries the connection: `polling` or `websocket`; None while there is none."""
        connection = self._supervisor.connection
        return connection.engine.transport if connection is not None and self.is_open else None

    @property
    def session_id(self) -> SessionId | None:
        """Engine.IO session id, a credential; None while there is no connection."""
        connection = self._supervisor.connection
        return connection.engine.id if connection is not None else None

    @property
    def watches_packets(self) -> bool:
        """Whether there are handlers of `packet`."""
        return "packet" in self._handlers

    # --- using it ---------------------------------------------------------------------------------

    @names_options(SocketOptionsDict, SocketOptions)
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
        check_socket_options("Manager.socket", options)
        return self.own_socket(namespace, SocketOptions(**options))

    def own_socket(self, namespace: NamespaceName, options: SocketOptions) -> ClientSocket:
        """The socket of a namespace, as `socket` gives it; its options were checked."""
        if "," in namespace:
            raise ValueError(f"namespace: {namespace!r} cannot contain a comma")
        socket = self._sockets.get(namespace)
        if socket is None:
            socket = self._sockets[namespace] = ClientSocket(self, namespace, options)
            if self._made_socket is not None:
                self._made_socket(socket)
        if self.options.auto_connect:
            socket.connect()
        return socket

    async def open(self) -> None:
        """Connect although no socket wants to, and wait for it; returns at once when it stands.

        Raises:
            SockwaveError: The attempts have ended; the last one's error.
        """
        if self.runtime.is_elsewhere():
            await self.runtime.visit(self.open())
            return
        self._is_held_open = True
        self._supervisor.start()
        while not self.is_open:
            await self._open_waiters.wait()

    async def close(self) -> None:
        """Close the connection and stop reconnecting; waits until nothing is left behind.

        Connected sockets get `disconnect` with `forced close`; `socket.connect()` opens it again.
        What was emitted goes out first, if the server takes it within `close_timeout`. Handlers
        that still run are cancelled, but not the calling one. May be awaited in any event loop.
        """
        if self.runtime.is_elsewhere():
            with contextlib.suppress(Disconnected):  # its loop ends first, and everything with it
                await self.runtime.visit(self.close())
            return
        self._is_held_open = False
        if not self.runtime.is_bound:
            return
        self._supervisor.stop()
        await self.wait_closings()
        await self.runtime.cancel_all()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        if self.runtime.is_elsewhere():
            with contextlib.suppress(Disconnected):
                await self.runtime.visit(self.__aexit__())
            return
        for life in list(self._subscribed.values()):
            life.disconnect()
        await self.close()

    def on_error(self, hook: F) -> F:
        """Call `hook(error, socket, event)` when a handler of a socket fails, after the log."""
        self._error_hook = hook
        return hook

    def on_socket(self, made: Callable[[ClientSocket], object]) -> None:
        """Call this with each socket: with those that there are, and new ones before they connect.

        For what sees more than handlers do; see `ClientSocket.become`.

        Raises:
            ValueError: Somebody is called already.
        """
        if self._made_socket is not None:
            raise ValueError("this client is traced already")
        self._made_socket = made
        for socket in self._sockets.values():
            made(socket)

    # --- from sockets -----------------------------------------------------------------------------

    def socket_activated(self, life: Life) -> None:
        """A socket wants to be connected."""
        self.runtime.bind()  # which says what to do where no loop runs
        if life.namespace not in self._subscribed:
            self._subscribed[life.namespace] = life
        connection, session = self._supervisor.connection, self._supervisor.session
        if session is None:
            self._supervisor.start()
        elif connection is None or life.namespace not in connection.unwanted:
            life.opened(session)  # else when the server has answered the one before

    def socket_deactivated(self, life: Life) -> None:
        """A socket does not want to be connected; when it was the last, nobody does."""
        self._subscribed.pop(life.namespace, None)
        if not self._subscribed and not self._is_held_open:
            self._supervisor.stop()

    def answer_unwanted(self, namespace: NamespaceName) -> None:
        """A socket has left before the server has answered whether it is let in."""
        if self._supervisor.connection is not None:
            self._supervisor.connection.unwanted.add(namespace)

    def socket_refused(self, namespace: NamespaceName, error: SockwaveError) -> None:
        """The server does not let a socket in."""
        self._log.refused(namespace, error)

    def restart(self) -> None:
        """Close the connection and let it come again, by the backoff."""
        session = self._supervisor.session
        if session is not None:
            session.end(DisconnectReason.FORCED_CLOSE, None)

    def handler_started(self, handler: Hashable) -> None:
        """A handler has begun, and waits."""
        if self._intake is not None:
            self._intake.fresh.append(handler)

    def handler_ended(self, handler: Hashable) -> None:
        """A handler that was waited for has ended."""
        if self._intake is not None:
            self._intake.ended(handler)

    def early_event(self, life: Life, args: list[Any], id_: int | None) -> None:
        """An event that came before its socket was accepted has its turn."""
        connection = self._supervisor.connection
        if connection is not None:
            connection.early_event(life, args, id_)

    def handler_failed(self, error: BaseException, socket: ClientSocket, event: str) -> None:
        """Log a handler's exception, and tell the hook."""
        name = socket.namespace
        fields = known(namespace=name, event=event, reason=type(error).__name__)
        text = "a handler of %r in %s failed"
        _logger.error(text, event, name, exc_info=error, extra=fields)
        if self._error_hook is not None:
            try:
                self._error_hook(error, socket, event)
            except BaseException as failure:
                _logger.exception("the on_error hook failed")
                self.runtime.application_failed(failure)

    async def wait_closings(self) -> None:
        """Wait until engines that were closed are gone."""
        await self._supervisor.wait_closings()

    # --- from the supervisor ----------------------------------------------------------------------

    def new_connection(self, attempt: int) -> ServerConnection:
        """Make a connection, which is yet to be opened."""
        parser = self.parser
        if parser is None:
            return ServerConnection(self, self._subscribed, attempt)
        return ParsedServerConnection(self, self._subscribed, attempt, parser)

    def attempt_failed(self, failure: SockwaveError) -> None:
        """There is no connection this time."""
        self._log.failed(failure)
        self.emit_local("error", failure)
        for life in list(self._subscribed.values()):
            life.attempt_failed(failure)

    def attempts_ended(self, error: SockwaveError) -> None:
        """There will be none, until somebody connects."""
        for life in list(self._subscribed.values()):
            life.attempts_ended(error)
        self._open_waiters.fail(error)

    def stopped(self) -> None:
        """The connection is not wanted any more, or the attempts to have one."""
        self._tell_closed(DisconnectReason.FORCED_CLOSE, None)
        self.attempts_ended(Disconnected(DisconnectReason.FORCED_CLOSE))

    def loop_ends(self) -> None:
        """The event loop ends, and the connection with it."""
        for life in list(self._subscribed.values()):
            life.loop_ends()

    def _loop_changed(self) -> None:
        """Forget what belonged to a loop that has ended, and connect anew in this one."""
        self._supervisor.loop_changed()
        self._open_waiters.forget()
        self._intake = None
        for socket in list(self._sockets.values()):
            socket.loop_changed()
        if self._subscribed or self._is_held_open:
            self._supervisor.start()

    # --- from the connection ----------------------------------------------------------------------

    def attach(self, connection: ServerConnection) -> Intake:
        """Bound what a new connection brings, together with handlers that run since the last."""
        if self._intake is None:
            self._intake = Intake(
                connection,
                self.runtime,
                max_handlers=self.options.max_pending_handlers,
                max_bytes=self.options.max_pending_bytes,
                max_attachments=self.options.max_attachments,
                account=Account(sys.maxsize),
            )
        else:
            self._intake.attach(connection)
        return self._intake

    def is_current(self, connection: ServerConnection) -> bool:
        """Whether a connection is wanted."""
        return connection is self._supervisor.connection

    def connection_opened(self, connection: ServerConnection) -> None:
        """The handshake is done: tell, and let all sockets join, in the order they wanted to."""
        self._supervisor.opened_on(connection.engine.transport)
        self.emit_local("open")
        if connection.attempt:
            self.emit_local("reconnect", connection.attempt)
        self._open_waiters.wake()
        for life in list(self._subscribed.values()):
            session = connection.session
            if session is not None:
                life.opened(session)

    def connection_upgraded(self) -> None:
        """It is on another transport now."""
        connection = self._supervisor.connection
        if connection is not None:
            self._supervisor.opened_on(connection.engine.transport)
        self.emit_local("upgrade")

    def connection_closed(
        self, connection: ServerConnection, reason: DisconnectReason, error: SockwaveError | None
    ) -> None:
        """It is over; one that was left behind interests nobody."""
        if self.is_current(connection):
            if reason is DisconnectReason.TRANSPORT_ERROR:
                self._supervisor.opened_on(None)
            self._log.lost(reason, error)
            self._tell_closed(reason, error)

    def socket_accepted(self) -> None:
        """The server lets a socket in: it means well, and the next loss begins with short delays.

        Not at the handshake, as the reference does: a server that drops everybody at once would be
        called again at the base delay, by all, for ever (docs/security.md#hostile-servers, C04).
        """
        self._supervisor.accepted()
        self._log.accepted()

    def _tell_closed(self, reason: DisconnectReason, error: SockwaveError | None) -> None:
        self.emit_local("close", reason, error)
        for life in list(self._subscribed.values()):
            life.lost(reason, error)

    # --- its own events ---------------------------------------------------------------------------

    def _go_on(self, running: Coroutine[Any, Any, None]) -> None:
        self.runtime.start(running)

    def _local_handler_failed(self, event: str, error: BaseException) -> None:
        text = "a handler of the manager's event %r failed"
        _logger.exception(text, event, extra=known(event=event))
        self.runtime.application_failed(error)


@names_options(
    ConnectOptionsDict, ClientEngineOptions, ManagerOptions, SocketOptions, path="/socket.io"
)
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
