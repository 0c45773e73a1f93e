"""One namespace of a server, as a client holds it (client.md sections 5 and 6)."""

from __future__ import annotations

import asyncio
from collections import deque
from enum import Enum, auto
from threading import get_ident
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

from sockwave.codec.json import encode_json
from sockwave.codec.socketio import (
    RESERVED_EVENTS,
    Packet,
    PacketType,
    event_prefix,
)
from sockwave.errors import (
    ConnectError,
    ConnectTimeout,
    Disconnected,
    LimitExceeded,
    SockwaveError,
    TransportError,
)
from sockwave.socketio.client.dispatch import IncomingEvents
from sockwave.socketio.client.early import EarlyEvents
from sockwave.socketio.client.retries import RetryQueue
from sockwave.socketio.core.acks import AckResult, AckTable, ack_callback, ack_value
from sockwave.socketio.core.adapter import BroadcastFlags
from sockwave.socketio.core.emit_operator import EmitOperator
from sockwave.socketio.core.outgoing import check_event_name, encode, event_packet
from sockwave.types import DisconnectReason, Json, NamespaceName, SocketId

if TYPE_CHECKING:
    from collections.abc import Callable

    from sockwave.engine.core.client_session import ClientSession
    from sockwave.socketio.client.manager import Manager
    from sockwave.socketio.client.options import Auth, SocketOptions

__all__ = ["ClientOperator", "ClientSocket"]

_NO_FLAGS: Final = BroadcastFlags()


class _State(Enum):
    """INACTIVE: does not want to be connected. ACTIVE: wants to be. CONNECTED: is."""

    INACTIVE = auto()
    ACTIVE = auto()
    CONNECTED = auto()


class _Event(NamedTuple):
    """An event to send, encoded already: what the caller changes later does not change it.

    Attributes:
        args: Its name and arguments, for `on_any_outgoing`.
        id: Where an acknowledgement is wanted.
    """

    args: tuple[Any, ...]
    json: bytes
    attachments: list[bytes]
    flags: BroadcastFlags
    id: int | None


