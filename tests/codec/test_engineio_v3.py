from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sockwave.codec.engineio import BinaryMessage, PacketType, ReceivedPacket
from sockwave.codec.engineio_v3 import (
    MAX_LENGTH_DIGITS,
    decode_base64_packet,
    decode_binary_packet,
    encode_base64_packet,
    encode_binary_packet,
    encode_binary_payload,
    encode_text_payload,
    iter_binary_payload,
    iter_text_payload,
)
from sockwave.errors import PacketError, TextEncodingError
from tests.codec.handlers import peak_memory


def decode_text(payload: bytes) -> list[ReceivedPacket]:
    return list(iter_text_payload(payload))


def decode_binary(payload: bytes) -> list[ReceivedPacket]:
    return list(iter_binary_payload(payload))


def encode_text(packets: list[ReceivedPacket]) -> bytes:
    return encode_text_payload(
        [encode_base64_packet(p.data) if isinstance(p, BinaryMessage) else p for p in packets]
    )


texts = st.builds(
    lambda digit, text: b"%d" % digit + text.encode(),
    st.integers(0, 6),
    st.text(st.characters(exclude_categories=["Cs"])),
)
packets = st.lists(st.one_of(texts, st.builds(BinaryMessage, st.binary())), min_size=1)

FOUR = BinaryMessage(b"\x01\x02\x03\x04")

# docs/protocol/revision-3.md
WORKED_TEXT: list[tuple[str, list[ReceivedPacket]]] = [
    ("6:4hello2:4€", [b"4hello", "4€".encode()]),
    ("2:4€10:b4AQIDBA==", ["4€".encode(), FOUR]),
    ("2:40", [b"40"]),
    ("1:3", [b"3"]),
    ("1:6", [b"6"]),
    ("1:1", [b"1"]),
    ("1:61:1", [b"6", b"1"]),
    ("24:40/admin?a=1&b=c%20d&a=2", [b"40/admin?a=1&b=c%20d&a=2"]),
    ("3:4😀2:4a", ["4😀".encode(), b"4a"]),
    ("4:4ıㄱ:2:4:", ["4ıㄱ:".encode(), b"4:"]),
    ("2:b4", [BinaryMessage(b"")]),
]
WORKED_BINARY: list[tuple[str, list[ReceivedPacket]]] = [
    ("00 04 ff 34 e2 82 ac 01 05 ff 04 01 02 03 04", ["4€".encode(), FOUR]),
    ("01 01 ff 04", [BinaryMessage(b"")]),
    ("01 01 00 ff 04 41 42 43 44 45 46 47 48 49", [BinaryMessage(b"ABCDEFGHI")]),
]


# --- text form ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("wire", "packets"), WORKED_TEXT)
def test_text_form_reads_worked_example(wire: str, packets: list[ReceivedPacket]) -> None:
    assert decode_text(wire.encode()) == packets


@pytest.mark.parametrize(("wire", "packets"), WORKED_TEXT)
def test_text_form_writes_worked_example(wire: str, packets: list[ReceivedPacket]) -> None:
    assert encode_text(packets) == wire.encode()


@given(packets)
def test_text_form_round_trip(packets: list[ReceivedPacket]) -> None:
    assert decode_text(encode_text(packets)) == packets


@given(st.lists(texts, min_size=1))
def test_lengths_are_those_of_javascript(packets: list[bytes]) -> None:
    texts = [packet.decode() for packet in packets]
    expected = "".join(f"{len(text.encode('utf-16-le')) // 2}:{text}" for text in texts)
    assert encode_text_payload(packets) == expected.encode()


def test_zero_length_segment_is_ignored() -> None:
    assert decode_text(b"0:") == [b"6"]
    assert decode_text("0:2:4€0:".encode()) == [b"6", "4€".encode(), b"6"]


def test_length_may_have_zeros_before_it() -> None:
    assert decode_text(b"002:4a") == [b"4a"]


@pytest.mark.parametrize(
    "wire",
    [
        b"",
        b"4",
        b"4hello",
        b":4a",
        b"99999999999:x",
        b"-1:x",
        b"1:",
        b"3:4a",
        b"1e1:4a",
        b"0x1:4",
        b"+1:4",
        b" 1:4",
        b"2:4a3",
        b"2:4a:",
        b"1:7",
        b"2:xa",
        "٢:4a".encode(),
        "ı:4".encode(),
        "ㄱ:4€".encode(),
        "3:4€".encode(),
        b"1" * 1_000_000,
        b"1" * 1_000_000 + "€".encode(),
        b"9" * MAX_LENGTH_DIGITS + b":4a",
    ],
)
def test_text_form_refuses_what_the_reference_refuses(wire: bytes) -> None:
    with pytest.raises(PacketError, match=r"^parser error: "):
        decode_text(wire)


def test_text_form_must_be_utf_8() -> None:
    with pytest.raises(TextEncodingError):
        decode_text(b"2:4\xff")


def test_length_that_cuts_a_surrogate_pair_leaves_replacement_characters() -> None:
    packets = iter_text_payload("2:4😀".encode())
    assert next(packets) == "4\ufffd".encode()
    with pytest.raises(PacketError):
        next(packets)


@pytest.mark.parametrize("wire", [b"2:4a10:b4AQIDBA==1:91:3", "2:4a10:b4AQIDBA==x:€".encode()])
def test_packets_before_an_error_are_delivered(wire: bytes) -> None:
    packets = iter_text_payload(wire)
    assert [next(packets), next(packets)] == [b"4a", FOUR]
    with pytest.raises(PacketError):
        next(packets)


