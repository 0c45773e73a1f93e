"""Doubles for what surrounds a session: a driver with a clock of its own, transports, a sink."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from sockwave.engine.core.broadcast_write import BroadcastWrite
from sockwave.engine.core.heartbeat import TimingWheel, WheelEntry
from sockwave.engine.core.options import EngineOptions
from sockwave.engine.core.session import Session
from sockwave.engine.core.taking import Taken
from sockwave.engine.core.transport import NOBODY, SLICE, Outgoing, TransportReceiver, cut
from sockwave.errors import TextEncodingError
from sockwave.types import DisconnectReason, SessionId, TransportName

if TYPE_CHECKING:
    from sockwave.engine.core.session_queue import SessionQueue
    from sockwave.engine.core.transport import Transport
    from sockwave.engine.core.upgrade import UpgradeProbe


class FakeDriver:
    """Clock, wheel and flush of an engine; time passes when a test says so."""

    def __init__(self, **options: Any) -> None:
        self.options = EngineOptions(**options)
        self.now = 0.0
        self.is_short_of_room = False
        self.wheel = TimingWheel()
        self.dirty: list[SessionQueue] = []
        self.broadcast_write = BroadcastWrite(self.flush_later)
        self.upgraded: list[Session] = []
        self.ended: list[tuple[Session, DisconnectReason]] = []

    def clock(self) -> float:
        return self.now

    def is_foreign_thread(self) -> bool:
        return False

    def schedule(self, entry: WheelEntry, deadline: float) -> None:
        self.wheel.schedule(entry, deadline)

    def cancel(self, entry: WheelEntry) -> None:
        self.wheel.cancel(entry)

    def flush_later(self, session: SessionQueue) -> None:
        self.dirty.append(session)

    def backlog_grew(self, session: SessionQueue) -> None:
        session.accounted = session.held

    def session_upgraded(self, session: Session) -> None:
        self.upgraded.append(session)

    def session_ended(self, session: Session, reason: DisconnectReason, description: str) -> None:
        self.ended.append((session, reason))

    def tick(self) -> None:
        """The end of a turn of the loop."""
        dirty, self.dirty = self.dirty, []
        for session in dirty:
            session.flush()

    def advance(self, seconds: float) -> None:
        """Let time pass, with every deadline at its moment."""
        end = self.now + seconds
        self.tick()
        while (deadline := self.wheel.next_deadline()) is not None and deadline <= end:
            self.now = max(self.now, deadline)
            for entry in self.wheel.expire(self.now):
                entry.handle_timeout(self.now)
            self.tick()
        self.now = end


def wire(packets: list[Outgoing]) -> list[str]:
    """Packets as text; binary ones in hexadecimal behind a `b`."""
    return [
        packet.decode()
        if isinstance(packet, bytes)
        else f"b{packet.data.hex()}"
        if packet.is_binary
        else packet.data.decode()
        for packet in packets
    ]


class FakeTransport:
    """A WebSocket: takes packets at any time, unless its buffer is full.

    Attributes:
        sent: Packets, as the peer sees them.
        end: How it ended: `close`, `discard` or `lost`; empty before.
    """

    name: TransportName = "websocket"
    slice = SLICE
    direct = None

    def __init__(self) -> None:
        self.taken = 0
        self.is_reading = True
        self.receiver: TransportReceiver = NOBODY
        self.is_writable = True
        self.sent: list[str] = []
        self.end = ""
        self.in_buffer = 0
        self.fills_up = False

    def write(self, packets: list[Outgoing]) -> None:
        assert self.is_writable, "written to while it cannot take anything"
        assert not self.end, "written to after its end"
        self.sent += wire(packets)
        if self.fills_up:
            self.block(cut(packets, sys.maxsize)[1])

    def buffered(self) -> int:
        return self.in_buffer

    def progress(self) -> Taken:
        return Taken(self.taken, self.in_buffer)

    def close(self) -> None:
        if not self.end:
            self._finish("close")
            self._tell(DisconnectReason.TRANSPORT_CLOSE, "")

    def discard(self) -> None:
        if not self.end:
            self._finish("discard")

    def pause_reading(self) -> None:
        self.is_reading = False

    def resume_reading(self) -> None:
        self.is_reading = True

    # --- what the network does --------------------------------------------------------------------

    def receive(self, *packets: str | bytes) -> None:
        """Packets of the peer."""
        for packet in packets:
            if isinstance(packet, str):
                self.receiver.text_received(packet.encode())
            else:
                self.receiver.binary_received(packet)

    def block(self, in_buffer: int = 0) -> None:
        """The peer does not read any more."""
        self.is_writable = False
        self.in_buffer = in_buffer

    def take(self, size: int) -> None:
        """The peer's machine takes some of what is in the buffer."""
        self.in_buffer -= size
        self.taken += size

    def take_one_slice(self) -> None:
        """The peer takes what is in the buffer; the next write fills it again."""
        if self.end:
            return
        self.take(self.in_buffer)
        self.is_writable = self.fills_up = True
        self.receiver.transport_writable(self)
        self.fills_up = False

    def unblock(self) -> None:
        """The peer has read everything."""
        self.is_writable = True
        self.in_buffer = 0
        self.receiver.transport_writable(self)

    def lose(
        self,
        reason: DisconnectReason = DisconnectReason.TRANSPORT_CLOSE,
        description: str = "connection lost",
    ) -> None:
        """The connection breaks."""
        self._finish("lost")
        self._tell(reason, description)

    def _finish(self, how: str) -> None:
        self.end = how
        self.is_writable = False

    def _tell(self, reason: DisconnectReason, description: str) -> None:
        receiver, self.receiver = self.receiver, NOBODY
        receiver.transport_closed(self, reason, description)


