from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sockwave.codec.engineio import (
    SEPARATOR,
    BinaryMessage,
    Handshake,
    PacketType,
    ReceivedPacket,
    encode_base64_packet,
    encode_handshake,
    encode_payload,
    handshake_encoder,
    iter_payload,
)
from sockwave.errors import PacketError, TextEncodingError
from sockwave.types import SessionId
from tests.codec.handlers import peak_memory


def decode(payload: bytes) -> list[ReceivedPacket]:
    return list(iter_payload(payload))


def encode(packets: list[ReceivedPacket]) -> bytes:
    return encode_payload(
        [encode_base64_packet(p.data) if isinstance(p, BinaryMessage) else p for p in packets]
    )


texts = st.text(st.characters(exclude_characters="\x1e", exclude_categories=["Cs"]))
packets = st.lists(
    st.one_of(
        st.builds(lambda digit, text: b"%d" % digit + text.encode(), st.integers(0, 6), texts),
        st.builds(BinaryMessage, st.binary()),
    ),
    min_size=1,
)


# --- handshake ------------------------------------------------------------------------------------


def test_open_packet_has_the_five_keys_of_the_reference_in_its_order() -> None:
    handshake = Handshake(SessionId("lv_VI97HAXpY6yYWAAAC"), ("websocket",), 25.0, 20.0, 1_000_000)
    assert encode_handshake(handshake) == (
        b'0{"sid":"lv_VI97HAXpY6yYWAAAC","upgrades":["websocket"],'
        b'"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}'
    )


def test_open_packet_without_upgrades_has_an_empty_list() -> None:
    handshake = Handshake(SessionId("a"), (), 25.0, 20.0, 1)
    assert b'"upgrades":[],' in encode_handshake(handshake)


@pytest.mark.parametrize(("seconds", "wire"), [(0.3, b"300"), (0.0015, b"2"), (2.675, b"2675")])
def test_open_packet_rounds_times_to_whole_milliseconds(seconds: float, wire: bytes) -> None:
    handshake = Handshake(SessionId("a"), (), seconds, 20.0, 1)
    assert b'"pingInterval":' + wire + b"," in encode_handshake(handshake)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_open_packets_from_a_template_are_those_of_the_encoder(sid: str) -> None:
    handshake = Handshake(SessionId('a"b'), ("websocket",), 25.0, 20.0, 1)
    encode = handshake_encoder(handshake)
    assert encode(SessionId(sid)) == encode_handshake(handshake._replace(sid=SessionId(sid)))


# --- payloads -------------------------------------------------------------------------------------

# docs/protocol/engine-packets.md#payloads
WORKED: list[tuple[bytes, list[ReceivedPacket]]] = [
    (b"4hello", [b"4hello"]),
    (b"4", [b"4"]),
    (b"2probe", [b"2probe"]),
    (b"4hello\x1e2\x1e4world", [b"4hello", b"2", b"4world"]),
    (b"4hello\x1ebAQIDBA==", [b"4hello", BinaryMessage(b"\x01\x02\x03\x04")]),
    (b"6\x1e1", [b"6", b"1"]),
    ("4€\x1e4😀".encode(), ["4€".encode(), "4😀".encode()]),
    (
        b'451-["baz",{"_placeholder":true,"num":0}]\x1ebAQIDBA==',
        [b'451-["baz",{"_placeholder":true,"num":0}]', BinaryMessage(b"\x01\x02\x03\x04")],
    ),
]


@pytest.mark.parametrize(("wire", "packets"), WORKED)
def test_decoder_reads_worked_example(wire: bytes, packets: list[ReceivedPacket]) -> None:
    assert decode(wire) == packets


@pytest.mark.parametrize(("wire", "packets"), WORKED)
def test_encoder_writes_worked_example(wire: bytes, packets: list[ReceivedPacket]) -> None:
    assert encode(packets) == wire


@pytest.mark.parametrize("type_", PacketType)
def test_decoder_passes_every_packet_type_on_as_it_travelled(type_: PacketType) -> None:
    assert decode(b"%cx" % type_) == [b"%cx" % type_]


