from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sockwave.codec.json import MAX_DEPTH, encode_json
from sockwave.codec.socketio import (
    DEFAULT_MAX_ATTACHMENTS,
    RESERVED_EVENTS,
    Packet,
    PacketType,
    Reassembler,
    ack_prefix,
    decode_packet,
    decode_short,
    encode_packet,
    event_prefix,
    short_size,
)
from sockwave.errors import EncodeError, PacketError, TextEncodingError
from tests.support.yardstick import best_of_three, is_quick

CONNECT, DISCONNECT, EVENT, ACK, CONNECT_ERROR, BINARY_EVENT, BINARY_ACK = PacketType
HOLE = {"_placeholder": True, "num": 0}


def reassemble(text: bytes, attachments: list[bytes], *, max_bytes: int = 10**9) -> Packet:
    """Decode as a session does: a packet, then its attachments."""
    packet = decode_packet(text, max_attachments=max(len(attachments), DEFAULT_MAX_ATTACHMENTS))
    if not packet.attachments:
        assert not attachments
        return packet
    reassembler = Reassembler(max_bytes=max_bytes)
    reassembler.begin(packet)
    for attachment in attachments[:-1]:
        assert reassembler.add(attachment) is None
    whole = reassembler.add(attachments[-1])
    assert whole is not None
    return whole


def refusal(text: bytes) -> str:
    """Text of the error that a packet gives."""
    with pytest.raises(PacketError) as caught:
        decode_packet(text)
    return str(caught.value)


def event(num: bytes, count: int = 1) -> bytes:
    return b'45%d-["a",{"_placeholder":true,"num":%b}]' % (count, num)


# --- worked examples: docs/protocol/socketio-packets.md -------------------------------------------

WORKED: list[tuple[bytes, list[bytes], Packet]] = [
    (b"0", [], Packet(CONNECT, "/", None, None)),
    (b'0{"token":"123"}', [], Packet(CONNECT, "/", None, {"token": "123"})),
    (
        b'0/admin,{"sid":"oSO0OpakMV_3jnilAAAA"}',
        [],
        Packet(CONNECT, "/admin", None, {"sid": "oSO0OpakMV_3jnilAAAA"}),
    ),
    (
        b'4{"message":"Not authorized"}',
        [],
        Packet(CONNECT_ERROR, "/", None, {"message": "Not authorized"}),
    ),
    (
        b'4/e,{"message":"bad","data":{"code":1}}',
        [],
        Packet(CONNECT_ERROR, "/e", None, {"message": "bad", "data": {"code": 1}}),
    ),
    (
        b'4/random,{"message":"Invalid namespace"}',
        [],
        Packet(CONNECT_ERROR, "/random", None, {"message": "Invalid namespace"}),
    ),
    (b"1", [], Packet(DISCONNECT, "/", None, None)),
    (b"1/admin,", [], Packet(DISCONNECT, "/admin", None, None)),
    (b'2["foo"]', [], Packet(EVENT, "/", None, ["foo"])),
    (b'2/admin,["bar"]', [], Packet(EVENT, "/admin", None, ["bar"])),
    (b'212["foo"]', [], Packet(EVENT, "/", 12, ["foo"])),
    (
        b'2/admin,456["project:delete",123]',
        [],
        Packet(EVENT, "/admin", 456, ["project:delete", 123]),
    ),
    (b'3/admin,13["bar"]', [], Packet(ACK, "/admin", 13, ["bar"])),
    (b"312[]", [], Packet(ACK, "/", 12, [])),
    (
        b'51-["baz",{"_placeholder":true,"num":0}]',
        [b"\1\2\3\4"],
        Packet(EVENT, "/", None, ["baz", b"\1\2\3\4"]),
    ),
    (
        b'52-/admin,["baz",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]',
        [b"\1\2", b"\3\4"],
        Packet(EVENT, "/admin", None, ["baz", b"\1\2", b"\3\4"]),
    ),
    (
        b'51-/admin,13["test",{"_placeholder":true,"num":0}]',
        [b"\1"],
        Packet(EVENT, "/admin", 13, ["test", b"\1"]),
    ),
    (
        b'61-15["bar",{"_placeholder":true,"num":0}]',
        [b"\1\2\3\4"],
        Packet(ACK, "/", 15, ["bar", b"\1\2\3\4"]),
    ),
]


