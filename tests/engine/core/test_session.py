"""A session between a transport and its sink, with a clock that the test moves."""

from __future__ import annotations

import pytest

from sockwave.engine.core.transport import SharedPacket
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
    assert ws.session.backlog == ws.session.accounted == 1_000_004


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
        assert 0 <= ws.session.backlog - ws.session.accounted <= 80_000
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


@pytest.mark.parametrize("packet", ["7", "abc", "", " 4", "b4"])
def test_unknown_packet_ends_the_session_with_parse_error(
    ws: SessionUnderTest, packet: str
) -> None:
    ws.transport.receive(packet)
    assert ws.reasons == ["parse error"]
    assert ws.transport.end == "discard"


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


@pytest.mark.parametrize("message", ["4a", b"\x01"])
def test_first_message_after_a_ping_restarts_the_wait_once(
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
    polling.session.transport_closed(polling.transport, DisconnectReason.TRANSPORT_ERROR, "")
    polling.session.transport_writable(polling.transport)
    assert (polling.reasons, polling.sink.drains) == ([], 0)


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


def test_close_of_the_session_closes_the_probe(polling: SessionUnderTest) -> None:
    second, _ = polling.probe()
    second.receive("2probe")
    polling.session.close()
    assert second.end == "discard"
    poll(polling)
    assert polling.reasons == ["forced close"]


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
