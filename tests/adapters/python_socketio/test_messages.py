"""Messages of python-socketio: what its own code sends is read, what makes no sense is refused."""

from __future__ import annotations

import asyncio
import json
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sockwave.adapters.python_socketio.messages import (
    AnswerTo,
    CallbackMessage,
    EmitMessage,
    RoomMessage,
    decode_bus_message,
    encode_callback,
    encode_emit,
)
from sockwave.errors import PacketError
from tests.adapters.python_socketio.buses import FakeChannel, Manager

SID = "abcdefghij0123456789"

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


def emitted(*args: Any, **options: Any) -> EmitMessage:
    """What a write-only manager of theirs makes of a call of `emit`."""
    channel = FakeChannel()

    async def play() -> None:
        await Manager(channel, write_only=True, logger=None).emit(*args, **options)

    asyncio.run(quietly(play()))
    message = decode_bus_message(channel.messages[-1])
    assert isinstance(message, EmitMessage)
    return message


async def quietly(emitting: Any) -> None:
    """It sends to its own clients first, and there are none without a server."""
    await emitting


def of(message: dict[str, Any]) -> bytes:
    fields = {"method": "emit", "event": "x", "data": [], "host_id": "h", "namespace": "/"}
    return json.dumps({**fields, **message}).encode()


@pytest.mark.parametrize(
    ("data", "args"),
    [
        ("hi", ("hi",)),
        (("hi", 1), ("hi", 1)),
        ((), ()),
        (None, ()),
        ({"a": None}, ({"a": None},)),
        ([1, 2], ([1, 2],)),
        ([], ([],)),
        (b"\x00\xff", (b"\x00\xff",)),
        (({"a": [b"1", {"b": b""}]}, "x"), ({"a": [b"1", {"b": b""}]}, "x")),
        ("ü\u2028", ("ü\u2028",)),
    ],
)
def test_arguments_of_their_events_are_read(data: Any, args: tuple[Any, ...]) -> None:
    message = emitted("news", data)
    assert (message.event, message.args) == ("news", args)
    assert (message.namespace, message.rooms, message.skipped) == ("/", None, ())


@pytest.mark.parametrize(
    ("options", "rooms", "skipped"),
    [
        ({"room": "r"}, ("r",), ()),
        ({"to": "r"}, ("r",), ()),
        ({"room": ["r", "s"]}, ("r", "s"), ()),
        ({"room": 42}, ("42",), ()),
        ({"skip_sid": SID}, None, (SID,)),
        ({"skip_sid": [SID, "x"], "room": "r"}, ("r",), (SID, "x")),
    ],
)
def test_their_addressees_are_read(
    options: dict[str, Any], rooms: tuple[str, ...] | None, skipped: tuple[str, ...]
) -> None:
    message = emitted("news", 1, namespace="/admin", **options)
    assert (message.namespace, message.rooms, message.skipped) == ("/admin", rooms, skipped)


@given(
    st.lists(VALUES),
    st.none() | st.lists(st.text(), max_size=3).map(tuple),
    st.lists(st.text(), max_size=3).map(tuple),
)
def test_what_is_written_is_read_as_the_same(
    args: list[Any], rooms: tuple[str, ...] | None, skipped: tuple[str, ...]
) -> None:
    message = decode_bus_message(encode_emit("h", "/n", ["event", *args], rooms, skipped))
    expected = () if args == [None] else tuple(args)
    assert message == EmitMessage(
        host="h",
        namespace="/n",
        event="event",
        args=expected,
        rooms=rooms,
        skipped=skipped,
        answer_to=None,
    )


def test_callback_goes_there_and_back() -> None:
    message = decode_bus_message(encode_emit("h", "/", ["x"], (SID,), (), (SID, 7)))
    assert isinstance(message, EmitMessage)
    assert message.answer_to == AnswerTo(host="h", room=SID, id=7)
    answer = encode_callback(message.answer_to, "/", ("yes", 1))
    assert answer is not None
    assert decode_bus_message(answer) == CallbackMessage(
        host="h", namespace="/", room=SID, id=7, args=("yes", 1)
    )


def test_answer_with_something_binary_has_no_form() -> None:
    assert encode_callback(AnswerTo(host="h", room=SID, id=7), "/", (b"x",)) is None


def test_namespace_that_is_not_said_is_the_main_one() -> None:
    assert decode_bus_message(of({"namespace": None})).namespace == "/"


def test_number_as_a_room_is_its_digits() -> None:
    message = decode_bus_message(of({"method": "enter_room", "sid": SID, "room": 42}))
    assert message == RoomMessage(host="h", namespace="/", sid=SID, room="42", enters=True)


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_pickle_is_refused_with_the_version_that_sends_json(protocol: int) -> None:
    with pytest.raises(PacketError) as refused:
        decode_bus_message(pickle.dumps({"method": "emit"}, protocol=protocol))
    assert "5.14.0" in str(refused.value.detail)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"\xff",
        b'{"method":"emit"',
        b'{"method":"emit","event":"x","data":[NaN],"host_id":"h"}',
        b'{"method":"emit","event":"x","data":%b,"host_id":"h"}' % (b"[" * 500 + b"]" * 500),
        of({"method": "exec"}),
        of({"method": ["emit"]}),
        of({"host_id": None}),
        of({"namespace": 5}),
        of({"event": 5}),
        of({"event": "disconnect"}),
        of({"data": "x"}),
        of({"data": {"0": "x"}}),
        of({"binary": True, "data": []}),
        of({"binary": True, "data": ["x"]}),
        of({"binary": True, "data": [[{"_placeholder": True, "num": 0}]]}),
        of({"binary": True, "data": [[{"_placeholder": True, "num": -1}], "AA=="]}),
        of({"binary": True, "data": [[{"_placeholder": True, "num": 0}], "*"]}),
        of({"binary": True, "data": [[{"_placeholder": True, "num": 0}], 5]}),
        of({"room": {"a": 1}}),
        of({"room": [None]}),
        of({"room": True}),
        of({"room": ["r"] * 10_001}),
        of({"skip_sid": 1.5}),
        of({"callback": []}),
        of({"callback": ["r", "/", "1"]}),
        of({"callback": [None, "/", 1]}),
        of({"method": "callback", "sid": "r", "id": 1}),
        of({"method": "callback", "sid": "r", "id": True, "args": []}),
        of({"method": "disconnect"}),
        of({"method": "enter_room", "sid": SID}),
        of({"method": "close_room", "room": []}),
    ],
)
def test_what_makes_no_sense_is_refused(data: bytes) -> None:
    with pytest.raises(PacketError):
        decode_bus_message(data)


@given(st.binary(max_size=100))
def test_whatever_comes_is_a_message_or_an_error(data: bytes) -> None:
    with pytest.raises(PacketError):
        decode_bus_message(data)
