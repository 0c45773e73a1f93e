"""Connections of a server with a parser of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sockwave.codec.socketio import Packet, PacketType, check_event
from sockwave.errors import PacketError, TextEncodingError
from sockwave.socketio.server.connection import Connection

if TYPE_CHECKING:
    from sockwave.engine.server.session import ServerSession
    from sockwave.socketio.core.parser import PacketDecoder, Parser
    from sockwave.socketio.server.server import Server

__all__ = ["ParsedConnection"]


class ParsedConnection(Connection):
    """Decodes with the server's parser; everything else is as with the default one."""

    __slots__ = ("_decoder",)

    def __init__(self, server: Server, session: ServerSession, parser: Parser) -> None:
        super().__init__(server, session)
        self._decoder: PacketDecoder = parser.decoder()

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
        try:
            packet = self._decoder.add(message)
            if packet is not None and packet.type is PacketType.EVENT:
                check_event(packet.data)
        except PacketError as error:
            self._invalid(error)
            return
        if packet is not None:
            self._route(packet)

    def _route(self, packet: Packet) -> None:
        socket = self._other(packet.namespace)
        if packet.type is PacketType.EVENT and socket is not None:
            socket.event_received(packet.data, packet.id)
        else:
            self._packet_received(packet)