@pytest.mark.parametrize(("wire", "attachments", "packet"), WORKED)
def test_encoder_writes_worked_example(
    wire: bytes, attachments: list[bytes], packet: Packet
) -> None:
    assert encode_packet(packet) == (b"4" + wire, attachments)


@pytest.mark.parametrize(("wire", "attachments", "packet"), WORKED)
def test_decoder_reads_worked_example(
    wire: bytes, attachments: list[bytes], packet: Packet
) -> None:
    assert reassemble(b"4" + wire, attachments) == packet


@pytest.mark.parametrize(
    ("wire", "packet"),
    [
        (b"40/admin", Packet(CONNECT, "/admin", None, None)),
        (b"40/admin,", Packet(CONNECT, "/admin", None, None)),
        (b'40/admin,{"a":1}', Packet(CONNECT, "/admin", None, {"a": 1})),
        (b'40/admin?x=1,{"a":1}', Packet(CONNECT, "/admin?x=1", None, {"a": 1})),
        (b"40/", Packet(CONNECT, "/", None, None)),
        (b"40{}", Packet(CONNECT, "/", None, {})),
        (b'42/,["x"]', Packet(EVENT, "/", None, ["x"])),
        ('42/é,["x"]'.encode(), Packet(EVENT, "/é", None, ["x"])),
        (b'42[1,"x"]', Packet(EVENT, "/", None, [1, "x"])),
        (b"42[1.5]", Packet(EVENT, "/", None, [1.5])),
        (b'420["x"]', Packet(EVENT, "/", 0, ["x"])),
        (b'42007["x"]', Packet(EVENT, "/", 7, ["x"])),
        (b'42 ["x"]', Packet(EVENT, "/", None, ["x"])),
        (b'42/a/b,1["x"]', Packet(EVENT, "/a/b", 1, ["x"])),
        (b"43", Packet(ACK, "/", None, None)),
        (b"437", Packet(ACK, "/", 7, None)),
        (b"43/a,7", Packet(ACK, "/a", 7, None)),
        (b'44"refused"', Packet(CONNECT_ERROR, "/", None, "refused")),
        (b"44{}", Packet(CONNECT_ERROR, "/", None, {})),
        (b'452-["x",1]', Packet(BINARY_EVENT, "/", None, ["x", 1], 2)),
        (b"461-5[]", Packet(BINARY_ACK, "/", 5, [], 1)),
    ],
)
def test_decoder_reads(wire: bytes, packet: Packet) -> None:
    assert decode_packet(wire) == packet


# --- decoder errors: docs/protocol/socketio-packets.md#decoding -----------------------------------


@pytest.mark.parametrize(
    ("wire", "text"),
    [
        (b"47", "unknown packet type 7"),
        (b'49["x"]', "unknown packet type 9"),
        (b"4x", "unknown packet type NaN"),
        (b'4 ["x"]', "unknown packet type NaN"),
        (b"4\xff", "unknown packet type NaN"),
        (b"4[", "unknown packet type NaN"),
        (b"4", "unknown packet type undefined"),
        (b"", "unknown packet type undefined"),
    ],
)
def test_decoder_refuses_unknown_type(wire: bytes, text: str) -> None:
    assert refusal(wire) == text


@pytest.mark.parametrize("type_", [b"45", b"46"])
@pytest.mark.parametrize(
    "count", [b"", b"-", b"1", b"0-", b"00-", b"+1-", b"-1-", b"1.0-", b"1e1-", b" 1-", b"x-"]
)
def test_decoder_refuses_a_missing_or_bad_attachment_count(type_: bytes, count: bytes) -> None:
    assert refusal(type_ + count + b'["a"]') == "Illegal attachments"


@pytest.mark.parametrize("count", [11, 12, 100, 1_000_000, 10**12])
def test_decoder_refuses_too_many_attachments_at_the_head(count: int) -> None:
    assert refusal(b'45%d-["x",{"_placeholder":true,"num":0}]' % count) == "too many attachments"


