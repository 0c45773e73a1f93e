"""Connections of a server with a parser of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sockwave.codec.socketio import PacketType
from sockwave.errors import PacketError, TextEncodingError
from sockwave.socketio.core.weight import weight_of_value
from sockwave.socketio.server.connections.connection import Connection

if TYPE_CHECKING:
    from sockwave.codec.socketio import Packet
    from sockwave.engine.server.sessions.session import ServerSession
    from sockwave.socketio.core.intake import Intake
    from sockwave.socketio.core.parser import PacketDecoder, Parser
    from sockwave.socketio.server.contracts import MemberServer

__all__ = ["ParsedConnection"]


class ParsedConnection(Connection):
    """Decodes with the server's parser; everything else is as with the default one."""

    __slots__ = ("_decoder", "_size")

    def __init__(self, server: MemberServer, session: ServerSession, parser: Parser) -> None:
        super().__init__(server, session)
        self._decoder: PacketDecoder = parser.decoder()
        self._size = 0

    def text_message(self, packet: bytes) -> None:
        """Hand a text message to the decoder."""
        try:
            self._message(packet[1:].decode())
        except UnicodeDecodeError:
            raise TextEncodingError("invalid UTF-8") from None

    def binary_message(self, data: bytes) -> None:
        """Hand a binary message to the decoder."""
        self._message(data)

    def _message(self, message: str | bytes) -> None:
        self._size += len(message)
        try:
            packet = self._decoder.add(message)
        except PacketError as error:
            self._invalid(error)
            return
        if packet is None:
            return
        size, self._size = self._size, 0
        if self._intake is not None and self._intake.must_wait(packet):
            is_event = packet.type is PacketType.EVENT
            self._intake.keep_packet(
                packet, weight_of_value(packet.data, size) if is_event else size
            )
        else:
            self._route(packet, size)
            if self._fresh:
                self._charge(weight_of_value(packet.data, size))

    def sort_by(self, intake: Intake | None) -> None:
        """Nothing changes: what a message is can only be seen by decoding it."""

    def take_packet(self, packet: Packet, size: int) -> None:
        """Take a packet that has waited."""
        self._route(packet, size)
        if self._fresh:
            self._charge(size)

    def _route(self, packet: Packet, size: int) -> None:
        socket = self._joined(packet.namespace)
        if packet.type is PacketType.EVENT and socket is not None:
            socket.event_received(packet.data, packet.id)
        else:
            self._packet_received(packet, size)
