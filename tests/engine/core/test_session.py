"""A session between a transport and its sink, with a clock that the test moves."""

from __future__ import annotations

import pytest

from sockwave.engine.core.session_queue import MARK, MARK_SHARE
from sockwave.engine.core.taking import LOOKS
from sockwave.engine.core.transport import SLICE, SharedPacket
from sockwave.engine.core.upgrade import NOOP_INTERVAL
from sockwave.errors import TextEncodingError
from sockwave.types import DisconnectReason
from tests.engine.core.fakes import FakePolling, FakeTransport, SessionUnderTest


@pytest.fixture
def ws() -> SessionUnderTest:
    """A session on a WebSocket."""
    return SessionUnderTest()


@pytest.fixture
def polling() -> SessionUnderTest:
    """A session on long-polling, without a poll waiting."""
    return SessionUnderTest(FakePolling())


def responses(under_test: SessionUnderTest) -> list[list[str]]:
    assert isinstance(under_test.transport, FakePolling)
    return under_test.transport.responses


def poll(under_test: SessionUnderTest) -> None:
    assert isinstance(under_test.transport, FakePolling)
    under_test.transport.poll()


# --- sending --------------------------------------------------------------------------------------


def test_packets_wait_for_the_end_of_the_turn_and_go_out_in_order(ws: SessionUnderTest) -> None:
    ws.send("a", "b", "c")
    assert ws.transport.sent == []
    ws.driver.tick()
    assert ws.transport.sent == ["4a", "4b", "4c"]


def test_session_asks_for_one_flush_in_a_turn(ws: SessionUnderTest) -> None:
    ws.send("a", "b", "c")
    assert ws.driver.dirty == [ws.session]


def test_poll_that_waits_is_answered_with_all_packets_of_the_turn(
    polling: SessionUnderTest,
) -> None:
    poll(polling)
    polling.send("a", "b")
    polling.driver.tick()
    assert responses(polling) == [["4a", "4b"]]


def test_packets_wait_for_the_next_poll(polling: SessionUnderTest) -> None:
    polling.send("a")
    polling.driver.tick()
    polling.send("b")
    polling.driver.tick()
    poll(polling)
    assert responses(polling) == [["4a", "4b"]]


def test_shared_packet_keeps_its_place_between_others(ws: SessionUnderTest) -> None:
    ws.send("a")
    ws.session.send_packet(SharedPacket(b"\x01\x02", is_binary=True), 2)
    ws.send("b")
    ws.driver.tick()
    assert ws.transport.sent == ["4a", "b0102", "4b"]


def test_packet_after_close_is_dropped(ws: SessionUnderTest) -> None:
    ws.session.close()
    ws.send("late")
    ws.driver.tick()
    assert ws.transport.sent == []


def test_packet_of_a_closing_session_is_dropped(polling: SessionUnderTest) -> None:
    polling.send("a")
    polling.session.close()
    polling.send("late")
    poll(polling)
    poll(polling)
    assert responses(polling) == [["4a"], ["6", "1"]]


def test_queue_of_a_session_that_was_lost_is_dropped(ws: SessionUnderTest) -> None:
    ws.send("a")
    ws.transport.lose()
    ws.driver.tick()
    assert ws.transport.sent == []
    assert ws.session.backlog == 0


def test_session_is_writable_when_a_packet_would_go_out_with_this_turn(
    ws: SessionUnderTest,
) -> None:
    assert ws.can_write()
    ws.send("a")
    assert not ws.can_write(), "another packet waits already"
    ws.driver.tick()
    assert ws.can_write()
    ws.transport.block()
    assert not ws.can_write()


def test_polling_session_is_writable_only_while_a_poll_waits(polling: SessionUnderTest) -> None:
    assert not polling.can_write()
    poll(polling)
    assert polling.can_write()
    polling.send("a")
    polling.driver.tick()
    assert not polling.can_write()


def test_closed_session_is_not_writable(ws: SessionUnderTest) -> None:
    ws.session.discard(DisconnectReason.TRANSPORT_ERROR)
    assert not ws.can_write()


def test_what_was_queued_since_a_mark_can_be_withdrawn(ws: SessionUnderTest) -> None:
    ws.send("a")
    mark = ws.session.mark_queue()
    ws.send("b", "c")
    assert ws.session.withdraw(mark)
    ws.driver.tick()
    assert ws.transport.sent == ["4a"]


def test_withdrawn_packets_do_not_count_as_backlog(ws: SessionUnderTest) -> None:
    mark = ws.session.mark_queue()
    ws.send("abc")
    ws.session.withdraw(mark)
    ws.driver.tick()
    assert ws.session.backlog == 0


def test_what_has_gone_out_cannot_be_withdrawn(ws: SessionUnderTest) -> None:
    ws.send("a")
    mark = ws.session.mark_queue()
    ws.driver.tick()
    ws.send("b")
    assert not ws.session.withdraw(mark)
    ws.driver.tick()
    assert ws.transport.sent == ["4a", "4b"]


# --- backlog --------------------------------------------------------------------------------------


