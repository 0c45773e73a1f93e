"""What goes through PostgreSQL, beside what servers in JavaScript were seen to send."""

from __future__ import annotations

import json

import msgspec
import pytest

from sockwave.adapters.messages import Message, MessageType, decode_message, encode_message
from sockwave.adapters.postgres.wire import (
    MAX_NOTIFICATION,
    Header,
    channel_name,
    check_prefix,
    check_table,
    encode_header,
    header_of,
    prepare,
)

ROW = bytes.fromhex(
    "84a47479706503a46461746182a67061636b657482a47479706502a46461746192a162c403010203a46f7074"
    "7383a5726f6f6d7390a665786365707490a5666c61677380a3756964b037393164343836323761373966646639"
    "a36e7370a12f"
)
"""Of the table, as `@socket.io/postgres-adapter` has written it."""

EMITTED = (
    '{"type":3,"data":{"packet":{"type":2,"data":["fromemitter",1],"nsp":"/"},'
    '"opts":{"rooms":["r1"],"flags":{},"except":[]}},"uid":"emitter"}'
)
"""Of `@socket.io/postgres-emitter`, which does not say in which namespace."""


def broadcast(*args: object) -> Message:
    opts: dict[str, object] = {"rooms": [], "except": [], "flags": {}}
    data = {"packet": {"type": 2, "data": [*args]}, "opts": opts}
    return Message(MessageType.BROADCAST, data, "791d48627a79fdf9", "/")


def test_plain_message_is_the_notification_that_javascript_sends() -> None:
    outgoing = prepare("socket.io#/", encode_message(broadcast("hello", 1), as_text=True))
    assert outgoing.payload == (
        '{"type":3,"data":{"packet":{"type":2,"data":["hello",1]},"opts":{"rooms":[],'
        '"except":[],"flags":{}}},"uid":"791d48627a79fdf9","nsp":"/"}'
    )
    assert outgoing.attachment is None


def test_binary_message_is_the_row_and_the_header_that_javascript_sends() -> None:
    outgoing = prepare("c", encode_message(broadcast("b", b"\x01\x02\x03"), as_text=True))
    assert outgoing.payload is None
    assert outgoing.attachment == ROW
    header = encode_header(outgoing.header, 1)
    assert header == '{"uid":"791d48627a79fdf9","type":3,"attachmentId":"1"}'


@pytest.mark.parametrize("over", [0, 1])
def test_message_that_is_too_long_for_a_notification_is_a_row_in_msgpack(over: int) -> None:
    empty = len(encode_message(broadcast("é"), as_text=True))
    message = broadcast("é" + "x" * (MAX_NOTIFICATION - empty + over))
    encoded = encode_message(message, as_text=True)
    assert len(encoded) == MAX_NOTIFICATION + over
    outgoing = prepare("c", encoded)
    if over:
        assert outgoing.attachment is not None
        assert outgoing.attachment[:1] != b"{"
        assert decode_message(outgoing.attachment) == message
        assert outgoing.header == Header("791d48627a79fdf9", 3)
    else:
        assert outgoing.payload == encoded.decode()


@pytest.mark.parametrize("message", [b"\x00\xff", b"7", b"{\xff", b"{\x00", b"{" * 9000, b""])
def test_what_is_no_message_goes_as_it_is(message: bytes) -> None:
    outgoing = prepare("c", message)
    assert outgoing.attachment == message
    assert encode_header(outgoing.header, 7) == '{"attachmentId":"7"}'


def test_header_names_row_and_sender() -> None:
    assert header_of('{"uid":"80478f8e38088c3b","type":3,"attachmentId":"1"}') == (
        1,
        "80478f8e38088c3b",
    )
    assert header_of('{"type":3,"attachmentId":12,"nodeId":"0011223344556677"}') == (12, None)


@pytest.mark.parametrize(
    "payload",
    [
        EMITTED,
        '{"type":3,"data":{"packet":{"data":["x",{"attachmentId":"1"}]}},"uid":"a"}',
        '{"attachmentId":"0"}',
        '{"attachmentId":"-1"}',
        '{"attachmentId":"１"}',
        '{"attachmentId":"9223372036854775808"}',
        '{"attachmentId":[1]}',
        '{"attachmentId":null}',
        '"attachmentId"',
        "attachmentId",
    ],
)
def test_what_names_no_row_is_taken_for_a_message(payload: str) -> None:
    assert header_of(payload) is None


def test_message_of_the_emitter_belongs_to_its_channel() -> None:
    message = decode_message(EMITTED.encode(), "/admin")
    assert (message.namespace, message.sender) == ("/admin", "emitter")


def test_name_of_a_namespace_must_fit_into_a_channel() -> None:
    assert channel_name("socket.io", "/admin") == "socket.io#/admin"
    assert len(channel_name("socket.io", "/" + "x" * 52)) == 63
    with pytest.raises(ValueError, match="at most 53 bytes"):
        channel_name("socket.io", "/" + "é" * 27)
    with pytest.raises(ValueError, match="U\\+0000"):
        channel_name("socket.io", "/\0")
    with pytest.raises(ValueError, match="half of a surrogate pair"):
        channel_name("socket.io", "/\ud83d")


def test_options_are_checked() -> None:
    check_prefix("")
    check_table("chat.attachments_2")
    for wrong in ("a;b", 'a"b', "a.b.c", "", "1a", "a b", "ä", "x" * 64):
        with pytest.raises(ValueError, match="table_name"):
            check_table(wrong)
    with pytest.raises(ValueError, match="channel_prefix"):
        check_prefix("x" * 62)
    with pytest.raises(TypeError, match="table_name"):
        check_table(1)
    with pytest.raises(TypeError, match="channel_prefix"):
        check_prefix(None)


def test_long_message_keeps_its_values() -> None:
    values = ["é\0", 1.5, None, True, [], {}, {"a": [{"b": -1}]}, 2**60, "x" * 8000]
    encoded = encode_message(broadcast(*values), as_text=True)
    attachment = prepare("c", encoded).attachment
    assert attachment is not None
    assert msgspec.msgpack.decode(attachment) == json.loads(encoded)
