"""How much a peer may send: token buckets on a clock that is seldom asked.

Theory: a bucket holds what may come at once and fills at so much per second. A session takes some
ahead and looks at the clock again when that is used up, so on the path of a message there is only a
subtraction. A packet may draw on two buckets, that of its session and that of its address, which
other sessions draw on too.

What all sessions have taken ahead of a bucket and not used comes on top of what it holds. So that
is bounded, by a sixteenth of the burst, and a full bucket holds that much less. In any window of
`t` seconds there pass at most `per_second * (burst + t)`, and a peer that was idle may always send
fifteen sixteenths of `per_second * burst` at once. Where too much is taken ahead, by many sessions
of one address, nothing more is: each message looks at the clock then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sockwave.codec.close_code import CloseCode
from sockwave.errors import WebSocketError
from sockwave.types import DisconnectReason

if TYPE_CHECKING:
    from sockwave.engine.core.limits import RateLimits

__all__ = ["Bucket", "Budget", "Rate", "RateExceeded", "Rates", "Supply"]

RESERVE: Final = 16
"""Which part of a burst may be taken ahead: the smaller, the exacter the burst, and the more often
the clock is looked at."""

SHARERS: Final = 8
"""Sessions for which each leaves some of that, where they share a bucket."""

UNCOUNTED: Final = 2**30 - 1
"""Stands for any amount, where no bucket is asked; the largest that Python counts in one digit."""


class RateExceeded(WebSocketError):
    """A session has sent more than it may, and ends: its transport ends too, and says why.

    Attributes:
        limit: The field of `RateLimits`.
    """

    def __init__(self, limit: str) -> None:
        super().__init__(CloseCode.POLICY_VIOLATION, DisconnectReason.RATE_LIMIT_EXCEEDED.value)
        self.limit = limit


class Rate:
    """So much per second, and so many seconds' worth of it at once; shared by buckets.

    Attributes:
        limit: The field of `RateLimits`.
        per_second: What flows in.
        capacity: What a bucket holds, at least 1.
        reserve: What may be taken ahead of it.
        sharers: By what each divides what is left of that.
    """

    __slots__ = ("capacity", "limit", "per_second", "reserve", "sharers")

    def __init__(self, limit: str, per_second: float, burst: float, sharers: int = 1) -> None:
        most = per_second * burst
        self.sharers: int = sharers
        self.limit: str = limit
        self.per_second: float = per_second
        self.reserve: int = min(int(most) // RESERVE, UNCOUNTED)
        self.capacity: float = max(most - self.reserve, 1.0)

    @property
    def fill_time(self) -> float:
        """Seconds in which an empty bucket is full again."""
        return self.capacity / self.per_second


class Bucket:
    """What is left of a rate for one address; full at first.

    Attributes:
        rate: How it fills.
        level: What it holds, as of the last `fill`.
        ahead: What was taken ahead, and may not be used yet.
    """

    __slots__ = ("_at", "ahead", "level", "rate")

    def __init__(self, rate: Rate) -> None:
        self.rate: Rate = rate
        self.level: float = rate.capacity
        self.ahead: int = 0
        self._at = 0.0  # as full as it can be, whatever the time

    def fill(self, now: float) -> None:
        """Let flow in what is due."""
        if now != self._at:
            rate = self.rate
            level = self.level + (now - self._at) * rate.per_second
            self.level = level if level < rate.capacity else rate.capacity
            self._at = now

    def spare(self, need: int, most: int) -> int:
        """How much one session may take ahead, beside what it needs; `most` is enough."""
        rate = self.rate
        share = (rate.reserve - self.ahead) // rate.sharers
        left = int(self.level) - need
        spare = share if share < left else left
        return most if most < spare else spare if spare > 0 else 0

    def take_one(self, now: float) -> bool:
        """Take 1, if it is there."""
        self.fill(now)
        if self.level < 1:
            return False
        self.level -= 1
        return True

    def wait(self, now: float) -> float:
        """Seconds until there is 1."""
        self.fill(now)
        return max(1.0 - self.level, 0.0) / self.rate.per_second


class Supply:
    """Where one session gets leave for its packets, or for their bytes.

    Args:
        rate: Of a bucket of its own, which is a part of this: there is one for every session.
        shared: Another bucket, that of its address. Both must have what is needed; where there is
            none, everything is allowed.
    """

    __slots__ = ("_ahead", "_at", "_level", "_rate", "_shared")

    def __init__(self, rate: Rate | None = None, shared: Bucket | None = None) -> None:
        self._rate = rate
        self._level = 0.0 if rate is None else rate.capacity
        self._at = 0.0  # as full as it can be, whatever the time
        self._shared = shared
        self._ahead = 0

    def start(self) -> int:
        """Take something ahead for a session that begins; for many that is all they need.

        Its own bucket is full and stays so: what may be taken ahead comes on top of that.
        """
        rate, shared = self._rate, self._shared
        ahead = UNCOUNTED if rate is None else rate.reserve
        if shared is not None:
            self._ahead = ahead = shared.spare(0, ahead)
            shared.level -= ahead
            shared.ahead += ahead
        return ahead

    def draw(self, need: int, now: float) -> int:
        """Take `need`, and some ahead; what was taken ahead before is used up.

        Returns:
            How much was taken.

        Raises:
            RateExceeded: There is not as much; then nothing is taken.
        """
        rate, shared = self._rate, self._shared
        ahead = UNCOUNTED
        if rate is not None:
            level = self._level + (now - self._at) * rate.per_second
            if level > rate.capacity:
                level = rate.capacity
            self._level = level
            self._at = now
            if level < need:
                raise RateExceeded(rate.limit)
            ahead = int(level) - need
            if ahead > rate.reserve:
                ahead = rate.reserve
        if shared is not None:
            shared.ahead -= self._ahead
            self._ahead = 0
            shared.fill(now)
            if shared.level < need:
                raise RateExceeded(shared.rate.limit)
            self._ahead = ahead = shared.spare(need, ahead)
            shared.level -= need + ahead
            shared.ahead += ahead
        self._level -= need + ahead
        return need + ahead

    def give_back(self, unused: int) -> None:
        """The session is over: others may have what it has taken ahead."""
        if self._ahead:
            assert self._shared is not None
            self._shared.ahead -= self._ahead
            self._shared.level += max(unused, 0)  # at most a full bucket, after the next `fill`
            self._ahead = 0


class Budget:
    """What one session may send.

    The path of a message counts `packets` and `bytes` down by itself, and calls `cover` when one of
    them is below zero.

    Attributes:
        packets: How many may come before the clock is looked at.
        bytes: The same of their size.
    """

    __slots__ = ("_byte_supply", "_packet_supply", "bytes", "packets")

    def __init__(self, packets: Supply, bytes: Supply) -> None:
        self._packet_supply = packets
        self._byte_supply = bytes
        self.packets: int = packets.start()
        self.bytes: int = bytes.start()

    def cover(self, now: float) -> None:
        """Get leave for what was counted below zero.

        Raises:
            RateExceeded: There is none; the session must end, and take no more.
        """
        if self.packets < 0:
            self.packets += self._packet_supply.draw(-self.packets, now)
        if self.bytes < 0:
            self.bytes += self._byte_supply.draw(-self.bytes, now)

    def close(self) -> None:
        """Give back what was not used; nothing more may come."""
        self._packet_supply.give_back(self.packets)
        self._byte_supply.give_back(self.bytes)
        self.packets = self.bytes = 0


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
        def rate(limit: str, sharers: int = 1) -> Rate | None:
            per_second = getattr(limits, limit)
            return None if per_second is None else Rate(limit, per_second, limits.burst, sharers)

        self.session_packets: Rate | None = rate("session_packets")
        self.session_bytes: Rate | None = rate("session_bytes")
        self.address_packets: Rate | None = rate("address_packets", SHARERS)
        self.address_bytes: Rate | None = rate("address_bytes", SHARERS)
        self.address_handshakes: Rate | None = rate("address_handshakes")
        of_sessions = [each for each in (self.session_packets, self.session_bytes) if each]
        shared = [each for each in (self.address_packets, self.address_bytes) if each]
        self.counts_packets: bool = bool(of_sessions or shared)
        of_addresses = [*shared, self.address_handshakes] if self.address_handshakes else shared
        self.memory: float = max((each.fill_time for each in of_addresses), default=0.0)
        self.knows_addresses: bool = bool(
            of_addresses or limits.address_sessions or limits.address_connections
        )