def test_backlog_counts_what_the_transport_could_not_take(ws: SessionUnderTest) -> None:
    ws.transport.block()
    ws.send("abc")
    ws.driver.tick()
    assert (ws.session.backlog, ws.session.accounted) == (4, 0), "too little for the account"
    ws.send("." * 999_999)
    ws.driver.tick()
    assert ws.session.backlog == 1_000_004
    assert ws.session.accounted == ws.session.held > 1_000_004, "packets have a cost of their own"


def test_backlog_counts_what_the_transport_has_not_sent(ws: SessionUnderTest) -> None:
    ws.send("abc")
    ws.transport.write = lambda packets: ws.transport.block(in_buffer=1_000_000)  # type: ignore[method-assign] # a full buffer
    ws.driver.tick()
    assert ws.session.backlog == ws.session.accounted == 1_000_000
    ws.transport.unblock()
    assert (ws.session.backlog, ws.session.accounted) == (0, 0)


def test_backlog_that_grows_without_a_flush_is_counted_in_steps(ws: SessionUnderTest) -> None:
    ws.transport.block()
    for _ in range(100):
        ws.send("." * 9_999)
        ws.driver.tick()
        assert 0 <= ws.session.held - ws.session.accounted <= 80_000
    ws.transport.unblock()
    assert (ws.session.backlog, ws.session.accounted) == (0, 0)


def test_session_past_its_backlog_ends(ws: SessionUnderTest) -> None:
    under_test = SessionUnderTest(max_backlog=10)
    under_test.transport.block()
    under_test.send("12345678")
    assert under_test.reasons == []
    under_test.send("9")
    assert under_test.sink.reasons == [("backlog exceeded", "the peer does not read")]


def test_backlog_that_the_transport_can_take_is_flushed_and_does_not_end() -> None:
    under_test = SessionUnderTest(max_backlog=10)
    under_test.send(*["12345"] * 10)
    under_test.driver.tick()
    assert under_test.transport.sent == ["412345"] * 10
    assert under_test.reasons == []


