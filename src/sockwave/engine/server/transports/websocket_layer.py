"""What stands between a session and its WebSocket, of whatever front end, where packets differ."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sockwave.codec.engineio import encode_base64_packet
from sockwave.engine.core.transport import NOBODY, SLICE, SharedPacket

if TYPE_CHECKING:
    from sockwave.engine.core.taking import Taken
    from sockwave.engine.core.transport import Outgoing, Transport, TransportReceiver
    from sockwave.types import DisconnectReason, TransportName

__all__ = ["Base64WebSocket", "WebSocketLayer"]


class WebSocketLayer:
    """Hands on what it does not change.

    Args:
        inner: The WebSocket.
    """

    __slots__ = ("_inner", "receiver")
    name: TransportName = "websocket"
    slice = SLICE
    direct = None

    receiver: TransportReceiver

    def __init__(self, inner: Transport) -> None:
        self.receiver = NOBODY
        self._inner = inner
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
        """A packet as it goes on the WebSocket."""
        raise NotImplementedError

    def buffered(self) -> int:
        """Bytes that the WebSocket still has."""
        return self._inner.buffered()

    def progress(self) -> Taken:
        """How far the client is with what was written."""
        return self._inner.progress()

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
        """A text packet."""
        self.receiver.text_received(packet)

    def binary_received(self, data: bytes) -> None:
        """A binary message."""
        self.receiver.binary_received(data)

    def transport_writable(self, transport: Transport) -> None:
        """There is room again."""
        self.receiver.transport_writable(self)

    def transport_closed(
        self, transport: Transport, reason: DisconnectReason, description: str
    ) -> None:
        """It has ended."""
        self.receiver.transport_closed(self, reason, description)


class Base64WebSocket(WebSocketLayer):
    """For a client that cannot take binary frames: binary messages go out as text, in base64.

    Those that it sends as text are read by the session, as from every client.
    """

    __slots__ = ()

    def _framed(self, packet: Outgoing) -> Outgoing:
        if isinstance(packet, bytes) or not packet.is_binary:
            return packet
        return SharedPacket(encode_base64_packet(packet.data), compress=packet.compress)