@pytest.mark.parametrize("count", [1, 9, 10])
def test_decoder_takes_attachments_up_to_the_default(count: int) -> None:
    assert decode_packet(b'45%d-["x"]' % count).attachments == count


def test_attachment_limit_is_the_callers() -> None:
    assert decode_packet(b'4511-["x"]', max_attachments=11).attachments == 11
    with pytest.raises(PacketError, match=r"^too many attachments$"):
        decode_packet(b'452-["x"]', max_attachments=1)


@pytest.mark.parametrize(
    "wire",
    [
        *(b'40"x"', b"40[]", b"40null", b"401.5e", b"40true", b"40/a,[]", b"40{", b"40x"),
        *(b"41{}", b"41null", b'41"x"', b"41[]", b"41/a,[]", b"41x"),
        *(b"42", b"42/a", b"42/a,", b"421", b"42/a,1", b"451-", b"461-", b"451-/a,7"),
        *(b"42{}", b"42[]", b"42null", b'42"x"', b"42true", b"42[", b'42["x"', b"42x", b"42["),
        *(b"42[null]", b"42[true]", b"42[false]", b'42[["a"]]', b"42[{}]", b'42[{"toString":"x"}]'),
        *(b"421[]", b"421{}", b"42/a,[]", b"451-[]", b"451-{}", b"451-[null]", b"42-1[]"),
        *(b"43{}", b'43"x"', b"43null", b"43/a,1{}", b"461-{}", b"43x"),
        *(b"44[]", b"44null", b"44true", b"44{", b"44x"),
        *(b'42["x",NaN]', b'42["x",Infinity]', b'42["x",-Infinity]', b'42["x",1e999]'),
        *(b'42\xef\xbb\xbf["x"]', b'42["x"]]', b'42["x"]\0', b'42["x"] ["y"]', b"42[1e999]"),
    ],
)
def test_decoder_refuses_invalid_payload(wire: bytes) -> None:
    assert refusal(wire) == "invalid payload"


@pytest.mark.parametrize("head", [b"42", b"421", b"42/a,", b"42/a,1", b"451-"])
@pytest.mark.parametrize("name", sorted(RESERVED_EVENTS))
def test_decoder_refuses_reserved_names(head: bytes, name: str) -> None:
    assert refusal(head + b'["%b",{}]' % name.encode()) == "invalid payload"


def test_reserved_names_are_the_six_of_the_reference() -> None:
    assert sorted(RESERVED_EVENTS) == [
        *("connect", "connect_error", "disconnect", "disconnecting"),
        *("newListener", "removeListener"),
    ]


@pytest.mark.parametrize(
    "name", ["error", "message", "connection", "*", "__proto__", "constructor", "", "Connect"]
)
def test_decoder_takes_ordinary_names(name: str) -> None:
    assert decode_packet(b'42["%b"]' % name.encode()).data == [name]


def test_reserved_names_are_ordinary_in_an_acknowledgement() -> None:
    assert decode_packet(b'431["disconnect"]').data == ["disconnect"]


# --- limits ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("digits", [b"1" * 16, b"9007199254740991", b"0000000000000001"])
def test_decoder_takes_ack_ids_that_javascript_keeps_exact(digits: bytes) -> None:
    assert decode_packet(b"42" + digits + b'["x"]').id == int(digits)
    assert decode_packet(b"43" + digits).id == int(digits)


@pytest.mark.parametrize(
    "digits",
    [b"9007199254740992", b"9" * 16, b"1" * 17, b"0" * 17, b"9" * 900_000],
    ids=["2^53", "16 nines", "17 ones", "17 zeros", "900,000"],
)
@pytest.mark.parametrize("rest", [b'["a"]', b""])
def test_decoder_refuses_larger_ack_ids(digits: bytes, rest: bytes) -> None:
    assert refusal(b"42" + digits + rest) == "invalid ack id"


