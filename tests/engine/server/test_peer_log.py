"""The log of what peers do wrong can be neither forged nor flooded."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from sockwave.engine.server.peer_log import PeerLog, quoted

if TYPE_CHECKING:
    from collections.abc import Callable

PEER = ("192.0.2.1", 5_000)


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> PeerLog:
    """A log at level INFO."""
    caplog.set_level(logging.INFO, "test.peers")
    return PeerLog(logging.getLogger("test.peers"))


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """What was logged so far."""
    return lambda: [record.getMessage() for record in caplog.records]


def test_fault_is_one_line_with_the_address(log: PeerLog, lines: Callable[[], list[str]]) -> None:
    log.info(PEER, "message too big")
    log.info(None, "message too big")
    assert lines() == ["192.0.2.1: message too big", "unix socket: message too big"]


def test_flood_of_a_fault_is_one_line(log: PeerLog, lines: Callable[[], list[str]]) -> None:
    for port in range(100):
        log.info(("192.0.2.1", port), "message too big")
    log.info(PEER, "something else")
    assert lines() == ["192.0.2.1: message too big", "192.0.2.1: something else"]


def test_flood_of_one_fault_with_many_texts_is_one_line(
    log: PeerLog, lines: Callable[[], list[str]]
) -> None:
    for at in range(100):
        log.info(PEER, "unknown namespace", f"/{at}")
    assert lines() == ["192.0.2.1: unknown namespace /0"]


def test_fault_is_logged_again_after_a_second(
    log: PeerLog, lines: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    log.info(PEER, "x")
    now = 0.9
    log.info(PEER, "x")
    now = 1.1
    log.info(PEER, "x")
    assert len(lines()) == 2


def test_text_of_a_peer_is_escaped_and_cut(log: PeerLog, lines: Callable[[], list[str]]) -> None:
    log.info(PEER, "unknown namespace", "/a\n192.0.2.9: forged\x1b[31m" + "x" * 1_000)
    (line,) = lines()
    assert line.startswith("192.0.2.1: unknown namespace /a\\n192.0.2.9: forged\\x1b[31mx")
    assert len(line) < 300


def test_what_is_remembered_is_bounded(log: PeerLog) -> None:
    for at in range(5_000):
        log.info((f"host {at}", 1), "x")
    assert len(log._last) <= 1_024


def test_nothing_is_done_when_nobody_listens(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "test.peers")
    log = PeerLog(logging.getLogger("test.peers"))
    log.info(PEER, "x")
    assert (caplog.records, log._last) == ([], {})


def test_network_of_ipv6_is_one_peer(log: PeerLog, lines: Callable[[], list[str]]) -> None:
    for number in range(100):
        log.info((f"2001:db8::{number:x}", 1), "message too big")
    log.info(("2001:db8:0:1::1", 1), "message too big")
    log.info(("::ffff:192.0.2.1", 1), "message too big")
    log.info(("::ffff:192.0.2.2", 1), "message too big")
    assert lines() == [
        "2001:db8::0: message too big",
        "2001:db8:0:1::1: message too big",
        "::ffff:192.0.2.1: message too big",
        "::ffff:192.0.2.2: message too big",
    ]


def test_address_that_is_any_text_is_escaped_and_cut(
    log: PeerLog, lines: Callable[[], list[str]]
) -> None:
    log.info(("192.0.2.1\n192.0.2.9: forged\x1b[2J" + "x" * 10_000, 1), "y")
    (line,) = lines()
    assert line.startswith("192.0.2.1\\n192.0.2.9: forged\\x1b[2Jxx")
    assert line.endswith("x: y")
    assert len(line) < 100


def test_detail_is_made_for_a_line_that_is_written_only(
    log: PeerLog, lines: Callable[[], list[str]]
) -> None:
    made: list[int] = []

    def detail() -> str:
        made.append(1)
        return "because"

    for _ in range(100):
        log.info(PEER, "refused:", detail)
    assert lines() == ["192.0.2.1: refused: because"]
    assert made == [1]


def test_quoted_text_of_a_peer_is_cut() -> None:
    assert quoted("a'b\n") == '"a\'b\\n"'
    assert len(quoted("x" * 10_000)) < 80
