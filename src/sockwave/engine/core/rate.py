"""How much a peer may send: token buckets on a clock that is seldom asked.

Theory: a bucket holds what may come at once and fills at so much per second. Whoever counts takes a
portion ahead, a sixteenth of what may come at once, and looks at the clock again when that is used
up: on the path of a message there is only a subtraction. What is taken ahead and not used yet comes
on top of a full bucket, so the bucket itself holds that much less. In any window of `t` seconds
there pass at most `per_second * (burst + t)`, and an idle peer may always send fifteen sixteenths
of `per_second * burst` at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sockwave.codec.websocket import CloseCode
from sockwave.errors import WebSocketError
from sockwave.types import DisconnectReason

if TYPE_CHECKING:
    from sockwave.engine.core.options import RateLimits

__all__ = ["Bucket", "Budget", "Rate", "RateExceeded", "Rates", "excess"]

PORTIONS: Final = 16
"""Portions of a burst: the more there are, the exacter the burst, and the dearer a message."""

UNCOUNTED: Final = 2**30 - 1
"""Stands for any amount, without a bucket; the largest that Python counts in one digit."""


class RateExceeded(WebSocketError):
    """A session has sent more than it may, and has ended: its transport ends too, and says why."""

    def __init__(self) -> None:
        super().__init__(CloseCode.POLICY_VIOLATION, DisconnectReason.RATE_LIMIT_EXCEEDED.value)


class Rate:
    """So much per second, and so many seconds' worth of it at once; shared by buckets.

    Attributes:
        per_second: What flows in.
        capacity: What a bucket holds, at least 1.
        portion: What may be taken ahead.
    """

    __slots__ = ("capacity", "per_second", "portion")

    def __init__(self, per_second: float, burst: float) -> None:
        most = per_second * burst
        self.per_second = per_second
        self.portion = int(most) // PORTIONS
        self.capacity = max(most - self.portion, 1.0)

    @property
    def fill_time(self) -> float:
        """Seconds in which an empty bucket is full again."""
        return self.capacity / self.per_second


class Bucket:
    """What is left of a rate for one peer; full at first."""

    __slots__ = ("_at", "_level", "_rate")

    def __init__(self, rate: Rate) -> None:
        self._rate = rate
        self._level = rate.capacity
        self._at = 0.0  # as full as it can be, whatever the time

    def draw(self, need: int, now: float) -> int:
        """Take `need`, or more of it ahead.

        Returns:
            How much was taken: 0 when `need` is not there, and then nothing has changed.
        """
        level = self._fill(now)
        if level < need:
            return 0
        drawn = max(need, min(int(level), self._rate.portion))
        self._level = level - drawn
        return drawn

    def wait(self, now: float) -> float:
        """Seconds until 1 can be drawn."""
        return max(1.0 - self._fill(now), 0.0) / self._rate.per_second

    def _fill(self, now: float) -> float:
        level = self._level + (now - self._at) * self._rate.per_second
        self._level = level = min(level, self._rate.capacity)
        self._at = now
        return level


class Budget:
    """What one session, or all sessions of one address, may send.

    The path of a message counts `packets` and `bytes` down by itself; below zero it asks `excess`.

    Attributes:
        packets: How many may come before the clock is looked at.
        bytes: The same of their size.
    """

    __slots__ = ("_byte_bucket", "_packet_bucket", "bytes", "packets")

    def __init__(self, packets: Rate | None, bytes: Rate | None) -> None:
        self._packet_bucket = None if packets is None else Bucket(packets)
        self._byte_bucket = None if bytes is None else Bucket(bytes)
        self.packets = self.bytes = 0

    def cover(self, now: float) -> str | None:
        """Draw what was counted below zero; tells what there is too much of, if so."""
        if self.packets < 0:
            drawn = _draw(self._packet_bucket, -self.packets, now)
            if not drawn:
                return "packets"
            self.packets += drawn
        if self.bytes < 0:
            drawn = _draw(self._byte_bucket, -self.bytes, now)
            if not drawn:
                return "bytes"
            self.bytes += drawn
        return None

    def take_back(self, size: int) -> None:
        """A packet that was counted is refused: others must not pay for it."""
        self.packets += 1
        self.bytes += size


def _draw(bucket: Bucket | None, need: int, now: float) -> int:
    return need + UNCOUNTED if bucket is None else bucket.draw(need, now)


def excess(session: Budget, address: Budget, size: int, now: float) -> str | None:
    """Judge a packet that both have counted and that one of them had no room for.

    Args:
        size: Bytes of the packet.

    Returns:
        The field of `RateLimits` that it exceeds; None lets it pass.
    """
    for owner, budget in (("session", session), ("address", address)):
        what = budget.cover(now)
        if what is not None:
            session.take_back(size)
            address.take_back(size)
            return f"{owner}_{what}"
    return None


class Rates:
    """The rates of `RateLimits`, ready for buckets; None where there is no limit.

    Attributes:
        counts_packets: Whether what sessions send is counted at all.
        knows_addresses: Whether anything is counted by address.
        memory: Seconds after which a quiet address has all its budgets back.
    """

    __slots__ = (
        "address_bytes",
        "address_handshakes",
        "address_packets",
        "counts_packets",
        "knows_addresses",
        "memory",
        "session_bytes",
        "session_packets",
    )

    def __init__(self, limits: RateLimits) -> None:
        def rate(per_second: float | None) -> Rate | None:
            return None if per_second is None else Rate(per_second, limits.burst)

        self.session_packets = rate(limits.session_packets)
        self.session_bytes = rate(limits.session_bytes)
        self.address_packets = rate(limits.address_packets)
        self.address_bytes = rate(limits.address_bytes)
        self.address_handshakes = rate(limits.address_handshakes)
        of_sessions = [each for each in (self.session_packets, self.session_bytes) if each]
        shared = [each for each in (self.address_packets, self.address_bytes) if each]
        self.counts_packets = bool(of_sessions or shared)
        of_addresses = [*shared, self.address_handshakes] if self.address_handshakes else shared
        self.memory = max((each.fill_time for each in of_addresses), default=0.0)
        self.knows_addresses = bool(
            of_addresses or limits.address_sessions or limits.address_connections
        )
