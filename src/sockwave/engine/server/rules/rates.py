"""Rate limits at work: who is counted together, who is refused, and how often that happens."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from sockwave.engine.core.rate import Budget, Rates, Supply
from sockwave.engine.core.rate_addresses import AddressTable
from sockwave.engine.server.rules.verification import ErrorCode, Refused
from sockwave.engine.server.sessions.limited import LimitedSession
from sockwave.observe import RateLimited
from sockwave.observe.observers import NOBODY, Observers

if TYPE_CHECKING:
    from sockwave.engine.core.forwarded import TrustedProxies
    from sockwave.engine.core.heartbeat import WheelEntry
    from sockwave.engine.core.limits import RateLimits
    from sockwave.engine.core.rate_addresses import Address
    from sockwave.engine.core.request import Request
    from sockwave.engine.core.session import Session
    from sockwave.engine.server.sessions.session import ServerSession

__all__ = ["RETRY_AFTER", "RateLimitCounts", "RateLimiter"]

RETRY_AFTER: Final = 5
"""Seconds that a client is told to wait where nobody knows when there is room again."""

_NOBODY: Final = (None, None)

_EXPIRY_PAUSE: Final = 0.01
"""Seconds between two slices of a crowd of addresses that is forgotten."""


@dataclass(slots=True)
class RateLimitCounts:
    """How often each field of `RateLimits` has acted since the engine was made.

    Attributes:
        session_packets: Sessions closed for it.
        session_bytes: Sessions closed for it.
        address_packets: Sessions closed for it.
        address_bytes: Sessions closed for it.
        address_handshakes: New sessions refused for it.
        address_sessions: New sessions refused for it.
        address_connections: TCP connections refused for it.
        observers: Who is told of each.
    """

    session_packets: int = 0
    session_bytes: int = 0
    address_packets: int = 0
    address_bytes: int = 0
    address_handshakes: int = 0
    address_sessions: int = 0
    address_connections: int = 0
    observers: Observers = field(default=NOBODY, init=False, repr=False, compare=False)

    def add(self, limit: str) -> None:
        """Count one more, by the name of the field."""
        setattr(self, limit, getattr(self, limit) + 1)
        if functions := self.observers.rate_limited:
            self.observers.tell(functions, RateLimited(limit))


class RatesDriver(Protocol):
    """Clock and deadlines."""

    def clock(self) -> float:
        """Monotonic seconds."""

    def schedule(self, entry: WheelEntry, deadline: float) -> None:
        """Put a deadline into the wheel."""


class RateLimiter:
    """Applies the rate limits of one engine.

    Attributes:
        counts: What it has done.
        wheel_slot: Of the next address to forget.
    """

    def __init__(
        self,
        limits: RateLimits,
        counts: RateLimitCounts,
        driver: RatesDriver,
        trusted: TrustedProxies | None,
    ) -> None:
        self.counts = counts
        self.wheel_slot: int = 0
        self._limits = limits
        self._driver = driver
        self._trusted = trusted
        self._rates = Rates(limits)
        self.forget_all()

    @property
    def counts_packets(self) -> bool:
        """Whether sessions must be of the kind that counts."""
        return self._rates.counts_packets

    @property
    def addresses(self) -> int:
        """How many addresses are known."""
        return len(self._table)

    def forget_all(self) -> None:
        """Begin anew, in another event loop: its clock and its wheel are others."""
        self.wheel_slot = 0
        self._table = AddressTable(self._rates, self._limits.max_addresses)
        self._of_session: dict[str, Address] = {}
        self._of_connection: dict[object, Address] = {}
        # Who was looked at last: the session follows in the same turn, if nobody is waited for.
        self._asking: tuple[Request | None, Address | None] = _NOBODY

    # --- sessions ---------------------------------------------------------------------------------

    def check_handshake(self, request: Request) -> None:
        """See whether an address may ask for a session now.

        Raises:
            Refused: It may not.
        """
        if not self._rates.knows_addresses:
            return
        address = self._find_with_room(request)
        handshakes = address.handshakes
        if handshakes is not None:
            now = self._driver.clock()
            if not handshakes.take_one(now):
                self._refuse("address_handshakes", math.ceil(handshakes.wait(now)))

    def check_sessions(self, request: Request) -> None:
        """See whether an address may have one more session, right before it gets it.

        Raises:
            Refused: It may not.
        """
        if self._rates.knows_addresses:
            self._find_with_room(request)

    def _find_with_room(self, request: Request) -> Address:
        address = self._find(request)
        most = self._limits.address_sessions
        if most is not None and address.sessions >= most:
            self._refuse("address_sessions", RETRY_AFTER)
        self._asking = request, address
        return address

    def _refuse(self, limit: str, retry_after: int) -> None:
        self.counts.add(limit)
        raise Refused(
            ErrorCode.RATE_LIMIT_EXCEEDED, {"name": limit.upper()}, retry_after=max(retry_after, 1)
        )

    def opened(self, session: ServerSession) -> None:
        """A session has begun: give it what it may send."""
        address: Address | None = None
        if self._rates.knows_addresses:
            request, address = self._asking
            self._asking = _NOBODY
            if address is None or request is not session.request:
                address = self._find(session.request)
            address.sessions += 1
            self._of_session[session.id] = address
        if isinstance(session, LimitedSession):
            session.limit(self._budget(address), self.counts)

    def _budget(self, address: Address | None) -> Budget:
        rates = self._rates
        packets, bytes_ = rates.session_packets, rates.session_bytes
        if address is None:
            return Budget(Supply(packets), Supply(bytes_))
        return Budget(Supply(packets, address.packets), Supply(bytes_, address.bytes))

    def closed(self, session: Session) -> None:
        """A session is over."""
        address = self._of_session.pop(session.id, None)
        if address is not None:
            address.sessions -= 1
            if not address.is_in_use:
                self._left(address)

    # --- TCP connections --------------------------------------------------------------------------

    def connection_made(self, connection: object, peer: tuple[str, int] | None) -> bool:
        """Count a TCP connection of the native listener; tells whether it may stay."""
        most = self._limits.address_connections
        if most is None or (self._trusted is not None and self._trusted.trusts(peer)):
            return True
        address = self._table.find(peer[0] if peer else "", self._driver.clock())
        if not self.wheel_slot:
            self._schedule()
        if address.connections >= most:
            self.counts.add("address_connections")
            return False
        address.connections += 1
        self._of_connection[connection] = address
        return True

    @property
    def most_connections(self) -> str:
        """The bound of one address, for the log."""
        return f"rate_limits.address_connections={self._limits.address_connections}"

    def connection_moved(self, old: object, new: object) -> None:
        """Another object has taken over a TCP connection."""
        address = self._of_connection.pop(old, None)
        if address is not None:
            self._of_connection[new] = address

    def connection_lost(self, connection: object) -> None:
        """A TCP connection has ended."""
        address = self._of_connection.pop(connection, None)
        if address is not None:
            address.connections -= 1
            if not address.is_in_use:
                self._left(address)

    # --- addresses --------------------------------------------------------------------------------

    def _find(self, request: Request) -> Address:
        client = request.client
        address = self._table.find(client[0] if client else "", self._driver.clock())
        if not self.wheel_slot:
            self._schedule()
        return address

    def _left(self, address: Address) -> None:
        self._table.left(address, self._driver.clock())
        if not self.wheel_slot:
            self._schedule()

    def _schedule(self, earliest: float = 0.0) -> None:
        """Wait for the first address to forget; what moves later does not move the entry."""
        deadline = self._table.next_deadline()
        if deadline is not None:
            self._driver.schedule(self, max(deadline, earliest))

    def handle_timeout(self, now: float) -> None:
        """Forget addresses that have been quiet."""
        self._table.expire(now)
        self._schedule(now + _EXPIRY_PAUSE)
