"""A broadcast that goes to connections past the queues of their sessions.

Theory. A packet that is queued on a session, and handed to its transport at the end of the turn,
costs three calls; where a broadcast is all that a turn of the loop sends, one would do. So the
first broadcast of a turn is kept here, with the sessions that have nothing pending, and its frame
is written to their connections when the first session is flushed, at the end of the turn as a rule.
What is sent to one of them meanwhile stays behind it: the frame is put in front of its queue then,
and both go out with one write, as if it had been queued.

Nothing of the application runs before all receivers have it: what that sends stays behind it, too.
So those whose connection is full are counted last, since that may end sessions.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final, Protocol

from sockwave.debug import known

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sockwave.engine.core.transport import Outgoing, SharedPacket, Transport

__all__ = ["LARGEST", "MOST", "BroadcastWrite", "Receiver"]

MOST: Final = 1_024
"""Receivers up to which nobody else has to wait for long: a write takes about 4 microseconds."""

LARGEST: Final = 4_096
"""Bytes up to which it takes no longer than that; beside what more take, a call costs nothing."""

_logger: Final = logging.getLogger("sockwave.engine")


class Receiver(Protocol):
    """A session."""

    pending: list[Outgoing]
    transport: Transport

    def queue_first(self, packet: Outgoing, size: int, /) -> None:
        """Queue a packet before all that is queued, unless the session is over."""

    def connection_filled(self) -> None:
        """The connection has got it, and has no room any more."""


class BroadcastWrite:
    """At most one broadcast, until the next flush.

    Args:
        flush_later: Of the driver; has `flush` called at the end of this turn.

    Attributes:
        receivers: Sessions to whose connections it still has to go.
        taken: Called with each, where somebody notes what sessions send.
    """

    def __init__(self, flush_later: Callable[[Any], None]) -> None:
        self.receivers: Sequence[Receiver] = ()
        self._packet: SharedPacket | None = None
        self._size = 0
        self._flush_later = flush_later
        self._refusing: set[object] = set()
        self.taken: Callable[[SharedPacket, int, Sequence[Receiver]], None] | None = None

    def may_take(self, count: int, size: int) -> bool:
        """Whether a broadcast of so many bytes to so many may be handed over now."""
        return count <= MOST and size <= LARGEST and not self.receivers and not self._refusing

    def take(self, packet: SharedPacket, size: int, receivers: Sequence[Receiver]) -> None:
        """Send it to sessions of which each has nothing pending, and a `direct` transport."""
        self._packet, self._size, self.receivers = packet, size, receivers
        if self.taken is not None:
            self.taken(packet, size, receivers)
        self._flush_later(self)

    def flush(self) -> None:
        """Write the frame to each, before whatever its session has got since."""
        receivers, self.receivers = self.receivers, ()
        packet, size, self._packet = self._packet, self._size, None
        if packet is None:
            return
        frame = packet.frame
        full: list[Receiver] = []
        for session in receivers:
            transport = session.transport
            if session.pending or (connection := transport.direct) is None:
                session.queue_first(packet, size)
                continue
            try:
                connection.write(frame)
            except Exception:
                fields = known(sid=getattr(session, "id", None))
                _logger.exception("internal error while sending", extra=fields)
            if transport.direct is None:
                full.append(session)
        for session in full:
            session.connection_filled()

    def queue(self) -> None:
        """Leave it to the sessions: somebody asks whether one of them has something to send."""
        receivers, self.receivers = self.receivers, ()
        packet, size, self._packet = self._packet, self._size, None
        if packet is not None:
            for session in receivers:
                session.queue_first(packet, size)

    def refuse_for(self, session: object) -> None:
        """Take none from now on: somebody looks at all that a session sends."""
        self._refusing.add(session)
        self.queue()

    def allow_for(self, session: object) -> None:
        """That one is over."""
        self._refusing.discard(session)
