"""Long-polling: one GET that waits, one POST that brings packets."""

from __future__ import annotations

import gzip

import pytest

from sockwave.engine.core.options import Limits
from sockwave.engine.core.transport import SharedPacket
from sockwave.engine.io.turns import SLICE
from sockwave.engine.server.transports.compression import MOST_WAITING, PIECE
from sockwave.engine.server.transports.polling import (
    PACKETS_PER_LOOK,
    PACKETS_PER_TICK,
    PollingTransport,
)
from sockwave.types import SessionId
from tests.engine.server.fakes import FakeExchange, FakeHost, FakeReceiver


class PollingUnderTest:
    """A polling transport with all that surrounds it."""

    def __init__(self, **options: object) -> None:
        self.host = FakeHost(**options)
        self.receiver = FakeReceiver()
        self.transport = PollingTransport(self.host, SessionId("s"))
        self.transport.receiver = self.receiver

    def poll(self, **headers: str) -> FakeExchange:
        exchange = FakeExchange("GET", **headers)
        self.transport.poll_received(exchange)
        return exchange

    def post(self, *packets: str, **headers: str) -> FakeExchange:
        exchange = FakeExchange("POST", **headers)
        self.transport.post_received(exchange)
        if exchange.owner is not None:
            exchange.owner.body_received(exchange, "\x1e".join(packets).encode())
        return exchange


@pytest.fixture
def polling() -> PollingUnderTest:
    """A session that polls."""
    return PollingUnderTest()


# --- GET ------------------------------------------------------------------------------------------


def test_poll_waits_and_makes_the_transport_writable(polling: PollingUnderTest) -> None:
    poll = polling.poll()
    assert poll.answers == []
    assert polling.transport.is_writable
    assert polling.receiver.times_writable == 1


def test_poll_is_answered_with_all_packets(polling: PollingUnderTest) -> None:
    poll = polling.poll()
    polling.transport.write([b"4a", SharedPacket(b"\x01", is_binary=True), SharedPacket(b"4b")])
    assert poll.answers == [(200, b"4a\x1ebAQ==\x1e4b")]
    assert not polling.transport.is_writable


def test_second_poll_at_a_time_is_refused_and_ends_the_session(polling: PollingUnderTest) -> None:
    first, second = polling.poll(), polling.poll()
    assert (first.answers, second.answers) == ([(200, b"1")], [(400, b"")])
    assert polling.receiver.ends == [("transport error", "overlap from client")]


def test_poll_that_breaks_off_ends_the_session(polling: PollingUnderTest) -> None:
    poll = polling.poll()
    polling.transport.exchange_lost(poll)
    assert polling.receiver.ends == [("transport error", "poll connection closed prematurely")]
    assert poll.answers == []
    assert not polling.transport.is_writable


def test_end_of_an_answered_poll_is_no_fault(polling: PollingUnderTest) -> None:
    poll = polling.poll()
    polling.transport.write([b"4a"])
    polling.transport.exchange_lost(poll)
    assert polling.receiver.ends == []
    assert poll.owner is None


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("gzip, deflate, br", "gzip"),
        ("deflate, gzip", "deflate"),
        ("gzip;q=0.5, deflate;q=0.8", "deflate"),
        ("gzip;q=0, deflate;q=x", None),
        ("GZIP", "gzip"),
        ("br", None),
        ("", None),
        ("gzip;q=1;x=y", None),
    ],
)
def test_client_chooses_the_compression(
    polling: PollingUnderTest, accepted: str, encoding: str | None
) -> None:
    poll = polling.poll(accept_encoding=accepted)
    polling.transport.write([b"4" + b"a" * 2_000])
    assert poll.headers.get("Content-Encoding") == encoding


def test_compressed_payload_is_the_payload(polling: PollingUnderTest) -> None:
    poll = polling.poll(accept_encoding="gzip")
    polling.transport.write([b"4" + b"a" * 2_000])
    assert gzip.decompress(poll.answers[0][1]) == b"4" + b"a" * 2_000


def test_large_answer_is_compressed_a_slice_in_a_turn() -> None:
    polling = PollingUnderTest()
    poll = polling.poll(accept_encoding="gzip")
    polling.host.seconds_per_look = SLICE
    packet = b"4" + bytes(range(65, 90)) * 8_000
    polling.transport.write([packet])
    turns = 0
    while not poll.answers:
        polling.host.turn()
        turns += 1
    assert turns >= len(packet) // PIECE
    assert gzip.decompress(poll.answers[0][1]) == packet