class ClientSocket(IncomingEvents):
    """A namespace of a server; made by `connect` and by `Manager.socket`.

    It wants to be connected from `connect()` until `disconnect()`, or until the server disconnects
    or refuses it. In between its manager connects again after every loss. Events emitted meanwhile
    wait in `send_buffer` and go out in order.

    Beside the server's events there are `connect` (at every connection), `connect_error` (the
    error: `ConnectError` when the server refused, which ends the attempts, else why there was no
    connection, which does not), and `disconnect` (a `DisconnectReason`, and the error or None).
    Their arguments may be left out. Do not register handlers in `connect`.

    As an asynchronous context manager it is connected inside the block, and disconnected after.

    Attributes:
        namespace: Its name, with the leading slash.
        manager: The connection, which it may share with sockets of other namespaces.
        auth: What the server is told at each connection; may be replaced at any time.
        id: The server's id for this socket; None while not connected.
        recovered: Whether the latest connection continues the one before it, and the server has
            sent all that was missed.
    """

    __slots__ = (
        "__weakref__",
        "_acks",
        "_auth_task",
        "_buffer",
        "_drain_waiters",
        "_early",
        "_event_prefix",
        "_last_error",
        "_max_backlog",
        "_next_ack_id",
        "_options",
        "_owns_manager",
        "_queue",
        "_retry_first",
        "_sent_connect",
        "_state",
        "_wait_timeout",
        "_waiters",
        "auth",
        "id",
        "recovered",
    )

    def __init__(self, manager: Manager, namespace: NamespaceName, options: SocketOptions) -> None:
        super().__init__(manager, namespace)
        self.auth: Auth | None = options.auth
        self.id: SocketId | None = None
        self.recovered = False
        self._options = options
        self._max_backlog = manager.engine_options.max_backlog
        self._state = _State.INACTIVE
        self._sent_connect: ClientSession | None = None
        self._auth_task: asyncio.Task[None] | None = None
        self._event_prefix = event_prefix(namespace)
        self._next_ack_id = 0
        self._acks = AckTable(self._runtime, options.max_pending_acks)
        self._buffer: deque[_Event] = deque()
        self._early = EarlyEvents()
        self._queue: RetryQueue[_Event] | None = None
        if options.retries:
            self._queue = RetryQueue(options.retries, options.send_buffer_limit, self._send_try)
        self._is_special = self._is_special or options.retries > 0
        self._waiters: list[asyncio.Future[None]] = []
        self._drain_waiters: list[asyncio.Future[None]] = []
        self._last_error: SockwaveError | None = None
        self._owns_manager = False
        self._wait_timeout: float | None = None
        self._retry_first = True

    def __repr__(self) -> str:
        return f"<ClientSocket {self.namespace} {self._state.name.lower()}>"

    # --- what it is -------------------------------------------------------------------------------

    @property
    def connected(self) -> bool:
        """Whether the server has accepted it and the connection stands."""
        return self._state is _State.CONNECTED

    @property
    def active(self) -> bool:
        """Whether it wants to be connected: also while the connection is lost."""
        return self._state is not _State.INACTIVE

    @property
    def send_buffer(self) -> SendBuffer:
        """Events that wait for the connection."""
        return SendBuffer(self._buffer)

    # --- connecting -------------------------------------------------------------------------------

    def connect(self) -> Self:
        """Want to be connected; returns at once.

        Nothing happens when it does already: while the manager waits to connect again, the socket
        joins its next attempt. Needs a running event loop.
        """
        if self._state is not _State.CONNECTED:
            self._state = _State.ACTIVE
            self._ended_with = None
            self.manager.socket_activated(self)
        return self

    def disconnect(self) -> Self:
        """Leave the namespace and stay away; returns at once.

        Events already emitted go out first. When it was the manager's last active socket, the
        connection closes. `disconnect` handlers run if it was connected.
        """
        if self._runtime.is_foreign_thread():
            self._runtime.call_from_thread(self.disconnect)
            return self
        if self._state is _State.INACTIVE:
            return self
        was_connected = self._state is _State.CONNECTED
        if was_connected and self._session is not None:
            goodbye = Packet(PacketType.DISCONNECT, self.namespace, None, None)
            encode(goodbye, parser=self._parser).queue_on(self._session)
        self._deactivate()
        if was_connected:
            self._left(DisconnectReason.IO_CLIENT_DISCONNECT, None)
        self._give_up(Disconnected(DisconnectReason.IO_CLIENT_DISCONNECT))
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
        self.connect()
        try:
            async with asyncio.timeout(timeout):
                if not self.connected:
                    await self._wait_for(self._waiters)
        except TimeoutError as error:
            if isinstance(error, SockwaveError):
                raise
            raise ConnectTimeout(f"not connected within {timeout:g} seconds") from (
                self._last_error
            )

    async def aclose(self) -> None:
        """Disconnect, and wait until the connection is closed if nobody else uses it."""
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

    def emit(self, event: str, *args: Json, ack: Callable[..., object] | None = None) -> None:
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
        if event in RESERVED_EVENTS or event.__class__ is not str:
            check_event_name(event)
        session = self._session
        if ack is not None or session is None or self._is_special:
            self._emit((event, *args), _NO_FLAGS, ack)
            return
        json, attachments = encode_json((event, *args))
        if (
            attachments
            or get_ident() != self._runtime.thread_id
            or session.backlog > self._max_backlog
            or self._buffer
            or session.is_overdue()
        ):
            self._emit((event, *args), _NO_FLAGS, None)
        else:
            text = self._event_prefix + json
            session.send_packet(text, len(text))

    def send(self, *args: Json) -> None:
        """Send a `message` event."""
        self.emit("message", *args)

    async def emit_with_ack(self, event: str, *args: Json, timeout: float | None = None) -> Any:
        """Send an event and wait for the server's acknowledgement.

        Args:
            timeout: Seconds until the wait ends, by default `ack_timeout`, else until the
                connection is lost. An event that still waits in `send_buffer` is then taken back.

        Returns:
            What the server acknowledged with: a single argument as itself, none as None, several
            as a tuple.

        Raises:
            AckTimeout: No acknowledgement in time.
            Disconnected: The connection was lost after the event was sent.
            LimitExceeded: As `emit`.

        Cancelling is safe: a late acknowledgement is dropped. Only from the loop's thread.
        """
        check_event_name(event)
        flags = _NO_FLAGS if timeout is None else BroadcastFlags(timeout=timeout)
        return await self._emit_and_wait((event, *args), flags)

    @property
    def volatile(self) -> ClientOperator:
        """Drop the next event unless it can go out at once: nothing is kept."""
        return ClientOperator(self, BroadcastFlags(volatile=True))

    def compress(self, compress: bool) -> ClientOperator:
        """Let the WebSocket compress the next event, or not."""
        return ClientOperator(self, BroadcastFlags(compress=compress))

    def timeout(self, seconds: float) -> ClientOperator:
        """Set how long the acknowledgement of the next event is waited for."""
        return ClientOperator(self, BroadcastFlags(timeout=seconds))

    async def drain(self) -> None:
        """Wait until what was emitted is on its way: `send_buffer` too, hence until connected.

        Call it between large or many emits to a server or network that may be slow.

        Raises:
            Disconnected: The socket is not connected and will not be.
        """
        await asyncio.sleep(0)  # lets this turn's packets go to the transport
        while self._buffer or (self._session is not None and self._session.backlog):
            if self._ended_with is not None or not self.active:
                raise Disconnected("while draining")
            await self._wait_for(self._drain_waiters)

    # --- called by the manager --------------------------------------------------------------------

    def engine_opened(self, session: ClientSession) -> None:
        """The connection stands: join the namespace, once per connection."""
        if self._state is not _State.ACTIVE or self._sent_connect is session:
            return
        self._sent_connect = session
        if not callable(self.auth):
            self._send_connect(session, self.auth)
            return
        try:
            auth = self.auth()
        except Exception as error:
            self._auth_failed(error)
            return
        if hasattr(auth, "__await__"):
            self._auth_task = self._runtime.start(self._await_auth(session, auth))
        else:
            self._send_connect(session, auth)

    async def _await_auth(self, session: ClientSession, auth: Any) -> None:
        try:
            payload = await auth
        except Exception as error:
            self._auth_failed(error)
        else:
            self._send_connect(session, payload)
        finally:
            self._auth_task = None

    def _send_connect(self, session: ClientSession, auth: Any) -> None:
        if self._state is not _State.ACTIVE or self._sent_connect is not session:
            return
        payload = auth
        try:
            if self._pid is not None:
                recovery = {"pid": self._pid}
                if self._offset is not None:
                    recovery["offset"] = self._offset
                payload = {**recovery, **(auth or {})}
            elif auth is not None:
                payload = dict(auth)
            join = Packet(PacketType.CONNECT, self.namespace, None, payload)
            packet = encode(join, parser=self._parser)
        except (SockwaveError, TypeError, ValueError) as error:
            self._auth_failed(error)
            return
        packet.queue_on(session)

    def _auth_failed(self, error: Exception) -> None:
        """Tell, and try again with the manager's backoff: a token service may be back by then."""
        if self._state is not _State.ACTIVE:
            return
        failure = TransportError(f"auth failed: {error}")
        failure.__cause__ = error
        self.connection_failed(failure)
        self.manager.restart()

    def connection_failed(self, error: SockwaveError) -> None:
        """An attempt failed; the manager says whether there will be another."""
        if self._state is _State.ACTIVE:
            self._last_error = error
            self.emit_local("connect_error", error)

    def attempts_ended(self, error: SockwaveError) -> None:
        """There will be no other attempt."""
        self._last_error = error
        self._give_up(error)

    def accepted(self, data: dict[str, Any] | None, session: ClientSession) -> None:
        """The server's CONNECT (client.md section 5.10)."""
        if self._state is not _State.ACTIVE:
            return
        sid = data.get("sid") if data else None
        if not isinstance(sid, str):
            self.connection_failed(
                ConnectError("the server speaks an older protocol: a 2.x server is not supported")
            )
            return
        pid = data.get("pid") if data else None
        self.id = SocketId(sid)
        self.recovered = isinstance(pid, str) and pid == self._pid
        self._pid = pid if isinstance(pid, str) else None
        self._last_error = None
        self._state = _State.CONNECTED
        self._session = session
        for args, id_ in self._early.take():
            self._dispatch(args, id_)
        self._flush_buffer()
        if self._queue is not None and self.connected:
            self._queue.connected()
        if self._session is session:
            self._wake(self._waiters)
            self.emit_local("connect")

    def refused(self, data: Any) -> None:
        """The server's CONNECT_ERROR: no further attempts."""
        if self._state is _State.INACTIVE:
            return
        message = data.get("message") if isinstance(data, dict) else data
        details = data.get("data") if isinstance(data, dict) else None
        error = ConnectError(message if isinstance(message, str) else "refused", details)
        was_connected = self._state is _State.CONNECTED
        self._deactivate()
        if was_connected:
            self._left(DisconnectReason.IO_SERVER_DISCONNECT, None)
        self._last_error = error
        self.emit_local("connect_error", error)
        if not self.active:
            self._give_up(error)

    def server_disconnected(self) -> None:
        """The server's DISCONNECT: no reconnection."""
        if self._state is _State.INACTIVE:
            return
        self._deactivate()
        self._left(DisconnectReason.IO_SERVER_DISCONNECT, None)
        if not self.active:
            self._give_up(Disconnected(DisconnectReason.IO_SERVER_DISCONNECT))

    def connection_lost(self, reason: DisconnectReason, error: SockwaveError | None) -> None:
        """The connection is gone; the socket stays active."""
        if self._state is _State.INACTIVE:
            return
        self._state = _State.ACTIVE
        self._left(reason, error)

    def event_received(self, args: list[Any], id_: int | None) -> None:
        """An event of the server."""
        if self._state is _State.CONNECTED:
            self._dispatch(args, id_)
        elif self._state is _State.ACTIVE:
            self._early.add(args, id_)

    def ack_received(self, id_: int | None, args: tuple[Any, ...]) -> None:
        """The server answers."""
        self._acks.received(id_, args)

    def drained(self) -> None:
        """The session's queue is empty."""
        if self._drain_waiters:
            self._wake(self._drain_waiters)

    # --- private: leaving -------------------------------------------------------------------------

    def _deactivate(self) -> None:
        self._state = _State.INACTIVE
        self.manager.socket_deactivated(self)

    def _left(self, reason: DisconnectReason, error: SockwaveError | None) -> None:
        """Not connected any more: handlers hear of it, then those who wait for answers."""
        self._session = self._sent_connect = None
        self.id = None
        self._early.take()
        if self._auth_task is not None:
            self._auth_task.cancel()
        if self._queue is not None:
            self._queue.disconnected()
        waiting = {event.id for event in self._buffer if event.id is not None}
        before = self._next_ack_id
        self.emit_local("disconnect", reason, error)
        # What handlers have emitted meanwhile waits in the buffer, too.
        waiting.update(range(before, self._next_ack_id))
        self._acks.disconnected(reason, keep=waiting)

    def _give_up(self, error: SockwaveError) -> None:
        """Nothing will happen until `connect`: tell all who wait."""
        self._ended_with = error
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_exception(error)
        self._wake(self._drain_waiters)
        self._end_streams(error)

    async def _wait_for(self, waiters: list[asyncio.Future[None]]) -> None:
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiters.append(waiter)
        try:
            await waiter
        finally:
            if waiter in waiters:
                waiters.remove(waiter)

    @staticmethod
    def _wake(waiters: list[asyncio.Future[None]]) -> None:
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)
        waiters.clear()

    def handler_failed(self, event: str, error: Exception) -> None:
        """Report a handler's exception; the connection lives on."""
        self.manager.handler_failed(error, self, event)

    # --- private: emitting ------------------------------------------------------------------------

    def _emit(
        self, args: tuple[Any, ...], flags: BroadcastFlags, ack: Callable[..., object] | None
    ) -> None:
        """Emit with whatever flags, from whatever thread, in whatever state."""
        json, attachments = self._encode(args)
        done: Callable[[AckResult], None] | None = None
        if ack is not None:
            error_first = flags.timeout is not None or self._options.ack_timeout is not None
            done = self._guarded(ack_callback(ack, error_first=error_first))
        if self._runtime.is_foreign_thread():
            self._check_room(flags)
            self._runtime.call_from_thread(
                self._emit_from_thread, args, json, attachments, flags, done
            )
        else:
            self._emit_encoded(args, json, attachments, flags, done)

    def _encode(self, args: tuple[Any, ...]) -> tuple[bytes, list[bytes]]:
        """Encode an event but for its id; a parser can only be asked whether it is able to."""
        if self._parser is None:
            return encode_json(args)
        self._parser.encode(Packet(PacketType.EVENT, self.namespace, None, list(args)))
        return b"", []

    def _emit_from_thread(self, args: tuple[Any, ...], *rest: Any) -> None:
        try:
            self._emit_encoded(args, *rest)
        except SockwaveError as error:
            self.handler_failed(args[0], error)  # the caller is gone: it passed the first check

    def _emit_encoded(
        self,
        args: tuple[Any, ...],
        json: bytes,
        attachments: list[bytes],
        flags: BroadcastFlags,
        done: Callable[[AckResult], None] | None,
    ) -> int | None:
        """Queue for the retries, send, drop or buffer; returns the id of the answer, if any."""
        event = _Event(args, json, attachments, flags, None)
        if self._queue is not None and not flags.volatile:
            self._queue.add(event, done or _ignore)
            return None
        self._check_room(flags)
        if done is not None:
            event = event._replace(id=self._expect(done, flags))
        self._send_or_buffer(event)
        return event.id

    def _send_try(self, event: _Event, done: Callable[[AckResult], None]) -> None:
        """Send one try of an event of the retry queue."""
        self._send(event._replace(id=self._expect(done, event.flags)))

    def _expect(self, done: Callable[[AckResult], None], flags: BroadcastFlags) -> int:
        if len(self._acks) >= self._options.max_pending_acks:
            most = self._options.max_pending_acks
            raise LimitExceeded(f"{most} acknowledgements of this socket are outstanding")
        id_ = self._next_ack_id
        self._next_ack_id += 1
        timeout = flags.timeout if flags.timeout is not None else self._options.ack_timeout

        def answered(result: AckResult) -> None:
            if self._buffer and isinstance(result, SockwaveError):
                self._take_back(id_)
            done(result)

        self._acks.expect(id_, answered, timeout)
        return id_

    def _take_back(self, id_: int) -> None:
        """Nobody waits for the answer any more: an event that was not sent is not sent."""
        for event in self._buffer:
            if event.id == id_:
                self._buffer.remove(event)
                return

    def _check_room(self, flags: BroadcastFlags) -> None:
        if flags.volatile:
            return
        session = self._session
        if session is not None:
            if session.backlog > self._max_backlog:
                raise LimitExceeded(f"{session.backlog} bytes wait to be sent: use drain()")
        elif len(self._buffer) >= self._options.send_buffer_limit and self._queue is None:
            raise LimitExceeded(f"{len(self._buffer)} events wait for the connection")

    def _send_or_buffer(self, event: _Event) -> None:
        session = self._session
        if event.flags.volatile and (session is None or not session.is_writable):
            return
        if session is None or self._buffer:
            self._buffer.append(event)
        elif session.is_overdue():
            # The connection is dead and nobody has noticed yet: the machine slept. What the server
            # sent meanwhile may still be unread, so it is judged when that has had its turn.
            self._buffer.append(event)
            self._runtime.call_soon(lambda: self._runtime.call_soon(self._judge_overdue))
        else:
            self._send(event)

    def _judge_overdue(self) -> None:
        session = self._session
        if session is None:
            return
        if session.is_overdue():
            session.end(DisconnectReason.PING_TIMEOUT, TransportError("ping timeout"))
        else:
            self._flush_buffer()

    def _send(self, event: _Event) -> None:
        session = self._session
        if session is None:
            return
        for hook in self.listeners_any_outgoing() if self._hooks is not None else ():
            self._run(hook, event.args, "on_any_outgoing")
        compress = event.flags.compress
        if self._parser is None:
            packet = event_packet(
                self.namespace, event.id, event.json, event.attachments, compress=compress
            )
        else:
            plain = Packet(PacketType.EVENT, self.namespace, event.id, list(event.args))
            packet = encode(plain, compress=compress, parser=self._parser)
        packet.queue_on(session)

    def _flush_buffer(self) -> None:
        while self._buffer and self.connected:
            self._send(self._buffer.popleft())
        self.drained()

    async def _emit_and_wait(self, args: tuple[Any, ...], flags: BroadcastFlags) -> Any:
        self._runtime.bind()
        answer: asyncio.Future[Any] = self._runtime.loop.create_future()

        def done(result: AckResult) -> None:
            if answer.done():
                return
            if isinstance(result, SockwaveError):
                answer.set_exception(result)
            else:
                answer.set_result(ack_value(result))

        json, attachments = self._encode(args)
        id_ = self._emit_encoded(args, json, attachments, flags, done)
        try:
            return await answer
        finally:
            if id_ is not None and answer.cancelled():
                self._acks.cancel(id_)
                self._take_back(id_)

    def _guarded(self, done: Callable[[AckResult], None]) -> Callable[[AckResult], None]:
        """A callback that fails is a handler that fails."""

        def guarded(result: AckResult) -> None:
            try:
                done(result)
            except Exception as error:
                self.handler_failed("acknowledgement", error)

        return guarded


def _ignore(result: AckResult) -> None: ...


class SendBuffer:
    """Events of a socket that wait for the connection."""

    __slots__ = ("_events",)

    def __init__(self, events: deque[_Event]) -> None:
        self._events = events

    def __len__(self) -> int:
        return len(self._events)

    def clear(self) -> None:
        """Drop them all; acknowledgements waited for end by time-out or cancellation."""
        self._events.clear()


class ClientOperator(EmitOperator[ClientSocket]):
    """Flags for the next event; made by `volatile`, `compress` and `timeout` of a socket."""

    __slots__ = ()
