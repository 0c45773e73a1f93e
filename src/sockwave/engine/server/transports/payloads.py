"""How the packets of a session become bodies of its HTTP requests, and back.

One object for each session that polls, chosen at its handshake: by revision, by what the client can
read, and whether it polls by loading scripts (JSONP).
"""

from __future__ import annotations

import binascii
import re
from itertools import islice
from typing import TYPE_CHECKING, Final, Protocol

import orjson

from sockwave.codec import engineio, engineio_v3
from sockwave.codec.engineio import SEPARATOR, BinaryMessage, PacketType
from sockwave.engine.server.exchange import NO_SNIFF
from sockwave.errors import PacketError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sockwave.codec.engineio import ReceivedPacket
    from sockwave.engine.core.request import Request
    from sockwave.engine.core.transport import Outgoing
    from sockwave.engine.server.exchange import ResponseHeaders

__all__ = [
    "REVISION_3",
    "REVISION_3_BASE64",
    "REVISION_4",
    "Jsonp",
    "Payloads",
    "TooManyPackets",
    "is_octets",
]


def _poll_headers(content_type: str) -> tuple[tuple[str, str], ...]:
    return (("Content-Type", content_type), ("cache-control", "no-store"), *NO_SNIFF)


_TEXT: Final = _poll_headers("text/plain; charset=UTF-8")
_OCTETS: Final = _poll_headers("application/octet-stream")
_SCRIPT: Final = _poll_headers("text/javascript; charset=UTF-8")


class TooManyPackets(PacketError):
    """A body holds more packets than `Limits.packets_per_post`."""


class Payloads(Protocol):
    """Encodes and decodes the bodies of one session."""

    takes_octets: bool
    """Whether a POST may be `application/octet-stream`."""

    def encode(self, packets: list[Outgoing]) -> tuple[ResponseHeaders, bytes]:
        """Make the answer to a GET."""

    def decode(self, body: bytes, request: Request, limit: int) -> Iterator[ReceivedPacket]:
        """Read the body of a POST, packet by packet.

        Args:
            request: Of the POST.
            limit: How many packets it may hold.

        Raises:
            TooManyPackets: At once or on the way.
            PacketError: On reaching what is wrong.
        """


def is_octets(request: Request) -> bool:
    """Whether the body of a request is `application/octet-stream`."""
    content_type = request.field(b"content-type") or b""
    return content_type.partition(b";")[0].strip(b" \t").lower() == b"application/octet-stream"


class _Revision4:
    """Packets with separators between them; binary as base64."""

    takes_octets = False

    def encode(self, packets: list[Outgoing]) -> tuple[ResponseHeaders, bytes]:
        first = packets[0]
        if len(packets) == 1 and isinstance(first, bytes):
            return _TEXT, first
        return _TEXT, engineio.encode_payload(_as_text(packets, engineio.encode_base64_packet))

    def decode(self, body: bytes, request: Request, limit: int) -> Iterator[ReceivedPacket]:
        # A body that begins with an empty packet ends there, whatever follows.
        if len(body) > limit and body[:1] != SEPARATOR and body.count(SEPARATOR) >= limit:
            raise TooManyPackets("too many packets in one payload")
        if body[:1].isdigit() and body[0] <= PacketType.NOOP and SEPARATOR not in body:
            return iter((body,))  # one packet of text, as nearly always: what `iter_payload` gives
        return engineio.iter_payload(body)


class _Revision3:
    """Packets with their lengths before them; binary as it is, where the client can read that."""

    takes_octets = True

    def __init__(self, *, base64: bool) -> None:
        self._base64 = base64

    def encode(self, packets: list[Outgoing]) -> tuple[ResponseHeaders, bytes]:
        if not self._base64 and any(not isinstance(p, bytes) and p.is_binary for p in packets):
            return _OCTETS, engineio_v3.encode_binary_payload(map(_as_packet, packets))
        texts = _as_text(packets, engineio_v3.encode_base64_packet)
        return _TEXT, engineio_v3.encode_text_payload(texts)

    def decode(self, body: bytes, request: Request, limit: int) -> Iterator[ReceivedPacket]:
        read = (
            engineio_v3.iter_binary_payload if is_octets(request) else engineio_v3.iter_text_payload
        )
        packets = read(body)
        yield from islice(packets, limit)
        if next(packets, None) is not None:
            raise TooManyPackets("too many packets in one payload")


class Jsonp:
    """Payloads as calls of a script, and as fields of a form (docs/protocol/polling.md#scripts).

    Args:
        index: Of the function to call; digits.
        inner: What is in the call. It must not make octets.
    """

    takes_octets = False

    def __init__(self, index: str, inner: Payloads) -> None:
        self._call = f"___eio[{index}](".encode()
        self._inner = inner

    def encode(self, packets: list[Outgoing]) -> tuple[ResponseHeaders, bytes]:
        """Write a script; nothing in it can end the element or the line that it stands in."""
        _, payload = self._inner.encode(packets)
        text = orjson.dumps(payload.decode())
        for character, escaped in _ESCAPED_IN_SCRIPTS:
            text = text.replace(character, escaped)
        return _SCRIPT, b"%b%b);" % (self._call, text)

    def decode(self, body: bytes, request: Request, limit: int) -> Iterator[ReceivedPacket]:
        """Read the form's field `d`; without it there is nothing to read."""
        for field in body.split(b"&", _MAX_FIELDS):
            name, _, value = field.partition(b"=")
            if name == b"d":
                payload = _unescaped(_unquoted(value.replace(b"+", b" ")))
                return self._inner.decode(payload, request, limit)
        return iter(())


_MAX_FIELDS: Final = 100
_ESCAPED_IN_SCRIPTS: Final = (
    (b"<", b"\\u003c"),
    ("\u2028".encode(), b"\\u2028"),
    ("\u2029".encode(), b"\\u2029"),
)


def _unquoted(value: bytes) -> bytes:
    """Undo percent-encoding; a `%` that begins none stays.

    Quoted-printable differs by its sign only, and is decoded in C: what the standard library has
    for percents takes 180 bytes for each of them.
    """
    if b"%" not in value:
        return value
    # As text, since joining pieces of bytes takes 80 more for each piece.
    text = _BARE_PERCENT.sub("%25", value.decode("latin-1"))
    return binascii.a2b_qp(text.replace("=", "%3D").replace("%", "=").encode("latin-1"))


_BARE_PERCENT: Final = re.compile("%(?![0-9a-fA-F]{2})")


def _unescaped(payload: bytes) -> bytes:
    """Undo what clients do to line feeds, which browsers would change in a form."""
    parts = payload.split(b"\\\\n")
    return b"\\n".join([part.replace(b"\\n", b"\n") for part in parts])


def _as_text(packets: list[Outgoing], encode_base64: _Base64Encoder) -> list[bytes]:
    return [
        packet
        if isinstance(packet, bytes)
        else encode_base64(packet.data)
        if packet.is_binary
        else packet.data
        for packet in packets
    ]


class _Base64Encoder(Protocol):
    def __call__(self, data: bytes) -> bytes: ...


def _as_packet(packet: Outgoing) -> ReceivedPacket:
    if isinstance(packet, bytes):
        return packet
    return BinaryMessage(packet.data) if packet.is_binary else packet.data


REVISION_4: Final[Payloads] = _Revision4()
REVISION_3: Final[Payloads] = _Revision3(base64=False)
REVISION_3_BASE64: Final[Payloads] = _Revision3(base64=True)
