"""The part of a session that sends: its queue, and what is done about a peer who takes it slowly.

Theory. A packet is queued at once and written at the end of the tick, all of a tick together. If
the transport cannot take it then, it waits here, and `transport_writable` brings the next flush.
A long queue is written in slices (`SLICE`), so that a ping can overtake what has not gone out.

`backlog` is what is queued, with what the transport has taken and could not send yet
(`_in_transport`). It has three bounds, which act in this order:

- Above `_mark` the peer is not read from (`_is_full`), for what it asks for would only make the
  backlog grow; below a quarter of it reading goes on.
- The process has an account of all backlogs (`accounted`), and past its bound it ends the session
  with the largest (`Driver.backlog_grew`).
- Past `max_backlog` the session ends.

Counting each message would cost more than sending it, so the backlog is looked at only when it has
passed `_look_at`, which moves on in steps, and when a flush finds no room.

The list in `_pending` is handed to the transport whole and never touched again: another one takes
its place. So `withdraw`, and who follows a ping (`taking.py`), know by the list itself whether what
they are after has gone out.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

from sockwave.engine.core.states import State
from sockwave.engine.core.transport import SLICE, cut
from sockwave.types import DisconnectReason

if TYPE_CHECKING:
    from sockwave.engine.core.broadcast_write import BroadcastWrite
    from sockwave.engine.core.options import EngineOptions
    from sockwave.engine.core.transport import Outgoing, Transport

__all__ = ["MARK", "MARK_SHARE", "NARROW_MARK", "QueueDriver", "QueueMark", "SessionQueue"]

# A member of an enumeration costs more to look up than the rest of a line on the hot path.
_OPEN: Final = State.OPEN
_UPGRADING: Final = State.UPGRADING
_CLOSING: Final = State.CLOSING
_CLOSED: Final = State.CLOSED

_PACKET_COST: Final = 64
"""Bytes of memory that a packet takes in a queue besides its own."""

MARK_SHARE: Final = 16
"""A peer whose backlog passes this part of `max_backlog`, or `MARK`, is not read from: what it asks
for would only make it grow."""

MARK: Final = 1024 * 1024
"""See `MARK_SHARE`; bytes."""

NARROW_MARK: Final = 65_536
"""The same while the process as a whole is short of room."""

_WORTH_COUNTING: Final = 4_096
"""Bytes up to which the backlog of a session is left out of the account of the process: a client
that polls has one for a moment after every message."""

_BACKLOG_STEP: Final = 65_536
"""Bytes that a backlog grows by until it is counted again."""

QueueMark: TypeAlias = "tuple[list[Outgoing], int, int]"


class QueueDriver(Protocol):
    """The end of the tick, and the account of the process."""

    options: EngineOptions
    is_short_of_room: bool
    """Whether much of what all sessions together may hold back is used up."""
    broadcast_write: BroadcastWrite
    """What goes out before any session that is flushed."""
    dirty: list[Any]
    """What is flushed at the end of this tick; the first one is put there by `flush_later`."""

    def flush_later(self, session: SessionQueue) -> None:
        """Call the session's `flush` at the end of this tick."""

    def backlog_grew(self, session: SessionQueue) -> None:
        """The session cannot be written to and its backlog has changed."""


