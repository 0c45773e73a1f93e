"""A WebSocket on a TCP connection: pausing, closing and what is written when."""

from __future__ import annotations

import pytest

from sockwave.engine.core.transport import SharedPacket
from sockwave.engine.io.turns import CREDIT, SLICE, TURN
from sockwave.engine.io.websocket import (
    MESSAGES_PER_LATER_LOOK,
    MESSAGES_PER_LOOK,
    MESSAGES_PER_TICK,
)
from sockwave.engine.server.transports.websocket import FAILURE_LINGER, WebSocketTransport
from tests.codec.handlers import raw_frame
from tests.engine.server.fakes import FakeHost, FakeReceiver, FakeTcp


class WebSocketUnderTest:
    """A WebSocket with all that surrounds it."""

    def __init__(self, already_read: bytes = b"") -> None:
        self.host = FakeHost()
        self.tcp = FakeTcp()
        self.receiver = FakeReceiver()
        self.transport = WebSocketTransport(self.tcp, self.receiver, self.host, None, already_read)

    def receive(self, *texts: str) -> None:
        """Messages of the peer in one segment."""
        self.transport.data_received(frames(*texts))


def frames(*texts: str) -> bytes:
    return b"".join(raw_frame(1, text.encode(), masked=True) for text in texts)


CLOSE = raw_frame(8, b"\x03\xe8", masked=True)


@pytest.fixture
def ws() -> WebSocketUnderTest:
    """An open WebSocket."""
    return WebSocketUnderTest()


# --- writing --------------------------------------------------------------------------------------


def test_packets_of_a_tick_are_one_write(ws: WebSocketUnderTest) -> None:
    ws.transport.write([b"4a", SharedPacket(b"4b"), SharedPacket(b"\x01", is_binary=True)])
    assert ws.tcp.written == b"\x81\x024a\x81\x024b\x82\x01\x01"
    assert ws.tcp.writes == 1


def test_large_attachment_is_not_copied_into_one_write(ws: WebSocketUnderTest) -> None:
    data = bytes(100_000)
    ws.transport.write([b"4a", SharedPacket(data, is_binary=True)])
    assert ws.tcp.writes == 3, "head and text of the first, and the frame of the second"
    assert ws.tcp.written.endswith(data)


def test_transport_is_writable_while_the_buffer_of_its_socket_has_room(
    ws: WebSocketUnderTest,
) -> None:
    ws.transport.pause_writing()
    ws.tcp.in_buffer = 5
    before = (ws.transport.is_writable, ws.transport.buffered())
    ws.transport.resume_writing()
    assert (before, ws.transport.is_writable) == ((False, 5), True)
    assert ws.receiver.times_writable == 1


def test_nothing_is_written_after_the_close_frame(ws: WebSocketUnderTest) -> None:
    ws.transport.close()
    ws.transport.write([b"4late"])
    ws.transport.resume_writing()
    assert ws.tcp.written == b"\x88\x00"
    assert not ws.transport.is_writable


def test_of_pings_of_a_peer_that_does_not_read_the_latest_is_answered(
    ws: WebSocketUnderTest,
) -> None:
    ws.transport.data_received(raw_frame(9, b"x", masked=True))
    ws.transport.pause_writing()
    ws.transport.data_received(raw_frame(9, b"y", masked=True) * 100)
    ws.transport.data_received(raw_frame(9, b"z", masked=True))
    assert ws.tcp.written == b"\x8a\x01x"
    ws.transport.resume_writing()
    assert ws.tcp.written == b"\x8a\x01x\x8a\x01z"
    ws.transport.pause_writing()
    ws.transport.resume_writing()
    assert ws.tcp.written == b"\x8a\x01x\x8a\x01z"


def test_ping_of_a_peer_that_does_not_read_is_not_answered_behind_the_close_frame(
    ws: WebSocketUnderTest,
) -> None:
    ws.transport.pause_writing()
    ws.transport.data_received(raw_frame(9, b"x", masked=True))
    ws.transport.close()
    ws.transport.resume_writing()
    assert ws.tcp.written == b"\x88\x00"


