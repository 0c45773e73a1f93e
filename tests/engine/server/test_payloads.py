"""Bodies of polls and posts, in each form."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sockwave.codec.engineio import BinaryMessage, ReceivedPacket, iter_payload
from sockwave.engine.core.request import Request
from sockwave.engine.core.transport import Outgoing, SharedPacket
from sockwave.engine.server.transports.payloads import (
    REVISION_3,
    REVISION_3_BASE64,
    REVISION_4,
    Jsonp,
    Payloads,
    TooManyPackets,
    is_octets,
)
from sockwave.errors import PacketError

if TYPE_CHECKING:
    from collections.abc import Iterator

FORMS: dict[str, Payloads] = {
    "revision 4": REVISION_4,
    "revision 3": REVISION_3,
    "revision 3 in base64": REVISION_3_BASE64,
    "revision 4 in scripts": Jsonp("0", REVISION_4),
    "revision 3 in scripts": Jsonp("0", REVISION_3_BASE64),
}
form = pytest.mark.parametrize("payloads", FORMS.values(), ids=FORMS)

texts = st.text(st.characters(exclude_characters="\x1e", exclude_categories=["Cs"]))
outgoing = st.lists(
    st.one_of(
        st.builds(lambda text: b"4" + text.encode(), texts),
        st.builds(lambda text: SharedPacket(b"4" + text.encode()), texts),
        st.builds(lambda data: SharedPacket(data, is_binary=True), st.binary()),
    ),
    min_size=1,
)


def post(content_type: str = "text/plain") -> Request:
    return Request("POST", "/", {b"content-type": content_type.encode()}, None)


def decode(
    payloads: Payloads, body: bytes, content_type: str = "text/plain", limit: int = 65_536
) -> list[ReceivedPacket]:
    return list(payloads.decode(body, post(content_type), limit))


def received(packet: Outgoing) -> ReceivedPacket:
    """What the peer gets of a packet."""
    if isinstance(packet, bytes):
        return packet
    return BinaryMessage(packet.data) if packet.is_binary else packet.data


@form
@given(packets=outgoing)
def test_what_is_encoded_can_be_read_again(payloads: Payloads, packets: list[Outgoing]) -> None:
    headers, body = payloads.encode(packets)
    content_type = dict(headers)["Content-Type"]
    if isinstance(payloads, Jsonp):
        assert body.startswith(b"___eio[0](") and body.endswith(b");")
        text = json.loads(body[len(b"___eio[0](") : -len(b");")])
        assert not set(body.decode()) & set("<\n\r\u2028\u2029")
        payloads, body = payloads._inner, text.encode()
    assert decode(payloads, body, content_type) == [received(packet) for packet in packets]


@form
def test_headers_of_all_forms_keep_browsers_from_guessing(payloads: Payloads) -> None:
    headers, _ = payloads.encode([SharedPacket(b"\x01", is_binary=True)])
    assert ("X-Content-Type-Options", "nosniff") in headers
    assert ("cache-control", "no-store") in headers


@pytest.mark.parametrize(
    ("payloads", "body", "content_type"),
    [
        (REVISION_4, b"4\x1e4\x1e4", "text/plain"),
        (REVISION_3, b"1:41:41:4", "text/plain"),
        (REVISION_3, b"0:0:0:", "text/plain"),
        (REVISION_3, b"\x00\x01\xff4" * 3, "application/octet-stream"),
        (REVISION_3, b"\x01\x01\xff\x09" * 3, "application/octet-stream"),
        (Jsonp("0", REVISION_3_BASE64), b"d=1%3A41%3A41%3A4", "text/plain"),
        (Jsonp("0", REVISION_4), b"d=4%1e4%1e4", "text/plain"),
    ],
)
def test_packets_are_counted_in_every_form(
    payloads: Payloads, body: bytes, content_type: str
) -> None:
    assert len(decode(payloads, body, content_type, limit=3)) == 3
    with pytest.raises(TooManyPackets):
        decode(payloads, body, content_type, limit=2)


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        ("application/octet-stream", True),
        ("Application/Octet-Stream ; a=b", True),
        ("application/octet-stream2", False),
        ("text/plain", False),
        ("", False),
    ],
)
def test_octets_are_known_by_their_type(content_type: str, expected: bool) -> None:
    assert is_octets(post(content_type)) is expected


def test_only_revision_3_takes_octets() -> None:
    taking = [name for name, payloads in FORMS.items() if payloads.takes_octets]
    assert taking == ["revision 3", "revision 3 in base64"]


def test_form_of_many_fields_is_read_only_so_far() -> None:
    payloads = Jsonp("0", REVISION_4)
    assert decode(payloads, b"a&" * 50 + b"d=4a") == [b"4a"]
    assert decode(payloads, b"a&" * 500_000 + b"d=4a") == []


def _read(packets: Iterator[ReceivedPacket]) -> list[ReceivedPacket | str]:
    """What they are, up to the first that is wrong."""
    found: list[ReceivedPacket | str] = []
    try:
        found.extend(packets)
    except PacketError as error:
        found.append(str(error))
    return found


@given(st.one_of(st.binary(), st.lists(st.sampled_from([*b"012345678b\x1eA="])).map(bytes)))
def test_body_of_one_packet_is_read_as_any_other(body: bytes) -> None:
    request = Request("POST", "/", {}, None)
    assert _read(REVISION_4.decode(body, request, 1_000)) == _read(iter_payload(body))
