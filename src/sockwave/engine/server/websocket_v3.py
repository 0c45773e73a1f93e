"""What Engine.IO 3 does with a WebSocket, of whatever front end (protocol.md section 7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sockwave.codec.engineio import BinaryMessage
from sockwave.codec.engineio_v3 import (
    decode_base64_packet,
    decode_binary_packet,
    encode_base64_packet,
    encode_binary_packet,
)
from sockwave.engine.core.transport import NOBODY, SharedPacket
from sockwave.errors import PacketError

if TYPE_CHECKING:
    from sockwave.codec.engineio import ReceivedPacket
    from sockwave.engine.core.transport import Outgoing, Transport, TransportReceiver
    from sockwave.types import DisconnectReason, TransportName

__all__ = ["WebSocketV3"]


class WebSocketV3:
    """Stands between a session and its WebSocket: binary packets have their type with them.

    Args:
        inner: The WebSocket.
        base64: The client cannot take binary frames.
    """

    __slots__ = ("_base64", "_inner", "receiver")
    name: TransportName = "websocket"

    receiver: TransportReceiver

    def __init__(self, inner: Transport, *, base64: bool) -> None:
        self.receiver = NOBODY
        self._inner = inner
        self._base64 = base64
        inner.receiver = self

    # --- the contract of a transport --------------------------------------------------------------

    @property
    def is_writable(self) -> bool:
        """Whether the WebSocket has room."""
        return self._inner.is_writable

    def write(self, packets: list[Outgoing]) -> None:
        """Send packets in order."""
        self._inner.write([self._framed(packet) for packet in packets])

    def _framed(self, packet: Outgoing) -> Outgoing:
        if isinstance(packet, bytes) or not packet.is_binary:
            return packet
        if self._base64:
            return SharedPacket(encode_base64_packet(packet.data), compress=packet.compress)
        data = encode_binary_packet(packet.data)
        return SharedPacket(data, is_binary=True, compress=packet.compress)

    def buffered(self) -> int:
        """Bytes that the WebSocket still has."""
        return self._inner.buffered()

    def close(self) -> None:
        """End it in an orderly way."""
        self._inner.close()

    def discard(self) -> None:
        """End it now."""
        self._inner.discard()

    def pause_reading(self) -> None:
        """Leave what the peer sends where it is."""
        self._inner.pause_reading()

    def resume_reading(self) -> None:
        """Go on."""
        self._inner.resume_reading()

    # --- from the WebSocket -----------------------------------------------------------------------

    def text_received(self, packet: bytes) -> None:
        """A text packet, or a binary one as base64."""
        if packet[:1] == b"b":
            try:
                decoded = decode_base64_packet(packet)
            except PacketError:
                decoded = packet  # of an unknown type, to the session
            self._hand_on(decoded)
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

    def transport_writable(self, transport: Transport) -> None:
        """There is room again."""
        self.receiver.transport_writable(self)

    def transport_closed(
        self, transport: Transport, reason: DisconnectReason, description: str
    ) -> None:
        """It has ended."""
        self.receiver.transport_closed(self, reason, description)
