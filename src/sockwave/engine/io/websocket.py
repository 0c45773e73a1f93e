"""WebSocket on a TCP connection of ours, in either role (docs/protocol/websocket.md)."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, Final, Protocol

from sockwave.codec.close_code import CloseCode
from sockwave.codec.message_reader import MessageReader
from sockwave.codec.websocket import Opcode, client_frame, encode_close, encode_frame, server_frame
from sockwave.engine.core.taking import Taken
from sockwave.engine.core.transport import NOBODY, SLICE
from sockwave.engine.io.tcp import close_once
from sockwave.engine.io.turns import READ_COST, SMALL
from sockwave.errors import TextEncodingError, WebSocketError
from sockwave.platform import tcp_progress
from sockwave.types import DisconnectReason, TransportName

if TYPE_CHECKING:
    from sockwave.codec.deflate import PerMessageDeflate
    from sockwave.engine.core.heartbeat import WheelEntry
    from sockwave.engine.core.transport import Outgoing, TransportReceiver
    from sockwave.engine.io.turns import Turns
    from sockwave.errors import SockwaveError

__all__ = [
    "MESSAGES_PER_LATER_LOOK",
    "MESSAGES_PER_LOOK",
    "MESSAGES_PER_TICK",
    "TcpWebSocket",
    "WebSocketDriver",
]

MESSAGES_PER_TICK: Final = 256
"""Messages of one connection handled before others get their turn."""

MESSAGES_PER_LOOK: Final = 32
"""Messages handled between two looks at the clock."""

MESSAGES_PER_LATER_LOOK: Final = 8
"""The same where others wait, or have had much of this turn already."""

_COPY_LIMIT: Final = 65_536
"""Bytes up to which frames are joined into one write; more are passed on as they are."""

_SMALL: Final = 1_024
"""Bytes of a frame up to which joining many costs less than passing them on."""


class WebSocketDriver(Protocol):
    """What a WebSocket needs of the loop that it lives in."""

    turns: Turns

    def clock(self) -> float:
        """Monotonic seconds."""

    def turn_clock(self) -> float:
        """Monotonic seconds that go on during a turn of the loop."""

    def schedule(self, entry: WheelEntry, deadline: float) -> None:
        """Put a deadline into the wheel."""

    def cancel(self, entry: WheelEntry) -> None:
        """Take a deadline out."""


class TcpWebSocket(asyncio.Protocol, ABC):
    """Carries a session on one WebSocket; see `Transport` for the contract.

    It is the protocol object of the TCP connection itself from the 101 on: bytes are parsed where
    they arrive and nothing stands between. A side adds how it writes packets, and what it does when
    the peer breaks the protocol, when the session does not want the WebSocket any more, and when
    the TCP connection has ended.
    """

    __slots__ = (
        "_deflate",
        "_driver",
        "_held",
        "_is_closing",
        "_is_paused",
        "_is_reading",
        "_ping",
        "_reader",
        "_resuming",
        "_slice_ends",
        "_tcp",
        "direct",
        "is_writable",
        "receiver",
        "wheel_slot",
    )
    name: TransportName = "websocket"
    slice = SLICE

    _masks: ClassVar[bool]
    """Whether this side masks what it sends: the client (RFC 6455 section 5.1)."""

    def __init__(
        self,
        tcp: asyncio.Transport,
        receiver: TransportReceiver,
        driver: WebSocketDriver,
        deflate: PerMessageDeflate | None,
        max_message: int,
    ) -> None:
        self.receiver: TransportReceiver = receiver
        self.is_writable: bool = True
        self.wheel_slot: int = 0
        self._tcp = tcp
        self._driver = driver
        self._deflate = deflate
        self._reader = MessageReader(
            self, is_server=not self._masks, max_message=max_message, deflate=deflate, more=_more
        )
        self._is_closing = False
        self._is_paused = False
        self._is_reading = True
        self._resuming = False
        self._slice_ends = 0.0
        self._held: list[bytes] | None = None
        self._ping: bytes | None = None
        self.direct = self._way_for_frames()

    # --- what differs -----------------------------------------------------------------------------

    @property
    @abstractmethod
    def _close_timeout(self) -> float:
        """Seconds that the closing handshake may take."""

    def _way_for_frames(self) -> asyncio.Transport | None:
        """What `direct` is as long as the connection has room."""
        return None

    @abstractmethod
    def write(self, packets: list[Outgoing]) -> None:
        """Send packets with one write, but for large ones."""

    @abstractmethod
    def discard(self) -> None:
        """Send a close frame if it can be sent, and be gone."""

    @abstractmethod
    def _fail(self, code: int, error: SockwaveError) -> None:
        """The peer broke RFC 6455: say why, and be gone soon."""

    # --- the connection ---------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Bytes from the peer."""
        if not self._is_reading:  # what was already read when reading paused
            self._held = self._held or []
            self._held.append(data)
            if not self._tcp.is_closing():
                self._tcp.pause_reading()  # which `_hold` has left to this
            return
        turns = self._driver.turns
        turns.credit = credit = turns.credit - len(data) - READ_COST
        if credit >= 0:
            budget = MESSAGES_PER_LOOK
        elif not turns.is_over():
            budget = MESSAGES_PER_LATER_LOOK
        else:
            if len(data) > SMALL:
                self._stop_reading()
            self._hold(data)
            return
        # What `_feed` does, without the call: the path of every message.
        try:
            if self._reader.feed(data, budget):
                self._more_later()
        except (WebSocketError, TextEncodingError) as error:
            self._broken(error)

    def _feed(self, data: bytes, budget: int) -> None:
        try:
            if self._reader.feed(data, budget):
                self._more_later()
        except (WebSocketError, TextEncodingError) as error:
            self._broken(error)

    def _more_later(self) -> None:
        """The budget is used up."""
        self._stop_reading()
        if not self._is_paused:
            self._resume_later(SMALL + 1)

    def _broken(self, error: WebSocketError | TextEncodingError) -> None:
        if isinstance(error, WebSocketError):
            self._fail(error.code, error)
        else:
            self._fail(CloseCode.INVALID_PAYLOAD, error)

    def eof_received(self) -> bool:
        """The peer sends nothing more: over."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The TCP connection has ended; a side goes on from here."""
        self._is_closing = True
        self.is_writable = False
        self.direct = None
        self._reader.stop()
        self._driver.cancel(self)

    def pause_writing(self) -> None:
        """The socket's buffer is full."""
        self.is_writable = False
        self.direct = None

    def resume_writing(self) -> None:
        """The socket's buffer has room."""
        if not self._is_closing:
            self.is_writable = True
            self.direct = self._way_for_frames()
            ping, self._ping = self._ping, None
            if ping is not None:
                self.ping_received(ping)
            self.receiver.transport_writable(self)

    # --- control frames, from the reader ----------------------------------------------------------

    def ping_received(self, data: bytes) -> None:
        """Answer; when the peer does not read, only the latest, later (RFC 6455 section 5.5.3)."""
        if self.is_writable:
            self._tcp.write(encode_frame(Opcode.PONG, data, mask=self._masks))
        else:
            self._ping = data

    def pong_received(self, data: bytes) -> None:
        """Unasked; RFC 6455 section 5.5.3 lets it be ignored."""

    def close_received(self, code: int, reason: str) -> None:
        """The peer closes: answer with its code, and end."""
        if not self._is_closing:
            self._is_closing = True
            self.is_writable = False
            self.direct = None
            self._tcp.write(encode_close(code, mask=self._masks))
        if self._tcp.get_write_buffer_size():  # it may not read what it is owed
            self._driver.schedule(self, self._driver.clock() + self._close_timeout)
        close_once(self._tcp)
        self._tell(DisconnectReason.TRANSPORT_CLOSE, f"peer closed with {int(code)}")

    # --- the contract of a transport --------------------------------------------------------------

    def buffered(self) -> int:
        """What the kernel has not taken yet."""
        return self._tcp.get_write_buffer_size()

    def progress(self) -> Taken:
        """How far the peer's machine is, by what ours knows of it."""
        waiting = self._tcp.get_write_buffer_size()
        state = tcp_progress(self._tcp.get_extra_info("socket"))
        return Taken(-waiting, waiting) if state is None else Taken(state[0], waiting + state[1])

    def close(self) -> None:
        """Send an empty close frame after what was written, as the reference does."""
        self._close(None, "")
        self._tell(DisconnectReason.TRANSPORT_CLOSE, "")

    def pause_reading(self) -> None:
        """Leave what the peer sends in the kernel, and what was read in the reader."""
        if not self._is_closing:
            self._is_paused = True
            self._reader.pause()
            self._stop_reading()

    def resume_reading(self) -> None:
        """Go on in one of the next turns."""
        self._is_paused = False
        if not self._is_reading:
            self._resume_later(SMALL + 1)

    # --- writing ----------------------------------------------------------------------------------

    def _frame(self, packet: Outgoing) -> bytes:
        """A frame of any packet, compressed where that was agreed on and pays."""
        data, binary, compress = (
            (packet, False, True)
            if isinstance(packet, bytes)
            else (packet.data, packet.is_binary, packet.compress)
        )
        deflate = self._deflate
        if deflate is None or not compress or not deflate.threshold <= len(data) <= deflate.limit:
            return (client_frame if self._masks else server_frame)(data, binary=binary)
        self._driver.turns.must_look = True
        opcode = Opcode.BINARY if binary else Opcode.TEXT
        return encode_frame(opcode, deflate.compress(data), rsv1=True, mask=self._masks)

    def _write_frames(self, frames: list[bytes]) -> None:
        """One system call for all; what is large is not copied for that.

        A broadcast's frames are shared by all its receivers: copies of them for each of a thousand
        that do not read would take a hundred megabytes.
        """
        last = len(frames[-1])  # where the attachment of a packet is
        if last > _SMALL and last * len(frames) > _COPY_LIMIT:
            self._tcp.writelines(frames)
        else:
            self._tcp.write(b"".join(frames))

    # --- reading ----------------------------------------------------------------------------------

    def _hold(self, data: bytes) -> None:
        """Keep it for one of the next turns. Who sends little has sent all, as a rule: reading is
        paused only when more comes, for that is two system calls.
        """
        self._is_reading = False
        self._held = [data]
        self._resume_later(len(data))

    def _stop_reading(self) -> None:
        if self._is_reading:
            self._is_reading = False
            if not self._tcp.is_closing():
                self._tcp.pause_reading()

    def _resume_later(self, size: int) -> None:
        if not self._resuming:
            self._resuming = True
            self._driver.turns.later(self._resume, size)

    def _resume(self) -> None:
        self._resuming = False
        if self._is_paused:
            return
        self._is_reading = True
        held, self._held = self._held, None
        budget = 1 if self._driver.turns.is_crowded else MESSAGES_PER_LATER_LOOK
        self._feed(b"".join(held) if held else b"", budget)
        if self._is_reading and not self._tcp.is_closing():
            self._tcp.resume_reading()

    # --- the end ----------------------------------------------------------------------------------

    def _close(self, code: int | None, reason: str) -> None:
        if self._is_closing:
            return
        self._is_closing = True
        self._is_paused = False
        self.is_writable = False
        self.direct = None
        self._tcp.write(encode_close(code, reason, mask=self._masks))
        # Reading goes on for the peer's close frame; everything else is skipped.
        if not self._is_reading and not self._tcp.is_closing():
            self._is_reading = True
            self._held = None
            self._tcp.resume_reading()
        self._driver.schedule(self, self._driver.clock() + self._close_timeout)

    def _tell(self, reason: DisconnectReason, description: str) -> None:
        receiver, self.receiver = self.receiver, NOBODY
        receiver.transport_closed(self, reason, description)

    def handle_timeout(self, now: float) -> None:
        """The closing handshake took too long."""
        self._tcp.abort()

    def may_go_on(self, looks: int) -> int:
        """How many messages more this slice may have; asked whenever so many were read."""
        turns = self._driver.turns
        now = self._driver.turn_clock()
        if looks == 1:
            self._slice_ends = turns.slice_ends(now)
        if now >= self._slice_ends or looks * MESSAGES_PER_LOOK >= MESSAGES_PER_TICK:
            turns.credit = 0  # the next read looks at the clock
            return 0
        return 1 if turns.is_crowded else MESSAGES_PER_LOOK


def _more(websocket: TcpWebSocket, looks: int) -> int:
    """For the reader; no bound method, so that a connection takes no more room for it."""
    return websocket.may_go_on(looks)
