"""One connection of a manager: decodes its packets and routes them to the sockets.

Theory: the engine's session calls `text_message` and `binary_message` on the stack of the read, and
from there everything happens by direct calls, down to the handlers. A packet goes to the life of
the socket of its namespace, if it is one of ours. Handlers that wait are charged to the intake,
with the size of the packet they began with. When it is full it takes the place of these two methods
(`sort_by`), keeps events back, and lets everything else pass; so a message costs nothing for it as
long as handlers keep up.

When the connection ends, events that came before wait perhaps. They have their turn first, and the
sockets hear of the end behind them, `emptied`, or when that takes too long.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final, Protocol

from sockwave.codec.engineio import check_utf8
from sockwave.codec.socketio import (
    EVENT_DIGIT,
    Packet,
    PacketType,
    Reassembler,
    decode_packet,
    decode_short,
    short_size,
)
from sockwave.engine.client.engine import ClientEngine
from sockwave.errors import LimitExceeded, PacketError, TextEncodingError
from sockwave.socketio.core.outgoing import encode
from sockwave.socketio.core.weight import weight_of_text, weight_of_value
from sockwave.types import DisconnectReason

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Mapping

    from sockwave.engine.client.options import ClientEngineOptions
    from sockwave.engine.client.runtime import Runtime
    from sockwave.engine.client.url import ServerUrl
    from sockwave.engine.core.client_session import ClientSession
    from sockwave.errors import SockwaveError
    from sockwave.socketio.client.life import Life
    from sockwave.socketio.client.options import ManagerOptions
    from sockwave.socketio.core.intake import Intake
    from sockwave.socketio.core.parser import PacketDecoder, Parser
    from sockwave.types import NamespaceName

__all__ = ["ConnectionHost", "ParsedServerConnection", "ServerConnection"]

_logger: Final = logging.getLogger("sockwave.socketio")

_EVENT: Final = PacketType.EVENT
_UNEXPECTED_TEXT: Final = "got plaintext data when reconstructing a packet"
_ACK: Final = PacketType.ACK


class ConnectionHost(Protocol):
    """The manager, as one of its connections needs it."""

    server: ServerUrl
    engine_options: ClientEngineOptions
    options: ManagerOptions
    runtime: Runtime
    parser: Parser | None

    @property
    def watches_packets(self) -> bool:
        """Whether there are handlers of each packet."""

    def emit_local(self, event: str, *args: Any) -> None:
        """Run the handlers of an event of the manager."""

    def attach(self, connection: ServerConnection) -> Intake:
        """Bound what the connection brings."""

    def is_current(self, connection: ServerConnection) -> bool:
        """Whether the connection is wanted."""

    def connection_opened(self, connection: ServerConnection) -> None:
        """The handshake is done."""

    def connection_upgraded(self) -> None:
        """It is a WebSocket now."""

    def connection_closed(
        self, connection: ServerConnection, reason: DisconnectReason, error: SockwaveError | None
    ) -> None:
        """It is over, and what came before has had its turn."""

    def socket_accepted(self) -> None:
        """The server lets a socket in."""


class ServerConnection:
    """The sink of one engine's session; a new connection has a new one.

    Attributes:
        engine: Below it.
        attempt: Number of the attempt that made it, 0 for the first.
        ended: Done when the session has ended.
        unwanted: Namespaces whose sockets have left before the server has answered their CONNECT.
    """

    __slots__ = (
        "_end",
        "_fresh",
        "_intake",
        "_manager",
        "_max_attachments",
        "_max_depth",
        "_reassembler",
        "_short_size",
        "_sockets",
        "_text_weight",
        "_timer",
        "attempt",
        "ended",
        "engine",
        "unwanted",
    )

    def __init__(
        self, manager: ConnectionHost, sockets: Mapping[NamespaceName, Life], attempt: int
    ) -> None:
        options = manager.options
        self.attempt: int = attempt
        self.unwanted: set[NamespaceName] = set()
        self.ended: asyncio.Future[None] = manager.runtime.loop.create_future()
        self._manager = manager
        self._sockets = sockets
        self._max_attachments = options.max_attachments
        self._max_depth = options.max_depth
        self._short_size = short_size(options.max_depth)
        self._reassembler = Reassembler(
            max_bytes=options.max_attachments * manager.engine_options.max_payload
        )
        self._text_weight = 0
        # How the session has ended, while events that came before that wait for their handlers.
        self._end: tuple[DisconnectReason, SockwaveError | None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.engine: ClientEngine = ClientEngine(
            manager.server, manager.engine_options, manager.runtime, self
        )
        self._intake = manager.attach(self)
        # Handlers that have begun with the packet that is being taken, and wait.
        self._fresh = self._intake.fresh

    @property
    def session(self) -> ClientSession | None:
        """The session while it is open, else None."""
        session = self.engine.session
        return session if session is not None and session.is_open else None

    # --- from the engine --------------------------------------------------------------------------

    def session_opened(self) -> None:
        """The handshake is done."""
        self._manager.connection_opened(self)

    def session_upgraded(self) -> None:
        """It is a WebSocket now."""
        self._manager.connection_upgraded()

    def ping_received(self) -> None:
        """The server's heartbeat."""
        self._manager.emit_local("ping")

    def session_drained(self) -> None:
        """Everything queued was taken."""
        for socket in list(self._sockets.values()):
            socket.outbox.drained()

    def session_closed(self, reason: DisconnectReason, error: SockwaveError | None) -> None:
        """The connection is over; what had come before has its turn first."""
        if self._intake.has_waiting and self._manager.is_current(self):
            self._end = reason, error
            timeout = self._manager.engine_options.close_timeout
            self._timer = self._manager.runtime.loop.call_later(timeout, self._give_up)
            for socket in list(self._sockets.values()):
                socket.unreachable(reason)
        else:
            self._tell_closed(reason, error)

    def _tell_closed(self, reason: DisconnectReason, error: SockwaveError | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._intake.host is self:
            self._intake.clear()
        if not self.ended.done():
            self.ended.set_result(None)
        self._manager.connection_closed(self, reason, error)

    def _give_up(self) -> None:
        _logger.warning("events of a lost connection were dropped: their handlers take too long")
        self._end_now()

    def abandon(self) -> None:
        """Nobody wants it any more: events that wait are dropped."""
        if self._intake.host is self:
            self._intake.clear()
        self._end_now()

    def text_message(self, packet: bytes) -> None:
        """Decode a packet and hand it to its socket."""
        # The path of most packets: of `/`, and too short to be nested too deep.
        if (
            2 < len(packet) <= self._short_size
            and not self._reassembler.is_waiting
            and not self._manager.watches_packets
            and (socket := self._sockets.get("/")) is not None
            and (short := decode_short(packet)) is not None
        ):
            id_, data = short
            if packet[1] == EVENT_DIGIT:
                self._event_received(socket, data, id_)
            else:
                socket.ack_received(id_, tuple(data))
            if self._fresh:
                self._intake.charge(weight_of_text(packet))
        else:
            self._any_text(packet)

    def _any_text(self, packet: bytes) -> None:
        try:
            type_, namespace, _, _, attachments = decoded = decode_packet(
                packet, max_attachments=self._max_attachments, max_depth=self._max_depth
            )
            if self._reassembler.is_waiting:
                raise PacketError(_UNEXPECTED_TEXT)
        except TextEncodingError:
            raise
        except PacketError as error:
            check_utf8(packet)  # where it is not, that is the first fault
            waits = self._reassembler.is_waiting
            self._invalid(PacketError(_UNEXPECTED_TEXT) if waits else error)
            return
        if attachments:
            self._text_weight = weight_of_text(packet)
            self._reassembler.begin(decoded)
        elif type_ is _EVENT and not self._manager.watches_packets:
            socket = self._sockets.get(namespace)
            if socket is not None:
                self._event_received(socket, decoded.data, decoded.id)
                if self._fresh:
                    self._intake.charge(weight_of_text(packet))
        else:
            self._packet_received(decoded)
            if self._fresh:
                self._intake.charge(weight_of_text(packet))

    def binary_message(self, data: bytes) -> None:
        """Take an attachment."""
        try:
            packet = self._reassembler.add(data)
        except PacketError as error:
            self._invalid(error)
            return
        if packet is not None:
            self._packet_received(packet)
            if self._fresh:
                self._intake.charge(self._text_weight + self._reassembler.size)

    # --- handlers that wait, and events that wait for them ----------------------------------------

    @property
    def is_reassembling(self) -> bool:
        """Whether attachments of a packet are missing."""
        return self._reassembler.is_waiting

    def take_text(self, packet: bytes) -> None:
        """Take a text message that has waited, or may pass."""
        self.text_message(packet)

    def take_binary(self, data: bytes) -> None:
        """Take a binary message that has waited, or may pass."""
        self.binary_message(data)

    def take_packet(self, packet: Packet, size: int) -> None:
        """Take a packet that has waited."""
        self._packet_received(packet)
        if self._fresh:
            self._intake.charge(size)

    def early_event(self, socket: Life, args: list[Any], id_: int | None) -> None:
        """Take an event that came before its socket was accepted."""
        packet = Packet(PacketType.EVENT, socket.namespace, id_, args)
        if self._intake.must_wait(packet):
            self._intake.keep_packet(packet, weight_of_value(args, 0))
            return
        self._event_received(socket, packet.data, packet.id)
        if self._fresh:
            self._intake.charge(weight_of_value(args, 0))

    def sort_by(self, intake: Intake | None) -> None:
        """Let the intake sort what comes, or nobody."""
        target = self if intake is None else intake
        self.engine.text_message = target.text_message
        self.engine.binary_message = target.binary_message

    def pause_reading(self) -> None:
        """Take nothing more from the server."""
        if self.engine.session is not None:
            self.engine.session.pause_reading()

    def resume_reading(self) -> None:
        """Go on."""
        if self.engine.session is not None:
            self.engine.session.resume_reading()

    def reading_stopped(self, why: str) -> None:
        """Say so, in the log."""
        _logger.warning("not read from the server until handlers end: %s", why)

    def emptied(self) -> None:
        """No event waits: an end that has waited for that comes behind the last handler's start."""
        if self._end is not None:
            self._manager.runtime.call_soon(self._end_now)

    def _end_now(self) -> None:
        if self._end is not None:
            end, self._end = self._end, None
            self._tell_closed(*end)

    def broken(self, error: PacketError) -> None:
        """The server has broken the protocol."""
        self._invalid(error)

    # --- packets ----------------------------------------------------------------------------------

    def _packet_received(self, packet: Packet) -> None:
        """Route a packet; one for a namespace that is not ours is passed over."""
        if self._manager.watches_packets:
            self._manager.emit_local("packet", packet)
        if packet.namespace in self.unwanted and self._unwanted_came(packet):
            return
        socket = self._sockets.get(packet.namespace)
        if socket is None:
            return
        match packet.type:
            case PacketType.EVENT:
                self._event_received(socket, packet.data, packet.id)
            case PacketType.ACK:
                socket.ack_received(packet.id, tuple(packet.data or ()))
            case PacketType.CONNECT:
                session = self.session
                if session is not None:
                    self._manager.socket_accepted()
                    socket.accepted(packet.data, session)
            case PacketType.CONNECT_ERROR:
                socket.refused(packet.data)
            case PacketType.DISCONNECT:
                socket.removed()
            case PacketType.BINARY_EVENT | PacketType.BINARY_ACK:
                pass  # the reassembler has made EVENT and ACK of them

    def _unwanted_came(self, packet: Packet) -> bool:
        """Whether this is about a socket that has left before the server had answered it.

        If that was let in it leaves now: the server would keep it, and not let in another one.
        """
        is_answer = packet.type is PacketType.CONNECT or packet.type is PacketType.CONNECT_ERROR
        if is_answer and self.session is not None:
            self.unwanted.remove(packet.namespace)
            if packet.type is PacketType.CONNECT:
                goodbye = Packet(PacketType.DISCONNECT, packet.namespace, None, None)
                encode(goodbye, parser=self._manager.parser).queue_on(self.session)
            if (socket := self._sockets.get(packet.namespace)) is not None:
                socket.opened(self.session)
        return is_answer

    def _event_received(self, socket: Life, args: list[Any], id_: int | None) -> None:
        if not args:
            return  # an event without a name: nobody can have registered for it
        try:
            socket.event_received(args, id_)
        except LimitExceeded as error:
            self._invalid(error)

    def _invalid(self, error: SockwaveError) -> None:
        """The server broke the protocol: this connection ends, and another is tried."""
        if self.engine.session is not None:
            self.engine.session.end(DisconnectReason.PARSE_ERROR, error)


class ParsedServerConnection(ServerConnection):
    """Decodes with a parser of the application's choice; everything else is the same."""

    __slots__ = ("_decoder", "_size")

    def __init__(
        self,
        manager: ConnectionHost,
        sockets: Mapping[NamespaceName, Life],
        attempt: int,
        parser: Parser,
    ) -> None:
        super().__init__(manager, sockets, attempt)
        self._decoder: PacketDecoder = parser.decoder()
        self._size = 0

    def sort_by(self, intake: Intake | None) -> None:
        """Nothing changes: what a message is can only be seen by decoding it."""

    def text_message(self, packet: bytes) -> None:
        """Decode what came as text."""
        try:
            text = packet[1:].decode()
        except UnicodeDecodeError:
            raise TextEncodingError("invalid UTF-8") from None
        self._message_received(text)

    def binary_message(self, data: bytes) -> None:
        """Decode what came as bytes."""
        self._message_received(data)

    def _message_received(self, message: str | bytes) -> None:
        self._size += len(message)
        try:
            packet = self._decoder.add(message)
        except PacketError as error:
            self._invalid(error)
            return
        if packet is None:
            return
        size, self._size = self._size, 0
        if self._intake.must_wait(packet):
            self._intake.keep_packet(packet, weight_of_value(packet.data, size))
            return
        self._packet_received(packet)
        if self._fresh:
            self._intake.charge(weight_of_value(packet.data, size))