def test_peer_with_a_large_backlog_is_not_read_from_until_it_has_shrunk(
    ws: SessionUnderTest,
) -> None:
    ws.transport.block()
    reading = []
    for _ in range(3):
        ws.send("." * (MARK // 2))
        ws.driver.tick()
        reading.append(ws.transport.is_reading)
    ws.transport.in_buffer = 0
    ws.transport.unblock()
    reading.append(ws.transport.is_reading)
    assert reading == [True, False, False, True]
    assert len(ws.transport.sent) == 3


def test_peer_whose_queue_shrinks_slowly_is_read_from_below_a_lower_mark(
    ws: SessionUnderTest,
) -> None:
    fill(ws, 2 * MARK // SLICE + 2)
    backlogs = []
    while not ws.transport.is_reading:
        backlogs.append(ws.session.backlog)
        ws.transport.take_one_slice()
    assert backlogs[0] > MARK
    assert min(backlogs) > MARK // 4 >= ws.session.backlog


def test_peer_is_read_from_less_readily_while_the_process_is_short_of_room(
    ws: SessionUnderTest,
) -> None:
    ws.transport.block()
    ws.send("." * (MARK // 8))
    ws.driver.tick()
    before = ws.transport.is_reading
    ws.driver.is_short_of_room = True
    ws.send("." * (MARK // 8))
    ws.driver.tick()
    assert (before, ws.transport.is_reading) == (True, False)


def test_mark_goes_with_a_smaller_bound() -> None:
    under_test = SessionUnderTest(max_backlog=1_000_000)
    under_test.transport.block()
    under_test.send("." * (1_000_000 // MARK_SHARE))
    under_test.driver.tick()
    assert not under_test.transport.is_reading


def test_large_burst_within_a_turn_stops_reading_until_it_is_out(ws: SessionUnderTest) -> None:
    ws.send("." * (2 * MARK))
    before = ws.transport.is_reading
    ws.driver.tick()
    assert (before, ws.transport.is_reading) == (False, True)


def test_long_queue_is_written_in_slices_as_long_as_there_is_room(ws: SessionUnderTest) -> None:
    fill(ws, 8)
    written = []
    for _ in range(3):
        ws.transport.take_one_slice()
        written.append(len(ws.transport.sent))
    assert written == [2, 4, 6]
    ws.transport.unblock()
    assert ws.transport.sent == ["4" + "." * (SLICE // 2)] * 8


def test_answer_to_a_poll_is_one_slice_and_the_next_one_has_the_rest(
    polling: SessionUnderTest,
) -> None:
    polling.send(*["." * (SLICE // 2)] * 5)
    for _ in range(3):
        poll(polling)
    assert [len(response) for response in responses(polling)] == [2, 2, 1]


def test_session_closes_behind_the_last_slice(ws: SessionUnderTest) -> None:
    fill(ws, 4)
    ws.session.close()
    ws.transport.take_one_slice()
    before = ws.transport.end
    ws.transport.unblock()
    assert (before, ws.transport.end) == ("", "close")
    assert len(ws.transport.sent) == 4


def test_sink_hears_when_the_queue_is_empty_again(ws: SessionUnderTest) -> None:
    ws.transport.block()
    ws.send("a")
    ws.driver.tick()
    assert ws.sink.drains == 0
    ws.transport.unblock()
    assert ws.sink.drains == 1
    assert ws.transport.sent == ["4a"]


def test_sink_of_a_polling_session_hears_when_a_poll_waits_for_more(
    polling: SessionUnderTest,
) -> None:
    polling.send("a")
    poll(polling)
    assert polling.sink.drains == 0
    poll(polling)
    assert polling.sink.drains == 1


def fill(ws: SessionUnderTest, halves: int) -> None:
    """Let so many half slices wait."""
    ws.transport.block()
    ws.send(*["." * (SLICE // 2)] * halves)
    ws.driver.tick()


# --- receiving ------------------------------------------------------------------------------------


def test_messages_reach_the_sink_in_order(ws: SessionUnderTest) -> None:
    ws.transport.receive("4a", b"\x01", "4", "4b")
    assert ws.sink.messages == ["a", b"\x01", "", "b"]


@pytest.mark.parametrize("packet", ["0", "5", "6", "3", "3probe", "0{}"])
def test_packet_without_meaning_is_ignored(ws: SessionUnderTest, packet: str) -> None:
    ws.transport.receive(packet, "4a")
    assert ws.sink.messages == ["a"]


@pytest.mark.parametrize("kind", [b"0", b"3", b"5", b"6"])
def test_packet_without_a_message_must_be_utf8_too(ws: SessionUnderTest, kind: bytes) -> None:
    with pytest.raises(TextEncodingError):
        ws.session.text_received(kind + b"\xff")
    ws.session.text_received(kind + "é".encode())


@pytest.mark.parametrize("packet", ["7", "abc", "", " 4"])
def test_unknown_packet_ends_the_session_with_parse_error(
    ws: SessionUnderTest, packet: str
) -> None:
    ws.transport.receive(packet)
    assert ws.reasons == ["parse error"]
    assert ws.transport.end == "discard"


def test_base64_of_the_client_is_a_binary_message(ws: SessionUnderTest) -> None:
    ws.transport.receive("bAQ\nID")
    assert (ws.sink.messages, ws.reasons) == ([b"\x01\x02\x03"], [])


def test_ping_of_the_client_ends_the_session(ws: SessionUnderTest) -> None:
    ws.transport.receive("2")
    assert ws.sink.reasons == [("transport error", "invalid heartbeat direction")]


def test_close_packet_ends_the_session(ws: SessionUnderTest) -> None:
    ws.transport.receive("1", "4late")
    assert ws.reasons == ["transport close"]
    assert ws.sink.messages == []


def test_bad_text_is_left_to_the_transport(ws: SessionUnderTest) -> None:
    with pytest.raises(TextEncodingError):
        ws.transport.receiver.text_received(b"4\xff")
    assert ws.reasons == []


def test_closing_session_hears_nothing(polling: SessionUnderTest) -> None:
    polling.session.close()
    polling.transport.receive("4a", b"\x01", "2", "abc")
    assert polling.sink.messages == []
    assert polling.reasons == []


# --- heartbeat ------------------------------------------------------------------------------------


def test_server_pings_one_interval_after_the_handshake(ws: SessionUnderTest) -> None:
    ws.driver.advance(24.9)
    assert ws.transport.sent == []
    ws.driver.advance(0.2)
    assert ws.transport.sent == ["2"]


def test_next_ping_is_counted_from_the_pong(ws: SessionUnderTest) -> None:
    ws.driver.advance(35)
    ws.transport.receive("3")
    ws.driver.advance(24.9)
    assert ws.transport.sent == ["2"]
    ws.driver.advance(0.2)
    assert ws.transport.sent == ["2", "2"]


def test_server_closes_session_when_pong_is_late(ws: SessionUnderTest) -> None:
    ws.driver.advance(44.9)
    assert ws.reasons == []
    ws.driver.advance(0.2)
    assert ws.reasons == ["ping timeout"]
    assert ws.transport.end == "discard"


def test_session_lives_as_long_as_pongs_come(ws: SessionUnderTest) -> None:
    for _ in range(100):
        ws.driver.advance(25.1)
        ws.transport.receive("3")
    assert ws.reasons == []
    assert ws.transport.sent == ["2"] * 100


def test_pong_that_nobody_asked_for_changes_nothing(ws: SessionUnderTest) -> None:
    ws.driver.advance(20)
    ws.transport.receive("3")
    ws.driver.advance(5.1)
    assert ws.transport.sent == ["2"]


@pytest.mark.parametrize("message", ["4a", b"\x01", "0", "5", "6", "6x"])
def test_first_packet_after_a_ping_restarts_the_wait_once(
    ws: SessionUnderTest, message: str | bytes
) -> None:
    ws.driver.advance(25.1)
    ws.driver.advance(15)
    ws.transport.receive(message)
    ws.driver.advance(15)
    assert ws.reasons == []
    ws.transport.receive(message)
    ws.driver.advance(5.1)
    assert ws.reasons == ["ping timeout"]


def test_wait_may_be_restarted_anew_after_each_ping(ws: SessionUnderTest) -> None:
    for _ in range(3):
        ws.driver.advance(25.1 + 15)
        ws.transport.receive("4a")
        ws.driver.advance(15)
        ws.transport.receive("3")
    assert ws.reasons == []


def test_messages_do_not_put_off_the_ping(ws: SessionUnderTest) -> None:
    for _ in range(26):
        ws.transport.receive("4a")
        ws.driver.advance(1)
    assert ws.transport.sent == ["2"]


def test_ping_to_a_polling_client_waits_for_its_poll(polling: SessionUnderTest) -> None:
    polling.driver.advance(26)
    assert responses(polling) == []
    poll(polling)
    assert responses(polling) == [["2"]]


def test_polling_client_without_a_poll_times_out(polling: SessionUnderTest) -> None:
    polling.driver.advance(45.1)
    assert polling.reasons == ["ping timeout"]


def test_session_that_ended_has_no_deadline(ws: SessionUnderTest) -> None:
    ws.transport.lose()
    assert len(ws.driver.wheel) == 0
    ws.session.handle_timeout(100.0)
    assert ws.reasons == ["transport close"]


# --- closing --------------------------------------------------------------------------------------


def test_close_on_websocket_ends_at_once(ws: SessionUnderTest) -> None:
    ws.session.close()
    assert ws.transport.end == "close"
    assert ws.reasons == ["forced close"]
    assert ws.state() == "CLOSED"


def test_close_on_websocket_sends_what_is_queued_first(ws: SessionUnderTest) -> None:
    ws.send("a", "b")
    ws.session.close()
    assert ws.transport.sent == ["4a", "4b"]
    assert ws.transport.end == "close"


def test_close_waits_until_a_full_websocket_can_take_the_queue(ws: SessionUnderTest) -> None:
    ws.transport.block()
    ws.send("a")
    ws.session.close()
    assert (ws.transport.end, ws.state()) == ("", "CLOSING")
    ws.transport.unblock()
    assert (ws.transport.sent, ws.transport.end) == (["4a"], "close")
    assert ws.reasons == ["forced close"]


def test_close_with_a_poll_waiting_answers_it(polling: SessionUnderTest) -> None:
    poll(polling)
    polling.session.close()
    assert responses(polling) == [["1"]]
    assert polling.reasons == ["forced close"]


def test_close_without_a_poll_waits_for_the_next_one(polling: SessionUnderTest) -> None:
    polling.session.close()
    polling.driver.tick()
    assert polling.state() == "CLOSING"
    poll(polling)
    assert responses(polling) == [["6", "1"]]
    assert polling.reasons == ["forced close"]


def test_close_with_queue_and_poll_sends_the_queue_and_then_closes(
    polling: SessionUnderTest,
) -> None:
    poll(polling)
    polling.send("a")
    polling.session.close()
    assert responses(polling) == [["4a"]]
    poll(polling)
    assert responses(polling) == [["4a"], ["6", "1"]]


def test_close_with_queue_and_no_poll_takes_two_polls(polling: SessionUnderTest) -> None:
    polling.send("a")
    polling.session.close()
    poll(polling)
    poll(polling)
    assert responses(polling) == [["4a"], ["6", "1"]]
    assert polling.reasons == ["forced close"]


def test_close_that_no_poll_fetches_times_out() -> None:
    under_test = SessionUnderTest(FakePolling(), close_timeout=3.0)
    under_test.session.close(DisconnectReason.FORCED_SERVER_CLOSE)
    under_test.driver.advance(2.9)
    assert under_test.reasons == []
    under_test.driver.advance(0.2)
    assert under_test.reasons == ["forced server close"]
    assert under_test.transport.end == "discard"


def test_ping_timeout_wins_over_a_close_that_takes_long(polling: SessionUnderTest) -> None:
    polling.driver.advance(25.1)
    polling.session.close()
    polling.driver.advance(20)
    assert polling.reasons == ["ping timeout"]


def test_ping_is_not_sent_while_closing(polling: SessionUnderTest) -> None:
    polling.send("a")
    polling.session.close()
    polling.driver.advance(26)
    poll(polling)
    assert responses(polling) == [["4a"]]


def test_closing_twice_is_harmless(polling: SessionUnderTest) -> None:
    polling.session.close()
    polling.session.close(DisconnectReason.FORCED_SERVER_CLOSE)
    poll(polling)
    assert polling.reasons == ["forced close"]


def test_close_reason_is_kept_when_the_peer_goes_first(ws: SessionUnderTest) -> None:
    ws.transport.block()
    ws.send("a")
    ws.session.close(DisconnectReason.SERVER_SHUTTING_DOWN)
    ws.transport.lose()
    assert ws.reasons == ["server shutting down"]


def test_error_while_closing_is_told_as_it_is(ws: SessionUnderTest) -> None:
    ws.transport.block()
    ws.send("a")
    ws.session.close()
    ws.transport.lose(DisconnectReason.TRANSPORT_ERROR)
    assert ws.reasons == ["transport error"]


def test_discard_loses_the_queue(ws: SessionUnderTest) -> None:
    ws.send("a")
    ws.session.discard(DisconnectReason.PARSE_ERROR, "why")
    ws.driver.tick()
    assert (ws.transport.sent, ws.transport.end) == ([], "discard")
    assert ws.sink.reasons == [("parse error", "why")]


def test_end_of_a_polling_session_frees_its_poll(polling: SessionUnderTest) -> None:
    poll(polling)
    polling.session.discard()
    assert responses(polling) == [["1"]]
    assert polling.reasons == ["forced close"]


def test_session_ends_once(ws: SessionUnderTest) -> None:
    ws.session.discard(DisconnectReason.PARSE_ERROR)
    ws.session.discard(DisconnectReason.TRANSPORT_ERROR)
    ws.session.close()
    assert ws.reasons == ["parse error"]
    assert ws.driver.ended == [(ws.session, DisconnectReason.PARSE_ERROR)]


def test_loss_of_the_transport_ends_the_session(ws: SessionUnderTest) -> None:
    ws.transport.lose(DisconnectReason.TRANSPORT_ERROR, "reset")
    assert ws.sink.reasons == [("transport error", "reset")]


# --- a wheel that is late -------------------------------------------------------------------------


def test_session_past_its_ping_timeout_is_gone_although_the_wheel_is_late(
    polling: SessionUnderTest,
) -> None:
    polling.driver.advance(44.7)
    polling.driver.now = 44.999
    polling.session.is_over_by_now()
    before = polling.reasons
    polling.driver.now = 45.0
    polling.session.is_over_by_now()
    assert (before, polling.reasons) == ([], ["ping timeout"])


def test_ping_that_is_due_is_there_for_a_poll_although_the_wheel_is_late(
    polling: SessionUnderTest,
) -> None:
    polling.driver.now = 25.0
    polling.session.is_over_by_now()
    poll(polling)
    assert responses(polling) == [["2"]]


def test_time_of_a_pong_is_counted_from_when_its_ping_was_due(polling: SessionUnderTest) -> None:
    polling.driver.now = 25.01
    polling.session.is_over_by_now()
    poll(polling)
    polling.driver.now = 45.02
    polling.session.is_over_by_now()
    assert polling.reasons == ["ping timeout"]


def test_after_a_long_stop_a_request_is_read_before_anybody_is_judged(
    polling: SessionUnderTest,
) -> None:
    polling.driver.advance(25.1)
    polling.driver.now = 60.0
    polling.session.is_over_by_now()
    assert polling.reasons == []


def test_upgrade_past_its_time_fails_although_the_wheel_is_late(
    polling: SessionUnderTest,
) -> None:
    second, _ = polling.probe()
    second.receive("2probe")
    polling.driver.now = 10.0
    second.receive("5")
    assert (second.end, polling.session.transport) == ("discard", polling.transport)
    polling.session.is_over_by_now()
    assert polling.session.may_upgrade


def test_client_that_did_not_come_back_in_time_is_gone_although_the_wheel_is_late(
    polling: SessionUnderTest,
) -> None:
    second, _ = polling.probe()
    second.receive("2probe")
    second.lose()
    polling.driver.now = 10.0
    polling.session.is_over_by_now()
    assert polling.reasons == ["transport close"]


def test_close_that_took_too_long_is_over_although_the_wheel_is_late() -> None:
    under_test = SessionUnderTest(FakePolling(), close_timeout=3.0)
    under_test.session.close()
    under_test.driver.now = 3.0
    under_test.session.is_over_by_now()
    assert under_test.reasons == ["forced close"]


# --- slow peers -----------------------------------------------------------------------------------


def slow_peer(halves: int = 40) -> SessionUnderTest:
    """A WebSocket whose peer has much to take, in halves of a slice."""
    under_test = SessionUnderTest(ping_interval=10.0, ping_timeout=4.0)
    fill(under_test, halves)
    under_test.transport.in_buffer = SLICE
    return under_test


def take_for(under_test: SessionUnderTest, seconds: float) -> None:
    """Let a peer take a slice every second."""
    for _ in range(int(seconds)):
        under_test.driver.advance(1.0)
        under_test.transport.take_one_slice()


def test_ping_overtakes_what_waits_in_the_queue() -> None:
    under_test = slow_peer()
    under_test.driver.advance(10.1)
    under_test.transport.take_one_slice()
    assert under_test.transport.sent[0] == "2"


def test_slow_peer_that_takes_what_it_is_sent_is_not_dead() -> None:
    under_test = slow_peer()
    under_test.driver.advance(10.1)
    take_for(under_test, 15)
    assert under_test.reasons == []


def test_time_of_the_pong_begins_when_the_ping_is_out() -> None:
    under_test = slow_peer(7)
    under_test.driver.advance(10.1)
    take_for(under_test, 2)  # the slice in the buffer, and the one with the ping
    out = under_test.driver.now
    while not under_test.reasons:
        take_for(under_test, 1)
    assert under_test.reasons == ["ping timeout"]
    assert 4.0 <= under_test.driver.now - out <= 4.0 + 4.0 / LOOKS + 1.1


def test_peer_that_takes_nothing_is_gone_after_the_ping_timeout() -> None:
    under_test = slow_peer()
    under_test.driver.advance(14.1)
    assert under_test.reasons == ["ping timeout"]


def test_peer_that_stops_taking_is_gone_a_ping_timeout_later() -> None:
    under_test = slow_peer()
    under_test.driver.advance(10.1)
    under_test.transport.take(1_000)
    under_test.driver.advance(3.9)
    before = under_test.reasons
    under_test.driver.advance(1.2)
    assert (before, under_test.reasons) == ([], ["ping timeout"])


def test_peer_that_is_not_read_from_for_its_backlog_is_gone_when_it_takes_nothing() -> None:
    """Nobody else would end it: what shows that it lives is not read."""
    under_test = slow_peer()
    assert not under_test.transport.is_reading
    under_test.driver.advance(14.1)
    assert under_test.reasons == ["ping timeout"]


def test_pong_that_is_unread_for_the_backlog_is_waited_for() -> None:
    under_test = slow_peer()
    under_test.driver.advance(10.1)
    while not under_test.transport.is_reading:
        take_for(under_test, 1)
    assert under_test.reasons == []
    under_test.transport.receive("3")
    under_test.driver.advance(9.0)
    assert under_test.reasons == []


def test_machine_that_has_much_to_send_is_given_time(ws: SessionUnderTest) -> None:
    """Nothing is in our own buffer, but megabytes in the kernel's."""
    ws.transport.in_buffer = 2_000_000
    ws.driver.advance(25.1)
    for _ in range(10):
        ws.driver.advance(15)
        ws.transport.take(100_000)
    assert ws.reasons == []


# --- upgrade --------------------------------------------------------------------------------------


def test_upgrade_moves_the_queue_and_what_follows(polling: SessionUnderTest) -> None:
    polling.send("a")
    polling.driver.tick()
    second, _ = polling.probe()
    second.receive("2probe")
    assert second.sent == ["3probe"]
    second.receive("5")
    polling.send("b")
    polling.driver.tick()
    assert second.sent == ["3probe", "4a", "4b"]
    assert polling.transport.end == "discard"


def test_whoever_waits_for_the_queue_hears_of_the_upgrade(polling: SessionUnderTest) -> None:
    polling.send("a")
    polling.driver.tick()
    second, _ = polling.probe()
    second.receive("2probe")
    assert polling.sink.drains == 0
    second.receive("5")
    assert (second.sent, polling.sink.drains) == (["3probe", "4a"], 1)


def test_session_is_upgraded_and_its_driver_told(polling: SessionUnderTest) -> None:
    second, _ = polling.probe()
    assert polling.state() == "UPGRADING"
    second.receive("2probe", "5")
    assert polling.state() == "OPEN"
    assert polling.session.upgraded
    assert polling.session.transport is second
    assert polling.driver.upgraded == [polling.session]


def test_upgrade_without_a_probe_is_valid(polling: SessionUnderTest) -> None:
    second, _ = polling.probe()
    second.receive("5", "4a")
    assert polling.session.upgraded
    assert polling.sink.messages == ["a"]


def test_both_directions_work_on_polling_during_the_probe(polling: SessionUnderTest) -> None:
    second, _ = polling.probe()
    second.receive("2probe")
    polling.transport.receive("4up")
    polling.send("down")
    poll(polling)
    assert polling.sink.messages == ["up"]
    assert responses(polling) == [["4down"]]
    assert second.sent == ["3probe"]


def test_poll_that_waits_gets_a_noop_with_the_probe(polling: SessionUnderTest) -> None:
    poll(polling)
    second, _ = polling.probe()
    second.receive("2probe")
    assert responses(polling) == [["6"]]


def test_poll_that_comes_after_the_probe_gets_a_noop_at_the_next_check(
    polling: SessionUnderTest,
) -> None:
    second, _ = polling.probe()
    second.receive("2probe")
    poll(polling)
    assert responses(polling) == []
    polling.driver.advance(NOOP_INTERVAL + 0.01)
    assert responses(polling) == [["6"]]


def test_noop_is_repeated_for_each_poll_until_the_upgrade(polling: SessionUnderTest) -> None:
    second, _ = polling.probe()
    second.receive("2probe")
    for _ in range(3):
        poll(polling)
        polling.driver.advance(NOOP_INTERVAL + 0.01)
    second.receive("5")
    polling.driver.advance(1)
    assert responses(polling) == [["6"]] * 3


def test_packets_that_wait_free_the_poll_instead_of_a_noop(polling: SessionUnderTest) -> None:
    poll(polling)
    second, _ = polling.probe()
    polling.send("a")
    second.receive("2probe")
    polling.driver.tick()
    assert responses(polling) == [["4a"]]


def test_poll_that_waits_at_the_upgrade_is_closed_and_the_session_lives(
    polling: SessionUnderTest,
) -> None:
    second, _ = polling.probe()
    poll(polling)
    second.receive("5", "4a")
    assert responses(polling) == [["1"]]
    assert polling.reasons == []
    assert polling.sink.messages == ["a"]


def test_end_of_the_old_transport_does_not_touch_the_session(polling: SessionUnderTest) -> None:
    second, _ = polling.probe()
    second.receive("5")
    drains = polling.sink.drains
    polling.session.transport_closed(polling.transport, DisconnectReason.TRANSPORT_ERROR, "")
    polling.session.transport_writable(polling.transport)
    assert (polling.reasons, polling.sink.drains) == ([], drains)


@pytest.mark.parametrize("garbage", ["2", "4hello", "3probe", "1", "", "probe", "2prob", b"\x05"])
def test_anything_else_on_the_probe_ends_the_attempt_only(
    polling: SessionUnderTest, garbage: str | bytes
) -> None:
    second, _ = polling.probe()
    second.receive("2probe")
    second.receive(garbage)
    assert second.end == "discard"
    assert polling.state() == "OPEN"
    assert polling.reasons == []
    assert polling.sink.messages == []


def test_another_attempt_is_allowed_after_one_that_failed(polling: SessionUnderTest) -> None:
    first, _ = polling.probe()
    first.receive("4hello")
    second, _ = polling.probe()
    second.receive("2probe", "5")
    assert polling.session.upgraded


def test_old_probe_that_reports_late_does_not_disturb_the_next(polling: SessionUnderTest) -> None:
    first, probe = polling.probe()
    first.receive("4hello")
    second, _ = polling.probe()
    probe.transport_closed(first, DisconnectReason.TRANSPORT_CLOSE, "")
    second.receive("2probe", "5")
    assert polling.session.upgraded


def test_probe_that_closes_ends_the_attempt_only(polling: SessionUnderTest) -> None:
    second, _ = polling.probe()
    second.lose()
    assert polling.state() == "OPEN"
    assert polling.reasons == []
    assert len(polling.driver.wheel) == 1, "only the session's own deadline is left"


def lose_probed(polling: SessionUnderTest, *, mute: bool = False) -> None:
    """The client is told to leave its poll, and then the second transport ends, or is too slow."""
    second, _ = polling.probe()
    second.receive("2probe")
    if mute:
        polling.driver.advance(10.1)
        assert second.end == "discard"
    else:
        second.lose()


@pytest.mark.parametrize("mute", [False, True])
def test_client_that_goes_in_the_middle_of_an_upgrade_is_gone_after_the_time_for_one(
    polling: SessionUnderTest, mute: bool
) -> None:
    lose_probed(polling, mute=mute)
    polling.driver.advance(9.9)
    assert polling.reasons == []
    polling.driver.advance(0.2)
    assert polling.sink.reasons == [("transport close", "gone in the middle of an upgrade")]
    assert len(polling.driver.wheel) == 0


@pytest.mark.parametrize("sign", ["poll", "text", "binary"])
def test_client_that_stays_after_its_probe_is_as_before(
    polling: SessionUnderTest, sign: str
) -> None:
    lose_probed(polling)
    if sign == "poll":
        poll(polling)
    else:
        polling.transport.receive("4a" if sign == "text" else b"a")
    assert polling.transport.receiver is polling.session
    assert len(polling.driver.wheel) == 1, "only the session's own deadline is left"
    polling.driver.advance(15)
    assert polling.reasons == []
    assert polling.sink.messages == {"poll": [], "text": ["a"], "binary": [b"a"]}[sign]


def test_client_that_waits_with_a_poll_needs_no_watching(polling: SessionUnderTest) -> None:
    second, _ = polling.probe()
    second.receive("2probe")
    poll(polling)
    second.lose()
    assert len(polling.driver.wheel) == 1
    polling.driver.advance(15)
    assert polling.reasons == []


def test_client_that_is_watched_may_try_another_upgrade(polling: SessionUnderTest) -> None:
    lose_probed(polling)
    second, _ = polling.probe()
    second.receive("2probe", "5", "4a")
    polling.driver.advance(15)
    assert polling.session.upgraded
    assert polling.sink.messages == ["a"]
    assert polling.reasons == []


@pytest.mark.parametrize("how", ["close", "discard", "lost"])
def test_end_of_a_watched_session_leaves_nothing(polling: SessionUnderTest, how: str) -> None:
    lose_probed(polling)
    if how == "close":
        polling.session.close()
        poll(polling)
    elif how == "discard":
        polling.session.discard()
    else:
        polling.transport.lose()
    assert len(polling.reasons) == 1
    assert len(polling.driver.wheel) == 0


@pytest.mark.parametrize("probe_packets", [[], ["2probe"]])
def test_probe_that_takes_too_long_is_dropped(
    polling: SessionUnderTest, probe_packets: list[str]
) -> None:
    second, _ = polling.probe()
    second.receive(*probe_packets)
    polling.driver.advance(9.9)
    early = second.end
    polling.driver.advance(0.2)
    assert (early, second.end) == ("", "discard")
    assert polling.state() == "OPEN"


@pytest.mark.parametrize("packets_before", [[], ["2probe"]])
def test_session_that_closes_still_has_a_way_over(
    polling: SessionUnderTest, packets_before: list[str]
) -> None:
    second, _ = polling.probe()
    second.receive(*packets_before)
    polling.send("last")
    polling.session.close()
    assert (second.end, polling.state()) == ("", "CLOSING")
    second.receive(*["2probe"][len(packets_before) :], "5")
    assert second.sent == ["3probe", "4last"]
    assert second.end == "close"
    assert responses(polling) == []
    assert polling.reasons == ["forced close"]
    assert len(polling.driver.wheel) == 0


def test_session_that_closes_lets_an_upgrade_begin(polling: SessionUnderTest) -> None:
    polling.send("last")
    polling.session.close()
    tries = [polling.session.may_upgrade]
    second, _ = polling.probe()
    tries.append(polling.session.may_upgrade)
    assert tries == [True, False]
    second.receive("2probe", "5")
    assert second.sent == ["3probe", "4last"]
    assert polling.reasons == ["forced close"]


def test_poll_ends_the_session_that_closes_and_the_probe_with_it(
    polling: SessionUnderTest,
) -> None:
    second, _ = polling.probe()
    second.receive("2probe")
    polling.session.close()
    poll(polling)
    assert responses(polling) == [["6", "1"]]
    assert second.end == "discard"
    assert polling.reasons == ["forced close"]


def test_nothing_is_received_on_the_way_over_of_a_session_that_closes(
    polling: SessionUnderTest,
) -> None:
    second, _ = polling.probe()
    second.block()
    polling.send("last")
    polling.session.close()
    second.receive("5", "4a", b"a")
    assert polling.sink.messages == []
    second.unblock()
    assert second.sent == ["4last"]
    assert polling.reasons == ["forced close"]


@pytest.mark.parametrize("how", ["garbage", "lost", "slow"])
def test_probe_that_fails_leaves_the_session_closing(polling: SessionUnderTest, how: str) -> None:
    second, _ = polling.probe()
    second.receive("2probe")
    polling.driver.advance(5)
    polling.send("last")
    polling.session.close()
    if how == "garbage":
        second.receive("4a")
    elif how == "lost":
        second.lose()
    else:
        polling.driver.advance(5.1)
    assert (second.end != "", polling.state()) == (True, "CLOSING")
    poll(polling)
    poll(polling)
    assert responses(polling) == [["4last"], ["6", "1"]]
    assert polling.reasons == ["forced close"]
    assert len(polling.driver.wheel) == 0


def test_close_that_nobody_comes_for_ends_in_time_with_its_probe(
    polling: SessionUnderTest,
) -> None:
    second, _ = polling.probe()
    polling.session.close()
    polling.driver.advance(polling.driver.options.close_timeout + 0.1)
    assert second.end == "discard"
    assert polling.reasons == ["forced close"]
    assert len(polling.driver.wheel) == 0


def test_loss_of_the_session_closes_the_probe(polling: SessionUnderTest) -> None:
    second, _ = polling.probe()
    polling.transport.lose(DisconnectReason.TRANSPORT_ERROR)
    assert second.end == "discard"
    assert polling.reasons == ["transport error"]
    assert len(polling.driver.wheel) == 0


def test_upgrade_packet_after_the_session_ended_is_ignored(polling: SessionUnderTest) -> None:
    second, _ = polling.probe()
    receiver = second.receiver
    polling.transport.lose()
    receiver.text_received(b"5")
    receiver.text_received(b"2probe")
    assert polling.state() == "CLOSED"
    assert second.sent == []


def test_upgrade_drops_an_armed_pong_timeout(polling: SessionUnderTest) -> None:
    polling.driver.advance(40)
    second, _ = polling.probe()
    second.receive("2probe", "5")
    polling.driver.advance(20)
    assert polling.reasons == []
    polling.driver.advance(5.1)
    assert second.sent == ["3probe", "2", "2"]


def test_ping_timeout_during_the_probe_ends_both(polling: SessionUnderTest) -> None:
    polling.driver.advance(44)
    second, _ = polling.probe()
    polling.driver.advance(1.1)
    assert polling.reasons == ["ping timeout"]
    assert second.end == "discard"


def test_heartbeat_goes_on_after_the_upgrade(polling: SessionUnderTest) -> None:
    second, _ = polling.probe()
    second.receive("5")
    polling.driver.advance(25.1)
    assert second.sent == ["2"]
    polling.driver.advance(20)
    assert polling.reasons == ["ping timeout"]


def test_queue_waits_when_the_new_transport_is_full(polling: SessionUnderTest) -> None:
    polling.send("a")
    second = FakeTransport()
    second.block()
    polling.probe(second)
    second.receive("5")
    assert second.sent == []
    second.unblock()
    assert second.sent == ["4a"]


def test_second_probe_at_a_time_is_a_bug_of_the_caller(polling: SessionUnderTest) -> None:
    polling.probe()
    with pytest.raises(RuntimeError, match="PROBE while UPGRADING"):
        polling.probe()
