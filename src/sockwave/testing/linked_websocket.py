"""A linked connection by WebSocket: the client's end, and the transport of the server's session."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from sockwave.codec.engineio import BinaryMessage, ReceivedPacket
from sockwave.engine.core.rate import RateExceeded
from sockwave.engine.core.taking import Taken
from sockwave.engine.core.transport import NOBODY, SLICE
from sockwave.engine.server.exchange import ResponseHeaders, UpgradeExchange
from sockwave.errors import TextEncodingError
from sockwave.testing.link import Link
from sockwave.types import DisconnectReason, TransportName

if TYPE_CHECKING:
    from sockwave.engine.core.request import Request
    from sockwave.engine.core.transport import Outgoing, TransportReceiver

__all__ = ["LinkedTransport", "WebSocketLink"]


class LinkedTransport:
    """The server's end of a linked WebSocket; see `Transport` for the contract."""

    name: TransportName = "websocket"
    slice = SLICE
    direct = None

    def __init__(self, receiver: TransportReceiver, link: WebSocketLink) -> None:
        self.receiver: TransportReceiver = receiver
        self.is_writable: bool = True
        self._link = link
        self._inbox: deque[ReceivedPacket] = deque()
        self._is_reading = True
        self._is_scheduled = False
        self._is_closed = False

    def write(self, packets: list[Outgoing]) -> None:
        """Send packets in order, all of them."""
        for packet in packets:
            if isinstance(packet, bytes):
                self._to_client(packet)
            else:
                self._to_client(BinaryMessage(packet.data) if packet.is_binary else packet.data)

    def buffered(self) -> int:
        """Nothing: what a paused client does not take stays in the session's queue."""
        return 0

    def progress(self) -> Taken:
        """The client takes what it is sent at once."""
        return Taken(0, 0)

    def close(self) -> None:
        """End after what was written."""
        if not self._is_closed:
            self.discard()
            self.lose(DisconnectReason.TRANSPORT_CLOSE, "")

    def discard(self) -> None:
        """End now and tell nobody."""
        if not self._is_closed:
            self._is_closed = True
            self.is_writable = False
            self._inbox.clear()
            self._link.call_soon(self._link.ended, "transport close")

    def pause_reading(self) -> None:
        """Take nothing more from the client until `resume_reading`."""
        self._is_reading = False

    def resume_reading(self) -> None:
        """Go on."""
        self._is_reading = True
        self._schedule()

    def lose(self, reason: DisconnectReason, description: str) -> None:
        """The connection has ended: tell the session."""
        self._is_closed = True
        self.is_writable = False
        self._inbox.clear()
        receiver, self.receiver = self.receiver, NOBODY
        receiver.transport_closed(self, reason, description)

    def feed(self, packets: list[ReceivedPacket]) -> None:
        """Packets from the client arrive with the next turn."""
        if not self._is_closed:
            self._inbox.extend(packets)
            self._schedule()

    def set_writable(self, is_writable: bool) -> None:
        """The client has stopped reading, or goes on."""
        if not self._is_closed:
            self.is_writable = is_writable
            if is_writable:
                self.receiver.transport_writable(self)

    def _schedule(self) -> None:
        if self._inbox and not self._is_scheduled:
            self._is_scheduled = True
            self._link.call_soon(self._deliver)

    def _deliver(self) -> None:
        self._is_scheduled = False
        try:
            while self._inbox and self._is_reading:
                packet = self._inbox.popleft()
                if isinstance(packet, BinaryMessage):
                    self.receiver.binary_received(packet.data)
                else:
                    self.receiver.text_received(packet)
        except (TextEncodingError, RateExceeded) as error:
            self._link.call_soon(self._link.ended, "transport close")
            self.lose(DisconnectReason.TRANSPORT_ERROR, str(error))

    def _to_client(self, packet: ReceivedPacket) -> None:
        self._link.call_soon(self._link.packet_received, packet)


class WebSocketLink(Link):
    """A connection by WebSocket from the start."""

    name: TransportName = "websocket"
    transport: LinkedTransport | None = None

    def _begin(self) -> None:
        self.engine.handle_upgrade(_LinkedUpgrade(self.request("GET"), self))

    def send(self, packets: list[ReceivedPacket]) -> None:
        if self.transport is not None:
            self.transport.feed(packets)

    def close(self) -> None:
        self.ended("io client disconnect")
        if self.transport is not None:
            self.transport.lose(DisconnectReason.TRANSPORT_CLOSE, "")

    def pause(self) -> None:
        if self.transport is not None:
            self.transport.set_writable(False)

    def resume(self) -> None:
        if self.transport is not None:
            self.transport.set_writable(True)


class _LinkedUpgrade(UpgradeExchange):
    def __init__(self, request: Request, link: WebSocketLink) -> None:
        super().__init__(request)
        self._link = link

    def accept(
        self, receiver: TransportReceiver, headers: ResponseHeaders, first: bytes | None = None
    ) -> LinkedTransport:
        self._link.transport = transport = LinkedTransport(receiver, self._link)
        if first is not None:
            transport.write([first])
        return transport

    def reject(self, status: int, headers: ResponseHeaders, body: bytes) -> None:
        self._link.call_soon(self._link.refused, status, body)
