"""Packets in msgpack: the bytes of the JavaScript parser both ways, and hostile input."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sockwave.codec.json import encode_json
from sockwave.codec.msgpack import decode_msgpack_packet, encode_msgpack_packet
from sockwave.codec.notepack import decode_notepack
from sockwave.codec.socketio import Packet, PacketType
from sockwave.errors import EncodeError, PacketError

HEAD = "83 a4 74797065 02 a3 6e7370 a1 2f a4 64617461"
"""An event of the main namespace, up to its data."""

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
namespaces = st.just("/") | st.text(max_size=20).map(lambda name: f"/{name}")
packets = st.builds(
    Packet,
    st.sampled_from([PacketType.EVENT, PacketType.ACK]),
    namespaces,
    st.none() | st.integers(0, 2**53 - 1),
    st.lists(values, max_size=3).map(lambda args: ["name", *args]),
)


def wire(text: str) -> bytes:
    return bytes.fromhex(text.replace(" ", ""))


@pytest.mark.parametrize(
    ("text", "packet"),
    [
        (
            "83 a4 74797065 02 a4 64617461 92 a5 68656c6c6f a3 796f75 a3 6e7370 a1 2f",
            Packet(PacketType.EVENT, "/", None, ["hello", "you"]),
        ),
        (
            "83 a4 74797065 00 a4 64617461 d4 00 00 a3 6e7370 a1 2f",
            Packet(PacketType.CONNECT, "/", None, None),
        ),
        (
            "84 a2 6964 00 a4 74797065 03 a4 64617461 92 a2 6f6b c4 02 01 02 a3 6e7370 a1 2f",
            Packet(PacketType.ACK, "/", 0, ["ok", b"\x01\x02"]),
        ),
        ("82 a4 74797065 01 a3 6e7370 a1 2f", Packet(PacketType.DISCONNECT, "/", None, None)),
    ],
)
def test_bytes_of_the_javascript_parser_are_read(text: str, packet: Packet) -> None:
    assert decode_msgpack_packet(wire(text)) == packet


@given(packets)
def test_packet_comes_back_as_it_went(packet: Packet) -> None:
    assert decode_msgpack_packet(encode_msgpack_packet(packet)) == packet


@given(packets)
def test_both_decoders_agree(packet: Packet) -> None:
    data = encode_msgpack_packet(packet)
    assert decode_notepack(data) == msgspec.msgpack.decode(data)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("d7 00 00000000000003e8", datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)),
        ("c7 03 00 010203", b"\x01\x02\x03"),
        ("c7 01 00 00", b"\x00"),
        ("c7 08 00 0000000000000001", b"\0\0\0\0\0\0\0\x01"),
        ("d4 00 00", None),
        ("91 d4 00 00", [None]),
        ("82 a1 61 d4 00 00 a1 62 01", {"b": 1}),
        ("d5 00 0102", b"\x01\x02"),
    ],
)
def test_extension_of_notepack_has_its_meaning(text: str, value: Any) -> None:
    assert decode_msgpack_packet(wire(f"{HEAD} 92 a1 78 {text}")).data == ["x", value]


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"type": 5, "nsp": "/"}, "invalid packet type"),
        ({"type": -1, "nsp": "/"}, "invalid packet type"),
        ({"type": True, "nsp": "/"}, "invalid packet type"),
        ({"type": 2, "data": ["a"]}, "invalid namespace"),
        ({"type": 2, "nsp": "/" + "n" * 255, "data": ["a"]}, "invalid namespace"),
        ({"type": 0, "nsp": "/", "data": None}, "invalid payload"),
        ({"type": 0, "nsp": "/", "data": []}, "invalid payload"),
        ({"type": 1, "nsp": "/", "data": {}}, "invalid payload"),
        ({"type": 2, "nsp": "/"}, "invalid payload"),
        ({"type": 2, "nsp": "/", "data": []}, "invalid payload"),
        ({"type": 3, "nsp": "/", "data": {}}, "invalid payload"),
        ({"type": 4, "nsp": "/", "data": 1}, "invalid payload"),
        ({"type": 2, "nsp": "/", "data": ["a"], "id": None}, "invalid packet id"),
        ({"type": 2, "nsp": "/", "data": ["a"], "id": "1"}, "invalid packet id"),
        ({"type": 2, "nsp": "/", "data": ["a"], "id": 2**53}, "invalid packet id"),
    ],
)
def test_wrong_field_is_refused_with_the_text_of_the_reference(
    fields: dict[str, Any], error: str
) -> None:
    with pytest.raises(PacketError, match=f"^{error}$"):
        decode_msgpack_packet(msgspec.msgpack.encode(fields))


LOOK_ALIKES = [
    "d4 00 00",
    "d7 00 00000000000003e8",
    "c7 01 00 00",
    "c8 0001 00 00",
    "c9 00000001 00 00",
    "c7 08 00 0000000000000001",
    "c8 0008 00 0000000000000001",
    "c9 00000008 00 0000000000000001",
]


@pytest.mark.parametrize("text", LOOK_ALIKES)
@pytest.mark.parametrize("before", [*LOOK_ALIKES, "d4 00", "d4 d4", "c9 0000"])
def test_header_of_an_extension_is_told_from_bytes_that_look_like_one(
    text: str, before: str
) -> None:
    value = decode_msgpack_packet(wire(f"{HEAD} 92 a1 78 {text}")).data[1]
    hidden = b"\xc4%c%b" % (len(wire(before)), wire(before))
    beside = wire(HEAD) + b"\x94\xa1x" + hidden + wire(text) + hidden
    assert decode_msgpack_packet(beside).data == ["x", wire(before), value, wire(before)]
    apart = wire(HEAD) + b"\x95\xa1x" + hidden + b"\0" + wire(text) + hidden
    assert decode_msgpack_packet(apart).data == ["x", wire(before), 0, value, wire(before)]


@given(st.lists(st.sampled_from(LOOK_ALIKES) | st.binary(max_size=9), max_size=8))
def test_extensions_between_any_bytes_keep_their_meaning(items: list[str | bytes]) -> None:
    data, expected = b"", []
    for item in items:
        if isinstance(item, str):
            data += wire(item)
            expected.append(decode_msgpack_packet(wire(f"{HEAD} 92 a1 78 {item}")).data[1])
        else:
            data += msgspec.msgpack.encode(item)
            expected.append(item)
    packet = wire(HEAD) + b"%c\xa1x" % (0x91 + len(items)) + data
    assert decode_msgpack_packet(packet).data == ["x", *expected]


def test_unknown_keys_are_ignored() -> None:
    fields = {"type": 2, "data": ["a"], "options": {"compress": True}, "id": 1, "nsp": "/a"}
    packet = decode_msgpack_packet(msgspec.msgpack.encode(fields))
    assert packet == Packet(PacketType.EVENT, "/a", 1, ["a"])


@pytest.mark.parametrize("depth", [128, 129, 300, 100_000])
def test_nesting_beyond_the_limit_is_refused(depth: int) -> None:
    data = wire(HEAD) + b"\x92\xa1e" + b"\x91" * (depth - 2) + b"\x91\x01"
    if depth <= 128:
        assert decode_msgpack_packet(data)
    else:
        with pytest.raises(PacketError):
            decode_msgpack_packet(data)


@given(st.binary(max_size=200))
def test_any_input_decodes_or_raises_our_error(data: bytes) -> None:
    try:
        decode_msgpack_packet(data)
    except PacketError:
        pass
    try:
        decode_notepack(data)
    except PacketError:
        pass


@given(packets, st.data())
def test_cut_packet_is_refused(packet: Packet, data: st.DataObject) -> None:
    whole = encode_msgpack_packet(packet)
    cut = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(PacketError):
        decode_msgpack_packet(whole[:cut])
    with pytest.raises(PacketError):
        decode_msgpack_packet(whole + b"\0")


@pytest.mark.parametrize("value", [object(), 2**64, [lambda: None]])
def test_value_that_msgpack_has_not_is_refused_at_the_caller(value: Any) -> None:
    with pytest.raises(EncodeError):
        encode_msgpack_packet(Packet(PacketType.EVENT, "/", None, ["a", value]))


@dataclasses.dataclass
class Photo:
    data: Any


@pytest.mark.parametrize(
    ("view", "data"),
    [
        (memoryview(b"abcdef")[1:4], b"bcd"),
        (memoryview(b"abcdef")[::2], b"ace"),
        (memoryview(b"abcdef")[::-1], b"fedcba"),
        (memoryview(bytearray(range(8))).cast("H")[::2], b"\0\1\4\5"),
        (memoryview(bytes(range(8))).cast("B", (2, 4)), bytes(range(8))),
        (memoryview(bytes(4)).cast("I"), bytes(4)),
    ],
    ids=["slice", "strided", "backwards", "strided words", "table", "words"],
)
def test_views_are_sent_as_their_exact_bytes(view: memoryview, data: bytes) -> None:
    value = ["x", view, {"a": [view, Photo(view), (view, 1)]}]
    expected = ["x", data, {"a": [data, {"data": data}, [data, 1]]}]
    encoded = encode_msgpack_packet(Packet(PacketType.EVENT, "/", None, value))
    assert decode_msgpack_packet(encoded).data == expected
    assert encode_json([view])[1] == [data]


def test_circular_value_with_a_strided_view_is_refused_at_the_caller() -> None:
    value: list[Any] = [memoryview(b"abc")[::2]]
    value.append(value)
    with pytest.raises(EncodeError):
        encode_msgpack_packet(Packet(PacketType.EVENT, "/", None, value))


@pytest.mark.parametrize("name", [float("nan"), float("inf"), float("-inf")])
def test_name_that_is_no_number_of_json_is_refused(name: float) -> None:
    fields = {"type": 2, "data": [name, 1], "nsp": "/"}
    with pytest.raises(PacketError, match=r"^invalid payload$"):
        decode_msgpack_packet(msgspec.msgpack.encode(fields))


def test_undefined_is_no_name_of_a_member() -> None:
    undefined = bytes.fromhex("d40000")
    named = b"\x81" + undefined + b"\x01"
    with pytest.raises(PacketError, match=r"^invalid payload$"):
        decode_msgpack_packet(b"\x83\xa4type\x02\xa4data\x92\xa1x" + named + b"\xa3nsp\xa1/")
