"""Sessions that count: their limits, and that they are sessions in all else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from sockwave.engine.core.options import RateLimits
from sockwave.engine.core.rate import RateExceeded
from sockwave.engine.core.request import Request
from sockwave.engine.server.rules.rates import RateLimitCounts, RateLimiter
from sockwave.engine.server.sessions.limited import LimitedSession, LimitedSessionV3
from sockwave.engine.server.sessions.session import ServerSession, WatchedSession
from sockwave.types import SessionId
from tests.engine.core.fakes import FakeDriver, FakeSink, FakeTransport

if TYPE_CHECKING:
    from sockwave.engine.server.driver import Driver

KINDS = [LimitedSession, LimitedSessionV3]


class Limited:
    """A limited session with all that surrounds it."""

    def __init__(self, kind: type[LimitedSession] = LimitedSession, **limits: Any) -> None:
        self.driver = FakeDriver()
        driver: Driver = self.driver  # type: ignore[assignment] # what is needed of it
        self.transport = FakeTransport()
        request = Request("GET", "/", {}, ("192.0.2.1", 5_000))
        self.counts = RateLimitCounts()
        self.session = kind(SessionId("s"), self.transport, driver, request)
        limiter = RateLimiter(RateLimits(**limits), self.counts, driver, None)
        limiter.opened(self.session)
        self.transport.receiver = self.session
        self.sink = self.session.sink = FakeSink()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("watched", [False, True])
def test_limited_session_takes_packets_as_any_other(
    kind: type[LimitedSession], watched: bool
) -> None:
    limited = Limited(kind, session_packets=100)
    session = limited.session
    if watched:
        session.on("packet", lambda packet: None)
    assert isinstance(session, WatchedSession) is watched
    assert isinstance(session, kind)
    session.on("flush", lambda packets: None)
    limited.transport.receive("4a", b"b", "4c")
    assert limited.sink.messages == ["a", b"b", "c"]
    limited.transport.receive("2" if session.protocol == 3 else "9")
    limited.driver.tick()
    if session.protocol == 3:
        assert limited.transport.sent == ["3"]
    else:
        assert limited.sink.reasons == [("parse error", "parser error: '9' is no type of a packet")]


def test_message_shows_life_as_in_any_other() -> None:
    limited, plain = Limited(session_packets=100), FakeDriver()
    driver: Driver = plain  # type: ignore[assignment] # what is needed of it
    other = ServerSession(SessionId("o"), FakeTransport(), driver, limited.session.request)
    other.sink = FakeSink()
    for surroundings, session in ((limited.driver, limited.session), (plain, other)):
        surroundings.advance(26)  # a ping has gone out
        surroundings.advance(18)
        session.text_received(b"4a")
        surroundings.advance(18)
        assert session.is_open
        surroundings.advance(5)
        assert not session.is_open


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("packet", ["4a", "3", b"a"])
def test_packet_too_many_ends_the_session_and_raises(
    kind: type[LimitedSession], packet: str | bytes
) -> None:
    limited = Limited(kind, session_packets=1, burst=3)
    limited.transport.receive("4a", "4a", "4a")
    with pytest.raises(RateExceeded):
        limited.transport.receive(packet)
    assert limited.sink.messages == ["a"] * 3
    assert limited.sink.reasons == [("rate limit exceeded", "too many packets of the session")]
    assert limited.counts == RateLimitCounts(session_packets=1)
    assert not limited.session.is_open


def test_what_comes_after_the_end_is_dropped() -> None:
    limited = Limited(session_packets=1, burst=1)
    with pytest.raises(RateExceeded):
        limited.transport.receive("4a", "4b")
    for _ in range(10):
        limited.transport.receive("4c", b"d", "2")
    assert limited.sink.messages == ["a"]
    assert len(limited.sink.reasons) == 1
    assert limited.counts == RateLimitCounts(session_packets=1)


def test_session_that_closes_is_still_counted() -> None:
    limited = Limited(session_packets=1, burst=1)
    limited.transport.block()
    limited.session.send_packet(b"4x", 2)
    limited.session.close()
    with pytest.raises(RateExceeded):
        limited.transport.receive("4a", "4b")
    assert [reason for reason, _ in limited.sink.reasons] == ["rate limit exceeded"]


def test_budget_comes_back_with_time() -> None:
    limited = Limited(session_packets=2, session_bytes=100, burst=1)
    for _ in range(20):
        limited.transport.receive("4a", b"b")
        limited.driver.now += 1
    assert len(limited.sink.messages) == 40