@pytest.mark.parametrize("namespace", ["/" + "n" * 254, "/n" + "é" * 126 + "n", "/" + "😀" * 63])
@pytest.mark.parametrize("tail", ["", ",", ',{"a":1}'])
def test_decoder_takes_namespaces_of_255_bytes(namespace: str, tail: str) -> None:
    assert decode_packet(f"40{namespace}{tail}".encode()).namespace == namespace


@pytest.mark.parametrize("namespace", ["/" + "n" * 255, "/n" + "é" * 127, "/" + "n" * 900_000])
@pytest.mark.parametrize("tail", ["", ",", ',{"a":1}'])
def test_decoder_refuses_longer_namespaces(namespace: str, tail: str) -> None:
    assert refusal(f"40{namespace}{tail}".encode()) == "namespace too long"


@pytest.mark.parametrize("name", ["e" * 255, "é" * 127 + "e", "😀" * 63 + "eee"])
@pytest.mark.parametrize("head", ["42", "421"])
def test_decoder_takes_event_names_of_255_bytes(head: str, name: str) -> None:
    assert decode_packet(f'{head}["{name}"]'.encode()).data == [name]


@pytest.mark.parametrize("name", ["e" * 256, "é" * 128, "😀" * 64, "e" * 900_000])
@pytest.mark.parametrize("head", ["42", "421", "451-"])
def test_decoder_refuses_longer_event_names(head: str, name: str) -> None:
    assert refusal(f'{head}["{name}"]'.encode()) == "event name too long"


def nested(depth: int, inner: bytes = b"") -> bytes:
    """An event whose whole data is so many levels deep."""
    return b'["a",' + b"[" * (depth - 1) + inner + b"]" * (depth - 1) + b"]"


@pytest.mark.parametrize("head", [b"42", b"427", b"42/a,"])
@pytest.mark.parametrize("depth", [2, 127, 128])
def test_decoder_takes_nesting_up_to_128(head: bytes, depth: int) -> None:
    assert encode_packet(decode_packet(head + nested(depth)))[0] == head + nested(depth)


@pytest.mark.parametrize("head", [b"42", b"427", b"43", b"451-"])
@pytest.mark.parametrize("depth", [129, 253, 300, 1023, 490_000])
def test_decoder_refuses_deeper_nesting(head: bytes, depth: int) -> None:
    assert refusal(head + nested(depth)) == "invalid payload"


@pytest.mark.parametrize(("depth", "is_accepted"), [(127, True), (128, True), (129, False)])
def test_placeholder_at_the_bottom_counts_as_a_level(depth: int, is_accepted: bool) -> None:
    text = b"451-" + nested(depth - 1, b'{"_placeholder":true,"num":0}')
    if not is_accepted:
        assert refusal(text) == "invalid payload"
        return
    value = reassemble(text, [b"\1"]).data[1]
    for _ in range(depth - 2):
        [value] = value
    assert value == b"\1"


@pytest.mark.parametrize(("limit", "wire"), [(1, b'42["a"]'), (2, b'421["a",{}]')])
def test_depth_limit_is_the_callers(limit: int, wire: bytes) -> None:
    assert decode_packet(wire, max_depth=limit)
    with pytest.raises(PacketError):
        decode_packet(wire, max_depth=limit - 1)


@pytest.mark.parametrize(
    "wire",
    [
        b"42" + b"9" * 900_000 + b'["a"]',
        b"45" + b"9" * 900_000,
        b"45" + b"1" * 900_000 + b"-[]",
        b"40/" + b"a" * 900_000,
        b'42["a"' + b"[" * 490_000 + b"]" * 490_000 + b"]",
    ],
    ids=["ack id", "count", "count with dash", "namespace", "nesting"],
)
def test_refusal_of_a_hostile_packet_takes_milliseconds(wire: bytes) -> None:
    # The catalogue says 5 ms (V04, V48).
    assert is_quick(best_of_three(lambda: refusal(wire)), 0.02)