@given(st.one_of(st.binary(), st.lists(st.sampled_from([*"0123456789:b4=😀€A"])).map("".join)))
def test_any_text_payload_decodes_or_raises_our_error(payload: bytes | str) -> None:
    wire = payload.encode() if isinstance(payload, str) else payload
    try:
        packets = decode_text(wire)
    except PacketError:
        return
    assert all(isinstance(p, BinaryMessage) or p.decode()[0] in "0123456" for p in packets)


# --- binary form ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("wire", "packets"), WORKED_BINARY)
def test_binary_form_reads_worked_example(wire: str, packets: list[ReceivedPacket]) -> None:
    assert decode_binary(bytes.fromhex(wire)) == packets


@pytest.mark.parametrize(("wire", "packets"), WORKED_BINARY)
def test_binary_form_writes_worked_example(wire: str, packets: list[ReceivedPacket]) -> None:
    assert encode_binary_payload(packets) == bytes.fromhex(wire)


@given(packets)
def test_binary_form_round_trip(packets: list[ReceivedPacket]) -> None:
    assert decode_binary(encode_binary_payload(packets)) == packets


def test_binary_form_may_hold_base64() -> None:
    assert decode_binary(b"\x00\x01\x00\xffb4AQIDBA==") == [FOUR]


def test_text_in_the_binary_form_is_handed_on_without_a_check_of_its_utf8() -> None:
    assert decode_binary(b"\x00\x02\xff4\xff") == [b"4\xff"]


@pytest.mark.parametrize(
    "wire",
    [
        b"\x00",
        b"\x00\x01",
        b"\x00\xff",
        b"\x00\xff4",
        b"\x00\x00\xff",
        b"\x00\x02\xff4",
        b"\x00\x0a\xff4",
        b"\x001\xff4",
        b"\x02\x01\xff4",
        b"\x00\x01\xff7",
        b"\x00\x01\xff4\x00",
        b"\x00" + b"\x01" * 1_000_000 + b"\xff4",
        b"\x01" + b"\x09" * MAX_LENGTH_DIGITS + b"\xff4",
        b"4hello",
    ],
)
def test_binary_form_refuses_what_the_reference_refuses(wire: bytes) -> None:
    with pytest.raises(PacketError, match=r"^parser error: "):
        decode_binary(wire)


def test_length_in_the_binary_form_may_have_as_many_digits_as_in_the_reference() -> None:
    digits = b"\x00" * (MAX_LENGTH_DIGITS - 1) + b"\x02"
    assert decode_binary(b"\x00" + digits + b"\xff4a") == [b"4a"]
    with pytest.raises(PacketError):
        decode_binary(b"\x00\x00" + digits + b"\xff4a")


@given(st.one_of(st.binary(), st.lists(st.sampled_from([0, 1, 2, 3, 4, 52, 98, 255])).map(bytes)))
def test_any_binary_payload_decodes_or_raises_our_error(payload: bytes) -> None:
    try:
        packets = decode_binary(payload)
    except PacketError:
        return
    assert len(packets) == 0 if not payload else len(packets) >= 1


# --- binary packets -------------------------------------------------------------------------------


@given(st.binary())
def test_binary_packet_round_trip(data: bytes) -> None:
    message = BinaryMessage(data)
    assert decode_binary_packet(encode_binary_packet(data)) == message
    assert decode_base64_packet(encode_base64_packet(data)) == message
    assert encode_base64_packet(data) == b"b4" + base64.b64encode(data)


@pytest.mark.parametrize("type_", set(PacketType) - {PacketType.MESSAGE})
def test_binary_packet_of_another_type_is_that_packet(type_: PacketType) -> None:
    assert decode_binary_packet(b"%cdata" % (type_ - ord("0"))) == b"%c" % type_
    assert decode_base64_packet(b"b%cAQID" % type_) == b"%c" % type_


@pytest.mark.parametrize("packet", [b"", b"\x07", b"\xff", b"4abc"])
def test_binary_packet_of_unknown_type_is_ignored(packet: bytes) -> None:
    assert decode_binary_packet(packet) == b"6"
    assert decode_base64_packet(b"b" + packet[:1].replace(b"4", b"x") + b"AQID") == b"6"


def test_base64_is_read_as_in_revision_4() -> None:
    assert decode_base64_packet(b"b4-_8") == BinaryMessage(b"\xfb\xff")
    assert decode_base64_packet(b"b4A Q\nID=x") == BinaryMessage(b"\x01\x02\x03")
    assert decode_base64_packet(b"b4!") == BinaryMessage(b"")
    assert decode_base64_packet(b"b") == b"6"


# --- cost -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("payload", [b"1:4" * 300_000, b"0:" * 500_000])
def test_packets_of_a_text_form_are_decoded_one_by_one(payload: bytes) -> None:
    with peak_memory() as memory:
        count = sum(1 for _ in iter_text_payload(payload))
    assert count == len(payload) // len(payload[:3].rstrip(b"0"))
    assert memory.peak < 16_384


def test_text_form_beyond_ascii_costs_its_utf_16_once() -> None:
    payload = "2:4€".encode() * 200_000
    with peak_memory() as memory:
        assert sum(1 for _ in iter_text_payload(payload)) == 200_000
    assert memory.peak < 4 * len(payload)


def test_packets_of_a_binary_form_are_decoded_one_by_one() -> None:
    payload = b"\x01\x01\xff\x04" * 250_000
    with peak_memory() as memory:
        assert sum(1 for _ in iter_binary_payload(payload)) == 250_000
    assert memory.peak < 16_384
