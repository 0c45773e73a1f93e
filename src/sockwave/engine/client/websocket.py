"""WebSocket in the client's role, on a TCP connection taken over from aiohttp (ADR 0005)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from sockwave.codec.engineio import encode_base64_packet
from sockwave.codec.websocket import (
    CloseCode,
    MessageReader,
    Opcode,
    client_frame,
    encode_close,
    encode_frame,
)
from sockwave.engine.core.transport import NOBODY
from sockwave.errors import TextEncodingError, TransportError, WebSocketError
from sockwave.types import DisconnectReason, TransportName

if TYPE_CHECKING:
    from collections.abc import Callable

    from sockwave.codec.deflate import PerMessageDeflate
    from sockwave.engine.client.http import Upgraded
    from sockwave.engine.client.options import ClientEngineOptions
    from sockwave.engine.client.runtime import Runtime
    from sockwave.engine.core.transport import Outgoing, TransportReceiver
    from sockwave.errors import SockwaveError

__all__ = ["WebSocketTransport"]

MESSAGES_PER_TICK: Final = 256
"""Messages handled before the rest of the program gets its turn."""

_COPY_LIMIT: Final = 65_536
"""Frames below this are joined into one write; a larger one is passed on as it is."""


class WebSocketTransport(asyncio.Protocol):
    """Carries a session on one WebSocket; see `ClientTransport` for the contract.

    It is the protocol object of the TCP connection itself: bytes are parsed where they arrive.
    """

    __slots__ = (
        "_deflate",
        "_force_base64",
        "_gone",
        "_held",
        "_is_closing",
        "_is_paused",
        "_is_reading",
        "_linger",
        "_reader",
        "_release",
        "_resuming",
        "_runtime",
        "_tcp",
        "failure",
        "is_writable",
        "receiver",
        "wheel_slot",
    )
    name: TransportName = "websocket"

    def __init__(
        self,
        connection: Upgraded,
        receiver: TransportReceiver,
        runtime: Runtime,
        options: ClientEngineOptions,
    ) -> None:
        self.receiver = receiver
        self.is_writable = True
        self.failure: SockwaveError | None = None
        self.wheel_slot = 0
        self._tcp = connection.tcp
        self._release = connection.release
        self._runtime = runtime
        self._linger = options.close_timeout
        self._force_base64 = options.force_base64
        self._deflate: PerMessageDeflate | None = connection.deflate
        self._reader = MessageReader(
            self, is_server=False, max_message=options.max_payload, deflate=connection.deflate
        )
        self._gone: asyncio.Future[None] = runtime.loop.create_future()
        self._is_closing = False
        self._is_reading = True
        self._is_paused = False
        self._resuming = False
        self._held: list[bytes] | None = None
        self._tcp.set_protocol(self)
        if self._tcp.is_closing():
            runtime.call_soon(self._lost_early)
        elif connection.already_read:
            # Its turn comes when the receiver is set up.
            self._is_reading = False
            self._tcp.pause_reading()
            self._held = [connection.already_read]
            self._resume_soon()
        else:
            self._tcp.resume_reading()

    # --- the connection ---------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Bytes from the server."""
        if not self._is_reading:
            self._held = self._held or []
            self._held.append(data)
            return
        try:
            if self._reader.feed(data, MESSAGES_PER_TICK):
                self._stop_reading()
                if not self._is_paused:
                    self._resume_soon()
        except WebSocketError as error:
            self._fail(error.code, error)
        except TextEncodingError as error:
            self._fail(CloseCode.INVALID_PAYLOAD, error)

    def eof_received(self) -> bool:
        """The server sends nothing more: over."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The TCP connection has ended."""
        self._is_closing = True
        self.is_writable = False
        self._reader.stop()
        self._runtime.cancel(self)
        if not self._gone.done():
            self._gone.set_result(None)
        self._release()
        if self.failure is None:
            self.failure = TransportError(
                "websocket error" if exc else "websocket connection closed", transport="websocket"
            )
            self.failure.__cause__ = exc
        self._tell(DisconnectReason.TRANSPORT_CLOSE)

    def _lost_early(self) -> None:
        """It was lost between the 101 and here: nobody else will say so."""
        if not self._gone.done():
            self.connection_lost(None)

    def pause_writing(self) -> None:
        """The socket's buffer is full."""
        self.is_writable = False

    def resume_writing(self) -> None:
        """The socket's buffer has room."""
        if not self._is_closing:
            self.is_writable = True
            self.receiver.transport_writable(self)

    # --- messages, from the reader ----------------------------------------------------------------

    def text_received(self, data: bytes) -> None:
        """One packet."""
        self.receiver.text_received(data)

    def binary_received(self, data: bytes) -> None:
        """One message."""
        self.receiver.binary_received(data)

    def ping_received(self, data: bytes) -> None:
        """Answer, unless pongs pile up unread."""
        if self.is_writable:
            self._tcp.write(encode_frame(Opcode.PONG, data, mask=True))

    def pong_received(self, data: bytes) -> None:
        """Unasked; RFC 6455 section 5.5.3 lets it be ignored."""

    def close_received(self, code: int, reason: str) -> None:
        """The server closes: answer with its code, and end."""
        if not self._is_closing:
            self._is_closing = True
            self.is_writable = False
            answer = None if code == CloseCode.NO_STATUS else code
            self._tcp.write(encode_close(answer, mask=True))
            text = f"websocket connection closed: {int(code)} {reason}".rstrip()
            self.failure = TransportError(text, transport="websocket")
        self._tcp.close()
        self._tell(DisconnectReason.TRANSPORT_CLOSE)

    # --- the contract of a transport --------------------------------------------------------------

    def write(self, packets: list[Outgoing]) -> None:
        """Send packets with one write, but for large ones."""
        if self._is_closing:
            return
        frames = [
            client_frame(packet)
            if packet.__class__ is bytes and self._deflate is None
            else self._frame(packet)
            for packet in packets
        ]
        if len(frames) == 1:
            self._tcp.write(frames[0])
        elif max(map(len, frames)) > _COPY_LIMIT:
            self._tcp.writelines(frames)
        else:
            self._tcp.write(b"".join(frames))

    def _frame(self, packet: Outgoing) -> bytes:
        """A frame that is not plain text."""
        data, binary, compress = (
            (packet, False, True)
            if isinstance(packet, bytes)
            else (packet.data, packet.is_binary, packet.compress)
        )
        if binary and self._force_base64:
            data, binary = encode_base64_packet(data), False
        deflate = self._deflate
        if deflate is None or not compress or len(data) < deflate.threshold:
            return client_frame(data, binary=binary)
        opcode = Opcode.BINARY if binary else Opcode.TEXT
        return encode_frame(opcode, deflate.compress(data), rsv1=True, mask=True)

    def buffered(self) -> int:
        """What the kernel has not taken yet."""
        return self._tcp.get_write_buffer_size()

    def close(self) -> None:
        """Send a close frame after what was written; no Engine.IO packet, as the reference."""
        self._close(None, "")
        self._tell(DisconnectReason.TRANSPORT_CLOSE)

    def discard(self) -> None:
        """Send a close frame if it can be sent, do not wait for the answer, and tell nobody."""
        self.receiver = NOBODY
        if self.is_writable and not self._is_closing:
            self._close(None, "")
            self._reader.stop()
            self._tcp.close()
        elif not self._is_closing:
            self._is_closing = True
            self._reader.stop()
            self._tcp.abort()

    def pause(self, at_rest: Callable[[], None]) -> None:
        """A WebSocket is never left for another transport."""
        raise NotImplementedError

    def resume(self) -> None:
        """As `pause`."""
        raise NotImplementedError

    def pause_reading(self) -> None:
        """Leave what the server sends in the kernel."""
        self._is_paused = True
        self._stop_reading()

    def resume_reading(self) -> None:
        """Go on in the next turn."""
        self._is_paused = False
        if not self._is_reading:
            self._resume_soon()

    async def wait_gone(self) -> None:
        """Wait until the TCP connection has ended; it is cut after `close_timeout`."""
        await asyncio.shield(self._gone)

    # --- private ----------------------------------------------------------------------------------

    def _stop_reading(self) -> None:
        if self._is_reading:
            self._is_reading = False
            if not self._tcp.is_closing():
                self._tcp.pause_reading()

    def _resume_soon(self) -> None:
        if not self._resuming:
            self._resuming = True
            self._runtime.call_soon(self._resume)

    def _resume(self) -> None:
        self._resuming = False
        if self._is_closing or self._is_paused:
            return
        self._is_reading = True
        held, self._held = self._held, None
        self.data_received(b"".join(held) if held else b"")
        if self._is_reading and not self._tcp.is_closing():
            self._tcp.resume_reading()

    def _close(self, code: int | None, reason: str) -> None:
        if self._is_closing:
            return
        self._is_closing = True
        self.is_writable = False
        self._tcp.write(encode_close(code, reason, mask=True))
        # Reading goes on for the server's close frame; everything else goes to nobody.
        if not self._is_reading and not self._tcp.is_closing():
            self._is_reading = True
            self._held = None
            self._tcp.resume_reading()
        self._runtime.schedule(self, self._runtime.clock() + self._linger)

    def _fail(self, code: int, error: SockwaveError) -> None:
        """The server broke RFC 6455: say why, and be gone soon."""
        self.failure = error
        self._close(code, str(error))
        self._reader.stop()
        self._tell(DisconnectReason.TRANSPORT_ERROR)
        self._tcp.close()

    def _tell(self, reason: DisconnectReason) -> None:
        receiver, self.receiver = self.receiver, NOBODY
        receiver.transport_closed(self, reason, "")

    def handle_timeout(self, now: float) -> None:
        """The closing handshake took too long."""
        self._tcp.abort()
