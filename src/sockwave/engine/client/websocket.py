"""WebSocket in the client's role, on a TCP connection taken over from aiohttp (ADR 0005)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from sockwave.codec.close_code import CloseCode
from sockwave.codec.engineio import encode_base64_packet
from sockwave.codec.websocket import client_frame
from sockwave.engine.client.failures import shown, too_large
from sockwave.engine.core.transport import NOBODY, SharedPacket
from sockwave.engine.io.tcp import close_once
from sockwave.engine.io.websocket import TcpWebSocket
from sockwave.errors import FailureCause, TransportError
from sockwave.types import DisconnectReason

if TYPE_CHECKING:
    from collections.abc import Callable

    from sockwave.engine.client.http import Upgraded
    from sockwave.engine.client.options import ClientEngineOptions
    from sockwave.engine.client.runtime import Runtime
    from sockwave.engine.core.transport import Outgoing, TransportReceiver
    from sockwave.errors import SockwaveError

__all__ = ["WebSocketTransport"]


class WebSocketTransport(TcpWebSocket):
    """Carries a session on one WebSocket; see `ClientTransport` for the contract."""

    __slots__ = ("_gone", "_options", "_release", "failure")
    _masks = True

    def __init__(
        self,
        connection: Upgraded,
        receiver: TransportReceiver,
        runtime: Runtime,
        options: ClientEngineOptions,
    ) -> None:
        super().__init__(connection.tcp, receiver, runtime, connection.deflate, options.max_payload)
        self.failure: SockwaveError | None = None
        self._release = connection.release
        self._options = options
        self._gone: asyncio.Future[None] = runtime.loop.create_future()
        self._tcp.set_protocol(self)
        if self._tcp.is_closing():
            runtime.call_soon(self._lost_early)
        elif connection.already_read:
            self._tcp.pause_reading()
            self._hold(connection.already_read)
        else:
            self._tcp.resume_reading()

    @property
    def _close_timeout(self) -> float:
        return self._options.close_timeout

    # --- writing ----------------------------------------------------------------------------------

    def write(self, packets: list[Outgoing]) -> None:
        """Send packets with one write, but for large ones."""
        if self._is_closing:
            return
        self._write_frames(
            [
                client_frame(packet)
                if packet.__class__ is bytes and self._deflate is None
                else self._frame(packet)
                for packet in packets
            ]
        )

    def _frame(self, packet: Outgoing) -> bytes:
        """A frame of any packet; the server may want binary ones as text."""
        if self._options.force_base64 and isinstance(packet, SharedPacket) and packet.is_binary:
            packet = SharedPacket(encode_base64_packet(packet.data), compress=packet.compress)
        return super()._frame(packet)

    def partial(self) -> int:
        """Bytes that have come of a message which is not whole."""
        return self._reader.partial

    # --- moving to another transport --------------------------------------------------------------

    def pause(self, at_rest: Callable[[], None]) -> None:
        """A WebSocket is never left for another transport."""
        raise NotImplementedError

    def resume(self) -> None:
        """As `pause`."""
        raise NotImplementedError

    # --- the end ----------------------------------------------------------------------------------

    def connection_lost(self, exc: Exception | None) -> None:
        """The TCP connection has ended."""
        super().connection_lost(exc)
        if not self._gone.done():
            self._gone.set_result(None)
        self._release()
        if self.failure is None:
            self.failure = TransportError(
                "websocket error" if exc else "websocket connection closed",
                transport="websocket",
                cause=FailureCause.LOST,
                details=str(exc or "the connection ended without a goodbye"),
            )
            self.failure.__cause__ = exc
        self._tell(DisconnectReason.TRANSPORT_CLOSE, "")

    def _lost_early(self) -> None:
        """It was lost between the 101 and here: nobody else will say so."""
        if not self._gone.done():
            self.connection_lost(None)

    def close_received(self, code: int, reason: str) -> None:
        """The server closes: answer with its code, and end."""
        if not self._is_closing:
            self.failure = _closed_with(int(code), reason)
        super().close_received(code, reason)

    def discard(self) -> None:
        """Send a close frame if it can be sent, do not wait for the answer, and tell nobody."""
        self.receiver = NOBODY
        if self.is_writable and not self._is_closing:
            self._close(None, "")
            self._reader.stop()
            close_once(self._tcp)
        elif not self._is_closing:
            self._is_closing = True
            self._reader.stop()
            self._tcp.abort()

    def _fail(self, code: int, error: SockwaveError) -> None:
        """The server broke RFC 6455: say why, and be gone soon."""
        self.failure = error
        self._close(code, str(error))
        self._reader.stop()
        self._tell(DisconnectReason.TRANSPORT_ERROR, "")
        close_once(self._tcp)

    async def wait_gone(self) -> None:
        """Wait until the TCP connection has ended; it is cut after `close_timeout`."""
        await asyncio.shield(self._gone)


def _closed_with(code: int, reason: str) -> TransportError:
    """The close code of the server says why (RFC 6455 section 7.4.1)."""
    text = f"{code} {shown(reason)}" if reason else str(code)
    if code == CloseCode.MESSAGE_TOO_BIG:
        details = f"{text}: a message is larger than the server takes"
        return too_large("websocket connection closed", "websocket", details)
    return TransportError(
        "websocket connection closed",
        transport="websocket",
        cause=FailureCause.CLOSED,
        details=text,
    )
