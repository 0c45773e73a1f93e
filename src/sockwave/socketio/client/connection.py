"""One connection of a manager: decodes its packets and routes them to the sockets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sockwave.codec.socketio import Packet, PacketType, Reassembler, decode_packet
from sockwave.engine.client.engine import ClientEngine
from sockwave.errors import LimitExceeded, PacketError, TextEncodingError
from sockwave.types import DisconnectReason

if TYPE_CHECKING:
    import asyncio

    from sockwave.engine.core.client_session import ClientSession
    from sockwave.errors import SockwaveError
    from sockwave.socketio.client.manager import Manager
    from sockwave.socketio.client.socket import ClientSocket
    from sockwave.socketio.core.parser import PacketDecoder, Parser
    from sockwave.types import NamespaceName

__all__ = ["ParsedServerConnection", "ServerConnection"]

_EVENT: Final = PacketType.EVENT
_ACK: Final = PacketType.ACK


class ServerConnection:
    """The sink of one engine's session; a new connection has a new one.

    Attributes:
        engine: Below it.
        attempt: Number of the attempt that made it, 0 for the first.
        ended: Done when the session has ended.
    """

    __slots__ = (
        "_manager",
        "_max_attachments",
        "_max_depth",
        "_reassembler",
        "_sockets",
        "attempt",
        "ended",
        "engine",
    )

    def __init__(
        self, manager: Manager, sockets: dict[NamespaceName, ClientSocket], attempt: int
    ) -> None:
        options = manager.options
        self.attempt = attempt
        self.ended: asyncio.Future[None] = manager.runtime.loop.create_future()
        self._manager = manager
        self._sockets = sockets
        self._max_attachments = options.max_attachments
        self._max_depth = options.max_depth
        self._reassembler = Reassembler(
            max_bytes=options.max_attachments * manager.engine_options.max_payload
        )
        self.engine = ClientEngine(manager.server, manager.engine_options, manager.runtime, self)

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
            socket.drained()

    def session_closed(self, reason: DisconnectReason, error: SockwaveError | None) -> None:
        """The connection is over."""
        if not self.ended.done():
            self.ended.set_result(None)
        self._manager.connection_closed(self, reason, error)

    def text_message(self, packet: bytes) -> None:
        """Decode a packet and hand it to its socket."""
        try:
            type_, namespace, _, _, attachments = decoded = decode_packet(
                packet, max_attachments=self._max_attachments, max_depth=self._max_depth
            )
            if self._reassembler.is_waiting:
                raise PacketError("got plaintext data when reconstructing a packet")
        except TextEncodingError:
            raise
        except PacketError as error:
            self._invalid(error)
            return
        if attachments:
            self._reassembler.begin(decoded)
        elif type_ is _EVENT and not self._manager.watches_packets:
            socket = self._sockets.get(namespace)
            if socket is not None:
                self._event_received(socket, decoded)
        else:
            self._packet_received(decoded)

    def binary_message(self, data: bytes) -> None:
        """Take an attachment."""
        try:
            packet = self._reassembler.add(data)
        except PacketError as error:
            self._invalid(error)
            return
        if packet is not None:
            self._packet_received(packet)

    # --- packets ----------------------------------------------------------------------------------

    def _packet_received(self, packet: Packet) -> None:
        """Route a packet; one for a namespace that is not ours is passed over."""
        if self._manager.watches_packets:
            self._manager.emit_local("packet", packet)
        socket = self._sockets.get(packet.namespace)
        session = self.session
        if socket is None or session is None:
            return
        match packet.type:
            case PacketType.EVENT:
                self._event_received(socket, packet)
            case PacketType.ACK:
                socket.ack_received(packet.id, tuple(packet.data or ()))
            case PacketType.CONNECT:
                self._manager.socket_accepted()
                socket.accepted(packet.data, session)
            case PacketType.CONNECT_ERROR:
                socket.refused(packet.data)
            case PacketType.DISCONNECT:
                socket.server_disconnected()
            case PacketType.BINARY_EVENT | PacketType.BINARY_ACK:
                pass  # the reassembler has made EVENT and ACK of them

    def _event_received(self, socket: ClientSocket, packet: Packet) -> None:
        if not packet.data:
            return  # an event without a name: nobody can have registered for it
        try:
            socket.event_received(packet.data, packet.id)
        except LimitExceeded as error:
            self._invalid(error)

    def _invalid(self, error: SockwaveError) -> None:
        """The server broke the protocol: this connection ends, and another is tried."""
        if self.engine.session is not None:
            self.engine.session.end(DisconnectReason.PARSE_ERROR, error)


class ParsedServerConnection(ServerConnection):
    """Decodes with a parser of the application's choice; everything else is the same."""

    __slots__ = ("_decoder",)

    def __init__(
        self,
        manager: Manager,
        sockets: dict[NamespaceName, ClientSocket],
        attempt: int,
        parser: Parser,
    ) -> None:
        super().__init__(manager, sockets, attempt)
        self._decoder: PacketDecoder = parser.decoder()

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
        try:
            packet = self._decoder.add(message)
        except PacketError as error:
            self._invalid(error)
            return
        if packet is not None:
            self._packet_received(packet)
