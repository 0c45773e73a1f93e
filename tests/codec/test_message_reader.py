from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sockwave.codec.close_code import CloseCode
from sockwave.codec.deflate import Deflate, PerMessageDeflate
from sockwave.codec.websocket import (
    MAX_CONTROL_PAYLOAD,
    Opcode,
    encode_close,
    encode_frame,
    server_frame,
)
from sockwave.errors import WebSocketError
from tests.codec.handlers import (
    MASK_KEY,
    Connection,
    Event,
    RecordingHandler,
    chopped,
    peak_memory,
    raw_frame,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from sockwave.codec.message_reader import MessageReader

SERVER, CLIENT = Connection(is_server=True), Connection(is_server=False)
both_roles = pytest.mark.parametrize("side", [SERVER, CLIENT], ids=["server", "client"])


# --- stop and budget ------------------------------------------------------------------------------


class StoppingHandler(RecordingHandler):
    """Closes at its first message, as a session does when one breaks the protocol."""

    def __init__(self, event: str) -> None:
        super().__init__()
        self.event = event
        self.reader: MessageReader | None = None

    def _stop(self, event: str) -> None:
        if self.reader is not None and event == self.event:
            self.reader.stop()

    def text_received(self, data: bytes) -> None:
        super().text_received(data)
        self._stop("text")

    def ping_received(self, data: bytes) -> None:
        super().ping_received(data)
        self._stop("ping")


@both_roles
@pytest.mark.parametrize(("event", "opcode"), [("text", 1), ("ping", 9)])
def test_handler_may_stop_the_reader(side: Connection, event: str, opcode: int) -> None:
    handler = StoppingHandler(event)
    handler.reader = side.reader(handler)
    assert not handler.reader.feed(side.frame(opcode, b"a") + side.frame(opcode, b"b") + b"\x81")
    assert not handler.reader.feed(side.frame(opcode, b"c"))
    assert handler.events == [(event, b"a")]


@both_roles
def test_stopped_reader_forgets_what_it_kept(side: Connection) -> None:
    handler = RecordingHandler()
    reader = side.reader(handler)
    reader.feed(side.text(b"begun", fin=False) + side.more(b"more", fin=True)[:-1])
    reader.stop()
    assert not reader.feed(side.more(b"more", fin=True)[-1:])
    assert handler.events == []


@both_roles
def test_reader_ignores_everything_after_a_failure(side: Connection) -> None:
    handler = RecordingHandler()
    reader = side.reader(handler)
    with pytest.raises(WebSocketError):
        reader.feed(side.text(b"a") + side.frame(3) + side.text(b"b"))
    assert not reader.feed(side.text(b"c"))
    assert handler.events == [("text", b"a")]


@both_roles
def test_reader_returns_after_its_budget_of_messages(side: Connection) -> None:
    handler = RecordingHandler()
    reader = side.reader(handler)
    wire = b"".join(side.text(b"%d" % n) for n in range(5))
    assert reader.feed(wire, budget=2)
    assert len(handler.events) == 2
    assert reader.feed(b"", budget=2)
    assert len(handler.events) == 4
    assert not reader.feed(b"", budget=2)
    assert handler.events == [("text", b"%d" % n) for n in range(5)]


@both_roles
def test_budget_that_ends_with_the_data_leaves_nothing_to_do(side: Connection) -> None:
    reader = side.reader(RecordingHandler())
    assert not reader.feed(side.text(b"a") * 2, budget=2)


@both_roles
def test_rest_of_a_spent_budget_may_be_half_a_frame(side: Connection) -> None:
    handler = RecordingHandler()
    reader = side.reader(handler)
    wire = side.text(b"hello")
    assert reader.feed(wire + wire[:3], budget=1)
    assert not reader.feed(b"", budget=1)
    assert not reader.feed(wire[3:], budget=1)
    assert handler.events == [("text", b"hello")] * 2


@both_roles
def test_new_data_after_a_spent_budget_follows_the_rest(side: Connection) -> None:
    handler = RecordingHandler()
    reader = side.reader(handler)
    assert reader.feed(side.text(b"1") + side.text(b"2"), budget=1)
    assert reader.feed(side.text(b"3"), budget=1)
    assert not reader.feed(b"")
    assert handler.events == [("text", b"1"), ("text", b"2"), ("text", b"3")]


@both_roles
def test_reader_waits_for_the_second_byte(side: Connection) -> None:
    handler = RecordingHandler()
    reader = side.reader(handler)
    wire = side.text(b"hello")
    assert not reader.feed(b"")
    assert not reader.feed(wire[:1])
    assert not reader.feed(b"")
    assert not reader.feed(wire[1:])
    assert handler.events == [("text", b"hello")]


# --- failures -------------------------------------------------------------------------------------

FAILURES = [
    ("reserved bits set", lambda side: side.text(b"", rsv=1), 1002),
    ("unexpected compressed frame", lambda side: side.text(b"", rsv=4), 1002),
    ("message begun inside another", lambda side: side.text(b"", fin=False) * 2, 1002),
    ("continuation without a message", lambda side: side.more(b""), 1002),
    ("unknown opcode", lambda side: side.frame(3), 1002),
    ("fragmented control frame", lambda side: side.frame(9, fin=False), 1002),
    ("control frame too long", lambda side: side.frame(9, bytes(126)), 1002),
    ("invalid frame length", lambda side: side.text(b"")[:1] + b"\xff" * 9, 1002),
    ("message too big", lambda side: side.text(bytes(1001)), 1009),
    ("too many fragments", lambda side: side.text(b"", fin=False) + side.more(b"") * 2000, 1008),
    ("invalid close code", lambda side: side.frame(8, b"\x03"), 1002),
    ("invalid close code", lambda side: side.frame(8, b"\x03\xed"), 1002),
    ("invalid UTF-8", lambda side: side.frame(8, b"\x03\xe8\xff"), 1007),
]


@pytest.mark.parametrize(("reason", "wire", "code"), FAILURES)
def test_failure_tells_code_and_reason(
    reason: str, wire: Callable[[Connection], bytes], code: int
) -> None:
    with pytest.raises(WebSocketError, match=f"^{reason}$") as caught:
        SERVER.reader(RecordingHandler(), max_message=1000).feed(wire(SERVER))
    assert (caught.value.code, caught.value.reason) == (code, reason)


@pytest.mark.parametrize(
    ("side", "reason"),
    [(SERVER, "unmasked frame"), (CLIENT, "masked frame")],
    ids=["server", "client"],
)
def test_failure_of_masking_names_the_peers_fault(side: Connection, reason: str) -> None:
    wire = raw_frame(1, b"x", masked=not side.is_server)
    with pytest.raises(WebSocketError, match=f"^{reason}$"):
        side.reader(RecordingHandler()).feed(wire)


@both_roles
def test_reader_inflates_only_what_is_marked(side: Connection) -> None:
    deflate = PerMessageDeflate(Deflate())
    packed = deflate.compress(b"hello")
    wire = side.text(packed, rsv=4) + side.text(packed) + side.frame(2, packed, rsv=4)
    events = side.read(wire, deflate=PerMessageDeflate(Deflate()))
    assert events == [("text", b"hello"), ("text", packed), ("binary", b"hello")]


@both_roles
def test_empty_close_frame_reads_as_1005(side: Connection) -> None:
    assert side.read(side.frame(8)) == [("close", 1005, "")]


# --- limits ---------------------------------------------------------------------------------------


@both_roles
@pytest.mark.parametrize("limit", [0, 1, 124, 125, 126, 65535, 65536, 100_000])
def test_message_may_be_as_long_as_the_limit_and_no_longer(side: Connection, limit: int) -> None:
    whole = side.text(b"x" * limit)
    assert side.read(whole, max_message=limit) == [("text", b"x" * limit)]
    too_long = side.text(b"x" * (limit + 1))
    assert side.failure(too_long, max_message=limit) == ([], CloseCode.MESSAGE_TOO_BIG)


@both_roles
@pytest.mark.parametrize("announced", [101, 2**16, 2**32, 2**40, 2**63 - 1])
def test_announced_length_is_refused_before_anything_of_it_arrives(
    side: Connection, announced: int
) -> None:
    short = 101 if announced < 126 else 127
    head = bytes([0x82, side.is_server << 7 | short])
    head += announced.to_bytes(8, "big") if short == 127 else b""
    with peak_memory() as memory:
        assert side.failure(head, max_message=100) == ([], CloseCode.MESSAGE_TOO_BIG)
    assert memory.peak < 8192


@both_roles
@pytest.mark.parametrize("length", ["8000000000000000", "ffffffffffffffff", "ffffffffffffffc0"])
def test_length_with_the_top_bit_set_is_a_protocol_error(side: Connection, length: str) -> None:
    head = bytes([0x82, side.is_server << 7 | 127]) + bytes.fromhex(length)
    assert side.failure(head + b"\1\2\3\4" + b"x" * 100) == ([], CloseCode.PROTOCOL_ERROR)


@both_roles
def test_fragments_count_in_sum_while_in_flight(side: Connection) -> None:
    begun = [side.text(b"x" * 20, fin=False), *[side.more(b"x" * 20)] * 4]
    assert side.read(*begun, side.more(b"", fin=True), max_message=100) == [("text", b"x" * 100)]
    assert side.failure(*begun, side.more(b"x")[:2], max_message=100) == ([], 1009)


@both_roles
def test_announced_fragment_counts_with_what_is_held(side: Connection) -> None:
    head = side.more(b"x" * 100)[:7]
    assert side.failure(side.text(b"x", fin=False), head, max_message=100) == ([], 1009)


@both_roles
def test_control_frames_are_free_of_the_message_limit(side: Connection) -> None:
    assert side.read(side.frame(9, b"x" * 125), max_message=0) == [("ping", b"x" * 125)]


@both_roles
def test_fragments_of_a_message_are_limited(side: Connection) -> None:
    most = 1024 + 1000 // 256
    begun = side.text(b"", fin=False) + side.more(b"") * (most - 2)
    assert side.read(begun + side.more(b"", fin=True), max_message=1000) == [("text", b"")]
    flood = begun + side.more(b"") * 2
    assert side.failure(flood, max_message=1000) == ([], CloseCode.POLICY_VIOLATION)


@both_roles
def test_fragments_are_counted_for_each_message_anew(side: Connection) -> None:
    message = side.text(b"", fin=False) + side.more(b"") * 1000 + side.more(b"", fin=True)
    assert side.read(message * 3, max_message=100) == [("text", b"")] * 3


def test_memory_of_a_frame_in_one_byte_reads_follows_the_bytes_received() -> None:
    wire = SERVER.frame(2, bytes(200_000))
    reader = SERVER.reader(RecordingHandler())
    with peak_memory() as memory:
        for at in range(100_000):
            reader.feed(wire[at : at + 1])
    assert memory.peak <= 2 * 100_000 + 65_536


def test_memory_of_fragments_follows_the_bytes_received() -> None:
    wire = SERVER.text(b"x", fin=False) + SERVER.more(b"x") * 4000
    reader = SERVER.reader(RecordingHandler())
    with peak_memory() as memory:
        for piece in chopped(wire, 100):
            reader.feed(piece)
    assert memory.peak <= 2 * len(wire) + 65_536


def test_announced_message_of_the_limit_allocates_nothing_ahead() -> None:
    reader = SERVER.reader(RecordingHandler(), max_message=10**9)
    with peak_memory() as memory:
        reader.feed(bytes.fromhex("82ff000000003b9aca00") + MASK_KEY + b"x")
    assert memory.peak < 8192


# --- properties -----------------------------------------------------------------------------------

sides = st.sampled_from([SERVER, CLIENT])
payloads = st.one_of(st.binary(max_size=200), st.integers(0, 70_000).map(bytes))


@st.composite
def conversations(draw: st.DrawFn) -> tuple[Connection, bytes, list[Event]]:
    """What a peer sends in legal frames, and what its reader must tell."""
    side = draw(sides)
    wire, events = b"", list[Event]()

    def control() -> None:
        nonlocal wire
        name, opcode = draw(st.sampled_from([("ping", 9), ("pong", 10)]))
        payload = draw(st.binary(max_size=125))
        wire += side.frame(opcode, payload)
        events.append((name, payload))

    for _ in range(draw(st.integers(0, 6))):
        name, opcode = draw(st.sampled_from([("text", 1), ("binary", 2), ("control", 0)]))
        if name == "control":
            control()
            continue
        text = st.text(max_size=90).map(str.encode)
        data = draw(text if name == "text" else st.binary(max_size=400))
        cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=3)))
        ends = zip([0, *cuts], [*cuts, len(data)], strict=True)  # also within a character
        parts = [data[begin:end] for begin, end in ends]
        for number, part in enumerate(parts):
            wire += side.frame(0 if number else opcode, part, fin=number == len(parts) - 1)
            if number < len(parts) - 1 and draw(st.booleans()):
                control()
        events.append((name, data))
    if draw(st.booleans()):
        reason = draw(st.text(max_size=30))
        wire += side.frame(8, b"\x03\xe8" + reason.encode()) + draw(st.binary(max_size=9))
        events.append(("close", 1000, reason))
    return side, wire, events