class FakePolling(FakeTransport):
    """Long-polling: takes packets once for each poll, in one response.

    Attributes:
        responses: Of the polls so far.
    """

    name: TransportName = "polling"

    def __init__(self) -> None:
        super().__init__()
        self.is_writable = False
        self.responses: list[list[str]] = []
        self._is_closing = False

    def poll(self) -> None:
        """A GET comes in, and waits."""
        if self._is_closing:
            self.responses.append(["6", "1"])
            self.lose()
        else:
            self.is_writable = True
            self.receiver.transport_writable(self)

    def write(self, packets: list[Outgoing]) -> None:
        super().write(packets)
        self.responses.append(wire(packets))
        self.is_writable = False

    def close(self) -> None:
        if self.is_writable:
            self.responses.append(["1"])
            super().close()
        else:
            self._is_closing = True

    def discard(self) -> None:
        if self.is_writable:
            self.responses.append(["1"])
        super().discard()


class FakeSink:
    """Keeps what a session hands up.

    Attributes:
        messages: Texts and bytes in order.
        reasons: Why the session ended; one entry for each call.
        drains: How often the queue ran empty.
    """

    def __init__(self) -> None:
        self.messages: list[str | bytes] = []
        self.reasons: list[tuple[str, str]] = []
        self.drains = 0

    def text_message(self, packet: bytes) -> None:
        try:
            self.messages.append(packet[1:].decode())
        except UnicodeDecodeError:
            raise TextEncodingError("invalid UTF-8") from None

    def binary_message(self, data: bytes) -> None:
        self.messages.append(data)

    def session_drained(self) -> None:
        self.drains += 1

    def session_closed(self, reason: DisconnectReason, description: str) -> None:
        self.reasons.append((reason.value, description))


class SessionUnderTest:
    """A session with all that surrounds it."""

    def __init__(
        self,
        transport: FakeTransport | None = None,
        *,
        kind: type[Session] = Session,
        **options: Any,
    ) -> None:
        self.driver = FakeDriver(**options)
        self.transport = transport or FakeTransport()
        self.sink = FakeSink()
        self.session = kind(SessionId("s"), self.transport, self.driver)
        self.session.sink = self.sink
        self.transport.receiver = self.session

    def send(self, *texts: str) -> None:
        """Queue messages for the end of the turn."""
        for text in texts:
            self.session.send_packet(b"4" + text.encode(), len(text) + 1)

    def probe(self, transport: Transport | None = None) -> tuple[FakeTransport, UpgradeProbe]:
        """Open a second transport."""
        second = FakeTransport()
        return second, self.session.begin_upgrade(transport or second)

    def state(self) -> str:
        """Where the session is in its life."""
        return self.session.state.name

    def can_write(self) -> bool:
        """Whether a volatile packet would be sent."""
        return self.session.is_writable

    @property
    def reasons(self) -> list[str]:
        """Why it ended, without descriptions."""
        return [reason for reason, _ in self.sink.reasons]