class SessionQueue:
    """What a session has to send.

    Attributes:
        state: See `states.py`.
        transport: What carries it now.
        pending: What is queued, in order.
        backlog: Bytes queued, with what the transport could not send yet.
        accounted: The part of `backlog` that the driver counts for the whole process.
    """

    __slots__ = (
        "_driver",
        "_holds",
        "_in_transport",
        "_is_full",
        "_look_at",
        "accounted",
        "backlog",
        "pending",
        "state",
        "transport",
    )

    def __init__(self, transport: Transport, driver: QueueDriver) -> None:
        self.transport: Transport = transport
        self.state: State = _OPEN
        self.backlog: int = 0
        self.accounted: int = 0
        self._driver = driver
        self.pending: list[Outgoing] = []
        self._in_transport = 0
        self._is_full = False
        self._holds = 0
        most = driver.options.max_backlog
        self._look_at = most if most < _WORTH_COUNTING else _WORTH_COUNTING

    @abstractmethod  # without `ABC`, whose `isinstance` is a call
    def discard(
        self, reason: DisconnectReason = DisconnectReason.FORCED_CLOSE, description: str = ""
    ) -> None:
        """End now: what is queued is lost."""

    @property
    def is_open(self) -> bool:
        """Whether packets are accepted."""
        return self.state is _OPEN or self.state is _UPGRADING

    @property
    def is_writable(self) -> bool:
        """Whether a packet sent now would go out with this tick; the test for volatile packets."""
        if self._driver.broadcast_write.receivers:
            self._driver.broadcast_write.queue()
        return self.transport.is_writable and not self.pending and self.is_open

    def send_packet(self, packet: Outgoing, size: int) -> None:
        """Queue a packet for the end of this tick; dropped unless the session is open.

        Args:
            size: Bytes of the packet, which the caller knows once for all receivers.
        """
        if self.state is not _OPEN and self.state is not _UPGRADING:
            return
        pending = self.pending
        if not pending:
            if dirty := self._driver.dirty:  # all but the first of a broadcast
                dirty.append(self)
            else:
                self._driver.flush_later(self)
        pending.append(packet)
        self.backlog += size
        if self.backlog > self._look_at:
            self._look_at_backlog()

    def queue_first(self, packet: Outgoing, size: int) -> None:
        """Queue a packet before all that is queued; the next flush looks at the backlog."""
        if self.state is _CLOSED:
            return
        if not self.pending:
            if dirty := self._driver.dirty:
                dirty.append(self)
            else:
                self._driver.flush_later(self)
        self.pending.insert(0, packet)
        self.backlog += size

    def connection_filled(self) -> None:
        """Count what has gone to the connection past this queue; it can take no more."""
        if self.state is _CLOSED or self._in_transport:
            return
        self._count_in_transport()
        if self.backlog > _WORTH_COUNTING:
            self._backlog_changed()

    def flush(self) -> None:
        """Hand what is queued to the transport, if that can take it now."""
        if self._driver.broadcast_write.receivers:
            self._driver.broadcast_write.flush()
        pending, transport = self.pending, self.transport
        if pending:
            if not self.transport.is_writable:
                if not self._in_transport:  # it may have got frames at once, past this queue
                    self._count_in_transport()
                if self._look_at > _WORTH_COUNTING:  # no flush sees the rest until there is room
                    self._look_at = _WORTH_COUNTING
                if self.backlog > _WORTH_COUNTING:
                    self._backlog_changed()
                return
            if self.backlog > SLICE:
                self._flush_slices()
            else:
                self.pending = []
                self.backlog = 0
                transport.write(pending)
            if not transport.is_writable:
                self._count_in_transport()
            if self.backlog > _WORTH_COUNTING or self.accounted or self._is_full:
                self._backlog_changed()
        if self.state is _CLOSING and not self.pending:
            transport.close()

    def _count_in_transport(self) -> None:
        self._in_transport = in_transport = self.transport.buffered()
        if in_transport:
            self.backlog += in_transport
            self._look_at = 0

    def _flush_slices(self) -> None:
        """Write as long as the transport has room, so that a ping can overtake what has not."""
        transport = self.transport
        while transport.is_writable and (pending := self.pending):
            count, size = cut(pending, transport.slice)
            self.pending = pending[count:]
            self.backlog -= size
            self._write_slice(pending[:count])
        if not self.pending:
            self.backlog = 0

    def _write_slice(self, packets: list[Outgoing]) -> None:
        self.transport.write(packets)

    def mark_queue(self) -> QueueMark:
        """Where the queue ends now, for `withdraw`."""
        if self._driver.broadcast_write.receivers:
            self._driver.broadcast_write.flush()
        return self.pending, len(self.pending), self.backlog

    def withdraw(self, mark: QueueMark) -> bool:
        """Take back what was queued since `mark_queue`; False when some of it has gone out."""
        queue, length, backlog = mark
        if queue is not self.pending:
            return False
        del queue[length:]
        self.backlog = backlog
        return True

    def _look_at_backlog(self) -> None:
        """Keep the backlog in its bound, and in the account of the process, in steps."""
        most = self._driver.options.max_backlog
        if self.held > most:
            self.flush()
            if self.held > most:
                self.discard(DisconnectReason.BACKLOG_EXCEEDED, "the peer does not read")
                return
        elif self.backlog > _WORTH_COUNTING or self.accounted:
            self._backlog_changed()
        self._look_at = min(self.backlog + _BACKLOG_STEP, most)

    @property
    def held(self) -> int:
        """Bytes of memory that the backlog takes, but for what is shared with other sessions."""
        return self.backlog + _PACKET_COST * len(self.pending)

    @property
    def _mark(self) -> int:
        """Bytes of backlog above which the peer is not read from."""
        mark = min(self._driver.options.max_backlog // MARK_SHARE, MARK)
        if self._driver.is_short_of_room:
            mark = min(mark, NARROW_MARK)
        return max(mark, _WORTH_COUNTING)

    def _backlog_changed(self) -> None:
        """Count it, and read from the peer only while it takes what it is sent."""
        if self.accounted or not self.transport.is_writable:
            self._driver.backlog_grew(self)
        if not self.is_open:
            return
        if self._is_full:
            if self.backlog <= self._mark // 4:
                self._is_full = False
                self.resume_reading()
        elif self.backlog > self._mark:
            self._is_full = True
            self.pause_reading()

    def pause_reading(self) -> None:
        """Take nothing from the peer until `resume_reading` was called as often."""
        self._holds += 1
        if self._holds == 1:
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        """Go on, if nobody else holds the session."""
        self._holds -= 1
        if not self._holds:
            self.transport.resume_reading()
