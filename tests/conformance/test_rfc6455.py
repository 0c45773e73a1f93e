"""RFC 6455, sections 5 to 8 and 10: what a reader must refuse and accept, and a writer may send.

The groups are those of the Autobahn test-suite; the number in a name is the section of the RFC.
A case that this layer cannot decide (answering a ping, closing the connection) belongs to the tests
of the engine: here the reader hands on what the answer needs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from sockwave.codec.json import decode_json
from sockwave.codec.socketio import decode_packet
from sockwave.codec.websocket import CloseCode, Opcode, encode_close, encode_frame, server_frame
from sockwave.errors import TextEncodingError, WebSocketError
from tests.codec.handlers import Connection, RecordingHandler, chopped, raw_frame, xor_mask

if TYPE_CHECKING:
    from tests.codec.handlers import Event

PROTOCOL_ERROR, TOO_BIG = CloseCode.PROTOCOL_ERROR, CloseCode.MESSAGE_TOO_BIG
INVALID = CloseCode.INVALID_PAYLOAD
DATA_OPCODES = [("text", 1), ("binary", 2)]
RESERVED_OPCODES = [3, 4, 5, 6, 7, 11, 12, 13, 14, 15]
LENGTHS = [0, 1, 2, 124, 125, 126, 127, 128, 255, 256, 65_535, 65_536, 70_000]

by_kind = pytest.mark.parametrize(("name", "opcode"), DATA_OPCODES)
by_length = pytest.mark.parametrize("length", LENGTHS)


def pattern(length: int, opcode: int = 2) -> bytes:
    """Data of a message: any octets, or in text those that are characters by themselves."""
    octets = bytes(range(128 if opcode == 1 else 256))
    return (octets * (length // len(octets) + 1))[:length]


# --- framing --------------------------------------------------------------------------------------

EXAMPLES: list[tuple[str, bool, str, list[Event]]] = [
    ("unmasked text", False, "810548656c6c6f", [("text", b"Hello")]),
    ("masked text", True, "818537fa213d7f9f4d5158", [("text", b"Hello")]),
    ("fragmented text", False, "010348656c80026c6f", [("text", b"Hello")]),
    ("ping", False, "890548656c6c6f", [("ping", b"Hello")]),
    ("masked pong", True, "8a8537fa213d7f9f4d5158", [("pong", b"Hello")]),
    ("256 bytes", False, "827e0100" + "ab" * 256, [("binary", b"\xab" * 256)]),
    ("64 kB", False, "827f0000000000010000" + "cd" * 65536, [("binary", b"\xcd" * 65536)]),
]


@pytest.mark.parametrize(
    ("is_server", "wire", "events"), [case[1:] for case in EXAMPLES], ids=[c[0] for c in EXAMPLES]
)
def test_5_7_reader_reads_the_examples(is_server: bool, wire: str, events: list[Event]) -> None:
    assert Connection(is_server).read(bytes.fromhex(wire)) == events


@by_kind
@by_length
def test_5_2_reader_reads_every_length(
    side: Connection, name: str, opcode: int, length: int
) -> None:
    data = pattern(length, opcode)
    assert side.read(side.frame(opcode, data)) == [(name, data)]


@by_kind
@pytest.mark.parametrize("size", [1, 2, 3, 997, 1460])
@pytest.mark.parametrize("length", [0, 5, 126, 3000])
def test_5_2_reader_reads_chopped_frames(
    side: Connection, name: str, opcode: int, size: int, length: int
) -> None:
    data = pattern(length, opcode)
    wire = side.frame(opcode, data) * 2
    assert side.read(*chopped(wire, size)) == [(name, data)] * 2


@pytest.mark.parametrize("mask", [True, False], ids=["client", "server"])
@by_length
def test_5_2_writer_uses_the_shortest_length_in_network_order(length: int, mask: bool) -> None:
    frame = encode_frame(2, bytes(length), mask=mask)
    head = raw_frame(2, bytes(length), masked=mask)
    size = 2 if length < 126 else 4 if length < 65_536 else 10
    assert frame[:size] == head[:size]
    assert len(frame) == len(head)


@pytest.mark.parametrize(("length", "form"), [(0, 2), (125, 2), (5, 8), (126, 8), (65_535, 8)])
def test_5_2_reader_takes_a_longer_length_than_needed(
    side: Connection, length: int, form: int
) -> None:
    # The shortest form binds the sender; no reader has to check it, and the reference does not.
    data = pattern(length, 1)
    frame = raw_frame(1, data, masked=side.is_server, length_form=form)
    assert side.read(*chopped(frame)) == [("text", data)]


@pytest.mark.parametrize("length", [1 << 63, (1 << 64) - 1, (1 << 64) - 64])
def test_5_2_reader_fails_on_a_length_with_the_most_significant_bit(
    side: Connection, length: int
) -> None:
    head = bytes([0x82, side.is_server << 7 | 127]) + length.to_bytes(8, "big")
    assert side.failure(head) == ([], PROTOCOL_ERROR)
    assert side.failure(*chopped(head)) == ([], PROTOCOL_ERROR)


@pytest.mark.parametrize("opcode", Opcode)
@pytest.mark.parametrize("length", [0, 5])
def test_5_1_reader_fails_on_the_wrong_masking(
    side: Connection, opcode: Opcode, length: int
) -> None:
    frame = raw_frame(opcode, pattern(length), masked=not side.is_server)
    begun = side.text(b"", fin=False) if opcode == 0 else b""
    assert side.failure(begun + frame) == ([], PROTOCOL_ERROR)


@pytest.mark.parametrize("opcode", Opcode)
def test_5_1_client_masks_every_frame_and_server_none(opcode: Opcode) -> None:
    assert encode_frame(opcode, b"x", mask=True)[1] == 0x81
    assert encode_frame(opcode, b"x")[1] == 0x01


def test_5_1_server_masks_neither_messages_nor_close_frames() -> None:
    for frame in (server_frame(b"x"), server_frame(b"x", binary=True), encode_close(1000)):
        assert not frame[1] & 0x80
    assert encode_close(1000, mask=True)[1] & 0x80


def test_5_3_client_uses_a_new_key_for_every_frame() -> None:
    keys = {encode_frame(1, b"Hello", mask=True)[2:6] for _ in range(100)}
    assert len(keys) == 100


@by_length
def test_5_3_masking_inverts_itself_and_keeps_the_length(length: int) -> None:
    frame = encode_frame(2, pattern(length), mask=True)
    body = frame[len(frame) - length :]
    key = frame[len(frame) - length - 4 : len(frame) - length]
    assert xor_mask(body, key) == pattern(length)


@pytest.mark.parametrize("key", [b"\0\0\0\0", b"\xff\xff\xff\xff", b"\1\2\3\4"])
def test_5_3_reader_takes_any_masking_key(key: bytes) -> None:
    frame = b"\x81\x85" + key + xor_mask(b"Hello", key)
    assert Connection(is_server=True).read(frame) == [("text", b"Hello")]


# --- ping and pong --------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "opcode"), [("ping", 9), ("pong", 10)])
@pytest.mark.parametrize("payload", [b"", b"Hello", b"\0\xff\xfe\xfd", pattern(125)])
def test_5_5_reader_hands_on_control_payload(
    side: Connection, name: str, opcode: int, payload: bytes
) -> None:
    wire = side.frame(opcode, payload)
    assert side.read(wire) == side.read(*chopped(wire)) == [(name, payload)]


@pytest.mark.parametrize("opcode", [8, 9, 10])
@pytest.mark.parametrize("length", [126, 127, 65_536])
def test_5_5_reader_fails_on_a_control_payload_beyond_125(
    side: Connection, opcode: int, length: int
) -> None:
    wire = side.frame(opcode, b"\x03\xe8" + b"x" * (length - 2))
    assert side.failure(wire) == ([], PROTOCOL_ERROR)
    assert side.failure(wire[:2]) == ([], PROTOCOL_ERROR)


@pytest.mark.parametrize("opcode", [8, 9, 10])
def test_5_5_reader_fails_on_a_long_length_of_a_short_control_frame(
    side: Connection, opcode: int
) -> None:
    wire = raw_frame(opcode, b"\x03\xe8", masked=side.is_server, length_form=2)
    assert side.failure(wire) == ([], PROTOCOL_ERROR)


def test_5_5_2_reader_hands_on_ten_pings_in_order(side: Connection) -> None:
    wire = b"".join(side.frame(9, b"%d" % n) for n in range(10))
    expected: list[Event] = [("ping", b"%d" % n) for n in range(10)]
    assert side.read(wire) == side.read(*chopped(wire)) == expected


def test_5_5_3_reader_takes_unsolicited_pongs(side: Connection) -> None:
    wire = side.frame(10, b"unsolicited") + side.frame(9, b"p") + side.frame(10)
    assert side.read(wire) == [("pong", b"unsolicited"), ("ping", b"p"), ("pong", b"")]


@pytest.mark.parametrize("mask", [True, False], ids=["client", "server"])
def test_5_5_3_pong_carries_the_data_of_the_ping(mask: bool) -> None:
    pong = encode_frame(Opcode.PONG, pattern(125), mask=mask)
    assert Connection(is_server=mask).read(pong) == [("pong", pattern(125))]


# --- reserved bits --------------------------------------------------------------------------------


@pytest.mark.parametrize("rsv", range(1, 8))
@pytest.mark.parametrize("opcode", Opcode)
def test_5_2_reader_fails_on_reserved_bits(side: Connection, opcode: Opcode, rsv: int) -> None:
    begun = side.text(b"", fin=False) if opcode == 0 else b""
    wire = begun + side.frame(opcode, rsv=rsv)
    assert side.failure(wire) == ([], PROTOCOL_ERROR)
    assert side.failure(*chopped(wire)[: len(begun) + 2]) == ([], PROTOCOL_ERROR)


@pytest.mark.parametrize("rsv", range(1, 8))
def test_5_2_messages_before_reserved_bits_are_handled_and_none_after(
    side: Connection, rsv: int
) -> None:
    wire = side.text(b"before") + side.text(b"bad", rsv=rsv) + side.frame(9, b"after")
    assert side.failure(wire) == ([("text", b"before")], PROTOCOL_ERROR)


# --- opcodes --------------------------------------------------------------------------------------


@pytest.mark.parametrize("opcode", RESERVED_OPCODES)
@pytest.mark.parametrize("payload", [b"", b"Hello"])
@pytest.mark.parametrize("fin", [True, False], ids=["fin", "more"])
def test_5_2_reader_fails_on_reserved_opcodes(
    side: Connection, opcode: int, payload: bytes, fin: bool
) -> None:
    wire = side.frame(opcode, payload, fin=fin)
    assert side.failure(wire) == ([], PROTOCOL_ERROR)


@pytest.mark.parametrize("opcode", RESERVED_OPCODES)
def test_5_2_messages_before_a_reserved_opcode_are_handled_and_none_after(
    side: Connection, opcode: int
) -> None:
    wire = side.text(b"before") + side.frame(opcode) + side.frame(9, b"after")
    assert side.failure(wire) == ([("text", b"before")], PROTOCOL_ERROR)


@pytest.mark.parametrize("opcode", RESERVED_OPCODES)
def test_5_2_reader_fails_on_reserved_opcodes_between_fragments(
    side: Connection, opcode: int
) -> None:
    wire = side.text(b"begun", fin=False) + side.frame(opcode)
    assert side.failure(wire) == ([], PROTOCOL_ERROR)


# --- fragmentation --------------------------------------------------------------------------------


@by_kind
@pytest.mark.parametrize(
    "parts",
    [
        [b"a", b"b"],
        [b"", b""],
        [b"", b"a", b""],
        [b"a", b"", b"", b"b"],
        [b"%d" % n for n in range(50)],
        [pattern(126, 1), pattern(65_536, 1), b"", pattern(200, 1)],
    ],
    ids=["two", "empty", "empty ends", "empty middle", "many", "long"],
)
def test_5_4_reader_joins_fragments_in_order(
    side: Connection, name: str, opcode: int, parts: list[bytes]
) -> None:
    wire = side.frame(opcode, parts[0], fin=False)
    wire += b"".join(side.more(part) for part in parts[1:-1]) + side.more(parts[-1], fin=True)
    expected: list[Event] = [(name, b"".join(parts))]
    assert side.read(wire) == side.read(*chopped(wire, 11)) == expected


def test_5_4_reader_takes_fragmented_and_whole_messages_in_turn(side: Connection) -> None:
    fragmented = side.frame(2, b"a", fin=False) + side.more(b"b", fin=True)
    events = side.read(fragmented + side.text(b"c") + fragmented)
    assert events == [("binary", b"ab"), ("text", b"c"), ("binary", b"ab")]


@pytest.mark.parametrize(("name", "opcode"), [("ping", 9), ("pong", 10)])
def test_5_4_reader_handles_control_frames_between_fragments(
    side: Connection, name: str, opcode: int
) -> None:
    control = side.frame(opcode, b"!")
    wire = side.text(b"a", fin=False) + control + side.more(b"b") + control * 2
    wire += side.more(b"c", fin=True)
    expected: list[Event] = [*[(name, b"!")] * 3, ("text", b"abc")]
    assert side.read(wire) == side.read(*chopped(wire)) == expected


def test_5_4_close_between_fragments_drops_the_message(side: Connection) -> None:
    wire = side.text(b"a", fin=False) + side.frame(8) + side.more(b"b", fin=True)
    assert side.read(wire) == [("close", 1005, "")]


@pytest.mark.parametrize("opcode", [8, 9, 10])
@pytest.mark.parametrize("payload", [b"", b"\x03\xe8"])
def test_5_4_reader_fails_on_a_fragmented_control_frame(
    side: Connection, opcode: int, payload: bytes
) -> None:
    wire = side.frame(opcode, payload, fin=False) + side.more(b"", fin=True)
    assert side.failure(wire) == ([], PROTOCOL_ERROR)


@pytest.mark.parametrize("fin", [True, False], ids=["fin", "more"])
def test_5_4_reader_fails_on_a_continuation_without_a_message(side: Connection, fin: bool) -> None:
    wire = side.more(b"x", fin=fin)
    assert side.failure(wire) == ([], PROTOCOL_ERROR)
    assert side.failure(side.text(b"whole") + wire) == ([("text", b"whole")], PROTOCOL_ERROR)


def test_5_4_reader_fails_on_a_continuation_after_the_last_fragment(side: Connection) -> None:
    message = side.text(b"a", fin=False) + side.more(b"b", fin=True)
    assert side.failure(message + side.more(b"c", fin=True)) == ([("text", b"ab")], PROTOCOL_ERROR)


@by_kind
@pytest.mark.parametrize("fin", [True, False], ids=["fin", "more"])
def test_5_4_reader_fails_on_a_message_inside_another(
    side: Connection, name: str, opcode: int, fin: bool
) -> None:
    wire = side.text(b"a", fin=False) + side.frame(opcode, b"b", fin=fin)
    assert side.failure(wire) == ([], PROTOCOL_ERROR)
    assert side.failure(*chopped(wire)[: -len(side.frame(opcode, b"b")) + 2]) == ([], 1002)


# --- UTF-8 ----------------------------------------------------------------------------------------

VALID_UTF8 = [
    "κόσμε".encode(),
    "Hello-µ@ßöäüàá-UTF-8!!".encode(),
    "𐀀".encode(),
    *(bytes.fromhex(h) for h in ("c280", "dfbf", "e0a080", "efbfbf", "f0908080", "f48fbfbf")),
    *(bytes.fromhex(h) for h in ("ed9fbf", "ee8080", "efbfbd", "efbfbe", "f09fbfbe", "f3bfbfbf")),
    b"\x7f",
]
INVALID_UTF8 = [
    *(bytes.fromhex(h) for h in ("80", "bf", "8080", "80818283848586", "c2", "df", "e0a0", "efbf")),
    *(bytes.fromhex(h) for h in ("f09080", "f48fbf", "f888808080", "fc8480808080", "fe", "ff")),
    *(bytes.fromhex(h) for h in ("fefeffff", "c080", "c0af", "c1bf", "e08080", "e09fbf")),
    *(bytes.fromhex(h) for h in ("f0808080", "f08fbfbf", "f8808080af", "fc80808080af")),
    *(bytes.fromhex(h) for h in ("eda080", "edafbf", "edb080", "edbfbf", "eda080edb080")),
    *(
        bytes.fromhex(h)
        for h in ("f4908080", "f7bfbfbf", "fbbfbfbfbf", "c328", "e228a1", "f0288cbc")
    ),
    "κόσμε".encode() + b"\xed\xa0\x80edited",
]

by_valid = pytest.mark.parametrize("text", VALID_UTF8, ids=bytes.hex)
by_invalid = pytest.mark.parametrize("text", INVALID_UTF8, ids=bytes.hex)


@by_valid
def test_8_1_decoders_take_valid_utf8(text: bytes) -> None:
    assert decode_json(b'"' + text + b'"') == text.decode()
    assert decode_packet(b'42["' + text + b'"]').data == [text.decode()]
    assert decode_packet(b"40/" + text).namespace == "/" + text.decode()


@by_invalid
@pytest.mark.parametrize("before", [b"", b"valid ", "é".encode() * 50])
def test_8_1_decoders_refuse_invalid_utf8(text: bytes, before: bytes) -> None:
    refused: list[tuple[Any, bytes]] = [
        (decode_json, b'"' + before + text + b'"'),
        (decode_packet, b'42["' + before + text + b'"]'),
        (decode_packet, b'427["x","' + before + text + b'"]'),
        (decode_packet, b'40/,{"' + before + text + b'":1}'),
        (decode_packet, b"40/" + before + text + b",{}"),
    ]
    for decode, wire in refused:
        with pytest.raises(TextEncodingError):
            decode(wire)


@by_valid
def test_8_1_close_reason_may_be_any_valid_utf8(side: Connection, text: bytes) -> None:
    wire = side.frame(8, b"\x03\xe8" + text)
    assert side.read(*chopped(wire)) == [("close", 1000, text.decode())]


@by_invalid
def test_8_1_reader_fails_on_invalid_utf8_in_a_close_reason(side: Connection, text: bytes) -> None:
    wire = side.frame(8, b"\x03\xe8" + text)
    assert side.failure(wire) == ([], INVALID)


@by_valid
def test_5_6_character_may_be_split_between_fragments(side: Connection, text: bytes) -> None:
    parts = chopped(b'"' + text + b'"')
    wire = side.text(parts[0], fin=False) + b"".join(map(side.more, parts[1:]))
    assert side.read(wire + side.more(b"", fin=True)) == [("text", b'"' + text + b'"')]


@by_invalid
def test_5_6_text_is_handed_on_to_the_decoder_that_refuses_it(
    side: Connection, text: bytes
) -> None:
    [(name, data)] = side.read(side.text(b'42["' + text + b'"]'))  # type: ignore[misc] # no close
    assert name == "text"
    with pytest.raises(TextEncodingError):
        decode_packet(data)


def octets_until_wrong(text: bytes) -> int:
    """How many octets have come when it is certain that this is no UTF-8.

    One more than there are where it only ends too early: that shows with what comes behind it.
    """

    def may_go_on(begun: bytes) -> bool:
        for tail in (b"", *(octet * count for octet in (b"\x80", b"\xbf") for count in (1, 2, 3))):
            try:
                (begun + tail).decode()
            except UnicodeDecodeError:
                continue
            return True
        return False

    return next((n for n in range(len(text) + 1) if not may_go_on(text[:n])), len(text) + 1)


@by_invalid
@pytest.mark.parametrize("before", [b"", b"valid ", "\u00e9t\u00e9".encode() * 50])
def test_8_1_reader_fails_with_the_first_fragment_that_is_not_utf8(
    side: Connection, text: bytes, before: bytes
) -> None:
    octets = [side.more(octet) for octet in chopped(text)] + [side.more(b"", fin=True)]
    wire = [side.text(before, fin=False), *octets[: octets_until_wrong(text)]]
    assert side.failure(*wire) == ([], INVALID)


@by_invalid
@pytest.mark.parametrize("length", [0, 6, 119, 200])
@pytest.mark.parametrize("fin", [True, False], ids=["fin", "more"])
@pytest.mark.parametrize("begun", [b"", b"begun \xc3"], ids=["message", "continuation"])
def test_8_1_reader_fails_with_the_first_octet_that_is_not_utf8(
    side: Connection, text: bytes, length: int, fin: bool, begun: bytes
) -> None:
    before, after = b"x" * length, b"rest of the message"
    if begun:
        before = b"\xa9" + before
    data = before + text + after
    frame = side.frame(0 if begun else 1, data, fin=fin)
    wrong = len(frame) - len(data) + len(before) + octets_until_wrong(text)
    first = [side.text(begun, fin=False), side.frame(9, b"!")] if begun else []
    events: list[Event] = [("ping", b"!")] if begun else []
    assert side.failure(*first, *chopped(frame)[:wrong]) == (events, INVALID)
    for size in (3, 5, 64):  # segments that begin anywhere in the masking key
        pieces = chopped(frame, size)[: -(-wrong // size)]
        if len(pieces) * size < len(frame) or not fin or begun:
            assert side.failure(*first, *pieces) == (events, INVALID)


@by_valid
@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_8_1_reader_takes_valid_utf8_in_segments(side: Connection, text: bytes, size: int) -> None:
    long = text * 60
    wire = side.text(text) + side.text(long) + side.text(long, fin=False)
    wire += b"".join(map(side.more, chopped(long, size))) + side.more(text, fin=True)
    wire += side.frame(2, b"\xff" * 200) + side.text(text)
    expected: list[Event] = [("text", text), ("text", long), ("text", long * 2 + text)]
    expected += [("binary", b"\xff" * 200), ("text", text)]
    assert side.read(*chopped(wire, size)) == expected


def test_8_1_reader_processes_nothing_behind_text_that_is_not_utf8(side: Connection) -> None:
    handler = RecordingHandler()
    reader = side.reader(handler)
    with pytest.raises(WebSocketError):
        reader.feed(side.text(b"\xff", fin=False) + side.text(b"after"))
    assert not reader.feed(side.text(b"after"))
    assert not handler.events


@by_invalid
def test_5_6_binary_data_is_arbitrary(side: Connection, text: bytes) -> None:
    assert side.read(side.frame(2, text)) == [("binary", text)]
    fragments = [side.more(octet) for octet in chopped(text)]
    wire = side.frame(2, text * 100, fin=False) + b"".join(fragments) + side.more(text, fin=True)
    assert side.read(*chopped(wire)) == [("binary", text * 102)]


# --- close ----------------------------------------------------------------------------------------

VALID_CODES = [
    *(1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014),
    *(3000, 3999, 4000, 4999),
]
INVALID_CODES = [
    *(0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 9999, 65_535),
]


def test_7_1_5_close_frame_without_a_body_means_1005(side: Connection) -> None:
    assert side.read(*chopped(side.frame(8))) == [("close", 1005, "")]


@pytest.mark.parametrize("code", VALID_CODES)
@pytest.mark.parametrize("reason", ["", "bye", "é" * 61 + "e"])
def test_7_4_reader_takes_close_code(side: Connection, code: int, reason: str) -> None:
    wire = side.frame(8, code.to_bytes(2, "big") + reason.encode())
    assert side.read(wire) == [("close", code, reason)]


@pytest.mark.parametrize("code", INVALID_CODES)
@pytest.mark.parametrize("reason", [b"", b"bye"])
def test_7_4_reader_fails_on_close_code_that_must_not_travel(
    side: Connection, code: int, reason: bytes
) -> None:
    wire = side.frame(8, code.to_bytes(2, "big") + reason)
    assert side.failure(wire) == ([], PROTOCOL_ERROR)


@pytest.mark.parametrize("octet", [0x00, 0x03, 0xFF])
def test_5_5_1_reader_fails_on_a_close_body_of_one_octet(side: Connection, octet: int) -> None:
    assert side.failure(side.frame(8, bytes([octet]))) == ([], PROTOCOL_ERROR)


@pytest.mark.parametrize("length", [123, 124])
def test_5_5_1_close_reason_has_123_octets_at_most(side: Connection, length: int) -> None:
    wire = side.frame(8, b"\x03\xe8" + b"r" * length)
    if length == 123:
        assert side.read(wire) == [("close", 1000, "r" * 123)]
    else:
        assert side.failure(wire) == ([], PROTOCOL_ERROR)


@pytest.mark.parametrize("opcode", [1, 8, 9, 3])
def test_5_5_1_reader_ignores_everything_after_a_close_frame(side: Connection, opcode: int) -> None:
    more = side.frame(opcode, b"\x03\xe8")
    wire = side.frame(8, b"\x03\xe9") + more
    assert side.read(wire, more, b"\xff") == [("close", 1001, "")]
    assert side.read(*chopped(wire)) == [("close", 1001, "")]


def test_7_1_7_reader_processes_nothing_after_a_failure(side: Connection) -> None:
    wire = side.text(b"a") + side.frame(8, b"\x00\x00") + side.frame(8, b"\x03\xe8")
    assert side.failure(wire) == ([("text", b"a")], PROTOCOL_ERROR)


@pytest.mark.parametrize("mask", [True, False], ids=["client", "server"])
@pytest.mark.parametrize("code", VALID_CODES)
def test_7_4_writer_sends_code_in_network_order_then_reason(code: int, mask: bool) -> None:
    wire = encode_close(code, "é", mask=mask)
    assert Connection(is_server=mask).read(wire) == [("close", code, "é")]


@pytest.mark.parametrize("mask", [True, False], ids=["client", "server"])
def test_7_4_1_writer_never_sends_1005(mask: bool) -> None:
    assert Connection(is_server=mask).read(encode_close(1005, "x", mask=mask)) == [
        ("close", 1005, "")
    ]
    assert encode_close(1005, "x") == encode_close() == b"\x88\x00"


@pytest.mark.parametrize("reason", ["r" * 200, "é" * 100, "😀" * 100])
def test_5_5_1_writer_cuts_the_reason_to_fit_and_to_stay_utf8(reason: str) -> None:
    [(_, code, kept)] = Connection(is_server=False).read(encode_close(1011, reason))  # type: ignore[misc] # a close
    assert code == 1011
    assert reason.startswith(kept) and 120 <= len(kept.encode()) <= 123


# --- limits ---------------------------------------------------------------------------------------


@by_kind
@pytest.mark.parametrize("length", [1 << 16, 1 << 18, 1 << 20, 4 << 20])
def test_10_4_reader_reads_messages_up_to_its_limit(
    side: Connection, name: str, opcode: int, length: int
) -> None:
    payload = b"*" * length
    wire = encode_frame(opcode, payload, mask=side.is_server)
    assert side.read(*chopped(wire, 65_536), max_message=length) == [(name, payload)]
    assert side.failure(wire, max_message=length - 1) == ([], TOO_BIG)


@pytest.mark.parametrize("size", [64, 1024, 65_536])
def test_10_4_limit_counts_all_fragments(side: Connection, size: int) -> None:
    parts = [side.text(b"*" * size, fin=False), *[side.more(b"*" * size)] * 6]
    whole = [*parts, side.more(b"*" * size, fin=True)]
    assert side.read(*whole, max_message=8 * size) == [("text", b"*" * 8 * size)]
    assert side.failure(*whole, max_message=8 * size - 1) == ([], TOO_BIG)


def test_10_4_many_small_messages_have_no_limit(side: Connection) -> None:
    wire = side.text(b"0123456789abcdef") * 5000
    assert side.read(*chopped(wire, 4096), max_message=16) == [("text", b"0123456789abcdef")] * 5000


def test_10_4_reader_limits_fragments_with_1008(side: Connection) -> None:
    wire = side.text(b"", fin=False) + side.more(b"") * 10_000
    assert side.failure(wire) == ([], CloseCode.POLICY_VIOLATION)
