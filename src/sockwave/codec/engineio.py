"""Engine.IO 4: packets and polling payloads (docs/protocol/engine-packets.md).

A text packet is kept as it travels, in UTF-8 with its type digit: `b"4hello"`. Text is decoded by
the layer that reads it, and a message of Socket.IO is never copied to take off one character.
"""

from __future__ import annotations

import binascii
from enum import IntEnum
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias, cast

import orjson

from sockwave.errors import PacketError, TextEncodingError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sockwave.types import SessionId, TransportName

__all__ = [
    "SEPARATOR",
    "BinaryMessage",
    "Handshake",
    "PacketType",
    "ReceivedPacket",
    "check_utf8",
    "decode_base64_packet",
    "decode_handshake",
    "encode_base64_packet",
    "encode_handshake",
    "encode_payload",
    "handshake_encoder",
    "iter_payload",
    "unknown_packet",
]

SEPARATOR: Final = b"\x1e"
"""Between packets of a polling payload. JSON never contains it raw."""


class PacketType(IntEnum):
    """First byte of a text packet, as the character code of its digit."""

    OPEN = ord("0")
    CLOSE = ord("1")
    PING = ord("2")
    PONG = ord("3")
    MESSAGE = ord("4")
    UPGRADE = ord("5")
    NOOP = ord("6")


class BinaryMessage(NamedTuple):
    """A message whose data is bytes: a bare binary frame, or `b` and base64 in a payload."""

    data: bytes


ReceivedPacket: TypeAlias = bytes | BinaryMessage
"""What a transport hands to its session: a text packet as it travelled, or a binary message."""


class Handshake(NamedTuple):
    """Content of the OPEN packet; the two times in seconds, as everywhere but on the wire."""

    sid: SessionId
    upgrades: tuple[TransportName, ...]
    ping_interval: float
    ping_timeout: float
    max_payload: int


def encode_handshake(handshake: Handshake) -> bytes:
    """Encode the OPEN packet: five keys in the reference's order, times in milliseconds."""
    body = {
        "sid": handshake.sid,
        "upgrades": handshake.upgrades,
        "pingInterval": round(handshake.ping_interval * 1000),
        "pingTimeout": round(handshake.ping_timeout * 1000),
        "maxPayload": handshake.max_payload,
    }
    return b"0" + orjson.dumps(body)


def handshake_encoder(handshake: Handshake) -> Callable[[SessionId], bytes]:
    """Prepare OPEN packets like this one, for sessions of any id."""
    start = b'0{"sid":'
    rest = encode_handshake(handshake)[len(start) + len(orjson.dumps(handshake.sid)) :]
    return lambda sid: b"%b%b%b" % (start, orjson.dumps(sid), rest)


def decode_handshake(packet: bytes) -> Handshake:
    """Decode the OPEN packet of a server; `max_payload` is 0 where it tells none.

    Raises:
        PacketError: A key is missing, or its value is of no use; the text names it.
    """
    if len(packet) > MAX_HANDSHAKE:
        raise PacketError("invalid handshake: too large")
    try:
        body = orjson.loads(packet[1:])
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise PacketError("invalid handshake: not a JSON object")
    sid = body.get("sid")
    if not isinstance(sid, str) or not 0 < len(sid) <= MAX_SID_LENGTH:
        raise PacketError("invalid handshake: sid")
    upgrades = body.get("upgrades")
    if not isinstance(upgrades, list):
        raise PacketError("invalid handshake: upgrades")
    max_payload = body.get("maxPayload", 0)
    if isinstance(max_payload, bool) or not isinstance(max_payload, int) or max_payload < 0:
        raise PacketError("invalid handshake: maxPayload")
    return Handshake(
        cast("SessionId", sid),
        tuple(name for name in _UPGRADES if name in upgrades),
        _seconds(body, "pingInterval"),
        _seconds(body, "pingTimeout"),
        max_payload,
    )