# --- UTF-8 ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wire",
    [
        *(b'42["\xff"]', b'42["x","\xc3"]', b'421["\xed\xa0\x80"]', b'40{"a":"\x80"}', b"42\xff"),
        *(
            b"40/\xff",
            b"40/\xff,",
            b'42/\xc3,["x"]',
            b'451-["\xf8"]',
            b'431["\xc0\xaf"]',
            b"42[\xff",
        ),
    ],
)
def test_decoder_tells_bad_utf8_from_a_bad_packet(wire: bytes) -> None:
    with pytest.raises(TextEncodingError, match=r"^invalid UTF-8$"):
        decode_packet(wire)


@pytest.mark.parametrize(
    ("wire", "data"),
    [
        (rb'42["x","\ud83d"]', ["x", "\ufffd"]),
        (rb'42["\ud83d"]', ["\ufffd"]),
        (rb'42["x",{"\ude00":1}]', ["x", {"\ufffd": 1}]),
        (rb'421["x","a\ud83d"]', ["x", "a\ufffd"]),
    ],
)
def test_half_of_an_emoji_arrives_as_a_replacement_character(wire: bytes, data: list[Any]) -> None:
    packet = decode_packet(wire)
    assert packet.data == data
    assert encode_packet(packet)


def test_event_name_is_checked_after_halves_are_replaced() -> None:
    assert refusal(b'42["' + rb"\ud83d" * 86 + b'"]') == "event name too long"


# --- prefixes and encoding ------------------------------------------------------------------------


@pytest.mark.parametrize("namespace", ["/", "/admin", "/é"])
def test_prefixes_begin_what_the_encoder_writes(namespace: str) -> None:
    event, _ = encode_packet(Packet(EVENT, namespace, None, ["x"]))
    ack, _ = encode_packet(Packet(ACK, namespace, 5, ["x"]))
    assert event_prefix(namespace) + b'["x"]' == event
    assert ack_prefix(namespace) + b'5["x"]' == ack


def test_encoder_leaves_the_data_of_the_caller_alone() -> None:
    data = ["x", b"1", {"a": bytearray(b"2")}]
    encode_packet(Packet(EVENT, "/", None, data))
    assert data == ["x", b"1", {"a": bytearray(b"2")}]


def test_encoder_takes_a_tuple_of_arguments() -> None:
    assert encode_packet(Packet(EVENT, "/", None, ("x", b"1")))[1] == [b"1"]


@pytest.mark.parametrize("type_", [CONNECT, CONNECT_ERROR, DISCONNECT, BINARY_EVENT])
def test_encoder_refuses_bytes_outside_events_and_acknowledgements(type_: PacketType) -> None:
    with pytest.raises(
        EncodeError, match=f"^bytes cannot be sent in a packet of type {type_.name}$"
    ):
        encode_packet(Packet(type_, "/", None, {"a": b"x"}))


def test_encoder_refuses_what_json_does_not_have() -> None:
    with pytest.raises(EncodeError):
        encode_packet(Packet(EVENT, "/", None, ["x", object()]))


# --- attachments ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "num",
    [
        *(b"-1", b"1", b"99", b"0.5", b'"0"', b'"splice"', b"true", b"null", b"{}", b"1e0", b"[0]"),
        *(b"0.0", b"1e-1", b"18446744073709551616", b"false"),
    ],
)
def test_placeholder_must_point_at_an_attachment(num: bytes) -> None:
    with pytest.raises(PacketError, match=r"^illegal attachments$"):
        reassemble(event(num), [b"\1"])


def test_placeholder_without_a_number_points_nowhere() -> None:
    with pytest.raises(PacketError, match=r"^illegal attachments$"):
        reassemble(b'451-["a",{"_placeholder":true}]', [b"\1"])


def test_placeholder_is_judged_when_the_last_attachment_arrives() -> None:
    reassembler = Reassembler(max_bytes=10)
    reassembler.begin(decode_packet(event(b"2", count=2)))
    assert reassembler.add(b"\1") is None
    with pytest.raises(PacketError, match=r"^illegal attachments$"):
        reassembler.add(b"\2")


def test_one_attachment_may_stand_twice_and_another_nowhere() -> None:
    hole = b'{"_placeholder":true,"num":1}'
    packet = reassemble(b'452-["a",' + hole + b"," + hole + b"]", [b"\1", b"\2"])
    assert packet.data == ["a", b"\2", b"\2"]


