"""The limiter: addresses of sessions and connections are counted, released and forgotten."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from sockwave.engine.core.forwarded import TrustedProxies
from sockwave.engine.core.options import RateLimits
from sockwave.engine.core.request import Request
from sockwave.engine.server.rules.rates import RateLimitCounts, RateLimiter
from sockwave.engine.server.rules.verification import ErrorCode, Refused
from sockwave.engine.server.sessions.session import ServerSession
from sockwave.types import SessionId
from tests.engine.core.fakes import FakeDriver, FakeTransport

if TYPE_CHECKING:
    from sockwave.engine.server.driver import Connection, Driver

PEER = ("192.0.2.1", 5_000)


class LimiterUnderTest:
    """A limiter, and the engine around it."""

    def __init__(self, trusted: TrustedProxies | None = None, **limits: Any) -> None:
        self.fake = FakeDriver()
        self.driver: Driver = self.fake  # type: ignore[assignment] # what is needed of it
        self.counts = RateLimitCounts()
        self.limiter = RateLimiter(RateLimits(**limits), self.counts, self.driver, trusted)
        self._opened = 0

    def open(self, host: str = "192.0.2.1") -> ServerSession:
        """Ask for a session, and open it."""
        request = Request("GET", "/", {}, (host, 5_000))
        self.limiter.check_handshake(request)
        self.limiter.check_sessions(request)
        self._opened += 1
        id_ = SessionId(str(self._opened))
        session = ServerSession(id_, FakeTransport(), self.driver, request)
        self.limiter.opened(session)
        return session

    def refused(self, host: str = "192.0.2.1") -> Refused:
        """How an address is refused."""
        with pytest.raises(Refused) as refused:
            self.open(host)
        return refused.value

    def connect(self, peer: tuple[str, int] | None = PEER) -> Connection | None:
        """A TCP connection that may stay, or None."""
        connection: Any = object()
        return connection if self.limiter.connection_made(connection, peer) else None


def test_refusal_tells_code_limit_and_time() -> None:
    test = LimiterUnderTest(address_handshakes=0.5, burst=4)
    test.open()
    test.open()
    refused = test.refused()
    assert refused.code is ErrorCode.RATE_LIMIT_EXCEEDED
    assert refused.code.status == 429
    assert refused.context == {"name": "ADDRESS_HANDSHAKES"}
    assert refused.retry_after == 2
    test.fake.now += 1.5
    assert test.refused().retry_after == 1
    test.fake.now += 0.5
    test.open()
    assert test.counts == RateLimitCounts(address_handshakes=2)


def test_sessions_are_counted_by_address_and_released() -> None:
    test = LimiterUnderTest(address_sessions=2)
    first = test.open()
    test.open()
    assert test.refused().retry_after == 5
    test.open("192.0.2.2")
    test.limiter.closed(first)
    test.limiter.closed(first)  # nothing more happens
    test.open()
    test.refused()
    assert test.counts == RateLimitCounts(address_sessions=2)


def test_refused_session_does_not_use_up_the_rate() -> None:
    test = LimiterUnderTest(address_sessions=1, address_handshakes=1, burst=2)
    session = test.open()
    for _ in range(10):
        test.refused()
    test.limiter.closed(session)
    test.open()


def test_connections_are_counted_by_address_moved_and_released() -> None:
    test = LimiterUnderTest(address_connections=2)
    first = test.connect()
    assert first is not None and test.connect() is not None
    assert test.connect() is None
    assert test.connect(("192.0.2.2", 1)) is not None
    websocket: Any = object()
    test.limiter.connection_moved(first, websocket)
    test.limiter.connection_lost(first)
    assert test.connect() is None
    test.limiter.connection_lost(websocket)
    assert test.connect() is not None
    assert test.counts == RateLimitCounts(address_connections=2)


def test_connections_of_a_trusted_proxy_are_not_counted() -> None:
    test = LimiterUnderTest(TrustedProxies(["192.0.2.1", "unix"]), address_connections=1)
    for peer in (PEER, None):
        for _ in range(5):
            assert test.connect(peer) is not None
    assert test.connect(("192.0.2.2", 1)) is not None
    assert test.connect(("192.0.2.2", 2)) is None
    assert test.limiter.addresses == 1


def test_connections_of_a_unix_socket_have_one_address() -> None:
    test = LimiterUnderTest(address_connections=1)
    assert test.connect(None) is not None
    assert test.connect(None) is None


def test_no_address_is_remembered_without_a_limit_for_it() -> None:
    test = LimiterUnderTest(session_packets=5)
    test.open()
    test.connect()
    assert test.limiter.addresses == 0


def test_quiet_addresses_are_forgotten_in_time() -> None:
    test = LimiterUnderTest(address_handshakes=2, address_sessions=10, burst=5)
    for number in range(3_000):
        test.limiter.closed(test.open(f"192.0.2.{number}"))
    kept = test.open("198.51.100.1")
    assert test.limiter.addresses == 3_001
    test.fake.advance(4.9)
    assert test.limiter.addresses == 3_001
    test.fake.advance(0.3)
    assert test.limiter.addresses == 1
    test.fake.advance(100)
    assert test.limiter.addresses == 1
    test.limiter.closed(kept)
    test.fake.advance(5.1)
    assert test.limiter.addresses == 0
    assert test.fake.wheel.next_deadline() is None


def test_table_of_addresses_is_bounded() -> None:
    test = LimiterUnderTest(address_handshakes=1, max_addresses=100)
    for number in range(1_000):
        test.limiter.closed(test.open(f"2001:db8:0:{number:x}::1"))
    assert test.limiter.addresses == 100
