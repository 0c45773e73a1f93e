"""A broadcast that goes to connections past the queues of their sessions.

Theory. A packet that is queued on a session, and handed to its transport at the end of the turn,
costs three calls; where a broadcast is all that a turn of the loop sends, one would do. So the
first broadcast of a turn is kept here, with the sessions that have nothing pending, and its frame
is written to their connections when the first session is flushed, at the end of the turn as a rule.
What is sent to one of them meanwhile stays behind it: the frame is put in front of its queue then,
and both go out with one write, as if it had been queued.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sockwave.engine.core.transport import Outgoing, SharedPacket, Transport

__all__ = ["MOST", "BroadcastWrite", "Receiver"]

MOST: Final = 1_024
"""Receivers up to which nobody else has to wait for long: a write takes about 4 microseconds."""

_logger: Final = logging.getLogger("sockwave.engine")


class Receiver(Protocol):
    """A session."""

    pending: list[Outgoing]
    backlog: int
    transport: Transport

    def send_packet(self, packet: Outgoing, size: int, /) -> None:
        """Queue a packet."""


class BroadcastWrite:
    """At most one broadcast, until the next flush.

    Args:
        flush_later: Of the driver; has `flush` called at the end of this turn.

    Attributes:
        receivers: Sessions to whose connections it still has to go.
    """

    def __init__(self, flush_later: Callable[[Any], None]) -> None:
        self.receivers: Sequence[Receiver] = ()
        self._packet: SharedPacket | None = None
        self._size = 0
        self._flush_later = flush_later
        self._refusing: set[object] = set()

    def may_take(self, count: int) -> bool:
        """Whether a broadcast to so many may be handed over now."""
        return count <= MOST and not self.receivers and not self._refusing

    def take(self, packet: SharedPacket, size: int, receivers: Sequence[Receiver]) -> None:
        """Send it to sessions of which each has nothing pending, and a `direct` transport."""
        self._packet, self._size, self.receivers = packet, size, receivers
        self._flush_later(self)

    def flush(self) -> None:
        """Write the frame to each, before whatever its session has got since."""
        receivers, self.receivers = self.receivers, ()
        packet, size, self._packet = self._packet, self._size, None
        if packet is None:
            return
        frame = packet.frame
        for session in receivers:
            if session.pending:
                session.pending.insert(0, packet)
                session.backlog += size
            elif (connection := session.transport.direct) is not None:
                try:
                    connection.write(frame)
                except Exception:
                    _logger.exception("internal error while sending")
            else:
                session.send_packet(packet, size)

    def refuse_for(self, session: object) -> None:
        """Take none from now on: somebody looks at all that a session sends."""
        self._refusing.add(session)

    def allow_for(self, session: object) -> None:
        """That one is over."""
        self._refusing.discard(session)