@given(sides, payloads, st.sampled_from([1, 2]))
def test_frame_round_trip(side: Connection, payload: bytes, opcode: int) -> None:
    name = "text" if opcode == 1 else "binary"
    assert side.read(encode_frame(opcode, payload, mask=side.is_server)) == [(name, payload)]


@given(payloads, st.booleans())
def test_server_frame_round_trip(payload: bytes, binary: bool) -> None:
    name = "binary" if binary else "text"
    assert CLIENT.read(server_frame(payload, binary=binary)) == [(name, payload)]


@given(sides, st.binary(max_size=MAX_CONTROL_PAYLOAD))
def test_ping_round_trip(side: Connection, payload: bytes) -> None:
    assert side.read(encode_frame(Opcode.PING, payload, mask=side.is_server)) == [("ping", payload)]


@given(sides, st.one_of(st.integers(1000, 1003), st.integers(3000, 4999)), st.text(max_size=30))
def test_close_round_trip(side: Connection, code: int, reason: str) -> None:
    assert side.read(encode_close(code, reason, mask=side.is_server)) == [("close", code, reason)]


@given(conversations(), st.lists(st.integers(0, 1000), max_size=12))
def test_any_split_of_a_stream_gives_the_same_messages(
    conversation: tuple[Connection, bytes, list[Event]], cuts: list[int]
) -> None:
    side, wire, events = conversation
    points = sorted({0, len(wire), *(cut for cut in cuts if cut < len(wire))})
    pieces = [wire[a:b] for a, b in zip(points, [*points[1:], len(wire)], strict=True)]
    assert side.read(*pieces) == events


