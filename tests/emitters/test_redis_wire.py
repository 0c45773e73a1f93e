"""Commands of Redis, beside those that the emitters of JavaScript were seen to send."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from sockwave.adapters.messages import Message, decode_value, encode_message
from sockwave.emitters.redis_wire import ClassicWire, ShardedWire, StreamsWire
from sockwave.errors import EncodeError, PacketError
from sockwave.sync.reaching import NamespaceEmitter
from tests.support.values import UNSENDABLE

if TYPE_CHECKING:
    from sockwave.emitters.inquiries import Inquiry
    from sockwave.emitters.redis_wire import Command, RedisWire

T = TypeVar("T")

EMIT = (
    "93a7656d697474657283a47479706502a46461746193a568656c6c6f01a178a36e7370a12f83a5726f6f6d7390"
    "a5666c61677380a665786365707490"
)
TO_ROOM = (
    "93a7656d697474657283a47479706502a46461746191a568656c6c6fa36e7370a12f83a5726f6f6d7391a27231"
    "a5666c61677380a665786365707490"
)
BINARY = "gqZwYWNrZXSDpHR5cGUCpGRhdGGSoWLEAgECo25zcKEvpG9wdHODpXJvb21zkKVmbGFnc4CmZXhjZXB0kA=="


class Sent:
    """Encodes, and keeps the commands."""

    ack_timeout = 60.0

    def __init__(self, wire: RedisWire) -> None:
        self._wire = wire
        self.commands: list[Command] = []

    def carry(self, message: Message) -> None:
        self.commands.append(self._wire.encode(message))

    def carry_nothing(self) -> None: ...

    def ask(self, inquiry: Inquiry[T]) -> T:
        self.carry(inquiry.message)
        inquiry.begin(0.0)
        inquiry.counted(0, 0.0)
        return inquiry.result()

    def count_servers(self, namespace: str) -> int:
        return len(namespace)


@pytest.fixture
def classic() -> Sent:
    return Sent(ClassicWire("socket.io"))


@pytest.fixture
def streams() -> Sent:
    return Sent(StreamsWire("socket.io", 10_000, "socket.io", is_sharded=False))


def test_events_of_the_classic_emitter(classic: Sent) -> None:
    emitter = NamespaceEmitter(classic, "/")
    emitter.emit("hello", 1, "x")
    emitter.to("r1").emit("hello")
    emitter.of("/admin").to("r1", "r2").emit("hello")
    (all_, one, two) = classic.commands
    assert all_ == ("PUBLISH", "socket.io#/#", bytes.fromhex(EMIT))
    assert one == ("PUBLISH", "socket.io#/#r1#", bytes.fromhex(TO_ROOM))
    assert two[1] == "socket.io#/admin#"


def test_requests_of_the_classic_emitter(classic: Sent) -> None:
    emitter = NamespaceEmitter(classic, "/")
    emitter.in_("r1").sockets_join("r5")
    emitter.sockets_leave(["r5"])
    emitter.in_("r1").except_("r2").disconnect_sockets(close=True)
    emitter.server_side_emit("hi", 1)
    assert {(command[0], command[1]) for command in classic.commands} == {
        ("PUBLISH", "socket.io-request#/#")
    }
    assert [command[2] for command in classic.commands] == [
        b'{"type":2,"opts":{"rooms":["r1"],"except":[]},"rooms":["r5"]}',
        b'{"type":3,"opts":{"rooms":[],"except":[]},"rooms":["r5"]}',
        b'{"type":4,"opts":{"rooms":["r1"],"except":["r2"]},"close":true}',
        b'{"uid":"emitter","type":6,"data":["hi",1]}',
    ]


def test_binary_event_for_servers_is_msgpack_which_classic_servers_read(classic: Sent) -> None:
    NamespaceEmitter(classic, "/").server_side_emit("hi", b"\x01")
    (command,) = classic.commands
    assert command[2] == bytes.fromhex(
        "83a3756964a7656d6974746572a47479706506a46461746192a26869c40101"
    )


def test_events_of_the_streams_emitter(streams: Sent) -> None:
    emitter = NamespaceEmitter(streams, "/")
    emitter.emit("hello", 1, "x")
    emitter.emit("b", b"\x01\x02")
    head = ("XADD", "socket.io", "MAXLEN", "~", 10_000, "*", b"uid", b"emitter", b"nsp", b"/")
    plain, binary = streams.commands
    assert plain == (
        *(*head, b"type", b"3", b"data"),
        (
            b'{"packet":{"type":2,"data":["hello",1,"x"],"nsp":"/"},'
            b'"opts":{"rooms":[],"flags":{},"except":[]}}'
        ),
    )
    assert binary == (*head, b"type", b"3", b"data", BINARY.encode())
    assert base64.b64decode(BINARY)


def test_requests_of_the_streams_emitter(streams: Sent) -> None:
    emitter = NamespaceEmitter(streams, "/")
    emitter.in_("r1").sockets_join("r5")
    emitter.server_side_emit("hi", 1)
    join, event = (
        (command[11], json.loads(str(command[13], "utf-8")))  # type: ignore[arg-type] # it is bytes
        for command in streams.commands
    )
    assert join == (b"4", {"opts": {"rooms": ["r1"], "except": [], "flags": {}}, "rooms": ["r5"]})
    assert event == (b"9", {"packet": ["hi", 1]})


def test_questions_go_where_servers_ask_each_other(classic: Sent, streams: Sent) -> None:
    sharded, shards = Sent(ShardedWire("chat")), Sent(StreamsWire("s", 1, "chat", is_sharded=True))
    for sent in (classic, streams, sharded, shards):
        emitter = NamespaceEmitter(sent, "/")
        emitter.to("r").emit_with_ack("x", 1)
        emitter.fetch_sockets()
        emitter.sockets_join("a")
    where = [[command[:2] for command in sent.commands] for sent in (classic, streams, sharded)]
    assert where == [
        [("PUBLISH", "socket.io-request#/#")] * 3,
        [("PUBLISH", "socket.io#/#")] * 2 + [("XADD", "socket.io")],
        [("SPUBLISH", "chat#/#")] * 3,
    ]
    assert [command[:2] for command in shards.commands][:2] == [("SPUBLISH", "chat#/#")] * 2
    question = decode_value(bytes(classic.commands[0][2]))  # type: ignore[arg-type] # it is bytes
    assert (question["uid"], question["type"], question["ids"]) == ("emitter", 7, True)
    assert question["packet"] == {"type": 2, "data": ["x", 1], "nsp": "/"}
    fetch = json.loads(bytes(classic.commands[1][2]))  # type: ignore[arg-type] # it is bytes
    assert (fetch["type"], fetch["opts"]) == (5, {"rooms": [], "except": []})


def test_sharded_events_go_where_all_servers_listen() -> None:
    sent = Sent(ShardedWire("socket.io"))
    emitter = NamespaceEmitter(sent, "/")
    emitter.to("r").emit("hello")
    emitter.server_side_emit("hi", 1)
    assert sent.commands == [
        (
            "SPUBLISH",
            "socket.io#/#",
            (
                b'{"type":3,"data":{"packet":{"type":2,"data":["hello"],"nsp":"/"},'
                b'"opts":{"rooms":["r"],"flags":{},"except":[]}},"uid":"emitter","nsp":"/"}'
            ),
        ),
        (
            "SPUBLISH",
            "socket.io#/#",
            b'{"type":9,"data":{"packet":["hi",1]},"uid":"emitter","nsp":"/"}',
        ),
    ]


def test_answers_are_read_where_servers_publish_them() -> None:
    wires: list[RedisWire] = [
        ClassicWire("k"),
        ShardedWire("k"),
        StreamsWire("s", 1, "k", is_sharded=False),
    ]
    assert [wire.ears("/a") for wire in wires] == [
        ("k-response#/a#", "k-response#/a#emitter#", "k-sockwave#/a#emitter#"),
        ("k#/a#emitter#",),
        ("k#/a#emitter#",),
    ]
    assert [wire.counted("/a") for wire in wires] == ["k-request#/a#", "k#/a#", "k#/a#"]
    classic, *others = wires
    count = b'{"type":8,"requestId":"q","clientCount":1}'
    read = classic.decode("k-response#/a#", count, "/a")
    assert read == Message(11, {"requestId": "q", "clientCount": 1}, "", "/a")
    assert classic.decode("k-response#/a#", b'{"type":1,"requestId":"q"}', "/a") is None
    message = Message(104, {"requestId": "q", "id": "a"}, "A", "/a")
    assert classic.decode("k-sockwave#/a#emitter#", encode_message(message), "/a") == message
    for wire in others:
        assert wire.decode("k#/a#emitter#", encode_message(message), "/a") == message
        with pytest.raises(PacketError):
            wire.decode("k#/a#emitter#", b"[]", "/a")


def test_what_cannot_be_sent_is_refused_at_the_call(classic: Sent, streams: Sent) -> None:
    for sent in (classic, streams):
        wrong: Any
        for wrong in (UNSENDABLE, {1: UNSENDABLE}, b"\x00", 1):
            emitter = NamespaceEmitter(sent, "/")
            if isinstance(wrong, (bytes, int)):
                emitter.emit("x", wrong)
            else:
                with pytest.raises(EncodeError):
                    emitter.emit("x", wrong)
        assert len(sent.commands) == 2
