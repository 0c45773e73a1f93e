"""Sessions that count what comes; all others pay nothing for that, not even a question."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from sockwave.engine.core.rate import RateExceeded
from sockwave.engine.core.states import State
from sockwave.engine.server.sessions.session import ServerSession, ServerSessionV3, WatchedSession
from sockwave.types import DisconnectReason

if TYPE_CHECKING:
    from sockwave.engine.core.rate import Budget

__all__ = ["LimitCounts", "LimitedSession", "LimitedSessionV3"]

_OPEN: Final = State.OPEN
_UPGRADING: Final = State.UPGRADING

_DESCRIPTIONS: Final = {
    "session_packets": "too many packets of the session",
    "session_bytes": "too many bytes of the session",
    "address_packets": "too many packets of the address",
    "address_bytes": "too many bytes of the address",
}


class LimitCounts(Protocol):
    """Counts how often each limit has acted."""

    def add(self, limit: str) -> None:
        """Count one more, by the name of the limit."""


class LimitedSession(ServerSession):
    """A session under `RateLimits`; `limit` must follow its making at once."""

    __slots__ = ("_budget", "_counts")

    def limit(self, budget: Budget, counts: LimitCounts) -> None:
        """Say what it may send, and where it is counted if it sends more."""
        self._budget = budget
        self._counts = counts

    def text_received(self, packet: bytes) -> None:
        """Count a packet, then take it.

        Raises:
            RateExceeded: It is too much; the session has ended.
        """
        budget = self._budget
        budget.packets = packets = budget.packets - 1
        budget.bytes = bytes_ = budget.bytes - len(packet)
        if packets < 0 or bytes_ < 0:
            self._get_leave()
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
        budget = self._budget
        budget.packets -= 1
        budget.bytes -= len(data)
        if budget.packets < 0 or budget.bytes < 0:
            self._get_leave()
        super().binary_received(data)

    def _get_leave(self) -> None:
        if self.state is State.CLOSED:
            return
        try:
            self._budget.cover(self._driver.clock())
        except RateExceeded as error:
            self._counts.add(error.limit)
            self._closed(DisconnectReason.RATE_LIMIT_EXCEEDED, _DESCRIPTIONS[error.limit])
            raise

    def _closed(self, reason: DisconnectReason, description: str) -> None:
        self._budget.close()
        super()._closed(reason, description)

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
