"""A session of revision 3: the client pings."""

from __future__ import annotations

import pytest

from sockwave.engine.core.session_v3 import SessionV3
from tests.engine.core.fakes import FakePolling, SessionUnderTest


@pytest.fixture
def ws() -> SessionUnderTest:
    """A session on a WebSocket."""
    return SessionUnderTest(kind=SessionV3)


def test_ping_of_the_client_is_answered_without_its_data(ws: SessionUnderTest) -> None:
    ws.transport.receive("2", "2data")
    ws.driver.tick()
    assert ws.transport.sent == ["3", "3"]


def test_server_sends_no_ping(ws: SessionUnderTest) -> None:
    ws.driver.advance(44.9)
    assert (ws.transport.sent, ws.reasons) == ([], [])


def test_client_that_never_pings_is_dropped(ws: SessionUnderTest) -> None:
    ws.driver.advance(45.1)
    assert ws.reasons == ["ping timeout"]
    assert ws.transport.end == "discard"


def test_session_lives_as_long_as_pings_come(ws: SessionUnderTest) -> None:
    for _ in range(20):
        ws.driver.advance(44.9)
        ws.transport.receive("2")
    assert ws.reasons == []
    ws.driver.advance(45.1)
    assert ws.reasons == ["ping timeout"]


@pytest.mark.parametrize("packet", ["4a", b"\x01", "6"])
def test_other_packets_are_no_sign_of_life(ws: SessionUnderTest, packet: str | bytes) -> None:
    for _ in range(5):
        ws.driver.advance(9.02)
        ws.transport.receive(packet)
    assert ws.reasons == ["ping timeout"]


def test_pong_of_the_client_ends_the_session(ws: SessionUnderTest) -> None:
    ws.transport.receive("3")
    assert ws.sink.reasons == [("transport error", "invalid heartbeat direction")]


def test_answer_waits_for_the_next_poll() -> None:
    polling = FakePolling()
    session = SessionUnderTest(polling, kind=SessionV3)
    polling.receive("2")
    session.driver.tick()
    polling.poll()
    assert polling.responses == [["3"]]


def test_wait_begins_anew_with_an_upgrade() -> None:
    session = SessionUnderTest(FakePolling(), kind=SessionV3)
    session.driver.advance(40)
    second, _ = session.probe()
    second.receive("2probe", "5")
    session.driver.advance(44.9)
    assert session.reasons == []
    session.driver.advance(0.2)
    assert session.reasons == ["ping timeout"]


def test_client_that_closes_in_an_orderly_way_may_still_be_silent(ws: SessionUnderTest) -> None:
    ws.transport.block()
    ws.send("a")
    ws.driver.tick()
    ws.session.close()
    ws.driver.advance(30.1)
    assert ws.reasons == ["forced close"]