@given(conversations())
def test_octet_by_octet_gives_the_same_messages(
    conversation: tuple[Connection, bytes, list[Event]],
) -> None:
    side, wire, events = conversation
    assert side.read(*chopped(wire)) == events


@given(conversations(), st.integers(1, 8), st.integers(1, 300))
def test_every_budget_gives_the_same_messages(
    conversation: tuple[Connection, bytes, list[Event]], budget: int, size: int
) -> None:
    side, wire, events = conversation
    handler = RecordingHandler()
    reader = side.reader(handler)
    for piece in chopped(wire, size):
        more = reader.feed(piece, budget)
        while more:
            more = reader.feed(b"", budget)
    assert handler.events == events


def outcome(feed: Callable[[], object]) -> int | None:
    try:
        feed()
    except WebSocketError as error:
        return error.code
    return None


@st.composite
def rubbish(draw: st.DrawFn) -> bytes:
    """Frames with any head, some of them legal, so that a reader gets beyond the first."""
    heads = st.tuples(
        st.sampled_from([0x81, 0x01, 0x80, 0x00, 0x82, 0x88, 0x89, 0xC1, 0x41, 0xFF, 0x83]),
        st.sampled_from([0x80, 0x00, 0x83, 0x03, 0xFE, 0x7E, 0xFF, 0x7F, 0x82]),
    )
    parts = draw(st.lists(st.tuples(heads, st.binary(max_size=12)), max_size=5))
    return b"".join(bytes(head) + body for head, body in parts)


@given(sides, st.one_of(st.binary(), rubbish()), st.booleans(), st.integers(1, 20))
def test_any_stream_reads_or_raises_our_error_however_it_is_split(
    side: Connection, wire: bytes, is_compressed: bool, size: int
) -> None:
    def read(pieces: list[bytes]) -> tuple[list[Event], int | None]:
        handler = RecordingHandler()
        deflate = PerMessageDeflate(Deflate()) if is_compressed else None
        reader = side.reader(handler, max_message=5000, deflate=deflate)
        code = outcome(lambda: [reader.feed(piece) for piece in pieces])
        return handler.events, code

    assert read([wire]) == read(chopped(wire, size))
