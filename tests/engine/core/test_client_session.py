"""The client's session, without I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sockwave.engine.core.client_payload import MAX_PACKETS, count_for_payload
from sockwave.engine.core.client_session import ClientSession
from sockwave.engine.core.client_states import TRANSITIONS, Input, State, next_state
from sockwave.engine.core.transport import SLICE, SharedPacket
from sockwave.errors import TextEncodingError
from sockwave.types import DisconnectReason
from tests.engine.core.fake_client import (
    OPEN,
    FakeDriver,
    FakeTransport,
    RecordingSink,
    open_session,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from sockwave.engine.core.transport import Outgoing
    from sockwave.types import TransportName


def send(session: ClientSession, *packets: bytes) -> None:
    for packet in packets:
        session.send_packet(packet, len(packet))


def test_handshake_opens_the_session() -> None:
    driver, sink = FakeDriver(), RecordingSink()
    session = ClientSession(driver, sink)
    session.transport = FakeTransport("polling", session)
    session.text_received(OPEN)
    assert (session.id, session.is_open, sink.told) == ("abc", True, ["opened"])


@pytest.mark.parametrize(
    "packet",
    [
        b"0",
        b"0[]",
        b'0{"sid":"a"}',
        b'0{"sid":"","upgrades":[],"pingInterval":1,"pingTimeout":1}',
        b'0{"sid":"a","upgrades":[],"pingInterval":-1,"pingTimeout":1}',
        b'0{"sid":"a","upgrades":[],"pingInterval":"x","pingTimeout":1}',
        b'0{"sid":"a","upgrades":{},"pingInterval":1,"pingTimeout":1}',
        b'0{"sid":"a","upgrades":[],"pingInterval":1,"pingTimeout":1,"maxPayload":"x"}',
        b'0{"sid":"%b","upgrades":[],"pingInterval":1,"pingTimeout":1}' % (b"a" * 70_000),
    ],
)
def test_handshake_that_is_of_no_use_ends_the_attempt(packet: bytes) -> None:
    sink = RecordingSink()
    session = ClientSession(FakeDriver(), sink)
    session.transport = FakeTransport("polling", session)
    session.text_received(packet)
    assert sink.told == [("closed", "transport error")]


@pytest.mark.parametrize("kind", [b"2", b"3", b"5", b"6"])
def test_packet_without_a_message_must_be_utf8_too(kind: bytes) -> None:
    session, *_ = open_session()
    with pytest.raises(TextEncodingError):
        session.text_received(kind + b"\xff")
    session.text_received(kind + "é".encode())


def test_times_that_no_clock_can_hold_are_clamped() -> None:
    session = ClientSession(FakeDriver(), RecordingSink())
    session.transport = FakeTransport("polling", session)
    session.text_received(
        b'0{"sid":"a","upgrades":["__class__"],"pingInterval":1e308,"pingTimeout":1e308}'
    )
    assert session.handshake is not None
    assert session.handshake.ping_interval == session.handshake.ping_timeout == 86_400
    assert session.handshake.upgrades == ()


def test_packets_of_one_turn_go_out_together() -> None:
    session, transport, driver, _ = open_session("websocket")
    send(session, b"4a", b"4b")
    assert transport.written == []
    driver.tick()
    assert transport.written == [[b"4a", b"4b"]]


def test_packets_wait_while_a_post_is_under_way() -> None:
    session, transport, driver, _ = open_session()
    send(session, b"4a")
    driver.tick()
    send(session, b"4b")
    driver.tick()
    assert (transport.written, session.is_writable) == ([[b"4a"]], False)
    transport.post_done()
    assert transport.written == [[b"4a"], [b"4b"]]


@pytest.mark.parametrize(
    ("packets", "count"),
    [
        ([b"4" * 200, b"4"], 1),
        ([b"4" * 30, b"4" * 30, b"4" * 38], 3),
        ([b"4" * 30, b"4" * 30, b"4" * 39], 2),
        ([SharedPacket(b"x" * 72, is_binary=True), b"44"], 2),
        ([SharedPacket(b"x" * 73, is_binary=True), b"4"], 1),
        (["4€".encode() * 25, b"4"], 1),
        ([b"4"] * 40, MAX_PACKETS),
    ],
)
def test_post_holds_what_the_server_takes_but_at_least_one(
    packets: list[Outgoing], count: int
) -> None:
    assert count_for_payload(packets, 100) == count


def test_ping_is_answered_and_moves_the_deadline() -> None:
    session, transport, driver, sink = open_session("websocket")
    driver.advance(1.4)
    session.text_received(b"2")
    driver.tick()
    assert (transport.written, sink.told) == ([[b"3"]], ["ping"])
    driver.advance(1.4)
    assert session.is_open


def test_message_does_not_move_the_deadline() -> None:
    session, transport, driver, sink = open_session("websocket")
    driver.advance(1.4)
    session.text_received(b"4hello")
    driver.advance(0.2)
    assert sink.told == [b"4hello", ("closed", "ping timeout")]
    assert transport.calls == ["discard"]


def test_machine_that_slept_shows_at_once() -> None:
    session, _, driver, _ = open_session()
    assert not session.is_overdue()
    driver.asleep = 3600.0
    assert session.is_overdue()
    assert session.is_open


def probe(
    session: ClientSession, failed: Callable[[], None] = lambda: None, timeout: float = 5.0
) -> FakeTransport:
    websocket = FakeTransport("websocket")
    session.begin_upgrade(websocket, timeout, failed)
    return websocket


def test_who_began_an_upgrade_hears_when_it_fails_and_may_begin_another() -> None:
    session, _, _, _ = open_session()
    failed: list[bool] = []
    first = probe(session, lambda: failed.append(session.is_open))
    first.receiver.text_received(b"4not yet")
    assert (failed, first.calls) == ([True], ["discard"])
    assert probe(session).written == [[b"2probe"]]


def test_upgrade_waits_for_polling_to_rest_and_keeps_order() -> None:
    session, polling, driver, sink = open_session()
    websocket = probe(session)
    assert websocket.written == [[b"2probe"]]
    send(session, b"4before")
    driver.tick()
    websocket.receiver.text_received(b"3probe")
    send(session, b"4while")
    driver.tick()
    polling.receiver.text_received(b"4last")
    assert (polling.written, websocket.written) == ([[b"4before"]], [[b"2probe"]])
    assert polling.at_rest is not None
    polling.at_rest()
    assert websocket.written == [[b"2probe"], [b"5"], [b"4while"]]
    assert (polling.calls, sink.told) == (["discard"], [b"4last", "upgraded", "drained"])
    assert session.upgraded


@pytest.mark.parametrize("answer", [b"3", b"3other", b"4hello", b"2probe"])
def test_wrong_answer_to_a_probe_leaves_polling_alone(answer: bytes) -> None:
    session, polling, _, _ = open_session()
    websocket = probe(session)
    websocket.receiver.text_received(answer)
    assert (session.transport, session.state) == (polling, State.OPEN)
    assert websocket.calls == ["discard"]


def test_probe_that_is_never_answered_is_given_up() -> None:
    session, polling, driver, _ = open_session()
    websocket = probe(session)
    for _ in range(6):
        driver.advance(1.0)
        session.text_received(b"2")
    assert (session.transport, websocket.calls) == (polling, ["discard"])


def test_websocket_that_dies_while_switching_lets_polling_go_on() -> None:
    session, polling, driver, _ = open_session()
    websocket = probe(session)
    websocket.receiver.text_received(b"3probe")
    send(session, b"4kept")
    websocket.lose(DisconnectReason.TRANSPORT_CLOSE)
    driver.tick()
    assert (polling.calls, polling.written) == (["resume"], [[b"4kept"]])
    assert session.state is State.OPEN


def test_close_while_switching_waits_for_it() -> None:
    session, polling, _, sink = open_session()
    websocket = probe(session)
    websocket.receiver.text_received(b"3probe")
    session.close(5.0)
    assert (polling.calls, websocket.calls) == ([], [])
    assert polling.at_rest is not None
    polling.at_rest()
    assert websocket.calls == ["close"]
    websocket.lose(DisconnectReason.TRANSPORT_CLOSE)
    assert sink.told == ["upgraded", ("closed", "forced close")]


def test_close_sends_what_is_queued_first() -> None:
    session, transport, _, _ = open_session()
    send(session, b"4last")
    session.close(5.0)
    send(session, b"4dropped")
    assert (transport.written, transport.calls) == ([[b"4last"]], [])
    transport.post_done()
    assert transport.calls == ["close"]


def test_close_that_takes_too_long_is_cut() -> None:
    session, transport, driver, sink = open_session()
    send(session, b"4last")
    session.close(0.5)
    driver.advance(0.6)
    assert (transport.calls, sink.told) == (["discard"], [("closed", "forced close")])


@pytest.mark.parametrize("packet", [b"9", b"x", b""])
def test_packet_that_cannot_be_decoded_ends_the_session(packet: bytes) -> None:
    session, _, _, sink = open_session()
    session.text_received(packet)
    assert sink.told == [("closed", "transport error")]


def test_base64_comes_as_bytes() -> None:
    session, _, _, sink = open_session("websocket")
    session.text_received(b"bAQID")
    assert sink.told == [("binary", b"\x01\x02\x03")]


def test_server_that_closes_ends_the_session_once() -> None:
    session, transport, _, sink = open_session()
    session.text_received(b"1")
    session.text_received(b"4ignored")
    transport.lose(DisconnectReason.TRANSPORT_ERROR)
    assert sink.told == [("closed", "transport close")]


def test_transition_that_is_not_in_the_table_is_a_bug() -> None:
    with pytest.raises(RuntimeError, match="PROBE while CLOSED"):
        next_state(State.CLOSED, Input.PROBE)


def test_every_state_but_the_last_can_be_lost() -> None:
    assert {state for state, happened in TRANSITIONS if happened is Input.LOST} == set(State) - {
        State.CLOSED
    }


# --- a slow way to or from the server ------------------------------------------------------------


def test_pong_overtakes_what_waits_for_a_slow_connection() -> None:
    session, transport, driver, _ = open_session("websocket")
    transport.has_room = False
    large = b"4" + b"x" * (SLICE // 2)
    send(session, *[large] * 6)
    driver.tick()
    session.text_received(b"2")
    transport.post_done()
    assert transport.written == [[large] * 2, [b"3", large, large]]


def test_pong_goes_out_with_the_next_post_whatever_waits() -> None:
    session, transport, driver, _ = open_session()
    send(session, b"4a")
    driver.tick()
    send(session, *[b"4%090d" % number for number in range(3)])
    session.text_received(b"2")
    transport.post_done()
    assert transport.written[1][0] == b"3"


def test_queue_on_a_slow_connection_is_written_in_slices_in_order() -> None:
    session, transport, driver, _ = open_session("websocket")
    transport.has_room = False
    packets = [b"4%d" % number + b"x" * (SLICE // 2) for number in range(5)]
    send(session, *packets)
    driver.tick()
    backlogs = [session.backlog]
    while session.backlog:
        transport.post_done()
        backlogs.append(session.backlog)
    assert [packet for written in transport.written for packet in written] == packets
    assert backlogs == sorted(backlogs, reverse=True) and len(backlogs) == 3


@pytest.mark.parametrize("name", ["polling", "websocket"])
def test_ping_behind_a_message_that_is_still_coming_is_waited_for(name: TransportName) -> None:
    session, transport, driver, sink = open_session(name)
    for come in (1_000, 2_000, 500, 3_000):
        transport.in_message = come
        driver.advance(1.6 if come == 1_000 else 0.14)
        assert session.is_open
    session.text_received(b"2")
    driver.advance(1.4)
    assert session.is_open
    assert sink.told == ["opened", "ping"][-len(sink.told) :]


def test_message_that_comes_no_further_does_not_keep_a_dead_server() -> None:
    _, transport, driver, sink = open_session("websocket")
    transport.in_message = 1_000
    driver.advance(1.6)
    driver.advance(0.14)
    assert sink.told[-1] == ("closed", "ping timeout")


def test_answer_to_a_probe_past_its_time_is_too_late_although_the_timer_is() -> None:
    session, transport, driver, _ = open_session()
    second = probe(session, timeout=1.0)
    driver.now += 1.0
    second.receiver.text_received(b"3probe")
    assert (session.state, second.calls) == (State.OPEN, ["discard"])
    assert session.transport is transport
