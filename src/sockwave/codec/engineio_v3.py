"""Engine.IO 3: what differs from revision 4 in packets and payloads (docs/protocol/revision-3.md).

A text packet is the same in both. A binary message has a type of its own here: a byte before its
data, or a digit between `b` and its base64. Payloads count their packets' lengths: in UTF-16 units
in the text form, as JavaScript's `length` does, and in bytes in the binary form.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sockwave.codec import engineio
from sockwave.codec.engineio import BinaryMessage, PacketType, ReceivedPacket
from sockwave.errors import PacketError, TextEncodingError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = [
    "decode_base64_packet",
    "decode_binary_packet",
    "encode_base64_packet",
    "encode_binary_packet",
    "encode_binary_payload",
    "encode_text_payload",
    "iter_binary_payload",
    "iter_text_payload",
]

MAX_LENGTH_DIGITS: Final = 310
"""Digits of a length before its packet: JavaScript's largest number has 309."""

_NOOP: Final = b"6"
"""Stands for what the reference ignores: the session ignores it as well, but it counts."""

_TEXT, _BINARY, _END_OF_LENGTH = 0, 1, 0xFF
_UTF16: Final = "utf-16-le"

# --- binary packets -------------------------------------------------------------------------------


def encode_binary_packet(data: bytes) -> bytes:
    """Encode a binary message for a WebSocket, or for a payload in the binary form."""
    return b"\x04" + data


def encode_base64_packet(data: bytes) -> bytes:
    """Encode a binary message as text."""
    return b"b4" + engineio.encode_base64_packet(data)[1:]


def decode_binary_packet(packet: bytes) -> ReceivedPacket:
    """Decode a packet that came as bytes; one of an unknown type is ignored by the reference."""
    return _typed(packet[0] + ord("0"), packet[1:]) if packet else _NOOP


def decode_base64_packet(packet: bytes) -> ReceivedPacket:
    """Decode a binary packet that came as text: `b`, type digit, base64.

    Raises:
        TextEncodingError: Not UTF-8.
    """
    data = engineio.decode_base64_packet(packet[1:])
    return _typed(packet[1], data) if len(packet) > 1 else _NOOP


def _typed(digit: int, data: bytes) -> ReceivedPacket:
    if digit == PacketType.MESSAGE:
        return BinaryMessage(data)
    return b"%c" % digit if PacketType.OPEN <= digit <= PacketType.NOOP else _NOOP


def _decode_text_packet(packet: bytes) -> ReceivedPacket:
    if packet[:1] == b"b":
        return decode_base64_packet(packet)
    if not packet or not PacketType.OPEN <= packet[0] <= PacketType.NOOP:
        raise engineio.unknown_packet(packet)
    return packet


# --- payloads: text form --------------------------------------------------------------------------


def encode_text_payload(packets: Iterable[bytes]) -> bytes:
    """Join packets that are text, in UTF-8 (base64 for binary), into one payload."""
    return b"".join([b"%d:%b" % (_utf16_length(packet), packet) for packet in packets])


_CONTINUATION: Final = bytes(range(0x80, 0xC0))
_NOT_FIRST_OF_FOUR: Final = bytes(range(0xF0))


def _utf16_length(text: bytes) -> int:
    """UTF-16 units of UTF-8 text: one a character, and one more where UTF-8 takes four bytes."""
    if text.isascii():
        return len(text)
    astral = len(text.translate(None, _NOT_FIRST_OF_FOUR))
    return len(text.translate(None, _CONTINUATION)) + astral


def iter_text_payload(payload: bytes) -> Iterator[ReceivedPacket]:
    """Decode the packets of a payload in the text form one by one.

    Half of a surrogate pair, where a length cuts one, becomes U+FFFD.

    Raises:
        PacketError: On reaching a length that is none or points past the end, or a bad packet.
        TextEncodingError: The payload is not UTF-8.
    """
    if not payload:
        raise PacketError("parser error: an empty payload")
    units, width = payload, 1
    if not payload.isascii():
        try:
            units, width = payload.decode().encode(_UTF16), 2
        except UnicodeDecodeError:
            raise TextEncodingError("invalid UTF-8") from None
    at = 0
    while at < len(units):
        start = _find_colon(units, at, width)
        end = start + width * (1 + _length(_utf8(units[at:start], width)))
        if end > len(units):
            raise PacketError("parser error: a length points past the end")
        packet = _utf8(units[start + width : end], width)
        yield _decode_text_packet(packet) if packet else _NOOP
        at = end


def _utf8(units: bytes, width: int) -> bytes:
    return units if width == 1 else units.decode(_UTF16, "replace").encode()


def _find_colon(units: bytes, start: int, width: int) -> int:
    """Place of the colon after a length."""
    colon = b":" if width == 1 else b":\x00"
    end = start + width * (MAX_LENGTH_DIGITS + 1)
    at = units.find(colon, start, end)
    while (at - start) % width and at >= 0:  # half of one unit, and half of the next
        at = units.find(colon, at + 1, end)
    if at < 0:
        raise PacketError("parser error: no colon behind a length")
    return at


def _length(digits: bytes) -> int:
    if not digits.isdigit():
        raise PacketError("parser error: a length is no number")
    return int(digits)


# --- payloads: binary form ------------------------------------------------------------------------


def encode_binary_payload(packets: Iterable[ReceivedPacket]) -> bytes:
    """Join packets into a payload of bytes."""
    parts: list[bytes] = []
    for packet in packets:
        if isinstance(packet, BinaryMessage):
            kind, data = _BINARY, encode_binary_packet(packet.data)
        else:
            kind, data = _TEXT, packet
        parts += [b"%c%b\xff" % (kind, (b"%d" % len(data)).translate(_TO_DIGITS)), data]
    return b"".join(parts)


_TO_DIGITS: Final = bytes.maketrans(b"0123456789", bytes(range(10)))
_FROM_DIGITS: Final = bytes(range(ord("0"), ord("0") + 10)) + bytes(246)
"""To the digits of text; what is no digit becomes NUL, which no number has."""


def iter_binary_payload(payload: bytes) -> Iterator[ReceivedPacket]:
    """Decode the packets of a payload in the binary form one by one.

    Raises:
        PacketError: On reaching a head that is none or points past the end, or a bad packet.
    """
    at = 0
    while at < len(payload):
        kind = payload[at]
        start = payload.find(_END_OF_LENGTH, at + 1, at + MAX_LENGTH_DIGITS + 2)
        if kind > _BINARY or start < 0:
            raise PacketError("parser error: no packet of a payload of bytes begins so")
        end = start + 1 + _length(payload[at + 1 : start].translate(_FROM_DIGITS))
        if end > len(payload):
            raise PacketError("parser error: a length points past the end")
        packet = payload[start + 1 : end]
        yield decode_binary_packet(packet) if kind == _BINARY else _decode_text_packet(packet)
        at = end
