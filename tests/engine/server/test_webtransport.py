"""The transport on a WebTransport session: turns, pausing, closing and what is written when."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from sockwave.codec.webtransport import encode_frame
from sockwave.engine.core.rate import RateExceeded
from sockwave.engine.core.taking import Taken
from sockwave.engine.core.transport import SharedPacket
from sockwave.engine.io.turns import CREDIT, SMALL, TURN
from sockwave.engine.server.transports.webtransport import (
    FRAMES_PER_LOOK,
    LINGER,
    WebTransportTransport,
)
from sockwave.types import DisconnectReason
from tests.engine.server.fakes import FakeHost, FakeReceiver

if TYPE_CHECKING:
    from collections.abc import Callable


class FakeSession:
    """What a QUIC library gives, and what was asked of it."""

    def __init__(self) -> None:
        self.is_writable = True
        self.written: list[bytes] = []
        self.is_paused = False
        self.ends: list[object] = []

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def buffered(self) -> int:
        return 5

    def progress(self) -> Taken:
        return Taken(3, 2)

    def pause_reading(self) -> None:
        self.is_paused = True

    def resume_reading(self) -> None:
        self.is_paused = False

    def close(self, code: int, reason: str) -> None:
        self.ends.append((code, reason))

    def refuse(self, reason: str) -> None:
        self.ends.append(reason)

    def abort(self) -> None:
        self.ends.append("abort")


class TransportUnderTest:
    """A transport with all that surrounds it."""

    def __init__(self, **options: Any) -> None:
        self.host = FakeHost(**options)
        self.session = FakeSession()
        self.receiver = FakeReceiver()
        self.transport = WebTransportTransport(self.session, self.receiver, self.host)

    def receive(self, *texts: str) -> None:
        """Packets of the peer at once."""
        self.transport.data_received(b"".join(encode_frame(text.encode()) for text in texts))

    def turns_until(self, is_so: Callable[[], bool], most: int = 10_000) -> None:
        """Let turns of the loop pass."""
        for _ in range(most):
            if is_so():
                return
            self.host.turn()
        raise AssertionError("it never came")


@pytest.fixture
def wt() -> TransportUnderTest:
    return TransportUnderTest()


# --- writing --------------------------------------------------------------------------------------


def test_packets_of_a_tick_are_one_write(wt: TransportUnderTest) -> None:
    wt.transport.write([b"4a", SharedPacket(b"4b"), SharedPacket(b"\x01", is_binary=True)])
    assert wt.session.written == [b"\x024a\x024b\x81\x01"]


def test_large_attachment_is_not_copied_into_one_write(wt: TransportUnderTest) -> None:
    data = bytes(100_000)
    wt.transport.write([b"4a", SharedPacket(data, is_binary=True), b"4b"])
    head = b"\xff" + (100_000).to_bytes(8, "big")
    assert wt.session.written == [b"\x024a" + head, data, b"\x024b"]


def test_what_the_session_says_of_its_buffer_counts(wt: TransportUnderTest) -> None:
    seen = [wt.transport.is_writable]
    wt.session.is_writable = False
    assert [*seen, wt.transport.is_writable] == [True, False]
    assert wt.transport.buffered() == 5
    assert wt.transport.progress() == Taken(3, 2)
    wt.transport.session_writable()
    assert wt.receiver.times_writable == 1


# --- reading --------------------------------------------------------------------------------------


def test_packets_are_read_where_they_come(wt: TransportUnderTest) -> None:
    wt.receive("4a", "2")
    wt.transport.data_received(encode_frame(b"\x00", binary=True))
    assert wt.receiver.packets == ["4a", "2", b"\x00"]
    assert wt.host.soon == []


def test_flood_of_small_packets_leaves_time_for_others(wt: TransportUnderTest) -> None:
    wt.host.seconds_per_look = TURN
    count = 20 * FRAMES_PER_LOOK
    wt.receive(*["4x"] * count)
    assert len(wt.receiver.packets) < count / 2
    wt.turns_until(lambda: len(wt.receiver.packets) == count)
    assert not wt.session.is_paused


def test_who_comes_late_in_a_turn_waits_and_then_nothing_more_is_taken(
    wt: TransportUnderTest,
) -> None:
    wt.host.turns.credit = -CREDIT
    wt.host.turns.later(lambda: None, 0)
    wt.host.now += 2 * TURN
    wt.receive("4" + "x" * SMALL)
    assert wt.receiver.packets == []
    assert wt.session.is_paused
    wt.receive("4b")
    wt.turns_until(lambda: len(wt.receiver.packets) == 2)
    assert wt.receiver.packets[1] == "4b"
    assert not wt.session.is_paused


def test_nothing_is_read_from_the_middle_of_a_burst_on_while_paused(
    wt: TransportUnderTest,
) -> None:
    wt.receiver.on_text = lambda packet: wt.transport.pause_reading() if packet == "4b" else None
    wt.receive("4a", "4b", "4c")
    wt.receive("4d")
    assert wt.receiver.packets == ["4a", "4b"]
    assert wt.session.is_paused
    wt.transport.resume_reading()
    wt.turns_until(lambda: len(wt.receiver.packets) == 4)
    assert wt.receiver.packets == ["4a", "4b", "4c", "4d"]
    assert not wt.session.is_paused


def test_pausing_while_a_turn_is_awaited_wins(wt: TransportUnderTest) -> None:
    wt.transport.pause_reading()
    wt.receive("4a")
    wt.transport.resume_reading()
    wt.transport.pause_reading()
    wt.host.turn()
    wt.host.turn()
    assert wt.receiver.packets == []
    assert wt.session.is_paused
    wt.transport.resume_reading()
    wt.turns_until(lambda: wt.receiver.packets == ["4a"])


def test_nothing_is_read_behind_a_close(wt: TransportUnderTest) -> None:
    wt.receiver.on_text = lambda packet: wt.transport.close()
    wt.receive("4a", "4b")
    wt.receive("4c")
    assert wt.receiver.packets == ["4a"]


# --- the end --------------------------------------------------------------------------------------


def test_close_is_told_once_and_has_its_time(wt: TransportUnderTest) -> None:
    wt.transport.close()
    wt.transport.close()
    assert wt.session.ends == [(0, "")]
    assert wt.receiver.ends == [("transport close", "")]
    wt.transport.write([b"4late"])
    assert wt.session.written == []
    wt.host.advance(wt.host.options.close_timeout + 1)
    assert wt.session.ends == [(0, ""), "abort"]


def test_session_that_ends_in_time_is_not_cut(wt: TransportUnderTest) -> None:
    wt.transport.close()
    wt.transport.session_lost(DisconnectReason.TRANSPORT_CLOSE, "")
    wt.host.advance(wt.host.options.close_timeout + 1)
    assert wt.session.ends == [(0, "")]
    assert wt.receiver.ends == [("transport close", "")]


def test_discard_is_soon_over(wt: TransportUnderTest) -> None:
    wt.transport.discard()
    wt.host.advance(LINGER + 0.2)
    assert wt.session.ends == [(0, ""), "abort"]


def test_peer_that_leaves_is_told_of(wt: TransportUnderTest) -> None:
    wt.transport.session_lost(DisconnectReason.TRANSPORT_CLOSE, "peer closed with 0")
    assert wt.receiver.ends == [("transport close", "peer closed with 0")]
    assert not wt.transport.is_writable


@pytest.mark.parametrize(
    ("data", "reason", "words"),
    [
        (b"\x00", "parse error", "empty frame"),
        (b"\x7f" + b"\xff" * 8, "parse error", "message too big"),
        (b"\x02\xff\xff", "transport error", "invalid UTF-8"),
    ],
)
def test_what_is_no_packet_is_the_end(
    wt: TransportUnderTest, data: bytes, reason: str, words: str
) -> None:
    wt.transport.data_received(encode_frame(b"4a") + data + encode_frame(b"4b"))
    assert wt.session.ends == [(1, words)]
    assert wt.receiver.packets == ["4a"]
    assert wt.receiver.ends == [(reason, words)]


def test_who_sends_too_much_is_told_so(wt: TransportUnderTest) -> None:
    def refuse(packet: str) -> None:
        raise RateExceeded("session_packets")

    wt.receiver.on_text = refuse
    wt.receive("4a", "4b")
    assert wt.session.ends == [(1, "rate limit exceeded")]
    assert wt.receiver.ends == [("rate limit exceeded", "rate limit exceeded")]


def test_newcomer_that_is_refused_gets_words(wt: TransportUnderTest) -> None:
    wt.transport.refuse("Forbidden")
    wt.receive("4a")
    assert wt.session.ends == ["Forbidden"]
    assert wt.receiver.packets == []
