"""What Engine.IO 3 does with a WebSocket, of any front end (docs/protocol/revision-3.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sockwave.codec.engineio import BinaryMessage, check_utf8
from sockwave.codec.engineio_v3 import (
    decode_base64_packet,
    decode_binary_packet,
    encode_base64_packet,
    encode_binary_packet,
)
from sockwave.engine.core.transport import SharedPacket
from sockwave.engine.server.transports.websocket_layer import WebSocketLayer

if TYPE_CHECKING:
    from sockwave.codec.engineio import ReceivedPacket
    from sockwave.engine.core.transport import Outgoing, Transport

__all__ = ["WebSocketV3"]


class WebSocketV3(WebSocketLayer):
    """Binary packets have their type with them.

    Args:
        inner: The WebSocket.
        base64: The client cannot take binary frames.
    """

    __slots__ = ("_base64",)

    def __init__(self, inner: Transport, *, base64: bool) -> None:
        super().__init__(inner)
        self._base64 = base64

    def _framed(self, packet: Outgoing) -> Outgoing:
        if isinstance(packet, bytes) or not packet.is_binary:
            return packet
        if self._base64:
            return SharedPacket(encode_base64_packet(packet.data), compress=packet.compress)
        data = encode_binary_packet(packet.data)
        return SharedPacket(data, is_binary=True, compress=packet.compress)

    def text_received(self, packet: bytes) -> None:
        """A text packet, or a binary one as base64."""
        if packet[:1] == b"b":
            check_utf8(packet)  # who decodes base64 passes over what is none
            self._hand_on(decode_base64_packet(packet))
        else:
            self.receiver.text_received(packet)

    def binary_received(self, data: bytes) -> None:
        """A packet whose type is its first byte."""
        self._hand_on(decode_binary_packet(data))

    def _hand_on(self, packet: ReceivedPacket) -> None:
        if isinstance(packet, BinaryMessage):
            self.receiver.binary_received(packet.data)
        else:
            self.receiver.text_received(packet)
