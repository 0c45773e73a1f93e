from __future__ import annotations

import dataclasses
import datetime
import enum
import json
import math
import uuid
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sockwave.codec.json import MAX_DEPTH, decode_json, encode_json
from sockwave.errors import EncodeError, PacketError, TextEncodingError
from tests.support.yardstick import best_of_three, is_quick

REPLACEMENT = "\ufffd"

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)),
    max_leaves=20,
)
texts_with_halves = st.text(st.characters(exclude_categories=[]))


def encoded(value: Any) -> bytes:
    text, attachments = encode_json(value)
    assert not attachments
    return text


def nested(depth: int, inner: bytes = b"") -> bytes:
    return b"[" * depth + inner + b"]" * depth


# --- decoding -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wire", "value"),
    [
        (b"null", None),
        (b"true", True),
        (b"-12", -12),
        (b"1.5", 1.5),
        (b'"a\\n\\u00e9"', "a\né"),
        (b' [ 1 , {"a" : []} ] ', [1, {"a": []}]),
        (b'{"a":1,"a":2}', {"a": 2}),
        (b'"\\ud83d\\ude00"', "😀"),
        (b'"\\uD83D\\uDE00"', "😀"),
        (b'"\\u0000"', "\0"),
    ],
)
def test_decoder_reads_json(wire: bytes, value: Any) -> None:
    assert decode_json(wire) == value


@pytest.mark.parametrize(
    ("wire", "value"),
    [
        (b"9007199254740993", 9007199254740993),
        (b"18446744073709551615", 2**64 - 1),
        (b"-9223372036854775808", -(2**63)),
        (b"18446744073709551616", 18446744073709551616.0),
        (b"9" * 30, 1e30),
        (b"1e308", 1e308),
        (b"1e-999", 0.0),
    ],
)
def test_decoder_reads_numbers_beyond_64_bits_as_floats(wire: bytes, value: float) -> None:
    assert decode_json(wire) == value
    assert type(decode_json(wire)) is type(value)


@pytest.mark.parametrize(
    "wire",
    [b"1e999", b"-1e400", b"9" * 900_000, b"1" + b"0" * 309],
    ids=["1e999", "-1e400", "900,000 digits", "10^309"],
)
def test_decoder_refuses_numbers_beyond_a_double(wire: bytes) -> None:
    with pytest.raises(PacketError, match=r"^invalid payload$"):
        decode_json(wire)


@pytest.mark.parametrize(
    "wire",
    [
        *(b"NaN", b"Infinity", b"-Infinity", b"[NaN]", b"nan", b"undefined"),
        *(b"", b" ", b"[", b"]", b"[1,]", b'{"a"}', b"{a:1}", b"{1:1}", b"'a'", b"[] []", b"[]x"),
        *(b"01", b"+1", b".5", b"1.", b"0x1", b"1_000", b"// comment", b"[/**/]"),
        *(b'"\n"', b'"\0"', b'"\\x41"', b'"\\u12"', b'"\\', b'"', b"\xef\xbb\xbf[]", b"\0"),
        *(b"\\ud83d", b'"\\ud83d', b"{\\ud83d:1}", b'["\\ud83d",]'),
    ],
)
def test_decoder_refuses_what_is_not_json(wire: bytes) -> None:
    with pytest.raises(PacketError, match=r"^invalid payload$"):
        decode_json(wire)


@pytest.mark.parametrize(
    "wire",
    [
        b"\xff",
        b'"\xff"',
        b'["a\x80"]',
        b'{"\xc3":1}',
        b'"\xed\xa0\x80"',
        b'"\\ud83d\xff"',
        b"NaN\xfe",
    ],
)
def test_decoder_tells_bad_utf8_from_bad_json(wire: bytes) -> None:
    with pytest.raises(TextEncodingError, match=r"^invalid UTF-8$"):
        decode_json(wire)