# --- reading --------------------------------------------------------------------------------------


def test_bytes_behind_the_handshake_wait_for_the_next_turn() -> None:
    ws = WebSocketUnderTest(frames("4a"))
    ws.receive("4b")
    assert ws.receiver.packets == []
    ws.host.turn()
    assert ws.receiver.packets == ["4a", "4b"]
    assert ws.tcp.is_reading_now


def test_many_messages_are_handled_in_slices(ws: WebSocketUnderTest) -> None:
    ws.receive(*["4a"] * (MESSAGES_PER_TICK + 10))
    assert MESSAGES_PER_LOOK < len(ws.receiver.packets) <= MESSAGES_PER_TICK
    assert not ws.tcp.is_reading_now
    ws.host.turn()
    assert len(ws.receiver.packets) == MESSAGES_PER_TICK + 10
    assert ws.tcp.is_reading_now


def test_slow_messages_are_handled_in_smaller_slices(ws: WebSocketUnderTest) -> None:
    def handle(text: str) -> None:
        ws.host.now += SLICE / MESSAGES_PER_LOOK

    ws.receiver.on_text = handle
    ws.receive(*["4a"] * MESSAGES_PER_TICK)
    # The first look begins the time, so that what comes in small bursts costs no look at all.
    slice = MESSAGES_PER_LATER_LOOK + MESSAGES_PER_LOOK
    assert len(ws.receiver.packets) == slice
    assert not ws.tcp.is_reading_now
    for turns in range(2, MESSAGES_PER_TICK // slice + 1):
        ws.host.turn()
        assert len(ws.receiver.packets) == turns * slice
    ws.host.turn()
    assert ws.tcp.is_reading_now


def test_connections_share_the_time_of_a_turn_and_the_last_waits_for_the_next() -> None:
    first, second = WebSocketUnderTest(), WebSocketUnderTest()
    second.transport._driver = first.host

    def handle(text: str) -> None:
        first.host.now += TURN

    first.receiver.on_text = handle
    first.receive("4" + "a" * CREDIT)
    second.receive("4" + "b" * CREDIT)
    second.receive("4c")
    assert len(first.receiver.packets) == 1
    assert second.receiver.packets == []
    assert not second.tcp.is_reading_now
    first.host.turn()
    assert second.receiver.packets == ["4" + "b" * CREDIT, "4c"]
    assert second.tcp.is_reading_now


def test_pause_stops_at_once_and_keeps_what_was_read(ws: WebSocketUnderTest) -> None:
    ws.receiver.on_text = lambda text: ws.transport.pause_reading() if text == "4b" else None
    ws.receive("4a", "4b", "4c", "4d")
    ws.receive("4e")
    for _ in range(3):
        ws.host.turn()
    assert ws.receiver.packets == ["4a", "4b"]
    assert not ws.tcp.is_reading_now
    ws.transport.resume_reading()
    ws.host.turn()
    assert ws.receiver.packets == ["4a", "4b", "4c", "4d", "4e"]
    assert ws.tcp.is_reading_now


def test_pause_holds_while_a_slice_was_to_go_on(ws: WebSocketUnderTest) -> None:
    ws.receive(*["4a"] * (MESSAGES_PER_TICK + 10))
    ws.transport.pause_reading()
    handled = len(ws.receiver.packets)
    ws.host.turn()
    assert len(ws.receiver.packets) == handled
    ws.transport.resume_reading()
    for _ in range(3):
        ws.host.turn()
    assert len(ws.receiver.packets) == MESSAGES_PER_TICK + 10


def test_pause_and_resume_in_one_message_change_nothing(ws: WebSocketUnderTest) -> None:
    def both(text: str) -> None:
        ws.transport.pause_reading()
        ws.transport.resume_reading()

    ws.receiver.on_text = both
    ws.receive("4a", "4b", "4c")
    for _ in range(5):
        ws.host.turn()
    assert ws.receiver.packets == ["4a", "4b", "4c"]
    assert ws.tcp.is_reading_now


def test_half_a_frame_survives_a_pause(ws: WebSocketUnderTest) -> None:
    data = frames("4a", "4b")
    ws.receiver.on_text = lambda text: ws.transport.pause_reading()
    ws.transport.data_received(data[:-3])
    ws.transport.resume_reading()
    ws.host.turn()
    ws.transport.data_received(data[-3:])
    assert ws.receiver.packets == ["4a", "4b"]


def test_resume_without_a_pause_is_harmless(ws: WebSocketUnderTest) -> None:
    ws.transport.resume_reading()
    assert ws.host.soon == []


# --- the end --------------------------------------------------------------------------------------


def test_close_frame_of_the_peer_is_answered_and_told(ws: WebSocketUnderTest) -> None:
    ws.transport.data_received(CLOSE)
    assert ws.tcp.written == b"\x88\x02\x03\xe8"
    assert ws.tcp.end == "close"
    assert ws.receiver.ends == [("transport close", "peer closed with 1000")]


def test_close_waits_for_the_peer_and_then_cuts(ws: WebSocketUnderTest) -> None:
    ws.transport.close()
    assert ws.receiver.ends == [("transport close", "")]
    ws.host.advance(29.9)
    assert ws.tcp.end == ""
    ws.host.advance(0.2)
    assert ws.tcp.end == "abort"


@pytest.mark.parametrize("paused", [False, True])
def test_answer_to_a_close_is_read_also_when_reading_was_paused(
    ws: WebSocketUnderTest, paused: bool
) -> None:
    if paused:
        ws.receiver.on_text = lambda text: ws.transport.pause_reading()
    ws.receive("4a", "4b")
    ws.transport.close()
    ws.transport.pause_reading()
    ws.transport.data_received(frames("4late") + CLOSE)
    for _ in range(3):
        ws.host.turn()
    assert ws.tcp.end == "close"
    assert "4late" not in ws.receiver.packets


def test_answer_to_a_close_is_read_behind_many_messages(ws: WebSocketUnderTest) -> None:
    ws.transport.close()
    ws.transport.data_received(frames(*["4late"] * 1_000) + CLOSE)
    for _ in range(10):
        ws.host.turn()
    assert ws.tcp.end == "close"
    assert ws.receiver.packets == []


def test_discard_of_a_full_socket_cuts_it(ws: WebSocketUnderTest) -> None:
    ws.transport.pause_writing()
    ws.transport.discard()
    assert (ws.tcp.written, ws.tcp.end) == (b"", "abort")


def test_lost_connection_is_told_once_and_leaves_no_deadline(ws: WebSocketUnderTest) -> None:
    ws.transport.connection_lost(None)
    ws.transport.close()
    assert ws.receiver.ends == [("transport close", "connection lost")]
    assert ws.host.lost == [ws.transport]
    assert len(ws.host.wheel) == 0


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (raw_frame(1, b"4a", masked=False), 1002),
        (raw_frame(3, b"4a", masked=True), 1002),
        (raw_frame(1, b"4\xff", masked=True), 1007),
    ],
)
def test_broken_frame_is_answered_with_its_code_and_the_rest_is_dropped(
    ws: WebSocketUnderTest, data: bytes, code: int
) -> None:
    ws.transport.data_received(data + frames("4late"))
    assert ws.tcp.written[:1] == b"\x88"
    assert int.from_bytes(ws.tcp.written[2:4], "big") == code
    assert ws.receiver.ends[0][0] == "transport error"
    ws.receive("4late")
    assert "4late" not in ws.receiver.packets
    ws.host.advance(FAILURE_LINGER + 0.01)
    assert ws.tcp.end == "eof abort"


def test_end_in_the_middle_of_a_segment_ends_its_messages(ws: WebSocketUnderTest) -> None:
    ws.receiver.on_text = lambda text: ws.transport.close()
    ws.receive("4a", "4b")
    assert ws.receiver.packets == ["4a"]
