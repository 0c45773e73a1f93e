"""Messages between processes: those that servers in JavaScript were seen to send, and others."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sockwave.adapters.messages import (
    Message,
    MessageType,
    decode_message,
    decode_options,
    encode_message,
    encode_options,
    event_of,
    number_of,
    request_of,
    rooms_of,
    text_of,
)
from sockwave.errors import EncodeError, PacketError
from sockwave.socketio.core.adapter import BroadcastFlags, BroadcastOptions

SOCKET = (
    '{"id":"OkF0hxdCVCEOQhzgAAAB","handshake":{"headers":{},"time":"","address":"::1",'
    '"xdomain":false,"secure":false,"issued":1795523851361,"url":"/socket.io/","query":{},'
    '"auth":{}},"rooms":["OkF0hxdCVCEOQhzgAAAB","r1"],"data":{"who":"x"}}'
)
ASKER, OTHER = '"uid":"7e3c114358d42fbf","nsp":"/"}', '"uid":"51a3f3deda701577","nsp":"/"}'
CAPTURED = [
    '{"type":3,"data":{"packet":{"type":2,"data":["hello",1,"é",null,null,1.5]},'
    '"opts":{"rooms":[],"except":[],"flags":{}}},' + ASKER,
    '{"type":3,"data":{"packet":{"type":2,"data":["hello",{"a":1}]},'
    '"opts":{"rooms":["r1","r2"],"except":["r3"],"flags":{}}},' + ASKER,
    '{"type":3,"data":{"packet":{"type":2,"data":["v"]},'
    '"opts":{"rooms":[],"except":[],"flags":{"volatile":true,"compress":false}}},' + ASKER,
    '{"type":3,"data":{"packet":{"type":2,"data":["ping1",7]},"requestId":"3367a4e1ecaf3610",'
    '"opts":{"rooms":[],"except":[],"flags":{"timeout":1000}}},' + ASKER,
    '{"type":11,"data":{"requestId":"3367a4e1ecaf3610","clientCount":1},' + OTHER,
    '{"type":12,"data":{"requestId":"3367a4e1ecaf3610","packet":"pong"},' + OTHER,
    '{"type":4,"data":{"opts":{"rooms":["r1"],"except":[],"flags":{}},"rooms":["r5","r6"]},'
    + ASKER,
    '{"type":5,"data":{"opts":{"rooms":["r1"],"except":["r8"],"flags":{}},"rooms":["r6"]},' + ASKER,
    '{"type":6,"data":{"opts":{"rooms":["nobody"],"except":[],"flags":{}},"close":true},' + ASKER,
    '{"type":7,"data":{"opts":{"rooms":["r1"],"except":[],"flags":{}},'
    '"requestId":"aabd7724b0659871"},' + ASKER,
    '{"type":8,"data":{"requestId":"aabd7724b0659871","sockets":[' + SOCKET + "]}," + OTHER,
    '{"type":9,"data":{"packet":["hi",1,"x"]},' + ASKER,
    '{"type":9,"data":{"requestId":"0aa1e69847efa667","packet":["hi",2]},' + ASKER,
    '{"type":10,"data":{"requestId":"0aa1e69847efa667","packet":"resp"},' + OTHER,
]
BINARY = bytes.fromhex(
    "84a47479706503a46461746182a67061636b657482a47479706502a46461746192a362696ec403010203a46f707473"
    "83a5726f6f6d7390a665786365707490a5666c61677380a3756964b037653363313134333538643432666266a36e73"
    "70a12f"
)
BINARY_ACK = bytes.fromhex(
    "84a4747970650ca46461746182a9726571756573744964b064353133613236343061353538616334a67061636b6574"
    "c40109a3756964b035316133663364656461373031353737a36e7370a12f"
)


@pytest.mark.parametrize("text", CAPTURED)
def test_captured_messages_are_read_and_written_alike(text: str) -> None:
    message = decode_message(text.encode())
    assert encode_message(message, as_text=True) == text.encode()
    assert decode_message(encode_message(message)) == message


@pytest.mark.parametrize("data", [BINARY, BINARY_ACK])
def test_captured_binary_messages_are_read_and_written_alike(data: bytes) -> None:
    message = decode_message(data)
    assert encode_message(message, as_text=True) == data
    assert encode_message(message) == data


def test_captured_broadcast_is_understood() -> None:
    data = decode_message(CAPTURED[2].encode()).data
    flags = BroadcastFlags(volatile=True, compress=False)
    assert event_of(data) == ("v",)
    assert decode_options(data) == BroadcastOptions(flags=flags)
    assert request_of(data) is None


def test_captured_question_is_understood() -> None:
    data = decode_message(CAPTURED[3].encode()).data
    assert decode_options(data) == BroadcastOptions(flags=BroadcastFlags(timeout=1.0))
    assert request_of(data) == "3367a4e1ecaf3610"
    assert event_of(data) == ("ping1", 7)


def test_event_between_servers_has_no_packet_around_it() -> None:
    assert event_of(decode_message(CAPTURED[11].encode()).data) == ("hi", 1, "x")


names = st.text(min_size=1, max_size=12)
rooms = st.lists(names, max_size=4).map(tuple)
options = st.builds(
    BroadcastOptions,
    st.none() | rooms.filter(bool),
    rooms,
    st.builds(
        BroadcastFlags,
        volatile=st.booleans(),
        compress=st.booleans(),
        timeout=st.none() | st.integers(0, 10_000_000).map(lambda ms: ms / 1000),
    ),
)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)
messages = st.builds(
    Message,
    st.integers(0, 300).filter(lambda type_: type_ != MessageType.ENCODED_BROADCAST),
    st.dictionaries(names, values, max_size=4),
    names,
    st.text(max_size=8),
    st.none() | st.integers(0, 2**53),
)


@given(messages, st.booleans())
def test_message_survives_the_way(message: Message, as_text: bool) -> None:
    assert decode_message(encode_message(message, as_text=as_text)) == message


@given(options)
def test_options_survive_the_way(options: BroadcastOptions) -> None:
    data = {"opts": encode_options(options)}
    assert decode_options(json.loads(json.dumps(data))) == options


@given(st.binary(max_size=80) | st.binary(max_size=80).map(lambda rest: b"{" + rest))
def test_any_bytes_are_a_message_or_an_error(data: bytes) -> None:
    try:
        decode_message(data)
    except PacketError:
        pass


@given(values, values, values, values)
def test_any_fields_are_read_or_an_error(type_: Any, data: Any, uid: Any, nsp: Any) -> None:
    envelope = {"type": type_, "data": data, "uid": uid, "nsp": nsp}
    try:
        message = decode_message(msgspec.msgpack.encode(envelope))
    except PacketError:
        return
    for read in (decode_options, event_of, request_of):
        try:
            read(message.data)
        except PacketError:
            pass


def test_encoded_broadcast_is_json_where_messages_are_text() -> None:
    data = {"text": '["é"]'.encode(), "opts": {}}
    message = Message(MessageType.ENCODED_BROADCAST, data, "A", "/", 1)
    text = encode_message(message, as_text=True)
    assert (
        text
        == '{"type":100,"data":{"text":"[\\"é\\"]","opts":{}},"uid":"A","nsp":"/","n":1}'.encode()
    )
    assert decode_message(encode_message(message)).data["text"] == '["é"]'.encode()


def test_undefined_members_are_missing() -> None:
    undefined = b"\xd4\x00\x00"
    data = (
        b"\x84\xa4type\x03\xa3uid\xa1A\xa3nsp\xa1/\xa4data\x82"
        b"\xa9requestId" + undefined + b"\xa4list\x92" + undefined + b"\x01"
    )
    message = decode_message(data)
    assert message.data == {"list": [None, 1]}
    assert request_of(message.data) is None


def test_dates_of_javascript_are_dates_and_text_in_broadcasts() -> None:
    date = bytes.fromhex("d7ff1d5353006553f100")
    data = b"\x84\xa4type\x09\xa3uid\xa1A\xa3nsp\xa1/\xa4data\x81\xa6packet\x92\xa1e" + date
    when = datetime(2023, 11, 14, 22, 13, 20, 123000, UTC)
    assert decode_message(data).data == {"packet": ["e", when]}
    event = b"\x81\xa4data\x92\xa1e\x81\xa1d" + date
    data = b"\x84\xa4type\x03\xa3uid\xa1A\xa3nsp\xa1/\xa4data\x81\xa6packet" + event
    text = "2023-11-14T22:13:20.123Z"  # as `Date.toJSON` has it, for clients
    assert decode_message(data).data == {"packet": {"data": ["e", {"d": text}]}}


@pytest.mark.parametrize(
    ("opts", "expected"),
    [
        ({"rooms": ["r", 7]}, BroadcastOptions(("r", "7"))),
        ({"rooms": [], "except": None, "flags": None}, BroadcastOptions()),
        ({"rooms": [], "flags": {"volatile": None}}, BroadcastOptions()),
        ({"rooms": [], "flags": {"timeout": -1}}, BroadcastOptions()),
        (
            {"rooms": [], "flags": {"timeout": "x", "expectSingleResponse": True}},
            BroadcastOptions(),
        ),
    ],
)
def test_options_of_others_are_taken_as_they_are(
    opts: dict[str, Any], expected: BroadcastOptions
) -> None:
    assert decode_options({"opts": opts}) == expected


@pytest.mark.parametrize("value", [None, "", "x" * 257, 7, b"x"])
def test_names_are_short_texts(value: Any) -> None:
    with pytest.raises(PacketError):
        text_of({"uid": value}, "uid")


@pytest.mark.parametrize("value", [None, -1, 1.5, True, "1", 2**53])
def test_counts_are_numbers(value: Any) -> None:
    with pytest.raises(PacketError):
        number_of({"clientCount": value}, "clientCount")


@pytest.mark.parametrize("value", [None, "r", [None], [1.5], [True]])
def test_rooms_are_lists_of_texts(value: Any) -> None:
    with pytest.raises(PacketError):
        rooms_of(value)


def test_deep_nesting_is_refused() -> None:
    deep: Any = 1
    for _ in range(200):
        deep = [deep]
    message = Message(3, {"x": deep}, "A", "/")
    for as_text in (False, True):
        data = encode_message(message, as_text=as_text)
        with pytest.raises(PacketError):
            decode_message(data)


@pytest.mark.parametrize("value", [object(), 2**70])
def test_what_cannot_be_sent_is_an_error(value: Any) -> None:
    with pytest.raises(EncodeError):
        encode_message(Message(9, {"packet": ["x", value]}, "A", "/"))


def test_views_are_sent_as_bytes() -> None:
    view = memoryview(b"abcd")[::2]
    data = encode_message(Message(9, {"packet": ["x", view]}, "A", "/"))
    assert decode_message(data).data == {"packet": ["x", b"ac"]}