@pytest.mark.parametrize(
    ("wire", "text"),
    [
        (rb'"\ud83d"', REPLACEMENT),
        (rb'"\uDE00x"', REPLACEMENT + "x"),
        (rb'"a\ud83d\ud83d\ude00"', "a" + REPLACEMENT + "😀"),
        (rb'"\ude00\ud83d"', REPLACEMENT * 2),
        (rb'"\ud83d\\ude00"', REPLACEMENT + "\\ude00"),
        (rb'"\\\ud83d"', "\\" + REPLACEMENT),
        (rb'"\\ud83d \ud83d"', "\\ud83d " + REPLACEMENT),
        (rb'"\ud83d\n\""', REPLACEMENT + '\n"'),
        (rb'"\ud83d\u0041"', REPLACEMENT + "A"),
    ],
)
def test_decoder_replaces_half_of_a_surrogate_pair(wire: bytes, text: str) -> None:
    assert decode_json(wire) == text


def test_decoder_replaces_half_of_a_pair_in_a_key() -> None:
    assert decode_json(rb'{"\ud83d":{"\udc00":1}}') == {REPLACEMENT: {REPLACEMENT: 1}}


@pytest.mark.parametrize("depth", [1, 127, 128])
@pytest.mark.parametrize("inner", [b"", b"1", b'"' + b"[" * 500 + b'"'])
def test_decoder_takes_nesting_up_to_the_limit(depth: int, inner: bytes) -> None:
    value = decode_json(nested(depth, inner))
    for _ in range(depth - 1):
        [value] = value
    assert value == ([] if not inner else [decode_json(inner)])


@pytest.mark.parametrize("depth", [129, 130, 253, 300, 1023, 1024, 1025, 100_000])
def test_decoder_refuses_deeper_nesting(depth: int) -> None:
    with pytest.raises(PacketError, match=r"^invalid payload$"):
        decode_json(nested(depth))


@pytest.mark.parametrize(("depth", "is_accepted"), [(127, True), (128, True), (129, False)])
def test_objects_count_as_levels_too(depth: int, is_accepted: bool) -> None:
    wire = b'{"a":' * depth + b"1" + b"}" * depth
    if is_accepted:
        assert decode_json(wire)["a"]
    else:
        with pytest.raises(PacketError):
            decode_json(wire)


def test_decoder_finds_the_deep_branch_among_flat_ones() -> None:
    flat = b"[]," * 300
    assert len(decode_json(b"[" + flat + nested(127) + b"]")) == 301
    with pytest.raises(PacketError):
        decode_json(b"[" + flat + nested(128) + b"]")


def test_wide_messages_are_not_deep() -> None:
    assert len(decode_json(b"[" + b"{}," * 1000 + b"[]]")) == 1001


@pytest.mark.parametrize(("limit", "wire"), [(0, b"1"), (1, b"[1]"), (2, b'[{"a":1}]')])
def test_depth_limit_is_the_callers(limit: int, wire: bytes) -> None:
    assert decode_json(wire, max_depth=limit) is not None
    with pytest.raises(PacketError):
        decode_json(b"[" + wire + b"]", max_depth=limit)


@pytest.mark.parametrize(
    "wire",
    [nested(490_000), b"9" * 900_000, b"[" * 900_000, b'{"":' * 200_000],
    ids=["nested", "digits", "open", "objects"],
)
def test_refusal_of_a_hostile_message_takes_milliseconds(wire: bytes) -> None:
    def refuse() -> None:
        with pytest.raises(PacketError):
            decode_json(wire)

    # The catalogue says 5 ms (V48).
    assert is_quick(best_of_three(refuse), 0.02)


# --- encoding -------------------------------------------------------------------------------------


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


class Point(NamedTuple):
    x: int
    y: int


@dataclasses.dataclass
class User:
    name: str
    photo: Any = None
    _secret: str = "hidden"


PLAIN: list[tuple[Any, bytes]] = [
    (None, b"null"),
    ([1, -2, 1.5, True, "a"], b'[1,-2,1.5,true,"a"]'),
    ({"a": {"b": []}}, b'{"a":{"b":[]}}'),
    ("é€😀\u2028", '"é€😀\u2028"'.encode()),
    ('\0\n"\\', b'"\\u0000\\n\\"\\\\"'),
    ((1, (2,)), b"[1,[2]]"),
    ([math.nan, math.inf, -math.inf], b"[null,null,null]"),
    (datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC), b'"1970-01-01T00:00:00+00:00"'),
    (datetime.date(2024, 2, 29), b'"2024-02-29"'),
    (uuid.UUID(int=1), b'"00000000-0000-0000-0000-000000000001"'),
    (Colour.RED, b'"red"'),
    (Level.HIGH, b"3"),
    (Point(1, 2), b"[1,2]"),
    ({7}, b"[7]"),
    (frozenset({"x"}), b'["x"]'),
    (User("ann"), b'{"name":"ann","photo":null}'),
]