def test_placeholder_may_be_anywhere_and_keep_other_keys_out() -> None:
    wire = b'451-["a",{"b":[[{"num":0,"_placeholder":true,"more":1}]]},null]'
    assert reassemble(wire, [b"\1"]).data == ["a", {"b": [[b"\1"]]}, None]


@pytest.mark.parametrize("value", [b'{"_placeholder":1,"num":0}', b'{"_placeholder":false}'])
def test_only_true_makes_a_placeholder(value: bytes) -> None:
    data = reassemble(b'451-["a",' + value + b"]", [b"\1"]).data
    assert isinstance(data[1], dict)


def test_placeholder_in_a_plain_event_is_data_of_the_user() -> None:
    assert decode_packet(b'42["a",{"_placeholder":true,"num":0}]').data == ["a", HOLE]


def test_reassembled_event_keeps_namespace_and_id() -> None:
    whole = reassemble(b'451-/a,7["x",{"_placeholder":true,"num":0}]', [b"\1"])
    assert whole == Packet(EVENT, "/a", 7, ["x", b"\1"], 0)


def test_reassembler_waits_for_exactly_the_announced_attachments() -> None:
    reassembler = Reassembler(max_bytes=10)
    waits = [reassembler.is_waiting]
    reassembler.begin(decode_packet(b'452-["a"]'))
    waits.append(reassembler.is_waiting)
    assert reassembler.add(b"\1") is None
    waits.append(reassembler.is_waiting)
    assert reassembler.add(b"\2") == Packet(EVENT, "/", None, ["a"])
    assert [*waits, reassembler.is_waiting] == [False, True, True, False]


def test_reassembler_refuses_binary_that_no_packet_announced() -> None:
    reassembler = Reassembler(max_bytes=10)
    text = r"^got binary data when not reconstructing a packet$"
    with pytest.raises(PacketError, match=text):
        reassembler.add(b"\1")
    reassembler.begin(decode_packet(b'451-["a"]'))
    assert reassembler.add(b"\1")
    with pytest.raises(PacketError, match=text):
        reassembler.add(b"\2")


def test_reassembler_takes_attachments_up_to_the_limit_in_sum() -> None:
    reassembler = Reassembler(max_bytes=10)
    reassembler.begin(decode_packet(b'452-["a"]'))
    assert reassembler.add(b"x" * 4) is None
    assert reassembler.add(b"x" * 6)


def test_reassembler_refuses_attachments_beyond_the_limit_at_once() -> None:
    reassembler = Reassembler(max_bytes=10)
    reassembler.begin(decode_packet(b'453-["a"]'))
    assert reassembler.add(b"x" * 4) is None
    with pytest.raises(PacketError, match=r"^attachments too large$"):
        reassembler.add(b"x" * 7)


def test_size_is_counted_for_each_packet_anew() -> None:
    reassembler = Reassembler(max_bytes=10)
    for _ in range(3):
        reassembler.begin(decode_packet(b'451-["a"]'))
        assert reassembler.add(b"x" * 10)


# --- properties -----------------------------------------------------------------------------------

names = st.one_of(
    st.text(max_size=63).filter(lambda name: name not in RESERVED_EVENTS),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
)
namespaces = st.one_of(
    st.just("/"),
    st.text(st.characters(exclude_characters=",", exclude_categories=["Cs"]), max_size=63).map(
        lambda name: "/" + name
    ),
)
ids = st.one_of(st.none(), st.integers(0, 2**53 - 1))
keys = st.text().filter(lambda key: key != "_placeholder")