def test_text_is_handed_on_without_a_check_of_its_utf8() -> None:
    assert decode(b"4\xff") == [b"4\xff"]


@pytest.mark.parametrize(
    "wire",
    [b"bAQIDBA==", b"bAQIDBA=", b"bAQIDBA", b"bAQIDBA===="],
    ids=["padded", "one missing", "none", "too much"],
)
def test_decoder_takes_base64_whatever_its_padding(wire: bytes) -> None:
    assert decode(wire) == [BinaryMessage(b"\x01\x02\x03\x04")]


def test_decoder_takes_the_url_alphabet() -> None:
    assert decode(b"b-_-_") == decode(b"b+/+/") == [BinaryMessage(b"\xfb\xff\xbf")]


def test_binary_message_may_be_empty() -> None:
    assert decode(b"b") == [BinaryMessage(b"")]


@pytest.mark.parametrize(
    "wire",
    [b"", b"7", b"hello", b" 4", b"\x004", b"\xff", b"/", b"B", b"-1"],
)
def test_decoder_refuses_a_part_of_unknown_type(wire: bytes) -> None:
    with pytest.raises(PacketError, match=r"^parser error: "):
        decode(wire)


@pytest.mark.parametrize("wire", [b"\x1e", b"4a\x1e", b"\x1e4a", b"4a\x1e\x1e4b"])
def test_decoder_refuses_an_empty_part(wire: bytes) -> None:
    with pytest.raises(PacketError, match=r"^parser error: "):
        decode(wire)


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("AQID\n", "010203"),
        ("A Q\r\nI\tD", "010203"),
        ("AB*CD", "001083"),
        ("A", ""),
        ("AR", "01"),
        ("ABCDE", "001083"),
        ("=ABC", ""),
        ("Q=Q=", ""),
        ("YWJj=ZGVm", "616263"),
        ("ABCDEFG=HIJK", "0010831051"),
        ("!!!!", ""),
        ("AB\u00e9CD", "001083"),
        ("A\u0141BC", "000042"),
        ("A\U0001f600BCD", ""),
        ("ABCD\u0100EFGH", "001083105187"),
    ],
)
def test_base64_is_read_as_node_reads_it(text: str, data: str) -> None:
    assert decode(b"b" + text.encode()) == [BinaryMessage(bytes.fromhex(data))]


def test_base64_that_is_not_utf8_is_no_text() -> None:
    with pytest.raises(TextEncodingError):
        decode(b"bA\xff")


def test_packets_before_an_error_are_delivered() -> None:
    packets = iter_payload(b"4a\x1ebAQ==\x1e9\x1e4b")
    assert next(packets) == b"4a"
    assert next(packets) == BinaryMessage(b"\x01")
    with pytest.raises(PacketError):
        next(packets)


def test_body_of_separators_costs_no_memory() -> None:
    payload = b"4" + SEPARATOR * 1_000_000
    with peak_memory() as memory, pytest.raises(PacketError):
        decode(payload)
    assert memory.peak < 16_384


def test_packets_are_decoded_one_by_one_not_split_ahead() -> None:
    payload = SEPARATOR.join([b"4"] * 500_000)
    with peak_memory() as memory:
        assert sum(1 for _ in iter_payload(payload)) == 500_000
    assert memory.peak < 16_384


@given(packets)
def test_payload_round_trip(packets: list[ReceivedPacket]) -> None:
    assert decode(encode(packets)) == packets


@given(st.binary())
def test_base64_packet_is_standard_base64_with_padding(data: bytes) -> None:
    assert encode_base64_packet(data) == b"b" + base64.b64encode(data)


@given(st.one_of(st.binary(), st.lists(st.sampled_from([*b"0123456b\x1eAZ=+/-_\xff"])).map(bytes)))
def test_any_payload_decodes_or_raises_our_error(payload: bytes) -> None:
    try:
        packets = decode(payload)
    except PacketError:
        return
    assert len(packets) == payload.count(SEPARATOR) + 1
