"""Messages of `@socket.io/redis-adapter`: those that it was seen to send, and others."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sockwave.adapters.messages import ANONYMOUS, EMITTER, Message, MessageType, decode_value
from sockwave.adapters.redis.classic_wire import (
    Names,
    decode_broadcast,
    decode_request,
    decode_response,
    encode_broadcast,
    encode_done,
    encode_request,
    encode_response,
    is_request,
)
from sockwave.errors import PacketError

PACKET = "83a47479706502a464617461"
NOWHERE = "83a5726f6f6d7390a665786365707490a5666c61677380"


def opts(rooms: str = "90", excluded: str = "90", flags: str = "80") -> str:
    return f"83a5726f6f6d73{rooms}a6657863657074{excluded}a5666c616773{flags}"


def broadcast(data: str, opts: str = NOWHERE) -> bytes:
    return bytes.fromhex(f"93a66e6556466667{PACKET}{data}a36e7370a12f{opts}")


VOLATILE = "82a8766f6c6174696c65c3a8636f6d7072657373c2"
BROADCASTS: list[tuple[bytes, list[Any], dict[str, Any]]] = [
    (
        broadcast("96a568656c6c6f01a2c3a9c0c0cb3ff8000000000000"),
        ["hello", 1, "é", None, None, 1.5],
        {},
    ),
    (broadcast("91a568656c6c6f", opts("91a27231")), ["hello"], {"rooms": ["r1"]}),
    (
        broadcast("92a568656c6c6f81a16101", opts("92a27231a27232", "91a27233")),
        ["hello", {"a": 1}],
        {"rooms": ["r1", "r2"], "except": ["r3"]},
    ),
    (broadcast("92a362696ec403010203"), ["bin", b"\x01\x02\x03"], {}),
    (
        broadcast("91a176", opts(flags=VOLATILE)),
        ["v"],
        {"flags": {"volatile": True, "compress": False}},
    ),
    (
        broadcast("91a27374", opts("91a27231", "91b4626743656c745741386e4c43424e337041414141")),
        ["st"],
        {"rooms": ["r1"], "except": ["bgCeltWA8nLCBN3pAAAA"]},
    ),
]
"""As captured: bytes, name and arguments, and what in `opts` is not empty."""


def message(type_: int, data: dict[str, Any], sender: str = "neVFfg") -> Message:
    return Message(type_, data, sender, "/")


@pytest.mark.parametrize(("data", "args", "chosen"), BROADCASTS)
def test_captured_broadcasts_are_read_and_written_alike(
    data: bytes, args: list[Any], chosen: dict[str, Any]
) -> None:
    decoded = decode_broadcast(data)
    assert decoded.type == MessageType.BROADCAST
    assert (decoded.sender, decoded.namespace) == ("neVFfg", "/")
    assert decoded.data["packet"]["data"] == args
    assert decoded.data["opts"] == {"rooms": [], "except": [], "flags": {}, **chosen}
    assert encode_broadcast(decoded) == data


def test_captured_date_is_the_text_that_clients_get() -> None:
    decoded = decode_broadcast(broadcast("92a164d7ff1d5353006553f100"))
    assert decoded.data["packet"]["data"] == ["d", "2023-11-14T22:13:20.123Z"]


@pytest.mark.parametrize(
    ("data", "rooms", "flags"),
    [
        (
            (
                "93a7656d697474657283a47479706502a46461746193a568656c6c6f01a178a36e7370a12f83a5726f6f6d73"
                "90a5666c61677380a665786365707490"
            ),
            [],
            {},
        ),
        (
            (
                "93a7656d697474657283a47479706502a46461746191a568656c6c6fa36e7370a12f83a5726f6f6d7392a272"
                "31a27232a5666c61677382a8766f6c6174696c65c3a8636f6d7072657373c3a665786365707491a27233"
            ),
            ["r1", "r2"],
            {"volatile": True, "compress": True},
        ),
    ],
)
def test_captured_broadcasts_of_the_emitter_are_read(
    data: str, rooms: list[str], flags: dict[str, Any]
) -> None:
    decoded = decode_broadcast(bytes.fromhex(data))
    assert decoded.sender == EMITTER
    assert decoded.data["packet"]["data"][0] == "hello"
    assert (decoded.data["opts"]["rooms"], decoded.data["opts"]["flags"]) == (rooms, flags)


def test_packet_without_a_namespace_is_one_of_the_main_namespace() -> None:
    data = bytes.fromhex("93a16182a47479706502a46461746191a168") + bytes.fromhex(NOWHERE)
    assert decode_broadcast(data).namespace == "/"


ACK_BROADCAST = bytes.fromhex(
    "85a3756964a66e6556466667a9726571756573744964a64747584e6176a47479706507a67061636b657483a4747970"
    "6502a46461746192a570696e673107a36e7370a12fa46f70747383a5726f6f6d7390a665786365707490a5666c6167"
    "7381a774696d656f7574cd03e8"
)
REQUESTS = [
    b'{"uid":"neVFfg","type":2,"opts":{"rooms":["r1"],"except":[]},"rooms":["r5","r6"]}',
    b'{"uid":"neVFfg","type":3,"opts":{"rooms":["r1"],"except":["r8"]},"rooms":["r6"]}',
    b'{"uid":"neVFfg","type":4,"opts":{"rooms":["nobody"],"except":[]},"close":true}',
    b'{"uid":"neVFfg","requestId":"EfS-4S","type":5,"opts":{"rooms":["r1"],"except":[]}}',
    b'{"uid":"neVFfg","type":6,"data":["hi",1,"x"]}',
    b'{"uid":"neVFfg","requestId":"9HV2as","type":6,"data":["hi",2]}',
    ACK_BROADCAST,
]


@pytest.mark.parametrize("data", REQUESTS)
def test_captured_requests_are_read_and_written_alike(data: bytes) -> None:
    request = decode_request(data, "/")
    assert request is not None
    assert is_request(request.message) and request.message.sender == "neVFfg"
    assert encode_request(request.message) == data


def test_captured_question_is_a_broadcast_with_a_request() -> None:
    request = decode_request(ACK_BROADCAST, "/")
    assert request is not None
    assert (request.message.type, request.id) == (MessageType.BROADCAST, "GGXNav")
    assert request.message.data["packet"]["data"] == ["ping1", 7]
    assert request.message.data["opts"]["flags"] == {"timeout": 1000}


@pytest.mark.parametrize(
    ("text", "type_"),
    [
        ('{"type":2,"opts":{"rooms":["r1"],"except":[]},"rooms":["r5"]}', MessageType.SOCKETS_JOIN),
        ('{"type":3,"opts":{"rooms":[],"except":[]},"rooms":["r5"]}', MessageType.SOCKETS_LEAVE),
        (
            '{"type":4,"opts":{"rooms":["r1"],"except":["r2"]},"close":true}',
            MessageType.DISCONNECT_SOCKETS,
        ),
        ('{"uid":"emitter","type":6,"data":["hi",1]}', MessageType.SERVER_SIDE_EMIT),
    ],
)
def test_captured_orders_of_the_emitter_are_read(text: str, type_: MessageType) -> None:
    request = decode_request(text.encode(), "/")
    assert request is not None
    assert (request.message.type, request.message.sender) == (type_, EMITTER)


def test_old_questions_for_sockets_and_rooms_are_questions_for_sockets() -> None:
    sockets = decode_request(b'{"requestId":"a","type":0,"rooms":["r1"]}', "/")
    rooms = decode_request(b'{"uid":"neVFfg","requestId":"cRNDzS","type":1}', "/")
    assert sockets is not None and rooms is not None
    assert sockets.message.type == rooms.message.type == MessageType.FETCH_SOCKETS
    assert sockets.message.data["opts"]["rooms"] == ["r1"]
    assert rooms.message.data["opts"]["rooms"] == []
    found = [{"id": "a", "rooms": ["a", "r1"]}, {"id": "b", "rooms": ["b", "r1"]}]
    answer = message(8, {"requestId": "x", "sockets": found}, "us")
    assert json.loads(encode_response(answer, sockets.kind))["sockets"] == ["a", "b"]
    assert json.loads(encode_response(answer, rooms.kind))["rooms"] == ["a", "b", "r1"]


@pytest.mark.parametrize(
    ("text", "type_", "fields"),
    [
        ('"type":2,"sid":"s","room":"r"', MessageType.SOCKETS_JOIN, {"rooms": ["r"]}),
        ('"type":3,"sid":"s","room":"r"', MessageType.SOCKETS_LEAVE, {"rooms": ["r"]}),
        ('"type":4,"sid":"s","close":true', MessageType.DISCONNECT_SOCKETS, {"close": True}),
    ],
)
def test_old_orders_are_for_one_socket_and_have_an_owner(
    text: str, type_: MessageType, fields: dict[str, Any]
) -> None:
    request = decode_request(f'{{"requestId":"q",{text}}}'.encode(), "/")
    assert request is not None
    assert (request.message.type, request.owner, request.id) == (type_, "s", "q")
    assert request.message.data == {"opts": {"rooms": ["s"], "except": []}, **fields}
    assert encode_done("q") == b'{"requestId":"q"}'


ANSWERS = [
    (b'{"type":8,"requestId":"GGXNav","clientCount":1}', MessageType.BROADCAST_CLIENT_COUNT),
    (
        bytes.fromhex("83a47479706509a9726571756573744964a64747584e6176a67061636b6574a4706f6e67"),
        MessageType.BROADCAST_ACK,
    ),
    (
        bytes.fromhex("83a47479706509a9726571756573744964a6724d41456a65a67061636b6574c40109"),
        MessageType.BROADCAST_ACK,
    ),
    (
        b'{"requestId":"EfS-4S","sockets":[{"id":"a","rooms":[],"data":{}}]}',
        MessageType.FETCH_SOCKETS_RESPONSE,
    ),
    (
        b'{"type":6,"requestId":"9HV2as","data":"resp"}',
        MessageType.SERVER_SIDE_EMIT_RESPONSE,
    ),
]


@pytest.mark.parametrize(("data", "type_"), ANSWERS)
def test_captured_answers_are_read_and_written_alike_but_for_a_name(
    data: bytes, type_: MessageType
) -> None:
    decoded = decode_response(data, "/")
    assert decoded is not None
    assert (decoded.type, decoded.sender) == (type_, ANONYMOUS)
    named = encode_response(message(type_, decoded.data, "us"))
    assert decode_value(named) == {**decode_value(data), "uid": "us"}
    assert named[:1] == (data[:1] if data[:1] == b"{" else bytes([data[0] + 1]))
    assert decode_response(named, "/") == message(type_, decoded.data, "us")


@pytest.mark.parametrize(
    "data",
    [b'{"requestId":"a"}', b'{"requestId":"a","rooms":["r"]}', b'{"type":4,"requestId":"a"}'],
)
def test_answers_to_what_is_never_asked_are_nothing(data: bytes) -> None:
    assert decode_response(data, "/") is None


def test_answer_with_something_binary_is_msgpack() -> None:
    answer = message(10, {"requestId": "q", "packet": b"\x00"}, "us")
    assert decode_value(encode_response(answer)) == {
        "type": 6,
        "requestId": "q",
        "data": b"\x00",
        "uid": "us",
    }
    assert encode_request(message(9, {"packet": ["hi", b"\x00"]}))[:1] != b"{"


def test_what_only_ours_understand_stands_beside_the_rest() -> None:
    asked = message(7, {"requestId": "q", "count": True, "opts": {"rooms": [], "except": []}})
    request = decode_request(encode_request(asked), "/")
    assert request is not None and request.message == asked
    told = message(11, {"requestId": "q", "clientCount": 1, "ids": ["a"]}, "us")
    assert decode_response(encode_response(told), "/") == told


def test_unknown_requests_are_nothing() -> None:
    assert decode_request(b'{"type":99,"uid":"a"}', "/") is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{",
        b"\x93\x01\x02\x03",
        b"\x92\xa1a\x80",
        b"\x93\xa1a\x81\xa3nsp\x01\x80",
        b"\xc1",
    ],
)
def test_what_is_no_broadcast_is_an_error(data: bytes) -> None:
    with pytest.raises(PacketError):
        decode_broadcast(data)


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        '{"type":"2"}',
        '{"type":true}',
        '{"type":2,"uid":7}',
        '{"type":2,"uid":""}',
        '{"type":2}',
        '{"type":4,"sid":7}',
        '{"type":5,"requestId":{}}',
    ],
)
def test_what_is_no_request_is_an_error(text: str) -> None:
    with pytest.raises(PacketError):
        decode_request(text.encode(), "/")


def test_names_are_those_of_the_reference() -> None:
    names = Names.of("socket.io", "/admin")
    assert names.broadcasts == "socket.io#/admin#"
    assert names.requests == "socket.io-request#/admin#"
    assert names.responses == "socket.io-response#/admin#"
    assert not names.own.startswith(names.broadcasts)


# --- properties -----------------------------------------------------------------------------------

names = st.text(min_size=1, max_size=8)
keys = names.filter(lambda name: name not in ("uid", "type", "data", "sid", "nsp"))
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=8,
)
events = st.builds(lambda name, args: [name, *args], names, st.lists(values, max_size=3))
chosen = st.fixed_dictionaries(
    {"rooms": st.lists(names, max_size=3), "except": st.lists(names, max_size=3)}
)


@given(events, chosen, st.booleans())
def test_broadcasts_survive_the_way(args: list[Any], opts: dict[str, Any], volatile: bool) -> None:
    opts["flags"] = {"volatile": True} if volatile else {}
    sent = message(3, {"packet": {"type": 2, "data": args}, "opts": opts})
    arrived = decode_broadcast(encode_broadcast(sent))
    assert arrived.data["packet"]["data"] == args
    assert (arrived.data["opts"], arrived.sender) == (opts, sent.sender)


requests = st.one_of(
    st.builds(lambda o, r: message(4, {"opts": o, "rooms": r}), chosen, st.lists(names)),
    st.builds(lambda o, r: message(5, {"opts": o, "rooms": r}), chosen, st.lists(names)),
    st.builds(lambda o, c: message(6, {"opts": o, "close": c}), chosen, st.booleans()),
    st.builds(lambda o, q: message(7, {"opts": o, "requestId": q}), chosen, names),
    st.builds(lambda e: message(9, {"packet": e}), events),
    st.builds(lambda e, q: message(9, {"packet": e, "requestId": q}), events, names),
)


@given(requests)
def test_requests_survive_the_way(sent: Message) -> None:
    request = decode_request(encode_request(sent), "/")
    assert request is not None
    assert request.message == sent


answers = st.one_of(
    st.builds(lambda q, v: message(10, {"requestId": q, "packet": v}), names, values),
    st.builds(lambda q, v: message(12, {"requestId": q, "packet": v}), names, values),
    st.builds(
        lambda q, n: message(11, {"requestId": q, "clientCount": n}), names, st.integers(0, 9)
    ),
    st.builds(lambda q: message(8, {"requestId": q, "sockets": []}), names),
)


@given(answers)
def test_answers_survive_the_way(sent: Message) -> None:
    assert decode_response(encode_response(sent), "/") == sent


@given(st.binary(max_size=60) | st.binary(max_size=60).map(lambda rest: b"{" + rest))
def test_any_bytes_are_read_or_an_error(data: bytes) -> None:
    for decode in (
        decode_broadcast,
        lambda data: decode_request(data, "/"),
        lambda data: decode_response(data, "/"),
    ):
        try:
            decode(data)
        except PacketError:
            pass