def test_answer_above_the_limit_is_not_compressed() -> None:
    polling = PollingUnderTest(http_compression={"limit": 100_000})
    poll = polling.poll(accept_encoding="gzip")
    polling.transport.write([b"4" + b"a" * 100_000])
    assert poll.answers == [(200, b"4" + b"a" * 100_000)]


def test_answers_are_not_compressed_while_too_much_waits_for_that() -> None:
    first, second = PollingUnderTest(), PollingUnderTest()
    second.transport._host = first.host
    polls = []
    for polling in (first, second):
        polls.append(polling.poll(accept_encoding="gzip"))
        first.host.compressions.waiting += MOST_WAITING - 100_000 if polling is second else 0
        polling.transport.write([b"4" + b"a" * 60_000])
    assert polls[0].answers == []
    assert polls[1].answers == [(200, b"4" + b"a" * 60_000)]


def test_poll_that_is_lost_while_its_answer_is_compressed_ends_the_session(
    polling: PollingUnderTest,
) -> None:
    poll = polling.poll(accept_encoding="gzip")
    polling.transport.write([b"4" + b"a" * 60_000])
    assert poll.owner is polling.transport
    polling.transport.exchange_lost(poll)
    polling.host.turn()
    assert polling.receiver.ends == [("transport error", "poll connection closed prematurely")]
    assert poll.answers == []


def test_poll_while_the_answer_to_another_is_compressed_is_an_overlap(
    polling: PollingUnderTest,
) -> None:
    polling.poll(accept_encoding="gzip")
    polling.transport.write([b"4" + b"a" * 60_000])
    assert polling.poll().answers[0][0] == 400
    assert polling.receiver.ends == [("transport error", "overlap from client")]


def test_upgrade_while_an_answer_is_compressed_loses_nothing_of_it(
    polling: PollingUnderTest,
) -> None:
    poll = polling.poll(accept_encoding="gzip")
    polling.transport.write([b"4" + b"a" * 60_000])
    polling.transport.discard()
    for _ in range(5):
        polling.host.turn()
    assert gzip.decompress(poll.answers[0][1]) == b"4" + b"a" * 60_000


def test_packet_that_must_not_be_compressed_is_not(polling: PollingUnderTest) -> None:
    poll = polling.poll(accept_encoding="gzip")
    polling.transport.write([SharedPacket(b"4" + b"a" * 2_000, compress=False)])
    assert "Content-Encoding" not in poll.headers


# --- POST -----------------------------------------------------------------------------------------


def test_packets_of_a_post_are_handled_and_then_it_is_answered(polling: PollingUnderTest) -> None:
    post = polling.post("4a", "bAQ==", "3")
    assert polling.receiver.packets == ["4a", b"\x01", "3"]
    assert post.answers == [(200, b"ok")]
    assert post.owner is None


def test_many_packets_are_handled_in_slices(polling: PollingUnderTest) -> None:
    post = polling.post(*["4a"] * (PACKETS_PER_TICK + 10))
    assert (len(polling.receiver.packets), post.answers) == (PACKETS_PER_TICK, [])
    polling.host.turn()
    assert (len(polling.receiver.packets), post.answers) == (PACKETS_PER_TICK + 10, [(200, b"ok")])


def test_slow_packets_are_handled_in_smaller_slices(polling: PollingUnderTest) -> None:
    def handle(text: str) -> None:
        polling.host.now += SLICE

    polling.receiver.on_text = handle
    post = polling.post(*["4a"] * (3 * PACKETS_PER_LOOK))
    # The clock is first looked at behind the first of them.
    assert (len(polling.receiver.packets), post.answers) == (2 * PACKETS_PER_LOOK, [])
    polling.host.turn()
    polling.host.turn()
    assert (len(polling.receiver.packets), post.answers) == (3 * PACKETS_PER_LOOK, [(200, b"ok")])


def test_pause_stops_at_once_and_leaves_the_post_unanswered(polling: PollingUnderTest) -> None:
    polling.receiver.on_text = lambda text: polling.transport.pause_reading()
    post = polling.post("4a", "4b", "4c")
    polling.host.turn()
    assert (polling.receiver.packets, post.answers) == (["4a"], [])
    polling.receiver.on_text = lambda text: None
    polling.transport.resume_reading()
    polling.host.turn()
    assert (polling.receiver.packets, post.answers) == (["4a", "4b", "4c"], [(200, b"ok")])


def test_post_that_comes_during_a_pause_waits(polling: PollingUnderTest) -> None:
    polling.transport.pause_reading()
    post = polling.post("4a")
    assert polling.receiver.packets == []
    polling.transport.resume_reading()
    polling.host.turn()
    assert (polling.receiver.packets, post.answers) == (["4a"], [(200, b"ok")])


