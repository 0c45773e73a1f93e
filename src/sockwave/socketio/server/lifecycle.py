"""The way of a client into a namespace and out again, from top to bottom.

Theory: a client has at most one socket in each namespace, all of them on one session. A CONNECT
goes through four stages: may it be asked for, whose namespace is it, does it continue a socket that
was lost, do the middlewares let it in. The last three may wait for the application. Then the
namespace is *pending*, and other packets are taken meanwhile; where nothing waits, a client is in
and its `connection` handlers have begun before the next packet is looked at.

Whatever has waited asks first whether somebody waits for it still: the session may have ended. In
the end a client is

- in: it has its CONNECT reply, and its socket is in the namespace and on the connection;
- refused: it has a CONNECT_ERROR, and may try again on the same session;
- taken back: a `connection` handler has failed; it leaves like anybody who is in, and is refused;
- abandoned: the session has ended first, and nobody is told anything.

Each CONNECT has one reply, or the session ends. Who does not get in leaves nothing behind: no room
that a middleware has put it into, no namespace that was made for it. States are in states.py.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any, ClassVar, Final

from sockwave.codec.json import encode_plain
from sockwave.codec.socketio import Packet, PacketType, connect_prefix
from sockwave.engine.core.handlers import is_closed, name_of
from sockwave.engine.core.heartbeat import has_passed
from sockwave.engine.io.loop import is_cancelled
from sockwave.engine.server.peer_log import quoted
from sockwave.errors import ConnectError, EncodeError
from sockwave.observe import SocketConnected, SocketDisconnected, SocketRefused
from sockwave.socketio.core.outgoing import EncodedPacket, encode
from sockwave.socketio.core.saved_session import SavedSession
from sockwave.socketio.server.dispatch import CONNECTION, MIDDLEWARE
from sockwave.socketio.server.joined import JoinedSockets, Pending
from sockwave.socketio.server.member_log import (
    say_asks,
    say_connected,
    say_leaves,
    say_not_heeded,
    say_not_restored,
    say_unsendable,
)
from sockwave.socketio.server.recovery import goes_first, without_secret
from sockwave.socketio.server.states import ENDABLE, IN, Input, State, next_state
from sockwave.types import DisconnectReason, NamespaceName, SocketId

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from sockwave.socketio.core.intake import Intake
    from sockwave.socketio.server.contracts import MemberNamespace, MemberSocket

__all__ = ["Lifecycle"]

_CONNECTING: Final = State.CONNECTING


class Lifecycle(JoinedSockets):
    """The sockets of one client: how they come, and how they go. The base of its connection."""

    __slots__ = ()

    _can_recover: ClassVar[bool] = True

    # --- a client asks for a namespace ------------------------------------------------------------

    def _connect_received(
        self, name: NamespaceName, auth: dict[str, Any] | None, size: int
    ) -> None:
        if self.driver.debug:
            say_asks(self.session.id, name)
        connect_by = self._connect_by
        if connect_by is not None and has_passed(connect_by, now := self.driver.clock()):
            self.handle_timeout(now)  # the wheel is late
        elif self._joined(name) is not None or name in (self._pending or ()):
            self._violated("second CONNECT for a namespace:", quoted(name))
        else:
            if self._taken_out is not None:
                self._taken_out.pop(name, None)
            if self._is_too_much(name, size):
                return
            namespace = self.server.find_namespace(name)
            if namespace is None:
                self._make(name, auth)
            else:
                self._found(namespace, auth)

    def _is_too_much(self, name: NamespaceName, size: int) -> bool:
        """Whether a CONNECT is past a bound: then it is refused."""
        options = self.server.options
        if size > options.max_connect_bytes:
            self._log(f"CONNECT of more than max_connect_bytes={options.max_connect_bytes}")
            self._refuse(name, "auth too large")
            return True
        pending = 0 if self._pending is None else len(self._pending)
        count = len(self.sockets()) + pending
        if count < options.max_namespaces and pending < options.max_pending_connects:
            return False
        most = f"max_namespaces={options.max_namespaces}"
        self._log(
            "too many namespaces:", f"{most}, max_pending_connects={options.max_pending_connects}"
        )
        self._refuse(name, "too many namespaces")
        return True

    # --- whose namespace is it? -------------------------------------------------------------------

    def _make(self, name: NamespaceName, auth: dict[str, Any] | None) -> None:
        """There is none of this name, but parents may make one."""
        server = self.server
        told = auth if server.options.recovery is None else without_secret(auth)
        made = server.make_dynamic(name, told or {})
        if isinstance(made, Awaitable):
            self._wait(name, None, self._make_later(name, auth, made))
        else:
            self._made(name, made, auth)

    async def _make_later(
        self,
        name: NamespaceName,
        auth: dict[str, Any] | None,
        making: Awaitable[MemberNamespace | None],
    ) -> None:
        namespace = await making
        if self._is_awaited(name):
            self._made(name, namespace, auth)
        elif namespace is not None:
            namespace.vacated()

    def _made(
        self, name: NamespaceName, namespace: MemberNamespace | None, auth: dict[str, Any] | None
    ) -> None:
        if namespace is None:
            self._log("unknown namespace", name, namespace=name)
            self._refuse(name, "Invalid namespace")
        else:
            self._found(namespace, auth)

    # --- does it continue a socket that was lost? -------------------------------------------------

    def _found(self, namespace: MemberNamespace, auth: dict[str, Any] | None) -> None:
        recovery = namespace.recovery if self._can_recover else None
        restored = None
        if recovery is not None:
            restored, auth = recovery.restore(auth), without_secret(auth)
        if restored is None or isinstance(restored, SavedSession):
            self._ask(namespace, auth, restored)
        else:  # not cancelled when the session ends: what it takes from the adapter must go back
            self._hold(namespace.name, None)
            self.driver.spawn(self._restore_later(namespace, auth, restored))

    async def _restore_later(
        self,
        namespace: MemberNamespace,
        auth: dict[str, Any] | None,
        restoring: Awaitable[SavedSession | None],
    ) -> None:
        try:
            restored = await restoring
        except Exception:
            say_not_restored(namespace.name)
            restored = None
        if self._is_awaited(namespace.name):
            self._ask(namespace, auth, restored)
        elif restored is not None and namespace.recovery is not None:
            namespace.recovery.put_back(restored, self.session)

    # --- do the middlewares let it in? ------------------------------------------------------------

    def _ask(
        self,
        namespace: MemberNamespace,
        auth: dict[str, Any] | None,
        restored: SavedSession | None,
    ) -> None:
        """Make the socket, and ask the middlewares."""
        id_ = self._new_id(namespace.name) if restored is None else restored.id
        socket = namespace.make_socket(self, id_, auth, time.time(), restored)
        middlewares = namespace.registered.middlewares
        if not middlewares or (restored is not None and self._is_trusted(socket)):
            self._let_in(socket)
        else:
            self._ask_middlewares(socket, middlewares)

    def _ask_middlewares(
        self, socket: MemberSocket, middlewares: tuple[Callable[..., object], ...]
    ) -> None:
        """Waits only where they wait."""
        for at, middleware in enumerate(middlewares):
            try:
                result = middleware(socket)
            except BaseException as error:
                self._refuse_socket(socket, error)
                return
            if result is not None:
                if hasattr(result, "__await__"):
                    later = self._ask_later(socket, result, middlewares[at:])
                    self._wait(socket.namespace.name, socket, later)
                    return
                self._not_heeded(middleware, result)
        self._allowed(socket)

    def _new_id(self, name: NamespaceName) -> SocketId:
        return self.server.new_socket_id()

    def _is_trusted(self, socket: MemberSocket) -> bool:
        """Whether a socket that comes back needs no second permission."""
        recovery = socket.namespace.recovery
        return recovery is not None and recovery.options.skip_middlewares

    async def _ask_later(
        self,
        socket: MemberSocket,
        running: Awaitable[object],
        middlewares: tuple[Callable[..., object], ...],
    ) -> None:
        """Go on with the first one, which runs already."""
        result: Any = running
        try:
            for at, middleware in enumerate(middlewares):
                if at:
                    result = middleware(socket)
                if result is not None and hasattr(result, "__await__"):
                    result = await result
                if result is not None:
                    self._not_heeded(middleware, result)
        except BaseException as error:
            if is_closed(error) or is_cancelled():
                raise
            self._release(socket)
            if socket.state is _CONNECTING:
                self._refuse_socket(socket, error)
            return
        self._release(socket)
        self._allowed(socket)

    def _allowed(self, socket: MemberSocket) -> None:
        """Middlewares let it in, but one may have ended its session."""
        if self.session.is_open and socket.state is _CONNECTING:
            self._let_in(socket)
        else:
            self._abandon(socket)

    def _not_heeded(self, middleware: Callable[..., object], answer: object) -> None:
        if answer is False:
            say_not_heeded(self.server.heedless, name_of(middleware))

    # --- in ---------------------------------------------------------------------------------------

    def _let_in(self, socket: MemberSocket) -> None:
        """Connect, then run `connection` handlers; if one fails at once, nothing has happened."""
        namespace, session = socket.namespace, self.session
        mark = session.mark_queue()
        missed: Sequence[EncodedPacket] | None = ()
        if namespace.recovery is not None:
            missed = namespace.recovery.let_in(socket)
        if missed is None:  # then let the client try again, as a new one
            self._abandon(socket)
            session.note_cause("recovery")
            session.close()
            return
        socket.state = next_state(socket.state, Input.ADMIT)
        if self.driver.debug:
            say_connected(socket)
        namespace.admitted(socket.id)
        observers = self.driver.observers
        if functions := observers.socket_connected:
            seen = SocketConnected(namespace.name, socket.id, session.id, socket.recovered)
            observers.tell(functions, seen)
        self._add(socket)
        reply = self._connect_reply(socket)
        if missed:
            self._queue_missed(reply, missed)
        else:
            reply.queue_on(session)
        for handler in namespace.registered.handlers.get("connection", ()):
            try:
                result = socket.watched(handler, CONNECTION)(socket)
            except BaseException as error:
                withdrawn = session.withdraw(mark)
                self._take_back(socket, error, withdrawn=withdrawn)
                return
            if result is not None and hasattr(result, "__await__"):
                self.driver.spawn(self._finish_connection(socket, result))

    def _queue_missed(self, reply: EncodedPacket, missed: Sequence[EncodedPacket]) -> None:
        """Send the reply, and what it has missed, in the order that its transport allows."""
        session = self.session
        if goes_first(session, missed, reply.size):
            packets = (*missed, reply)
        else:
            packets = (reply, *missed)
        for packet in packets:
            packet.queue_on(session)

    def _connect_reply(self, socket: MemberSocket) -> EncodedPacket:
        pid = socket.pid
        data = {"sid": socket.id} if pid is None else {"sid": socket.id, "pid": pid}
        name = socket.namespace.name
        if self.server.parser is None:
            text = connect_prefix(name) + encode_plain(data)
            return EncodedPacket(text, len(text))
        return encode(Packet(PacketType.CONNECT, name, None, data), parser=self.server.parser)

    # --- taken back: a `connection` handler has failed --------------------------------------------

    async def _finish_connection(self, socket: MemberSocket, running: Awaitable[object]) -> None:
        try:
            await running
        except BaseException as error:
            if is_closed(error) or self.driver.is_ending():
                raise
            self._take_back(socket, error)

    def _take_back(
        self, socket: MemberSocket, error: BaseException, *, withdrawn: bool = False
    ) -> None:
        """Refuse after all.

        Args:
            withdrawn: The client was not told anything yet, not even that its socket has left.
        """
        reason = self._reason(socket, CONNECTION, error)
        was_in = socket.state in IN
        self.leave(socket, DisconnectReason.SERVER_NAMESPACE_DISCONNECT, "")
        if was_in or withdrawn:
            self._send_connect_error(socket.namespace.name, reason)

    # --- refused ----------------------------------------------------------------------------------

    def _refuse_socket(self, socket: MemberSocket, error: BaseException) -> None:
        """A middleware did not let it in."""
        namespace = socket.namespace
        reason = self._reason(socket, MIDDLEWARE, error)
        socket.state = next_state(socket.state, Input.REFUSE)
        self._send_connect_error(namespace.name, reason)
        socket.forget_handlers()
        namespace.turned_away(socket.id)

    def _reason(self, socket: MemberSocket, event: str, error: BaseException) -> ConnectError:
        """What the client is told: a refusal as it is, and nothing of any other exception."""
        if isinstance(error, ConnectError):
            return error
        socket.handler_failed(event, error)
        if not isinstance(error, Exception):
            self.driver.application_failed(error)
        return ConnectError("Internal server error")

    def _refuse(self, name: NamespaceName, message: str) -> None:
        """Refuse a namespace for a reason of our own."""
        self._send_connect_error(name, ConnectError(message))

    def _send_connect_error(self, name: NamespaceName, error: ConnectError) -> None:
        """Refuse a namespace; the client may try again on this connection."""
        observers = self.driver.observers
        if functions := observers.socket_refused:
            observers.tell(functions, SocketRefused(name, self.session.id, error.message))
        data = self._error_data(error)
        parser = self.server.parser
        try:
            packet = encode(Packet(PacketType.CONNECT_ERROR, name, None, data), parser=parser)
        except EncodeError:
            say_unsendable(name)
            data = self._error_data(ConnectError(error.message))
            packet = encode(Packet(PacketType.CONNECT_ERROR, name, None, data), parser=parser)
        packet.queue_on(self.session)

    def _error_data(self, error: ConnectError) -> Any:
        data: dict[str, Any] = {"message": error.message}
        if error.data is not None:
            data["data"] = error.data
        return data

    # --- abandoned: the session has ended first ---------------------------------------------------

    def _abandon(self, socket: MemberSocket) -> None:
        if socket.state is not _CONNECTING:
            return
        socket.state = next_state(socket.state, Input.ABANDON)
        namespace = socket.namespace
        if namespace.recovery is not None:
            namespace.recovery.abandoned(socket)
        namespace.turned_away(socket.id)
        socket.forget_handlers()

    def _drop_pending(self, pending: dict[NamespaceName, Pending]) -> None:
        """Nobody waits any more for a decision: what the application still does for it ends."""
        for waiting in pending.values():
            if waiting.socket is not None:
                self._abandon(waiting.socket)
            task, loop = waiting.task, self.driver.loop
            if task and task is not asyncio.current_task(loop) and task.get_loop() is loop:
                # Not at once: a coroutine that has not begun yet would end without a word.
                loop.call_soon(task.cancel)

    # --- out --------------------------------------------------------------------------------------

    def disconnect(self, socket: MemberSocket, *, close: bool) -> None:
        """The application takes a socket out, or all of the client with its connection."""
        for each in self.sockets() if close else (socket,):
            if each.state in ENDABLE:
                if each.namespace.recovery is not None:
                    each.namespace.recovery.hasten(each.id)
                name = each.namespace.name
                goodbye = Packet(PacketType.DISCONNECT, name, None, None)
                encode(goodbye, parser=self.server.parser).queue_on(self.session)
                self._note_taken_out(name, self.server.options.max_namespaces)
                self.leave(each, DisconnectReason.SERVER_NAMESPACE_DISCONNECT, "")
        if close:
            self.session.note_cause("application")
            self.session.close()

    def _session_over(self, reason: DisconnectReason) -> None:
        """Nobody answers any more, while events that the client sent before that wait."""
        for socket in self.sockets():
            socket.state = next_state(socket.state, Input.END_SESSION)
            socket.unreachable(reason)

    def _all_leave(self, reason: DisconnectReason, description: str) -> None:
        """All sockets leave, in the order they joined."""
        for socket in self.sockets():
            self.leave(socket, reason, description)

    def leave(self, socket: MemberSocket, reason: DisconnectReason, description: str) -> None:
        """A socket leaves its namespace; its handlers hear of it, once."""
        if socket.state not in ENDABLE:
            return
        if self.driver.debug:
            say_leaves(socket, reason)
        observers = self.driver.observers
        if functions := observers.socket_disconnected:
            seen = SocketDisconnected(socket.namespace.name, socket.id, self.session.id, reason)
            observers.tell(functions, seen)
        ends = self.driver.ends
        if socket.handles("disconnecting"):  # which see its rooms
            socket.state = next_state(socket.state, Input.ANNOUNCE)
            ends.run(self._say_goodbye, socket, reason, description)
        else:
            self._depart(socket, reason)
            ends.run(socket.tell_left, reason, description)

    def _say_goodbye(
        self, socket: MemberSocket, reason: DisconnectReason, description: str
    ) -> None:
        socket.emit_local("disconnecting", reason, description)
        self._depart(socket, reason)
        socket.tell_left(reason, description)

    def _depart(self, socket: MemberSocket, reason: DisconnectReason) -> None:
        """Out of the connection, its rooms and its namespace."""
        socket.state = next_state(socket.state, Input.LEAVE)
        self._remove(socket)
        if self._end is not None and not self.sockets():
            self._drop_waiting()
        namespace = socket.namespace
        if namespace.recovery is not None:  # first: its rooms are still known
            namespace.recovery.left(socket, reason)
        namespace.forget(socket.id)

    # --- what the connection adds -----------------------------------------------------------------

    @property
    def intake(self) -> Intake:
        """What bounds its handlers."""
        raise NotImplementedError

    def handler_started(self, handler: Hashable) -> None:
        """A handler has begun, and waits."""
        raise NotImplementedError

    def handler_ended(self, handler: Hashable) -> None:
        """A handler that was waited for has ended."""
        raise NotImplementedError

    def end_now(self) -> None:
        """Wait no longer with the end of a session that is over."""
        raise NotImplementedError

    def _drop_waiting(self) -> None:
        """Nobody is left whom the events that wait are for."""
        raise NotImplementedError

    def _violated(self, what: str, detail: str = "") -> None:
        """The client has broken the protocol."""
        raise NotImplementedError

    def _log(self, what: str, detail: str = "", **about: str) -> None:
        raise NotImplementedError
