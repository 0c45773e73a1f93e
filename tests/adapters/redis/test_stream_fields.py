"""Entries of streams: those that servers in JavaScript were seen to write, and others."""

from __future__ import annotations

import base64
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
    encode_message,
    is_durable,
)
from sockwave.adapters.redis.stream_entries import is_whole, read_entries, read_new
from sockwave.adapters.redis.stream_fields import Entry, encode_fields, stream_of
from sockwave.adapters.streams.positions import entry_id, position_of
from sockwave.errors import EncodeError, PacketError

UID = "957a859d476f10d3"
CAPTURED = [
    (
        "3",
        '{"packet":{"type":2,"data":["hello"]},"opts":{"rooms":["r1"],"except":[],"flags":{}}}',
        {
            "packet": {"type": 2, "data": ["hello"]},
            "opts": {"rooms": ["r1"], "except": [], "flags": {}},
        },
    ),
    (
        "3",
        "gqZwYWNrZXSCpHR5cGUCpGRhdGGSo2JpbsQDAQIDpG9wdHODpXJvb21zkKZleGNlcHSQpWZsYWdzgA==",
        {
            "packet": {"type": 2, "data": ["bin", b"\x01\x02\x03"]},
            "opts": {"rooms": [], "except": [], "flags": {}},
        },
    ),
    (
        "4",
        '{"opts":{"rooms":["r1"],"except":[],"flags":{}},"rooms":["r5","r6"]}',
        {"opts": {"rooms": ["r1"], "except": [], "flags": {}}, "rooms": ["r5", "r6"]},
    ),
    (
        "5",
        '{"opts":{"rooms":["r1"],"except":["r8"],"flags":{}},"rooms":["r6"]}',
        {"opts": {"rooms": ["r1"], "except": ["r8"], "flags": {}}, "rooms": ["r6"]},
    ),
    (
        "6",
        '{"opts":{"rooms":["nobody"],"except":[],"flags":{}},"close":true}',
        {"opts": {"rooms": ["nobody"], "except": [], "flags": {}}, "close": True},
    ),
]
EMITTER = [
    (
        "3",
        "gqZwYWNrZXSDpHR5cGUCpGRhdGGSoWLEAgECo25zcKEvpG9wdHODpXJvb21zkKVmbGFnc4CmZXhjZXB0kA==",
        {
            "packet": {"type": 2, "data": ["b", b"\x01\x02"], "nsp": "/"},
            "opts": {"rooms": [], "flags": {}, "except": []},
        },
    ),
    ("9", '{"packet":["hi",1]}', {"packet": ["hi", 1]}),
]
PUBLISHED = [
    (  # a broadcast that asks for acknowledgements
        "84a47479706503a46461746183a67061636b657482a47479706502a46461746192a570696e673107a972657175657374"
        "4964b033303566616534336634323233346161a46f70747383a5726f6f6d7390a665786365707490a5666c61677381"
        "a774696d656f7574cd03e8a3756964b039353761383539643437366631306433a36e7370a12f"
    ),
    (  # an acknowledgement
        "84a4747970650ca46461746182a9726571756573744964b033303566616534336634323233346161a67061636b6574"
        "a4706f6e67a3756964b032386438393361626565623435306630a36e7370a12f"
    ),
    (  # a question for sockets
        "84a47479706507a46461746182a46f70747383a5726f6f6d7391a27231a665786365707490a5666c61677380a97265"
        "71756573744964b062653963396339643464653861363331a3756964b039353761383539643437366631306433a36e"
        "7370a12f"
    ),
]


def fields_of(type_: str, data: str | None, uid: str = UID, nsp: str = "/") -> dict[bytes, bytes]:
    fields = {b"uid": uid.encode(), b"nsp": nsp.encode(), b"type": type_.encode()}
    return fields if data is None else {**fields, b"data": data.encode()}


def as_entry(fields: list[bytes]) -> Entry:
    return Entry(1, dict(zip(fields[::2], fields[1::2], strict=True)))


@pytest.mark.parametrize(("type_", "data", "value"), CAPTURED)
def test_captured_entries_are_read_and_written_alike(
    type_: str, data: str, value: dict[str, Any]
) -> None:
    message = Entry(1, fields_of(type_, data)).message()
    assert message == Message(int(type_), value, UID, "/")
    fields = encode_fields(message)
    assert fields == [part for item in fields_of(type_, data).items() for part in item]


@pytest.mark.parametrize(("type_", "data", "value"), EMITTER)
def test_entries_of_the_emitter_are_read(type_: str, data: str, value: dict[str, Any]) -> None:
    message = Entry(1, fields_of(type_, data, "emitter")).message()
    assert message == Message(int(type_), value, "emitter", "/")


@pytest.mark.parametrize("data", PUBLISHED)
def test_captured_publications_are_read_and_written_alike(data: str) -> None:
    message = decode_message(bytes.fromhex(data), "/")
    assert encode_message(message).hex() == data
    assert not is_durable(message)


def test_message_without_data_has_no_such_field() -> None:
    message = Message(MessageType.ADAPTER_CLOSE, {}, UID, "/", 7)
    assert encode_fields(message)[6:] == [b"n", b"7"]
    assert as_entry(encode_fields(message)).message() == Message(13, {}, UID, "/")
    assert as_entry(encode_fields(message)).number == 7


def test_only_text_refuses_binary() -> None:
    message = Message(3, {"packet": {"data": ["a", b"b"]}}, UID, "/")
    with pytest.raises(EncodeError, match="only_plaintext"):
        encode_fields(message, only_text=True)
    text = Message(3, {"packet": {"data": ["a", "b"]}}, UID, "/")
    assert encode_fields(text, only_text=True) == encode_fields(text)