@pytest.mark.parametrize(("value", "wire"), PLAIN)
def test_encoder_writes_compact_json(value: Any, wire: bytes) -> None:
    assert encode_json(value) == (wire, [])


@pytest.mark.parametrize(("value", "wire"), PLAIN)
def test_the_slower_path_writes_the_same(value: Any, wire: bytes) -> None:
    assert encode_json([value, 2**64]) == (b"[%s,18446744073709551616]" % wire, [])


@pytest.mark.parametrize(
    ("value", "wire"),
    [
        (2**64, b"18446744073709551616"),
        (-(2**63) - 1, b"-9223372036854775809"),
        ({7: "a", None: "b", True: "c", 1.5: "d"}, b'{"7":"a","null":"b","true":"c","1.5":"d"}'),
        ({False: 0}, b'{"false":0}'),
        ({2**70: 0}, b'{"1180591620717411303424":0}'),
    ],
)
def test_encoder_writes_what_orjson_refuses(value: Any, wire: bytes) -> None:
    assert encode_json(value) == (wire, [])


@pytest.mark.parametrize(
    ("text", "wire"),
    [
        ("\ud83d", rb'"\ud83d"'),
        ("a\udc00é", '"a\\udc00é"'.encode()),
        ("\ud83d\ude00", rb'"\ud83d\ude00"'),
        ("\\\ud83d", rb'"\\\ud83d"'),
    ],
)
def test_encoder_escapes_surrogates(text: str, wire: bytes) -> None:
    assert encode_json([text]) == (b"[" + wire + b"]", [])
    assert encode_json({text: 1}) == (b"{" + wire + b":1}", [])


def test_encoder_leaves_the_values_of_the_caller_alone() -> None:
    value = [{"a": b"x", 1: "\ud83d"}, [bytearray(b"y")]]
    encode_json(value)
    assert value == [{"a": b"x", 1: "\ud83d"}, [bytearray(b"y")]]


def test_encoder_pulls_binary_out_depth_first() -> None:
    text, attachments = encode_json([{"a": [b"0"], "b": b"1"}, b"2", [[bytearray(b"3")]]])
    first = {"_placeholder": True, "num": 0}
    expected = [{"a": [first], "b": {**first, "num": 1}}, {**first, "num": 2}]
    assert json.loads(text) == [*expected, [[{**first, "num": 3}]]]
    assert attachments == [b"0", b"1", b"2", b"3"]


def test_placeholder_is_written_as_the_reference_writes_it() -> None:
    assert encode_json(["baz", b"\1"]) == (b'["baz",{"_placeholder":true,"num":0}]', [b"\1"])


@pytest.mark.parametrize(
    ("value", "data"),
    [
        (b"", b""),
        (bytearray(b"abc"), b"abc"),
        (memoryview(b"abcdef")[1:4], b"bcd"),
        (memoryview(b"abcdef")[::2], b"ace"),
        (memoryview(bytearray(8)).cast("I"), bytes(8)),
    ],
)
def test_encoder_takes_the_exact_bytes_of_a_buffer(value: Any, data: bytes) -> None:
    assert encode_json([value])[1] == [data]


@pytest.mark.parametrize("beside", [None, "\ud83d"], ids=["orjson", "slow path"])
@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_one_object_is_one_attachment_however_often_it_occurs(kind: Any, beside: Any) -> None:
    one, other = kind(b"same text"), kind(bytearray(b"same text"))
    text, attachments = encode_json([one, {"a": [other, one]}, one, beside])
    holes = [{"_placeholder": True, "num": num} for num in (0, 1)]
    assert json.loads(text)[:3] == [holes[0], {"a": [holes[1], holes[0]]}, holes[0]]
    assert attachments == [b"same text", b"same text"]


