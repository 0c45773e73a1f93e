"""Events and acknowledgements on their way out."""

from __future__ import annotations

from typing import Any

import pytest

from sockwave.codec.json import encode_json
from sockwave.codec.socketio import Packet, PacketType, event_prefix
from sockwave.engine.core.transport import SharedPacket
from sockwave.errors import EncodeError
from sockwave.socketio.core.outgoing import (
    EncodedPacket,
    check_event_name,
    encode,
    encode_shared,
    event_packet,
)
from tests.engine.core.fakes import SessionUnderTest, wire


def event(*args: Any, id_: int | None = None) -> Packet:
    return Packet(PacketType.EVENT, "/", id_, list(args))


def texts(packet: EncodedPacket) -> list[str]:
    return wire([packet.text, *packet.attachments])


def test_plain_event_for_one_receiver_is_bare_text() -> None:
    packet = encode(event("x", 1))
    assert (packet.text, packet.attachments) == (b'42["x",1]', ())
    assert packet.size == len(b'42["x",1]')


def test_event_that_must_not_be_compressed_says_so() -> None:
    text = encode(event("x"), compress=False).text
    assert isinstance(text, SharedPacket)
    assert not text.compress


def test_attachments_follow_their_text() -> None:
    packet = encode(event("x", b"\x01", {"y": b"\x02"}, id_=3))
    assert texts(packet) == [
        '452-3["x",{"_placeholder":true,"num":0},{"y":{"_placeholder":true,"num":1}}]',
        "b01",
        "b02",
    ]
    assert packet.size > len(texts(packet)[0]) + 2


def test_attachments_inherit_that_they_must_not_be_compressed() -> None:
    (attachment,) = encode(event("x", b"\x01"), compress=False).attachments
    assert attachment.is_binary
    assert not attachment.compress


@pytest.mark.parametrize("namespace", ["/", "/admin"])
@pytest.mark.parametrize("args", [("x",), ("x", 1, None), ("x", b"\x01")])
@pytest.mark.parametrize("id_", [None, 0, 12])
def test_event_is_the_same_on_the_wire_however_it_is_encoded(
    namespace: str, args: tuple[Any, ...], id_: int | None
) -> None:
    single = encode(Packet(PacketType.EVENT, namespace, id_, list(args)))
    shared = encode_shared(event_prefix(namespace), namespace, id_, args)
    prepared = event_packet(namespace, id_, *encode_json(args))
    assert texts(shared) == texts(prepared) == texts(single)
    assert shared.size == prepared.size == single.size


def test_prepared_event_may_ask_not_to_be_compressed() -> None:
    text = event_packet("/", None, *encode_json(["x"]), compress=False).text
    assert isinstance(text, SharedPacket)
    assert not text.compress


def test_frame_of_a_shared_event_is_made_once() -> None:
    text = encode_shared(b"42", "/", None, ("foo",)).text
    assert isinstance(text, SharedPacket)
    assert text.frame == b'\x81\x0942["foo"]'
    assert text.frame is text.frame


def test_parts_stay_together_in_the_queue_of_a_session() -> None:
    under_test = SessionUnderTest()
    encode(event("x", b"\x01")).queue_on(under_test.session)
    under_test.send("after")
    under_test.driver.tick()
    assert under_test.transport.sent[1:] == ["b01", "4after"]


def test_value_that_cannot_be_sent_is_refused() -> None:
    with pytest.raises(EncodeError):
        encode(event("x", object()))


@pytest.mark.parametrize("name", ["message", "error", "connection", "__proto__", ""])
def test_ordinary_name_may_be_emitted(name: str) -> None:
    check_event_name(name)


@pytest.mark.parametrize("name", ["connect", "connect_error", "disconnect", "disconnecting"])
def test_reserved_name_is_refused_in_the_words_of_the_reference(name: str) -> None:
    with pytest.raises(ValueError, match=f'^"{name}" is a reserved event name$'):
        check_event_name(name)