MAX_HANDSHAKE: Final = 65_536
"""Bytes of an OPEN packet that are looked at; servers send about 100."""

MAX_SID_LENGTH: Final = 1024
"""Longest session id accepted from a server; the reference's has 20 characters. It goes into every
URL, and servers refuse URLs of more than some thousand characters."""

MAX_INTERVAL: Final = 24 * 3600.0
"""Seconds; longest time that a server may ask us to wait for it. Longer ones count as this."""

_UPGRADES: Final[tuple[TransportName, ...]] = ("websocket", "webtransport")


def _seconds(body: dict[str, object], key: str) -> float:
    value = body.get(key)
    # 0 is what python-socketio tells for less than a second.
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value >= 0:
        raise PacketError(f"invalid handshake: {key}")
    return min(value / 1000, MAX_INTERVAL)


def check_utf8(packet: bytes) -> None:
    """Check a packet that nobody decodes.

    Raises:
        TextEncodingError: It is not UTF-8.
    """
    if not packet.isascii():
        try:
            packet.decode()
        except UnicodeDecodeError:
            raise TextEncodingError("invalid UTF-8") from None


def decode_base64_packet(packet: bytes) -> bytes:
    """Decode a binary message that came as text: `b` and base64, as lenient as the reference.

    Raises:
        TextEncodingError: Not UTF-8.
    """
    return _decode_base64(packet[1:])


def encode_base64_packet(data: bytes) -> bytes:
    """Encode a binary message for a polling payload."""
    return b"b" + binascii.b2a_base64(data, newline=False)


def encode_payload(packets: list[bytes]) -> bytes:
    """Join packets that are already encoded (text, or base64 for binary) into one payload."""
    return SEPARATOR.join(packets)


def iter_payload(payload: bytes) -> Iterator[ReceivedPacket]:
    """Decode the packets of a payload one by one, so that those before an error are delivered.

    Nothing is split ahead of its turn: a body of separators costs no list of its parts.

    Raises:
        PacketError: On reaching a part that is empty, or of an unknown type.
    """
    start, end = 0, len(payload)
    while start <= end:
        stop = payload.find(SEPARATOR, start)
        if stop < 0:
            stop = end
        part = payload[start:stop]
        if not part:
            raise unknown_packet(part)
        first = part[0]
        if PacketType.OPEN <= first <= PacketType.NOOP:
            yield part
        elif first == 0x62:  # b
            yield BinaryMessage(_decode_base64(part[1:]))
        else:
            raise unknown_packet(part)
        start = stop + 1


def unknown_packet(packet: bytes) -> PacketError:
    """Make the error for a text packet of no type that there is; its words begin as the
    reference's."""
    kind = packet[:1].decode("latin-1")
    return PacketError(
        f"parser error: {kind!r} is no type of a packet"
        if packet
        else "parser error: an empty packet"
    )


def _decode_base64(text: bytes) -> bytes:
    """Decode as JavaScript's `Buffer.from(text, "base64")` does, which takes any text.

    It reads the URL alphabet too, passes over what is neither, line breaks above all, and ends at
    the first `=`; of four characters that are not all there it makes the bytes that they have.
    """
    try:
        return binascii.a2b_base64(text, strict_mode=True)  # nearly all there is
    except binascii.Error:
        pass
    if not text.isascii():
        try:
            # What JavaScript sees of a character there is the low byte of its UTF-16.
            text = text.decode().encode("utf-16-le")[::2]
        except UnicodeDecodeError:
            raise TextEncodingError("invalid UTF-8") from None
    text = text.partition(b"=")[0].translate(_URL_ALPHABET, _NOT_BASE64)
    if len(text) % 4 == 1:
        text = text[:-1]
    return binascii.a2b_base64(text + b"=" * (-len(text) % 4))


_URL_ALPHABET: Final = bytes.maketrans(b"-_", b"+/")
_NOT_BASE64: Final = bytes(range(256)).translate(
    None, b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_"
)
