"""A msgpack decoder that tells notepack's extensions apart by their headers.

The usual decoders give an extension as a code and its data. In JavaScript's notepack that is not
enough: `d4 00 00` is `undefined` and `c7 01 00 00` a buffer of one byte. Messages with such an
extension, most of them a CONNECT without data, are read here; all others by msgspec.
"""

from __future__ import annotations

import struct
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sockwave.errors import PacketError

__all__ = ["decode_exactly"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

_NUMBERS: Final = {
    0xCA: ">f",
    0xCB: ">d",
    0xCC: ">B",
    0xCD: ">H",
    0xCE: ">I",
    0xCF: ">Q",
    0xD0: ">b",
    0xD1: ">h",
    0xD2: ">i",
    0xD3: ">q",
}
_LENGTH_BYTES: Final = {  # of what begins with a length
    **{0xC4: 1, 0xC5: 2, 0xC6: 4},  # bin
    **{0xC7: 1, 0xC8: 2, 0xC9: 4},  # ext
    **{0xD9: 1, 0xDA: 2, 0xDB: 4},  # str
    **{0xDC: 2, 0xDD: 4, 0xDE: 2, 0xDF: 4},  # array, map
}
_SINGLE: Final = {0xC0: None, 0xC2: False, 0xC3: True}


def decode_exactly(data: bytes, max_depth: int, undefined: object) -> Any:
    """Decode one value, all of `data`.

    Args:
        undefined: Stands for JavaScript's `undefined`.

    Raises:
        PacketError: Malformed, nested too deeply, or with something behind it.
    """
    reader = _Reader(data, undefined)
    try:
        value = reader.value(max_depth)
    except (struct.error, UnicodeDecodeError, TypeError, OverflowError):
        raise PacketError("invalid payload") from None
    if reader.at != len(data):
        raise PacketError("invalid payload")
    return value


class _Reader:
    """A place in the data."""

    def __init__(self, data: bytes, undefined: object) -> None:
        self._data = data
        self._undefined = undefined
        self.at = 0

    def _take(self, length: int) -> bytes:
        end = self.at + length
        if end > len(self._data):
            raise PacketError("invalid payload")
        taken, self.at = self._data[self.at : end], end
        return taken

    def value(self, depth: int) -> Any:
        """The next value, at most so deep."""
        if depth < 0:
            raise PacketError("invalid payload")
        (first,) = self._take(1)
        if first < 0x80 or first >= 0xE0:
            return first if first < 0x80 else first - 0x100
        if first in _SINGLE:
            return _SINGLE[first]
        if first in _NUMBERS:
            form = _NUMBERS[first]
            return struct.unpack(form, self._take(struct.calcsize(form)))[0]
        if 0xD4 <= first <= 0xD8:
            return self._fixed_extension(1 << (first - 0xD4))
        if first < 0xC0:  # short map, array, text
            length = first & (0x1F if first >= 0xA0 else 0x0F)
            kind = 0xDF if first < 0x90 else 0xDD if first < 0xA0 else 0xDB
        elif first in _LENGTH_BYTES:
            length = int.from_bytes(self._take(_LENGTH_BYTES[first]), "big")
            kind = first
        else:
            raise PacketError("invalid payload")
        return self._sized(kind, length, depth)

    def _sized(self, kind: int, length: int, depth: int) -> Any:
        if kind in (0xC4, 0xC5, 0xC6):
            return self._take(length)
        if kind in (0xC7, 0xC8, 0xC9):
            if self._take(1) != b"\0":
                raise PacketError("invalid payload")
            return self._take(length)
        if kind in (0xD9, 0xDA, 0xDB):
            return self._take(length).decode()
        if length > len(self._data):  # each item takes at least a byte
            raise PacketError("invalid payload")
        if kind in (0xDC, 0xDD):
            return [self.value(depth - 1) for _ in range(length)]
        return {self._key(depth - 1): self.value(depth - 1) for _ in range(length)}

    def _key(self, depth: int) -> Any:
        key = self.value(depth)
        if key is self._undefined:  # which no encoder writes: objects have names
            raise PacketError("invalid payload")
        return key

    def _fixed_extension(self, length: int) -> Any:
        code, data = self._take(1), self._take(length)
        if code != b"\0":
            raise PacketError("invalid payload")
        if length == 1:
            return self._undefined
        if length == 8:
            return _EPOCH + timedelta(milliseconds=int.from_bytes(data, "big", signed=True))
        return data
