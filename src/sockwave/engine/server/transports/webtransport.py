"""WebTransport in the server's role, on a session of a QUIC library (`engine/io/webtransport.py`).

Theory. Packets stand in frames (`codec/webtransport.py`) on the one stream of the session. What
comes is read at once, as many frames as a slice of the turn admits, and the rest in the next turns.
Whoever pauses reading pauses the session, which lets the peer send no more than it may by now: what
still comes is kept here, never more than the window of the stream.

What must never happen: a packet for a receiver that has paused, or has closed the transport; a
frame that is written when the session ends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from sockwave.codec.webtransport import FrameReader, encode_frame, frame_head
from sockwave.engine.core.rate import RateExceeded
from sockwave.engine.core.transport import NOBODY, SharedPacket
from sockwave.engine.io.turns import READ_COST, SMALL
from sockwave.errors import PacketError, TextEncodingError
from sockwave.types import DisconnectReason, TransportName

if TYPE_CHECKING:
    from sockwave.engine.core.heartbeat import WheelEntry
    from sockwave.engine.core.options import EngineOptions
    from sockwave.engine.core.taking import Taken
    from sockwave.engine.core.transport import Outgoing, TransportReceiver
    from sockwave.engine.io.turns import Turns
    from sockwave.engine.io.webtransport import WebTransportSession
    from sockwave.engine.server.sessions.departures import Departures

__all__ = ["CODE_OF_FAULT", "SLICE", "WebTransportHost", "WebTransportTransport"]

SLICE: Final = 65_536
"""Bytes that are handed to the QUIC library at once: it copies them, and the rest can wait here,
where those of a broadcast are shared."""

CODE_OF_FAULT: Final = 1
"""Of a session that is closed because its client broke a rule; 0 stands for an orderly end."""

LINGER: Final = 0.9
"""Seconds that a session may take to end when its client is not wanted any more."""

FRAMES_PER_LOOK: Final = 32
"""Frames read between two looks at the clock."""

_COPY_LIMIT: Final = 65_536
"""Bytes up to which frames are joined into one write."""


class WebTransportHost(Protocol):
    """What the transport needs of its engine."""

    options: EngineOptions
    departures: Departures
    turns: Turns

    def clock(self) -> float:
        """Monotonic seconds."""

    def turn_clock(self) -> float:
        """Monotonic seconds that go on during a turn of the loop."""

    def schedule(self, entry: WheelEntry, deadline: float) -> None:
        """Put a deadline into the wheel."""

    def cancel(self, entry: WheelEntry) -> None:
        """Take a deadline out."""


class WebTransportTransport:
    """Carries a session on one WebTransport stream; see `Transport` for the contract.

    Args:
        session: What the QUIC library gives; it reports to this.
        receiver: The session, or who stands for it until there is one.
        host: The driver of the engine.
    """

    __slots__ = (
        "_host",
        "_is_closing",
        "_is_paused",
        "_is_waiting",
        "_reader",
        "_session",
        "receiver",
        "wheel_slot",
    )
    name: TransportName = "webtransport"
    direct = None
    slice = SLICE

    def __init__(
        self, session: WebTransportSession, receiver: TransportReceiver, host: WebTransportHost
    ) -> None:
        self.receiver: TransportReceiver = receiver
        self.wheel_slot: int = 0
        self._session = session
        self._host = host
        self._reader = FrameReader(host.options.max_payload)
        self._is_closing = False
        self._is_paused = False
        self._is_waiting = False

    # --- the contract of a transport --------------------------------------------------------------

    @property
    def is_writable(self) -> bool:
        """Whether the peer takes what it is sent."""
        return not self._is_closing and self._session.is_writable

    def write(self, packets: list[Outgoing]) -> None:
        """Send packets in order."""
        if self._is_closing:
            return
        pieces: list[bytes] = []
        size = 0
        for packet in packets:
            if isinstance(packet, SharedPacket):
                data, is_binary = packet.data, packet.is_binary
            else:
                data, is_binary = packet, False
            size += len(data)
            if size > _COPY_LIMIT:
                self._session.write(b"".join(pieces) + frame_head(len(data), binary=is_binary))
                self._session.write(data)
                pieces, size = [], 0
            else:
                pieces.append(encode_frame(data, binary=is_binary))
        if pieces:
            self._session.write(pieces[0] if len(pieces) == 1 else b"".join(pieces))

    def buffered(self) -> int:
        """Bytes that the peer's machine has not confirmed."""
        return self._session.buffered()

    def progress(self) -> Taken:
        """How far the peer's machine is, by what it has confirmed."""
        return self._session.progress()

    def close(self) -> None:
        """End the session after what was written."""
        self._end(0, "", DisconnectReason.TRANSPORT_CLOSE, "")

    def discard(self) -> None:
        """End the session if it can be ended in words, and be gone soon, whatever the peer does."""
        self.close()
        self._host.schedule(self, self._host.clock() + LINGER)

    def refuse(self, reason: str) -> None:
        """End it, with words for the client, which has not begun a session of ours."""
        if not self._is_closing:
            self._is_closing = True
            self._session.refuse(reason)

    def pause_reading(self) -> None:
        """Take nothing more, and let the peer send no more than it may by now."""
        if not self._is_closing:
            self._is_paused = True
            self._session.pause_reading()

    def resume_reading(self) -> None:
        """Go on in one of the next turns."""
        self._is_paused = False
        self._read_later()

    # --- a session that goes to somebody else -----------------------------------------------------

    @property
    def unread(self) -> bytes:
        """What came on the stream behind the packets that were read."""
        return self._reader.unread

    def let_go(self) -> None:
        """Somebody else has the session: this transport is over, and nobody hears of it."""
        self._is_closing = True
        self.receiver = NOBODY
        self._host.cancel(self)

    # --- from the session -------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Bytes from the peer."""
        if self._is_closing:
            return
        self._reader.feed(data)
        if self._is_paused or self._is_waiting:
            return
        if self._host.turns.takes(len(data)):
            self._read()
        else:
            self._read_later()

    def session_writable(self) -> None:
        """There is room again."""
        if not self._is_closing:
            self.receiver.transport_writable(self)

    def session_lost(self, reason: DisconnectReason, description: str) -> None:
        """The session has ended."""
        self._is_closing = True
        self._host.cancel(self)
        self._host.departures.add(lambda: self._tell(reason, description))

    # --- reading ----------------------------------------------------------------------------------

    def _read_later(self) -> None:
        if not self._is_waiting and not self._is_closing:
            self._is_waiting = True
            if not self._is_paused and self._reader.held > SMALL:
                self._session.pause_reading()
            self._host.turns.later(self._turn_came, self._reader.held)

    def _turn_came(self) -> None:
        self._is_waiting = False
        if not self._is_paused and not self._is_closing:
            self._host.turns.credit -= READ_COST
            if self._read():
                self._session.resume_reading()

    def _read(self) -> bool:
        """Read what is there; tells whether all of it was, and more may come."""
        try:
            return self._read_frames()
        except RateExceeded as error:
            self._end(
                CODE_OF_FAULT, error.reason, DisconnectReason.RATE_LIMIT_EXCEEDED, error.reason
            )
        except PacketError as error:
            is_text = isinstance(error, TextEncodingError)
            reason = DisconnectReason.TRANSPORT_ERROR if is_text else DisconnectReason.PARSE_ERROR
            self._end(CODE_OF_FAULT, str(error), reason, str(error))
            self._host.schedule(self, self._host.clock() + LINGER)
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
                now = self._host.turn_clock()
                if ends is None:
                    ends = self._host.turns.slice_ends(now)
                elif now >= ends:
                    self._host.turns.credit = 0
                    self._read_later()
                    return False
        return True

    # --- the end ----------------------------------------------------------------------------------

    def _end(self, code: int, words: str, reason: DisconnectReason, description: str) -> None:
        if not self._is_closing:
            self._is_closing = True
            self._is_paused = False
            self._host.schedule(self, self._host.clock() + self._host.options.close_timeout)
            self._session.close(code, words)
        self._tell(reason, description)

    def _tell(self, reason: DisconnectReason, description: str) -> None:
        receiver, self.receiver = self.receiver, NOBODY
        receiver.transport_closed(self, reason, description)

    def handle_timeout(self, now: float) -> None:
        """The peer does not take what it is owed, or does not let the session end."""
        self._session.abort()