@dataclasses.dataclass
class Camera:
    """Its field is made anew whenever it is looked at, perhaps where the last one was."""

    number: int

    def __getattribute__(self, name: str) -> Any:
        value = super().__getattribute__(name)
        return bytearray(b"%d" % value) if name == "number" else value


def test_objects_that_are_made_while_encoding_are_not_taken_for_each_other() -> None:
    _, attachments = encode_json([*map(Camera, range(20)), 2**64])
    assert attachments == [b"%d" % number for number in range(20)]


def test_attachments_are_copies() -> None:
    data = bytearray(b"before")
    [attachment] = encode_json([data])[1]
    data[:] = b"after!"
    assert attachment == b"before"


def test_binary_beside_text_that_orjson_refuses_is_pulled_out_once() -> None:
    text, attachments = encode_json([b"0", "\ud83d", {"k": b"1"}])
    assert attachments == [b"0", b"1"]
    assert text == rb'[{"_placeholder":true,"num":0},"\ud83d",{"k":{"_placeholder":true,"num":1}}]'


def test_binary_inside_a_dataclass_is_pulled_out_on_both_paths() -> None:
    placeholder = b'{"name":"a","photo":{"_placeholder":true,"num":0}}'
    assert encode_json(User("a", b"x")) == (placeholder, [b"x"])
    assert encode_json([User("a", b"x"), 2**64])[0].startswith(b"[" + placeholder)


def circular() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


def deep(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth - 1):
        value = [value]
    return value


def released() -> memoryview:
    view = memoryview(b"x")
    view.release()
    return view


@pytest.mark.parametrize(
    "value",
    [
        *(object(), 1j, User, print, range(3), {1j}),
        *({(1, 2): 1}, {b"k": 1}, {Colour.RED: 1}, {2**70: object()}),
        *(10**5000, {10**5000: 1}),
        *(circular(), deep(300), released()),
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize("wrap", [lambda value: value, lambda value: ["\ud83d", [value]]])
def test_encoder_refuses_what_json_does_not_have(value: Any, wrap: Any) -> None:
    with pytest.raises(EncodeError):
        encode_json(wrap(value))


def test_refusal_names_the_type() -> None:
    with pytest.raises(EncodeError, match=r"^complex cannot be sent: not JSON and not bytes$"):
        encode_json(["a", 1j])


def test_refusal_is_a_type_error_too() -> None:
    with pytest.raises(TypeError):
        encode_json(object())


def test_deepest_value_that_is_read_can_be_written() -> None:
    wire = nested(MAX_DEPTH)
    assert encoded(decode_json(wire)) == wire
    assert encoded([decode_json(wire), "\ud83d"]) == b"[" + wire + rb',"\ud83d"]'


# --- both -----------------------------------------------------------------------------------------


@given(values)
def test_json_round_trip(value: Any) -> None:
    assert decode_json(encoded(value)) == value


@given(values)
def test_both_paths_of_the_encoder_agree(value: Any) -> None:
    slow = encoded([value, 2**64])
    assert decode_json(slow) == [value, float(2**64)]


@given(texts_with_halves)
def test_every_text_can_be_encoded_and_comes_back_with_halves_replaced(text: str) -> None:
    joined = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    back = decode_json(encoded([text]))[0]
    assert back == joined
    assert encoded(back)


@given(texts_with_halves)
def test_text_escaped_as_javascript_does_arrives(text: str) -> None:
    wire = json.dumps(text).encode()
    joined = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    assert decode_json(wire) == joined


@given(
    st.one_of(
        st.binary(),
        st.lists(
            st.sampled_from(
                [
                    *rb"""[ ] { } " , : \ \ud83d \ude00 1 - e9 . null NaN""".split(),
                    *(b"\xff", b"\xc3", b"\xa9", b" ", b"\0"),
                ]
            )
        ).map(b"".join),
    )
)
def test_any_bytes_decode_or_raise_our_error(wire: bytes) -> None:
    try:
        value = decode_json(wire)
    except PacketError:
        return
    assert encoded(value)
