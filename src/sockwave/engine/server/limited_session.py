"""Sessions that count what comes; all others pay nothing for that, not even a question."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sockwave.engine.core.rate import RateExceeded, excess
from sockwave.engine.core.states import State
from sockwave.engine.server.session import ServerSession, ServerSessionV3, WatchedSession
from sockwave.types import DisconnectReason

if TYPE_CHECKING:
    from sockwave.engine.core.rate import Budget
    from sockwave.engine.server.rates import RateLimitCounts

__all__ = ["LimitedSession", "LimitedSessionV3"]

_OPEN: Final = State.OPEN
_UPGRADING: Final = State.UPGRADING

_DESCRIPTIONS: Final = {
    "session_packets": "too many packets of the session",
    "session_bytes": "too many bytes of the session",
    "address_packets": "too many packets of the address",
    "address_bytes": "too many bytes of the address",
}


class LimitedSession(ServerSession):
    """A session under `RateLimits`; `limit` must follow its making at once."""

    __slots__ = ("_address", "_budget", "_counts")

    def limit(self, budget: Budget, address: Budget, counts: RateLimitCounts) -> None:
        """Say what it may send.

        Args:
            budget: Its own.
            address: That of all sessions of its address.
            counts: Where it is counted if it sends more.
        """
        self._budget = budget
        self._address = address
        self._counts = counts

    def text_received(self, packet: bytes) -> None:
        """Count a packet, then take it.

        Raises:
            RateExceeded: It is too much; the session has ended.
        """
        budget, address = self._budget, self._address
        size = len(packet)
        budget.packets = packets = budget.packets - 1
        budget.bytes = bytes_ = budget.bytes - size
        address.packets = shared_packets = address.packets - 1
        address.bytes = shared_bytes = address.bytes - size
        if packets < 0 or bytes_ < 0 or shared_packets < 0 or shared_bytes < 0:
            self._judge(size)
        # `Session.text_received`, whose call would cost as much as the counting.
        if packet[:1] == b"4":
            if self.state is _OPEN or self.state is _UPGRADING:
                if self._awaits_pong:
                    self._restart_ping_timeout()
                self.sink.text_message(packet)
        elif self.is_open:
            self._control_received(packet)

    def binary_received(self, data: bytes) -> None:
        """Count a binary message, then take it.

        Raises:
            RateExceeded: It is too much; the session has ended.
        """
        budget, address = self._budget, self._address
        size = len(data)
        budget.packets -= 1
        budget.bytes -= size
        address.packets -= 1
        address.bytes -= size
        if min(budget.packets, budget.bytes, address.packets, address.bytes) < 0:
            self._judge(size)
        super().binary_received(data)

    def _judge(self, size: int) -> None:
        limit = excess(self._budget, self._address, size, self._driver.clock())
        if limit is not None and self.state is not State.CLOSED:
            self._counts.add(limit)
            self._closed(DisconnectReason.RATE_LIMIT_EXCEEDED, _DESCRIPTIONS[limit])
            raise RateExceeded

    def _watch(self) -> None:
        self.__class__ = _WatchedLimitedSession


class LimitedSessionV3(LimitedSession, ServerSessionV3):
    """The same of Engine.IO 3."""

    __slots__ = ()

    def _watch(self) -> None:
        self.__class__ = _WatchedLimitedSessionV3


class _WatchedLimitedSession(WatchedSession, LimitedSession):
    """One whose packets somebody looks at, also the one that is too much."""

    __slots__ = ()


class _WatchedLimitedSessionV3(WatchedSession, LimitedSessionV3):
    """The same of Engine.IO 3."""

    __slots__ = ()
