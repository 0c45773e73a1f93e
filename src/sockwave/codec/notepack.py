"""Reads msgpack as JavaScript's notepack writes it, whose extensions differ by their headers only.

To msgspec, as to most decoders, an extension is a code and its data. In notepack that is not
enough: `d4 00 00` is `undefined` and `c7 01 00 00` a buffer of one byte; likewise dates and buffers
of eight. So where such an extension is met, its header is looked for in the message.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from sockwave.codec.large import decode_large
from sockwave.errors import PacketError

__all__ = ["UNDEFINED", "decode_notepack"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

_HEADERS: Final = {  # of extensions with code 0: of a fixed length, or with a length
    1: re.compile(rb"(?:\xd4|\xc7\x01|\xc8\0\x01|\xc9\0\0\0\x01)\0(?=.)", re.DOTALL),
    8: re.compile(rb"(?:\xd7|\xc7\x08|\xc8\0\x08|\xc9\0\0\0\x08)\0(?=.)", re.DOTALL),
}
_FIXED: Final = (0xD4, 0xD7)


class _Undefined:
    """JavaScript's `undefined`: a member that might as well be missing, or null in an array."""


UNDEFINED: Final = _Undefined()


def decode_notepack(data: bytes) -> Any:
    """Decode one value, all of `data`, with `UNDEFINED` where notepack has written that.

    Raises:
        PacketError: Malformed.
    """
    reader = _Reader(data)
    decoder = msgspec.msgpack.Decoder(ext_hook=reader.extension)
    try:
        return decode_large(decoder.decode, reader.message)
    except (msgspec.MsgspecError, RecursionError, OverflowError, UnicodeDecodeError):
        raise PacketError("invalid payload", "not msgpack") from None


class _Reader:
    """A message, and how far its extensions are known."""

    def __init__(self, data: bytes) -> None:
        self.message = bytearray(data)
        self._original = data
        self._at = 0

    def extension(self, code: int, data: memoryview) -> Any:
        """What an extension stands for; they come in the order of the message."""
        if code != 0:
            raise PacketError("invalid payload")
        length = len(data)
        if length not in _HEADERS or not self._is_fixed(length, data):
            return bytes(data)
        if length == 1:
            return UNDEFINED
        return _EPOCH + timedelta(milliseconds=int.from_bytes(data, "big", signed=True))

    def _is_fixed(self, length: int, data: memoryview) -> bool:
        """Find the header of an extension, whose data is a view of the message.

        What looks like a header may be inside some text. The right one is followed by the byte that
        changes with the first one of the view.
        """
        original, message = self._original, self.message
        find = _HEADERS[length].search
        header = find(original, self._at)
        data[0] ^= 0xFF
        while header is not None and message[at := header.end()] == original[at]:
            header = find(original, header.start() + 1)
        data[0] ^= 0xFF
        if header is None:
            raise PacketError("invalid payload")
        self._at = header.end() + length
        return original[header.start()] in _FIXED
