"""The events of a namespace that are kept for clients that may come back.

Every logged event has a position in the log of its namespace: 0, 1, 2, ... It travels with the
event as its offset, a text of the log's epoch and the position. The epoch is random, so that no
other log, and no process after this one, takes an offset for one of its own; and clients that know
it tell an offset from an argument.

The log is bounded by number, bytes and time, and what goes is always the oldest: what is there has
positions without a gap, from `first` to before `next`.
"""

from __future__ import annotations

import secrets
from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sockwave.socketio.core.encoded_event import EncodedEvent
    from sockwave.socketio.core.outgoing import EncodedPacket
    from sockwave.types import Room

__all__ = ["LogEntry", "PacketLog"]

ENTRY_BYTES: Final = 512
"""What an entry counts beyond its packet."""


class LogEntry(NamedTuple):
    """An event, and whom it was for.

    Attributes:
        time: Monotonic seconds at which it was sent.
        packet: As it was sent, offset included: a replay sends the same bytes. None in the log of
            another process, which does not replay from it.
        rooms: Of its broadcast; None for everybody.
        excluded: Of its broadcast.
        event: Without an offset, where other processes may have to log it.
        compress: Whether transports may compress it.
    """

    time: float
    packet: EncodedPacket | None
    rooms: tuple[Room, ...] | None
    excluded: tuple[Room, ...]
    event: EncodedEvent | None = None
    compress: bool = True

    @property
    def size(self) -> int:
        """Bytes that it counts in the log."""
        # Text and frame for WebSocket are kept, so the packet counts twice.
        size = 0 if self.packet is None else 2 * self.packet.size
        return ENTRY_BYTES + size + (0 if self.event is None else self.event.size)


class PacketLog:
    """The latest events of a namespace by position.

    Args:
        max_packets: Bound of their number.
        max_bytes: Bound of their size.
        epoch: That of the log in another process which this one continues.

    Attributes:
        epoch: What all offsets begin with.
        first: Position of the oldest one that is still there.
    """

    __slots__ = ("_bytes", "_entries", "_max_bytes", "_max_packets", "epoch", "first")

    def __init__(self, max_packets: int, max_bytes: int, epoch: str = "") -> None:
        self.first: int = 0
        self._entries: deque[LogEntry] = deque()
        self._bytes = 0
        self._max_packets = max_packets
        self._max_bytes = max_bytes
        self.epoch: str = epoch or secrets.token_urlsafe(9) + "."

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def next(self) -> int:
        """Position of the next event."""
        return self.first + len(self._entries)

    def offset(self, position: int) -> str:
        """How clients name a position."""
        return f"{self.epoch}{position:x}"

    def position(self, offset: str) -> int | None:
        """Position that an offset names, or None for what this log has never given out."""
        if not offset.startswith(self.epoch) or len(offset) > len(self.epoch) + 16:
            return None
        try:
            position = int(offset[len(self.epoch) :], 16)
        except ValueError:
            return None
        # Only as it was given out: `int` also reads signs, underscores, capitals and a prefix.
        if not 0 <= position < self.next or self.offset(position) != offset:
            return None
        return position

    def append(self, entry: LogEntry) -> None:
        """Keep an event; those that are too many or too large together go."""
        self._entries.append(entry)
        self._bytes += entry.size
        while len(self._entries) > self._max_packets or self._bytes > self._max_bytes:
            self._drop()

    def prepend(self, entry: LogEntry) -> bool:
        """Keep the event before the oldest one, if there is room for it."""
        size = entry.size
        if (
            not self.first
            or len(self._entries) >= self._max_packets
            or self._bytes + size > self._max_bytes
        ):
            return False
        self._entries.appendleft(entry)
        self._bytes += size
        self.first -= 1
        return True

    def expire(self, before: float) -> None:
        """Drop what is as old as that."""
        while self._entries and self._entries[0].time <= before:
            self._drop()

    def _drop(self) -> None:
        self._bytes -= self._entries.popleft().size
        self.first += 1

    def at(self, position: int) -> LogEntry | None:
        """The event at a position, if it is there."""
        at = position - self.first
        return self._entries[at] if 0 <= at < len(self._entries) else None

    def since(self, position: int) -> Iterable[tuple[int, LogEntry]]:
        """Events from a position on, which must not be before `first`."""
        for at in range(position - self.first, len(self._entries)):
            yield self.first + at, self._entries[at]