def test_second_post_at_a_time_is_refused_and_ends_the_session(polling: PollingUnderTest) -> None:
    poll, first, second = polling.poll(), FakeExchange("POST"), FakeExchange("POST")
    polling.transport.post_received(first)
    polling.transport.post_received(second)
    assert second.answers == [(400, b"")]
    assert first.was_aborted and first.answers == []
    assert poll.answers == [(200, b"1")]
    assert polling.receiver.ends == [("transport error", "data request overlap from client")]


def test_post_that_breaks_off_ends_the_session(polling: PollingUnderTest) -> None:
    post = FakeExchange("POST")
    polling.transport.post_received(post)
    polling.transport.exchange_lost(post)
    description = "data request connection closed prematurely"
    assert polling.receiver.ends == [("transport error", description)]


@pytest.mark.parametrize("kind", ["application/octet-stream", "Application/Octet-Stream; a=b"])
def test_binary_body_is_refused_and_ends_the_session(polling: PollingUnderTest, kind: str) -> None:
    assert polling.post("4a", content_type=kind).answers == [(400, b"")]
    assert polling.receiver.ends == [("transport error", "invalid content")]


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("4a\x1ex\x1e4b", "'x' is no type of a packet"),
        ("4a\x1e\x1e4b", "an empty packet"),
        ("4a\x1e", "an empty packet"),
    ],
)
def test_packets_before_one_that_cannot_be_decoded_are_handled(
    polling: PollingUnderTest, body: str, why: str
) -> None:
    post = polling.post(body)
    assert polling.receiver.packets == ["4a"]
    assert polling.receiver.ends == [("parse error", f"parser error: {why}")]
    assert post.answers == [(200, b"ok")]


def test_text_that_is_not_utf_8_is_a_parse_error(polling: PollingUnderTest) -> None:
    post = FakeExchange("POST")
    polling.transport.post_received(post)
    polling.transport.body_received(post, b"4\xff")
    assert polling.receiver.ends == [("parse error", "invalid UTF-8")]
    assert post.answers == [(200, b"ok")]


def test_close_packet_ends_the_session_and_drops_the_rest(polling: PollingUnderTest) -> None:
    poll = polling.poll()
    post = polling.post("4a", "1", "4b")
    assert polling.receiver.packets == ["4a"]
    assert (poll.answers, post.answers) == ([(200, b"6")], [(200, b"ok")])
    assert polling.receiver.ends == [("transport close", "")]


def test_too_many_packets_in_a_post_are_refused() -> None:
    polling = PollingUnderTest(limits=Limits(packets_per_post=3))
    assert polling.post("4a", "4b", "4c").answers == [(200, b"ok")]
    assert polling.post("4a", "4b", "4c", "4d").answers == [(413, b"")]
    assert polling.receiver.packets == ["4a", "4b", "4c"]
    assert polling.receiver.ends == [("transport error", "too many packets in one payload")]


def test_body_over_the_limit_ends_the_session(polling: PollingUnderTest) -> None:
    poll, post = polling.poll(), FakeExchange("POST")
    polling.transport.post_received(post)
    polling.transport.body_too_large(post)
    assert poll.answers == [(200, b"1")]
    assert polling.receiver.ends == [("transport error", "payload too large")]


# --- the end --------------------------------------------------------------------------------------


def test_close_answers_the_poll_that_waits(polling: PollingUnderTest) -> None:
    poll = polling.poll()
    polling.transport.close()
    assert poll.answers == [(200, b"1")]
    assert polling.receiver.ends == [("transport close", "")]


def test_close_without_a_poll_waits_for_the_next(polling: PollingUnderTest) -> None:
    polling.transport.close()
    polling.transport.close()
    assert polling.receiver.ends == []
    assert polling.poll().answers == [(200, b"6\x1e1")]
    assert polling.receiver.ends == [("transport close", "")]


def test_discard_frees_the_poll_and_tells_nobody(polling: PollingUnderTest) -> None:
    poll, post = polling.poll(), FakeExchange("POST")
    polling.transport.post_received(post)
    polling.transport.discard()
    assert poll.answers == [(200, b"1")]
    assert post.was_aborted
    assert polling.receiver.ends == []


def test_discard_answers_a_post_that_is_whole(polling: PollingUnderTest) -> None:
    polling.receiver.on_text = lambda text: polling.transport.discard()
    post = polling.post("4a")
    assert (post.answers, post.was_aborted) == ([(200, b"ok")], False)
