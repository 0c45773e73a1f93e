"""WebTransport in the client's role, on a session of a QUIC library (`engine/io/webtransport.py`).

It knows nothing of that library, which is imported where sessions are opened.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sockwave.codec.engineio import encode_base64_packet
from sockwave.codec.json import encode_json
from sockwave.codec.webtransport import FrameReader, encode_frame, frame_head
from sockwave.engine.client.failures import WEBTRANSPORT_ERROR
from sockwave.engine.core.transport import NOBODY, SharedPacket
from sockwave.engine.io.turns import READ_COST, SMALL
from sockwave.errors import FailureCause, PacketError, TransportError
from sockwave.types import DisconnectReason

if TYPE_CHECKING:
    from collections.abc import Callable

    from sockwave.engine.client.options import ClientEngineOptions
    from sockwave.engine.client.runtime import Runtime
    from sockwave.engine.core.taking import Taken
    from sockwave.engine.core.transport import Outgoing, TransportReceiver
    from sockwave.engine.io.webtransport import WebTransportSession
    from sockwave.errors import SockwaveError
    from sockwave.types import SessionId, TransportName

__all__ = ["WebTransportTransport"]

SLICE: Final = 65_536
"""Bytes that are handed to the QUIC library at once: it copies them, and the rest can wait here."""

CODE_OF_FAULT: Final = 1
"""Of a session that is closed because the server broke a rule; 0 stands for an orderly end."""

LINGER: Final = 1.0
"""Seconds that a session may take to end when nobody waits for that."""

FRAMES_PER_LOOK: Final = 32
"""Frames read between two looks at the clock."""

_COPY_LIMIT: Final = 65_536
"""Bytes up to which frames are joined into one write."""


class WebTransportTransport:
    """Carries a session on one WebTransport stream; see `ClientTransport` for the contract.

    It says by itself which session that is (docs/protocol/webtransport.md).

    Args:
        session: What the QUIC library gives; it is to be told to begin.
        receiver: The session, or the probe.
        sid: Of a session that began by polling; None for a new one.
    """

    __slots__ = (
        "_end",
        "_is_closing",
        "_is_paused",
        "_is_waiting",
        "_options",
        "_reader",
        "_runtime",
        "_session",
        "failure",
        "receiver",
        "wheel_slot",
    )
    name: TransportName = "webtransport"
    direct = None
    slice = SLICE

    def __init__(
        self,
        session: WebTransportSession,
        receiver: TransportReceiver,
        runtime: Runtime,
        options: ClientEngineOptions,
        sid: SessionId | None = None,
    ) -> None:
        self.receiver: TransportReceiver = receiver
        self.failure: SockwaveError | None = None
        self.wheel_slot: int = 0
        self._session = session
        self._runtime = runtime
        self._options = options
        self._reader = FrameReader(options.max_payload)
        self._is_closing = False
        self._is_paused = False
        self._is_waiting = False
        self._end: tuple[DisconnectReason, str] | None = None
        session.write(encode_frame(b"0" if sid is None else b"0" + encode_json({"sid": sid})[0]))

    # --- the contract of a transport --------------------------------------------------------------

    @property
    def is_writable(self) -> bool:
        """Whether the server takes what it is sent."""
        return not self._is_closing and self._session.is_writable

    def write(self, packets: list[Outgoing]) -> None:
        """Send packets in order."""
        if self._is_closing:
            return
        pieces: list[bytes] = []
        size = 0
        for packet in packets:
            if packet.__class__ is bytes:
                data, is_binary = packet, False
            else:
                data, is_binary = self._data_of(packet)
            size += len(data)
            if size > _COPY_LIMIT:
                self._session.write(b"".join(pieces) + frame_head(len(data), binary=is_binary))
                self._session.write(data)
                pieces, size = [], 0
            else:
                pieces.append(encode_frame(data, binary=is_binary))
        if pieces:
            self._session.write(pieces[0] if len(pieces) == 1 else b"".join(pieces))

    def _data_of(self, packet: Outgoing) -> tuple[bytes, bool]:
        """A binary message may be wanted as text."""
        if not isinstance(packet, SharedPacket):
            return packet, False
        if packet.is_binary and self._options.force_base64:
            return encode_base64_packet(packet.data), False
        return packet.data, packet.is_binary

    def buffered(self) -> int:
        """Bytes that the server's machine has not confirmed."""
        return self._session.buffered()

    def progress(self) -> Taken:
        """How far the server's machine is, by what it has confirmed."""
        return self._session.progress()

    def partial(self) -> int:
        """Bytes that have come of a message which is not whole."""
        return self._reader.held

    def pause(self, at_rest: Callable[[], None]) -> None:
        """WebTransport is never left for another transport."""
        raise NotImplementedError

    def resume(self) -> None:
        """As `pause`."""
        raise NotImplementedError

    def close(self) -> None:
        """End the session after what was written; `transport_closed` follows."""
        self._close(0, "")

    def discard(self) -> None:
        """End the session in words, do not wait for it, and tell nobody."""
        self.receiver = NOBODY
        self._close(0, "")
        if self._end is None:
            self._runtime.schedule(self, self._runtime.clock() + LINGER)

    def _close(self, code: int, words: str) -> None:
        if not self._is_closing:
            self._is_closing = True
            self._is_paused = False
            self._runtime.schedule(self, self._runtime.clock() + self._options.close_timeout)
            self._session.close(code, words)

    def handle_timeout(self, now: float) -> None:
        """The server does not take what it is owed."""
        self._session.abort()

    def pause_reading(self) -> None:
        """Take nothing more, and let the server send no more than it may by now."""
        if not self._is_closing:
            self._is_paused = True
            self._session.pause_reading()

    def resume_reading(self) -> None:
        """Go on in one of the next turns."""
        self._is_paused = False
        self._read_later()

    # --- from the session -------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Bytes from the server."""
        if self._is_closing:
            return
        self._reader.feed(data)
        if self._is_paused or self._is_waiting:
            return
        if self._runtime.turns.takes(len(data)):
            self._read()
        else:
            self._read_later()

    def session_writable(self) -> None:
        """There is room again."""
        if not self._is_closing:
            self.receiver.transport_writable(self)

    def session_lost(self, reason: DisconnectReason, description: str) -> None:
        """The session has ended; packets that came before have their turn first."""
        if self.failure is None:
            is_closed = reason is DisconnectReason.TRANSPORT_CLOSE
            self.failure = TransportError(
                "webtransport session closed" if is_closed else WEBTRANSPORT_ERROR,
                transport="webtransport",
                cause=FailureCause.CLOSED if is_closed else FailureCause.LOST,
                details=description,
            )
        self._end = reason, description
        if self._is_closing or not (self._is_paused or self._is_waiting):
            self._ended()

    def _ended(self) -> None:
        end, self._end = self._end, None
        self._is_closing = True
        self._runtime.cancel(self)
        if end is not None:
            self._tell(*end)

    # --- reading ----------------------------------------------------------------------------------

    def _read_later(self) -> None:
        if not self._is_waiting and not self._is_closing:
            self._is_waiting = True
            if not self._is_paused and self._reader.held > SMALL:
                self._session.pause_reading()
            self._runtime.turns.later(self._turn_came, self._reader.held)

    def _turn_came(self) -> None:
        self._is_waiting = False
        if self._is_paused or self._is_closing:
            return
        self._runtime.turns.credit -= READ_COST
        if self._read():
            self._session.resume_reading()
            if self._end is not None:
                self._ended()

    def _read(self) -> bool:
        """Read what is there; tells whether all of it was, and more may come."""
        try:
            return self._read_frames()
        except PacketError as error:
            self.failure = error
            self._close(CODE_OF_FAULT, str(error))
            self._end = None
            self._tell(DisconnectReason.TRANSPORT_ERROR, str(error))
        return False

    def _read_frames(self) -> bool:
        reader = self._reader
        ends: float | None = None
        count = 0
        while (frame := reader.read()) is not None:
            if frame.is_binary:
                self.receiver.binary_received(frame.data)
            else:
                self.receiver.text_received(frame.data)
            if self._is_closing or self._is_paused:
                return False
            count += 1
            if not count % FRAMES_PER_LOOK:
                now = self._runtime.turn_clock()
                if ends is None:
                    ends = self._runtime.turns.slice_ends(now)
                elif now >= ends:
                    self._runtime.turns.credit = 0
                    self._read_later()
                    return False
        return True

    def _tell(self, reason: DisconnectReason, description: str) -> None:
        receiver, self.receiver = self.receiver, NOBODY
        receiver.transport_closed(self, reason, description)
