"""One connection of a client: decodes its packets and routes them to its sockets.

There is one socket per namespace. What breaks the protocol is judged here (protocol.md section 18):
only this connection ends, with one line in the log.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sockwave.codec.socketio import Packet, PacketType, Reassembler, decode_packet
from sockwave.debug import masked, shortened
from sockwave.engine.core.states import State
from sockwave.errors import ConnectError, EncodeError, PacketError, TextEncodingError
from sockwave.socketio.core.outgoing import EncodedPacket, encode
from sockwave.socketio.core.recovery import SavedSession
from sockwave.socketio.server.namespace import Namespace
from sockwave.socketio.server.socket import Socket
from sockwave.types import DisconnectReason, NamespaceName, SocketId

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from sockwave.engine.server.driver import Driver
    from sockwave.engine.server.session import ServerSession
    from sockwave.socketio.server.server import Server

__all__ = ["Connection"]

_logger: Final = logging.getLogger("sockwave.socketio.connection")

_EVENT: Final = PacketType.EVENT
_ACK: Final = PacketType.ACK


@dataclass(slots=True)
class _Pending:
    """A namespace that was asked for.

    Attributes:
        socket: None until it is known whose namespace it is.
        task: Runs what decides about it.
    """

    socket: Socket | None
    task: asyncio.Task[Any] | None = None


class Connection:
    """The sockets on one session; the session's sink.

    Attributes:
        session: Below it.
        server: Above it.
        wheel_slot: Of the wait for a first namespace; then of the wait for attachments.
    """

    __slots__ = (
        "_by_name",
        "_driver",
        "_is_holding",
        "_joined",
        "_left",
        "_main",
        "_max_attachments",
        "_max_depth",
        "_pending",
        "_reassembler",
        "_running",
        "server",
        "session",
        "wheel_slot",
    )

    _can_recover = True

    def __init__(self, server: Server, session: ServerSession) -> None:
        self.server = server
        self.session = session
        self.wheel_slot = 0
        options = server.options
        self._driver: Driver = server.engine.driver
        self._main: Socket | None = None
        # All sockets in the order they joined; None while there is none but the main one.
        self._by_name: dict[NamespaceName, Socket] | None = None
        self._pending: dict[NamespaceName, _Pending] | None = None
        self._reassembler: Reassembler | None = None
        self._joined = False
        # Namespaces that the server has taken the client out of: what it sent before it knew comes
        # still, and is dropped.
        self._left: dict[NamespaceName, None] | None = None
        self._running = 0
        self._is_holding = False
        self._max_attachments = options.max_attachments
        self._max_depth = options.max_depth
        session.sink = self
        self._driver.schedule(self, self._driver.clock() + options.connect_timeout)

    # --- from the session -------------------------------------------------------------------------

    def text_message(self, packet: bytes) -> None:
        """Decode a packet and hand it to its socket."""
        try:
            type_, namespace, id_, data, attachments = decoded = decode_packet(
                packet, max_attachments=self._max_attachments, max_depth=self._max_depth
            )
            if self._reassembler is not None and self._reassembler.is_waiting:
                raise PacketError("got plaintext data when reconstructing a packet")
        except TextEncodingError:
            raise
        except PacketError as error:
            self._invalid(error)
            return
        if attachments:
            self._begin_binary(decoded)
            return
        if type_ is _EVENT:
            socket = self._main if namespace == "/" else self._other(namespace)
            if socket is not None:
                socket.event_received(data, id_)
            elif not self._was_taken_out(namespace):
                self._violated("event for a namespace that was not joined")
        else:
            self._packet_received(decoded)

    def binary_message(self, data: bytes) -> None:
        """Take an attachment."""
        reassembler = self._reassembler
        try:
            if reassembler is None:
                raise PacketError("got binary data when not reconstructing a packet")
            packet = reassembler.add(data)
        except PacketError as error:
            self._invalid(error)
            return
        if packet is None:
            return
        self._driver.cancel(self)
        socket = self._other(packet.namespace)
        if socket is None:
            return  # it left while its attachments came
        if packet.type is _EVENT:
            socket.event_received(packet.data, packet.id)
        else:
            socket.ack_received(packet.id, tuple(packet.data))

    def session_drained(self) -> None:
        """Wake those who wait in `socket.drain`."""
        for socket in self.sockets():
            socket.drained()

    def session_closed(self, reason: DisconnectReason, description: str) -> None:
        """The connection is over: so are its sockets, in the order they joined."""
        self._driver.cancel(self)
        for socket in self.sockets():
            socket.left(reason, description)
        if self._pending is not None:
            self._drop_pending(self._pending)
        self._main = self._by_name = self._pending = self._reassembler = None
        self.server.connection_closed(self)

    def server_stops(self) -> None:
        """End its sockets, in the order they joined, and then the session with what it has queued.

        What handlers of `disconnecting` emit is among that.
        """
        for socket in self.sockets():
            socket.left(DisconnectReason.SERVER_SHUTTING_DOWN, "")
        self.session.close(DisconnectReason.SERVER_SHUTTING_DOWN)

    def handle_timeout(self, now: float) -> None:
        """No namespace was joined, or attachments did not come, in time."""
        if self._reassembler is not None and self._reassembler.is_waiting:
            self._violated("attachments did not come in time")
        elif not self._joined:
            self._log("no namespace joined in time")
            self.session.close(DisconnectReason.FORCED_SERVER_CLOSE)

    # --- packets ----------------------------------------------------------------------------------

    def _begin_binary(self, packet: Packet) -> None:
        name = packet.namespace
        if self._other(name) is None and not self._was_taken_out(name):
            self._violated("binary packet for a namespace that was not joined")
            return
        if self._reassembler is None:
            max_payload = self._driver.options.max_payload
            self._reassembler = Reassembler(max_bytes=self._max_attachments * max_payload)
        self._reassembler.begin(packet)
        self._driver.schedule(self, self._driver.clock() + self._driver.options.ping_timeout)

    def _packet_received(self, packet: Packet) -> None:
        if packet.type is PacketType.CONNECT:
            self._connect_received(packet.namespace, packet.data)
            return
        socket = self._other(packet.namespace)
        if socket is None and self._was_taken_out(packet.namespace):
            return
        if socket is None or packet.type is PacketType.CONNECT_ERROR:
            self._violated(f"{packet.type.name} for a namespace that was not joined")
        elif packet.type is _ACK:
            socket.ack_received(packet.id, tuple(packet.data or ()))
        else:
            socket.left(DisconnectReason.CLIENT_NAMESPACE_DISCONNECT, "")

    def _connect_received(self, name: NamespaceName, auth: dict[str, Any] | None) -> None:
        if self._driver.debug:
            _logger.debug("%s asks for %s", masked(self.session.id), shortened(name))
        pending = self._pending
        if self._other(name) is not None or (pending and name in pending):
            self._violated("second CONNECT for a namespace")
            return
        if self._left is not None:
            self._left.pop(name, None)
        options = self.server.options
        count = len(self.sockets()) + len(pending or ())
        if count >= options.max_namespaces or len(pending or ()) >= options.max_pending_connects:
            self._log("too many namespaces")
            self._refuse(name, "too many namespaces")
            return
        namespace = self.server.find_namespace(name)
        if namespace is None:
            found = self.server.make_dynamic(name, auth or {})
            if found is not None and not isinstance(found, Namespace):
                self._hold(name, None)
                self.held_by(name, self._driver.spawn(self._connect_later(name, auth, found)))
                return
            namespace = found
        self._connect(name, namespace, auth)

    async def _connect_later(
        self,
        name: NamespaceName,
        auth: dict[str, Any] | None,
        finding: Awaitable[Namespace | None],
    ) -> None:
        namespace = await finding
        if self._forget_pending(name):
            self._connect(name, namespace, auth)
        elif namespace is not None:
            namespace.vacated()

    def _connect(
        self, name: NamespaceName, namespace: Namespace | None, auth: dict[str, Any] | None
    ) -> None:
        if namespace is None:
            self._log("unknown namespace", name)
            self._refuse(name, "Invalid namespace")
            return
        recovery = namespace.recovery if self._can_recover else None
        session = recovery.restore(auth) if recovery is not None else None
        if session is None or isinstance(session, SavedSession):
            namespace.admit(Socket(namespace, self, auth, time.time(), session))
        else:
            self._hold(name, None)
            self._driver.spawn(self._admit_later(namespace, auth, session))

    async def _admit_later(
        self,
        namespace: Namespace,
        auth: dict[str, Any] | None,
        restoring: Awaitable[SavedSession | None],
    ) -> None:
        try:
            session = await restoring
        except Exception:
            self.server.logger.exception("a session could not be restored")
            session = None
        socket = Socket(namespace, self, auth, time.time(), session)
        if self._forget_pending(namespace.name):
            namespace.admit(socket)
        elif namespace.recovery is not None:
            namespace.recovery.abandoned(socket)

    def _hold(self, name: NamespaceName, socket: Socket | None) -> None:
        if self._pending is None:
            self._pending = {}
        self._pending[name] = _Pending(socket)

    def _drop_pending(self, pending: dict[NamespaceName, _Pending]) -> None:
        """Nobody waits any more for a decision: what the application still does for it ends."""
        for waiting in pending.values():
            if waiting.socket is not None:
                waiting.socket.abandoned()
            task, loop = waiting.task, self._driver.loop
            if task and task is not asyncio.current_task(loop) and task.get_loop() is loop:
                # Not at once: a coroutine that has not begun yet would end without a word.
                loop.call_soon(task.cancel)

    def _forget_pending(self, name: NamespaceName) -> bool:
        """Whether a namespace was still waited for."""
        if self._pending is None or name not in self._pending or not self.session.is_open:
            return False
        del self._pending[name]
        return True

    # --- for namespaces and sockets ---------------------------------------------------------------

    def sockets(self) -> tuple[Socket, ...]:
        """Connected sockets in the order they joined; a snapshot."""
        if self._by_name is not None:
            return tuple(self._by_name.values())
        return () if self._main is None else (self._main,)

    def hold(self, socket: Socket) -> None:
        """Middlewares are not done with a socket."""
        self._hold(socket.namespace.name, socket)

    def held_by(self, name: NamespaceName, task: asyncio.Task[Any]) -> None:
        """A task decides about a namespace; it is cancelled when the connection ends first."""
        waiting = self._pending.get(name) if self._pending is not None else None
        if waiting is not None and not task.done():
            waiting.task = task

    def release(self, socket: Socket) -> None:
        """Middlewares are done with a socket."""
        if self._pending is not None:
            self._pending.pop(socket.namespace.name, None)

    def add(self, socket: Socket) -> None:
        """A socket has joined its namespace."""
        if not self._joined:
            self._joined = True
            self._driver.cancel(self)
        name = socket.namespace.name
        if name == "/":
            self._main = socket
        elif self._by_name is None:
            self._by_name = {} if self._main is None else {"/": self._main}
        if self._by_name is not None:
            self._by_name[name] = socket

    def remove(self, socket: Socket) -> None:
        """A socket has left its namespace."""
        if socket is self._main:
            self._main = None
        if self._by_name is not None:
            self._by_name.pop(socket.namespace.name, None)

    def taken_out(self, socket: Socket) -> None:
        """The server takes a client out of a namespace; the client does not know yet."""
        if self._left is None:
            self._left = {}
        elif len(self._left) >= self.server.options.max_namespaces:
            del self._left[next(iter(self._left))]
        self._left[socket.namespace.name] = None

    def _was_taken_out(self, name: NamespaceName) -> bool:
        return self._left is not None and name in self._left

    def new_socket_id(self, namespace: Namespace) -> SocketId:
        """Make the id of a socket that is about to join a namespace."""
        return self.server.new_socket_id()

    def connect_reply(self, socket: Socket) -> EncodedPacket:
        """The packet that tells the client that it is in."""
        return socket.namespace.connect_reply(socket.id, socket._pid)

    def send_connect_error(self, name: NamespaceName, error: ConnectError) -> None:
        """Refuse a namespace; the client may try again on this connection."""
        data = self._error_data(error)
        parser = self.server.options.parser
        try:
            packet = encode(Packet(PacketType.CONNECT_ERROR, name, None, data), parser=parser)
        except EncodeError:
            self.server.logger.exception("the data of a ConnectError cannot be sent")
            data = self._error_data(ConnectError(error.message))
            packet = encode(Packet(PacketType.CONNECT_ERROR, name, None, data), parser=parser)
        packet.queue_on(self.session)

    def _error_data(self, error: ConnectError) -> Any:
        data: dict[str, Any] = {"message": error.message}
        if error.data is not None:
            data["data"] = error.data
        return data

    def _refuse(self, name: NamespaceName, message: str) -> None:
        """Refuse a namespace for a reason of our own."""
        self.send_connect_error(name, ConnectError(message))

    def handler_started(self) -> None:
        """One more handler runs; at the bound nothing more is read from the client."""
        self._running += 1
        if self._running >= self.server.options.max_pending_handlers and not self._is_holding:
            self._is_holding = True
            self.session.pause_reading()

    def handler_ended(self) -> None:
        """One handler less runs."""
        self._running -= 1
        if self._is_holding and self._running <= self.server.options.max_pending_handlers // 2:
            self._is_holding = False
            self.session.resume_reading()

    # --- faults of the client ---------------------------------------------------------------------

    def _invalid(self, error: PacketError) -> None:
        """A packet that cannot be decoded: `error` handlers hear of it, then all sockets end."""
        self._log(str(error))
        for socket in self.sockets():
            socket.emit_local("error", error)
        self._close(DisconnectReason.FORCED_CLOSE)

    def _violated(self, what: str) -> None:
        self._log(what)
        self._close(DisconnectReason.FORCED_SERVER_CLOSE)

    def _close(self, reason: DisconnectReason) -> None:
        transport = self.session.transport
        self.session.close()
        if self.session.state is State.CLOSED:
            transport.discard()  # who broke the protocol is not waited for
        # Where the transport could not close at once, the sockets end now all the same.
        for socket in self.sockets():
            socket.left(reason, "")

    def _other(self, name: NamespaceName) -> Socket | None:
        if name == "/":
            return self._main
        return self._by_name.get(name) if self._by_name is not None else None

    def _log(self, what: str, detail: str = "") -> None:
        self.server.peer_log.info(self.session.request.client, what, detail)
