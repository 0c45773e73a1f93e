"""Sessions that keep a few notes about themselves, for whoever asks why they have ended.

All others pay nothing for that, as with `limited.py`. A note of a packet is one number in a short
ring: its size, times 256, and eight bits that tell what it was (`code_of`). Nothing of what a
packet holds is kept.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from sockwave.engine.core.states import State
from sockwave.engine.server.sessions.limited import LimitedSession, LimitedSessionV3
from sockwave.engine.server.sessions.session import ServerSession, ServerSessionV3, WatchedSession
from sockwave.types import DisconnectReason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sockwave.engine.core.request import Request
    from sockwave.engine.core.transport import Outgoing, SharedPacket, Transport
    from sockwave.engine.server.sessions.session import ServerSessionDriver
    from sockwave.types import SessionId

__all__ = ["NOTED_PACKETS", "Notes", "RecordedSession", "note_broadcast", "recorded", "type_of"]

NOTED_PACKETS: Final = 8
"""In each direction."""

_OPEN: Final = State.OPEN
_UPGRADING: Final = State.UPGRADING

_ENGINE: Final = 0x80
"""Marks a type of Engine.IO; those of Socket.IO stand as they are."""

_MESSAGE: Final = 0x34
_EMPTY: Final = _ENGINE | _MESSAGE
"""A message with nothing in it."""

_HANDSHAKE: Final = 0x7B
"""The second character of the only other packet of Engine.IO with text in it that is sent."""

_ENGINE_TYPES: Final = ("open", "close", "ping", "pong", "message", "upgrade", "noop")
_SOCKET_TYPES: Final = (
    "connect",
    "disconnect",
    "event",
    "ack",
    "connect_error",
    "binary_event",
    "binary_ack",
)


def type_of(code: int) -> str:
    """Say what a packet was, by the eight bits of its note: `event`, `ping`, `binary`, ..."""
    if not code:
        return "binary"
    if code == _HANDSHAKE:
        return "open"
    names = _ENGINE_TYPES if code & _ENGINE else _SOCKET_TYPES
    at = (code & 0x7F) - 0x30
    if 0 <= at < len(names):
        return names[at]
    return "unknown" if _ENGINE <= code < 0xC0 else "message"


def code_of(packet: Outgoing) -> int:
    """Eight bits that tell what a packet is."""
    if not isinstance(packet, bytes):
        return packet.kind
    if packet[:1] == b"4" and len(packet) > 1:
        return packet[1]
    return _ENGINE | (packet[0] & 0x7F if packet else 0)


class Notes:
    """What a session keeps about itself.

    Attributes:
        received: Notes of the last packets that came; see `type_of`.
        sent: Of the last that were queued.
        closing: Why this side has closed it, and when; None as long as it has not.
        cause: Why it was to end, in a word, and more about that; None where nobody has said so.
        backlog: The most that was held back for it, in bytes.
    """

    __slots__ = ("backlog", "cause", "closing", "received", "sent")

    def __init__(self) -> None:
        self.received: deque[int] = deque(maxlen=NOTED_PACKETS)
        self.sent: deque[int] = deque(maxlen=NOTED_PACKETS)
        self.closing: tuple[DisconnectReason, float] | None = None
        self.cause: tuple[str, str] | None = None
        self.backlog: int = 0


class RecordedSession(ServerSession):
    """A session that notes what it takes and sends, and why it is closed.

    The slot for its notes stands in each class below: two bases with slots cannot be joined.
    """

    __slots__ = ()
    notes: Notes
    backlog: int

    def __init__(
        self, id: SessionId, transport: Transport, driver: ServerSessionDriver, request: Request
    ) -> None:
        self.notes = Notes()  # type: ignore[misc] # see above
        super().__init__(id, transport, driver, request)

    def text_received(self, packet: bytes) -> None:
        """Note a packet, then take it."""
        # `Session.text_received`, whose call would cost as much as the note.
        if packet and packet[0] == _MESSAGE:
            if self.state is _OPEN or self.state is _UPGRADING:
                size = len(packet)
                self.notes.received.append(size * 256 + (packet[1] if size > 1 else _EMPTY))
                if self._awaits_pong:
                    self._restart_ping_timeout()
                self.sink.text_message(packet)
        elif self.is_open:
            self.notes.received.append(len(packet) * 256 + code_of(packet))
            self._control_received(packet)

    def binary_received(self, data: bytes) -> None:
        """Note a binary message, then take it."""
        if self.is_open:
            self.notes.received.append(len(data) * 256)
            super().binary_received(data)

    def send_packet(self, packet: Outgoing, size: int) -> None:
        """Note a packet, then queue it; see `Session.send_packet`, which this one repeats."""
        if self.state is not _OPEN and self.state is not _UPGRADING:
            return
        if packet.__class__ is bytes and size > 1:  # mostly; a call would cost more than the note
            self.notes.sent.append(size * 256 + packet[1])
        else:
            self.notes.sent.append(size * 256 + code_of(packet))
        pending = self.pending
        if not pending:
            if dirty := self._driver.dirty:
                dirty.append(self)
            else:
                self._driver.flush_later(self)
        pending.append(packet)
        self.backlog += size
        if self.backlog > self._look_at:
            self._look_at_backlog()

    def _send_first(self, packet: bytes) -> None:
        self.notes.sent.append(len(packet) * 256 + code_of(packet))
        super()._send_first(packet)

    def close(self, reason: DisconnectReason = DisconnectReason.FORCED_CLOSE) -> None:
        """Note that this side closes it, then do."""
        if self.notes.closing is None and self.is_open:
            self.notes.closing = reason, self._driver.clock()
        super().close(reason)

    def note_cause(self, cause: str, detail: str = "") -> None:
        """Keep the first one: what follows is its consequence."""
        if self.notes.cause is None and self.state is not State.CLOSED:
            self.notes.cause = cause, detail

    def _become_watched(self, kind: type[ServerSession]) -> None:
        if self.state is not State.CLOSED:
            self.__class__ = kind  # type: ignore[assignment] # each is a part of its own
            self._driver.broadcast_write.refuse_for(self)


class _RecordedSession(RecordedSession):
    __slots__ = ("notes",)

    def _watch(self) -> None:
        self._become_watched(_WatchedSession)


class _RecordedSessionV3(RecordedSession, ServerSessionV3):
    __slots__ = ("notes",)

    def _watch(self) -> None:
        self._become_watched(_WatchedSessionV3)


class _RecordedLimitedSession(RecordedSession, LimitedSession):
    """One under `RateLimits`; the packet that is too much is noted, too."""

    __slots__ = ("notes",)

    def text_received(self, packet: bytes) -> None:
        if self.is_open:
            self.notes.received.append(len(packet) * 256 + code_of(packet))
        LimitedSession.text_received(self, packet)

    def _watch(self) -> None:
        self._become_watched(_WatchedLimitedSession)


class _RecordedLimitedSessionV3(_RecordedLimitedSession, LimitedSessionV3):
    __slots__ = ()

    def _watch(self) -> None:
        self._become_watched(_WatchedLimitedSessionV3)


class _WatchedSession(WatchedSession, _RecordedSession):
    __slots__ = ()


class _WatchedSessionV3(WatchedSession, _RecordedSessionV3):
    __slots__ = ()


class _WatchedLimitedSession(WatchedSession, _RecordedLimitedSession):
    __slots__ = ()


class _WatchedLimitedSessionV3(WatchedSession, _RecordedLimitedSessionV3):
    __slots__ = ()


_RECORDED: Final[dict[type[ServerSession], type[ServerSession]]] = {
    ServerSession: _RecordedSession,
    ServerSessionV3: _RecordedSessionV3,
    LimitedSession: _RecordedLimitedSession,
    LimitedSessionV3: _RecordedLimitedSessionV3,
}


def recorded(kind: type[ServerSession]) -> type[ServerSession]:
    """What sessions of this kind are made of where they are recorded."""
    return _RECORDED.get(kind, kind)


def note_broadcast(packet: SharedPacket, size: int, receivers: Sequence[object]) -> None:
    """Note a packet that goes to connections past the queues of their sessions."""
    note = size * 256 + packet.kind
    for session in receivers:
        if isinstance(session, RecordedSession):
            session.notes.sent.append(note)
