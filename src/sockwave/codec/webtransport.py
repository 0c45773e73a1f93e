"""Packets on the stream of a WebTransport session (docs/protocol/webtransport.md).

A stream has no borders of its own, so each packet stands behind a head: one byte, whose upper bit
says that a binary message follows and whose other seven give its length; 126 and 127 there stand
for a length in the next two or eight bytes, big-endian. A text packet has its type digit, a binary
message has none.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from sockwave.errors import PacketError

__all__ = ["MAX_LENGTH", "Frame", "FrameReader", "encode_frame", "frame_head"]

MAX_LENGTH: Final = 2**53 - 1
"""Bytes of a packet of which the JavaScript implementation can count no more."""

_BINARY: Final = 0x80
_EMPTY_MESSAGE: Final = b"\x01b"


class Frame(NamedTuple):
    """What was read.

    Attributes:
        is_binary: Whether it is a binary message; else it is text.
        data: A text packet with its type digit, UTF-8 not checked, or the data of a message.
    """

    is_binary: bool
    data: bytes


def frame_head(length: int, *, binary: bool = False) -> bytes:
    """What stands before a packet of so many bytes, which must not be 0."""
    kind = _BINARY if binary else 0
    if length < 126:
        return bytes((kind | length,))
    if length < 65536:
        return bytes((kind | 126,)) + length.to_bytes(2, "big")
    return bytes((kind | 127,)) + length.to_bytes(8, "big")


def encode_frame(packet: bytes, *, binary: bool = False) -> bytes:
    """Encode a text packet with its type digit, or the data of a binary message.

    A frame cannot be empty, so an empty binary message goes as text, in base64.
    """
    if not packet and binary:
        return _EMPTY_MESSAGE
    return frame_head(len(packet), binary=binary) + packet


class FrameReader:
    """Takes bytes as they come and gives the packets that are whole.

    What it holds is never more than one packet that is not whole, its head and what was fed since
    `read` last gave None: so who feeds reads all before feeding more, or bounds what is fed.

    Args:
        max_payload: Bytes of one packet.
    """

    __slots__ = ("_at", "_held", "_max_payload", "_wanted")

    def __init__(self, max_payload: int) -> None:
        self._max_payload = min(max_payload, MAX_LENGTH)
        self._held = bytearray()
        self._at = 0
        self._wanted = 1

    @property
    def held(self) -> int:
        """Bytes that were fed and not read."""
        return len(self._held) - self._at

    @property
    def is_between_frames(self) -> bool:
        """Whether everything was read that was fed: a stream may end here."""
        return not self.held

    @property
    def unread(self) -> bytes:
        """What was fed and not read."""
        return bytes(self._held[self._at :])

    def feed(self, data: bytes) -> None:
        """Add what came."""
        if self._at:
            del self._held[: self._at]
            self._at = 0
        self._held += data

    def read(self) -> Frame | None:
        """Take out the next packet; None when it is not all there.

        Raises:
            PacketError: Its head says that it is empty or too large. Nothing behind it makes sense.
        """
        held, at = self._held, self._at
        if len(held) - at < self._wanted:
            return None
        first = held[at]
        length = first & 127
        body = at + 1
        if length >= 126:
            body += 2 if length == 126 else 8
            if len(held) < body:
                self._wanted = body - at
                return None
            length = int.from_bytes(held[at + 1 : body], "big")
        if not length:
            raise PacketError("empty frame")
        if length > self._max_payload:
            raise PacketError("message too big")
        end = body + length
        if len(held) < end:
            self._wanted = end - at
            return None
        with memoryview(held) as view:
            data = bytes(view[body:end])
        self._wanted = 1
        if end == len(held):
            self._held = bytearray()
            self._at = 0
        else:
            self._at = end
        return Frame(first >= _BINARY, data)