def trees(*leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(
        st.one_of(
            st.none(),
            st.booleans(),
            st.integers(-(2**63), 2**64 - 1),
            st.floats(allow_nan=False, allow_infinity=False),
            st.text(),
            *leaves,
        ),
        lambda inner: st.one_of(st.lists(inner), st.dictionaries(keys, inner)),
        max_leaves=15,
    )


arguments = st.lists(trees(st.binary()), max_size=4)


@given(namespaces, ids, names, arguments)
def test_event_round_trip(namespace: str, id_: int | None, name: Any, rest: list[Any]) -> None:
    packet = Packet(EVENT, namespace, id_, [name, *rest])
    assert reassemble(*encode_packet(packet)) == packet


@given(namespaces, ids, arguments)
def test_acknowledgement_round_trip(namespace: str, id_: int | None, data: list[Any]) -> None:
    packet = Packet(ACK, namespace, id_, data)
    assert reassemble(*encode_packet(packet)) == packet


@given(namespaces, st.one_of(st.none(), st.dictionaries(st.text(), trees())))
def test_connect_round_trip(namespace: str, data: Any) -> None:
    packet = Packet(CONNECT, namespace, None, data)
    assert decode_packet(encode_packet(packet)[0]) == packet


@given(namespaces, st.one_of(st.text(), st.dictionaries(st.text(), trees())))
def test_connect_error_round_trip(namespace: str, data: Any) -> None:
    packet = Packet(CONNECT_ERROR, namespace, None, data)
    assert decode_packet(encode_packet(packet)[0]) == packet


@given(namespaces)
def test_disconnect_round_trip(namespace: str) -> None:
    packet = Packet(DISCONNECT, namespace, None, None)
    assert decode_packet(encode_packet(packet)[0]) == packet


wire_pieces = st.lists(
    st.sampled_from(
        [
            *(
                b"0",
                b"1",
                b"2",
                b"5",
                b"6",
                b"42",
                b"451-",
                b"46",
                b"-",
                b"/",
                b",",
                b"/a,",
                b"9" * 16,
            ),
            *(
                b"[",
                b"]",
                b"{",
                b"}",
                b'"x"',
                b"null",
                b"1e9",
                b":",
                b'{"_placeholder":true,"num":0}',
            ),
            *(b'"connect"', b"\xff", b" ", b"\0", b'"\\ud800"'),
        ]
    )
).map(b"".join)


@given(st.one_of(st.binary(), wire_pieces, wire_pieces.map(lambda text: b"42" + text)))
def test_any_text_decodes_or_raises_our_error(text: bytes) -> None:
    try:
        packet = decode_packet(text)
        if packet.attachments:
            packet = reassemble(text, [b"x"] * packet.attachments)
    except PacketError:
        return
    again, attachments = encode_packet(packet)
    assert reassemble(again, attachments) == packet


near_valid = st.tuples(names, arguments, st.sampled_from([b"", b"", b" ", b"]", b"x"])).map(
    lambda parts: encode_json([parts[0], *parts[1]])[0] + parts[2]
)


@given(
    st.one_of(st.sampled_from([b"42", b"43"]), ids.map(lambda id_: b"42%d" % (id_ or 0))),
    st.one_of(st.binary(), wire_pieces, near_valid),
)
@example(b"42", b'["a"]')
@example(b"420", b'[""]')
@example(b"437", b'["a",{"b":[]}]')
def test_short_way_takes_nothing_but_what_the_long_one_takes_as_the_same(
    head: bytes, rest: bytes
) -> None:
    text = (head + rest + b" ")[: short_size(MAX_DEPTH)]
    short = decode_short(text)
    if short is not None:
        id_, data = short
        assert decode_packet(text) == Packet(PacketType(text[1]), "/", id_, data)


@given(ids, names.filter(lambda name: isinstance(name, str)), arguments)
def test_short_way_takes_events_and_answers(id_: int | None, name: str, rest: list[Any]) -> None:
    """But for long ids, of which it would have to look at the limit."""
    event, _ = encode_packet(Packet(EVENT, "/", id_, [name, *rest]))
    if event.startswith(b"42") and (id_ is None or id_ < 10**15):
        assert decode_short(event) == (id_, [name, *rest])
    answer, _ = encode_packet(Packet(ACK, "/", 7, rest))
    if answer.startswith(b"43"):
        assert decode_short(answer) == (7, rest)


@pytest.mark.parametrize(
    "text", [b"420", b"42[", b"421", b"42[]", b'42["connect"]', b"42/a,[1]", b"43[]", b"40{}"]
)
def test_short_way_leaves_what_is_rare_or_wrong(text: bytes) -> None:
    assert decode_short(text) is None
