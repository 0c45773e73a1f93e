"""WebSocket in the server's role, on a connection of the listener (docs/protocol/websocket.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from sockwave.codec.large import VIEWED
from sockwave.codec.websocket import TEXT_HEADS, server_frame, text_head
from sockwave.engine.core.transport import CONNECTION_LOST
from sockwave.engine.io.tcp import end_writing
from sockwave.engine.io.websocket import TcpWebSocket, WebSocketDriver
from sockwave.types import DisconnectReason

if TYPE_CHECKING:
    import asyncio

    from sockwave.codec.deflate import PerMessageDeflate
    from sockwave.engine.core.options import EngineOptions
    from sockwave.engine.core.transport import Outgoing, TransportReceiver
    from sockwave.engine.server.sessions.departures import Departures
    from sockwave.errors import SockwaveError

__all__ = ["WebSocketTransport"]

FAILURE_LINGER: Final = 0.9
"""Seconds that a connection may take to go when its peer broke a protocol, or is not wanted."""


class WebSocketHost(WebSocketDriver, Protocol):
    """What a WebSocket needs of its engine."""

    options: EngineOptions
    departures: Departures

    def connection_lost(self, connection: object) -> None:
        """A TCP connection has ended."""


class WebSocketTransport(TcpWebSocket):
    """Carries a session on one WebSocket; see `Transport` for the contract."""

    __slots__ = ()
    _masks = False
    _driver: WebSocketHost

    def __init__(
        self,
        tcp: asyncio.Transport,
        receiver: TransportReceiver,
        host: WebSocketHost,
        deflate: PerMessageDeflate | None,
        already_read: bytes = b"",
    ) -> None:
        super().__init__(tcp, receiver, host, deflate, host.options.max_payload)
        if already_read:
            self._hold(already_read)

    @property
    def _close_timeout(self) -> float:
        return self._driver.options.close_timeout

    def _way_for_frames(self) -> asyncio.Transport | None:
        """The connection itself: what is not compressed needs nothing more."""
        return self._tcp if self._deflate is None else None

    def write(self, packets: list[Outgoing]) -> None:
        """Send packets with one write, but for large ones."""
        if self._is_closing:
            return
        if self._deflate is not None:
            self._write_frames([self._frame(packet) for packet in packets])
        elif len(packets) == 1:
            packet = packets[0]
            if not isinstance(packet, bytes):
                self._tcp.write(packet.frame)
            elif (size := len(packet)) < 126:
                self._tcp.write(TEXT_HEADS[size] + packet)
            elif size < VIEWED:
                self._tcp.write(server_frame(packet))
            else:
                self._tcp.writelines((text_head(size), packet))
        else:
            pieces: list[bytes] = []
            for packet in packets:
                if not isinstance(packet, bytes):
                    pieces.append(packet.frame)
                elif len(packet) < 126:  # joined with all others: no frame of its own before that
                    pieces += (TEXT_HEADS[len(packet)], packet)
                else:
                    pieces.append(server_frame(packet))
            self._write_frames(pieces)

    def discard(self) -> None:
        """Send a close frame if it can be sent, and be gone soon, whatever the peer does."""
        if self.is_writable:
            self.close()
        if self._is_closing:
            self._linger()
        else:
            self._is_closing = True
            self._reader.stop()
            self._tcp.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """The TCP connection has ended."""
        super().connection_lost(exc)
        self._driver.connection_lost(self)
        self._driver.departures.add(self._tell_of_loss)

    def _tell_of_loss(self) -> None:
        self._tell(DisconnectReason.TRANSPORT_CLOSE, CONNECTION_LOST)

    def _fail(self, code: int, error: SockwaveError) -> None:
        """The peer broke RFC 6455: say why, and be gone soon."""
        reason = str(error)
        self._close(code, reason)
        self._tell(DisconnectReason.TRANSPORT_ERROR, reason)
        self._linger()

    def _linger(self) -> None:
        """Leave the close frame a moment to arrive, and drop what still comes.

        Closing with bytes unread would reset the connection and could take the frame with it.
        """
        self._reader.stop()
        if not self._tcp.is_closing():
            self._driver.schedule(self, self._driver.clock() + FAILURE_LINGER)
            end_writing(self._tcp)

    def abort(self) -> None:
        """Cut the TCP connection."""
        self._tcp.abort()

    def close_if_idle(self) -> None:
        """Leave it: its session has said goodbye, and waits for the peer's."""

    @property
    def is_sending(self) -> bool:
        """Whether the kernel has not taken everything yet."""
        return self._tcp.get_write_buffer_size() > 0