def test_durable_are_acts_that_nobody_answers() -> None:
    types = {type_ for type_ in range(1, 120) if is_durable(Message(type_, {}, UID, "/"))}
    assert types == {3, 4, 5, 6, 13, MessageType.SESSION_TAKEN}
    assert not is_durable(Message(3, {"requestId": "1"}, UID, "/"))


# --- ids and names --------------------------------------------------------------------------------


def test_ids_of_entries_are_numbers_in_their_order() -> None:
    ids = ["0-0", "0-1", "0-18446744073709551615", "1-0", "1795523941949-0", "1795523941949-12"]
    positions = [position_of(id_) for id_ in ids]
    assert positions == sorted(positions, key=lambda each: each or 0)
    assert [entry_id(each) for each in positions if each is not None] == ids
    assert position_of(b"1-0") == (position_of("0-18446744073709551615") or 0) + 1


@pytest.mark.parametrize(
    "text",
    ["", "1", "1-", "-1", "a-b", "1-1-1", "1-1 ", "1-18446744073709551616", "١-١", b"\xff-1"],
)
def test_other_text_is_no_id(text: str | bytes) -> None:
    assert position_of(text) is None


@pytest.mark.parametrize(
    ("namespace", "stream"),
    [
        ("/", "socket.io-3"),
        ("/admin", "socket.io-0"),
        ("/chat", "socket.io-3"),
        ("/custom", "socket.io-0"),
        ("/my-namespace", "socket.io--3"),  # which no server in JavaScript reads
    ],
)
def test_namespace_has_the_stream_that_the_reference_gives_it(namespace: str, stream: str) -> None:
    assert stream_of(namespace, "socket.io", 4) == stream
    assert stream_of(namespace, "socket.io", 1) == "socket.io"


def test_hash_is_of_utf_16() -> None:
    pair = "/\ud83d\ude00"
    value = (47 * 31 + 0xD83D) * 31 + 0xDE00
    assert stream_of("/\N{GRINNING FACE}", "s", 1000) == f"s-{value % 1000}"
    assert stream_of(pair, "s", 1000) == f"s-{value % 1000}"


# --- what makes no sense --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fields",
    [
        {},
        fields_of("x", "{}"),
        fields_of("3" * 10, "{}"),
        fields_of("3", "[]"),
        fields_of("3", "kA=="),
        fields_of("3", "{"),
        fields_of("3", "%%%"),
        fields_of("3", "AAAA"),
        fields_of("3", "{}", uid=""),
        fields_of("3", "{}", uid="x" * 300),
        fields_of("3", "{}", nsp=""),
    ],
)
def test_entry_that_is_no_message_is_refused(fields: dict[bytes, bytes]) -> None:
    with pytest.raises(PacketError):
        Entry(1, fields).message()


@given(st.dictionaries(st.sampled_from([b"uid", b"nsp", b"type", b"data", b"n"]), st.binary()))
def test_any_fields_are_a_message_or_an_error(fields: dict[bytes, bytes]) -> None:
    entry = Entry(1, fields)
    assert entry.number is None or entry.number >= 0
    try:
        message = entry.message()
    except PacketError:
        return
    assert message.namespace == entry.namespace


@given(
    st.sampled_from([3, 4, 5, 6, 9, 13]),
    st.dictionaries(
        st.text(), st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text()
    ),
    st.text(min_size=1),
    st.integers(0, 2**53),
)
def test_message_survives_the_way(
    type_: int, data: dict[str, Any], namespace: str, number: int
) -> None:
    entry = as_entry(encode_fields(Message(type_, data, UID, namespace, number)))
    assert entry.message() == Message(type_, data, UID, namespace)
    assert entry.number == number


# --- replies --------------------------------------------------------------------------------------


def test_replies_are_read() -> None:
    reply = [[b"1-1", [b"nsp", b"/"]], [b"1-2", None]]
    entries = read_entries(reply)
    assert [entry_id(entry.position) for entry in entries] == ["1-1", "1-2"]
    assert [entry.namespace for entry in entries] == ["/", None]
    assert [entry.namespace for entry in read_new([[b"socket.io", reply]])] == ["/", None]
    assert read_new(None) == []


@pytest.mark.parametrize("reply", [1, b"OK", [1], [[b"x", []]], [[b"1-1"]], [[1, []]]])
def test_reply_that_makes_no_sense_ends_the_connection(reply: Any) -> None:
    with pytest.raises(ConnectionError):
        read_entries(reply)


@pytest.mark.parametrize("reply", [1, [], [1], [[b"a"]], [[b"a", []], [b"b", []]]])
def test_new_entries_that_make_no_sense_end_the_connection(reply: Any) -> None:
    with pytest.raises(ConnectionError):
        read_new(reply)


def test_stream_is_whole_when_all_that_was_added_is_there() -> None:
    assert is_whole([b"length", 3, b"entries-added", 3])
    assert not is_whole([b"length", 3, b"entries-added", 4])
    assert not is_whole([b"length", 3])
    assert not is_whole(b"")


def test_captured_base64_is_that_of_the_standard() -> None:
    assert base64.b64decode(CAPTURED[1][1])[:1] == b"\x82"


def test_date_of_a_server_in_javascript_is_the_text_that_its_clients_get() -> None:
    date = datetime(2023, 11, 14, 22, 13, 20, 123_000, UTC)
    value = {"packet": {"type": 2, "data": ["d", date]}, "opts": {"rooms": []}}
    data = base64.b64encode(msgspec.msgpack.encode(value)).decode()
    message = Entry(1, fields_of("3", data)).message()
    assert message.data["packet"]["data"] == ["d", "2023-11-14T22:13:20.123Z"]
    message = Entry(1, fields_of("9", data)).message()
    assert message.data["packet"]["data"] == ["d", date]
