"""A Bloom filter of rooms: a few bits for each, that say of a room that it is there, or perhaps.

Never does it say of a room that is there that it is not. Both ends compute the same places from a
name, in any process and any version: this is part of the wire.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from sockwave.errors import PacketError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sockwave.types import Room

__all__ = ["MAX_BYTES", "RoomFilter"]

MAX_BYTES: Final = 128 * 1024
"""Largest filter: with it one room in a hundred is there by mistake at 110,000 rooms, and one in
four at 400,000."""

_MIN_BYTES: Final = 1024
_BITS_PER_ROOM: Final = 10
_PLACES: Final = 7
"""Bits of a room: the best number where there are ten for each."""


class RoomFilter:
    """A set of rooms, not quite sharp.

    Args:
        bits: What `data` of another one gave; a power of two of bytes.
    """

    __slots__ = ("_bits", "_mask")

    def __init__(self, bits: bytes) -> None:
        size = len(bits)
        if not _MIN_BYTES <= size <= MAX_BYTES or size & (size - 1):
            raise PacketError("invalid payload", "a filter of rooms of a wrong size")
        self._bits = bytearray(bits)
        self._mask = size * 8 - 1

    @classmethod
    def of(cls, rooms: Iterable[Room], count: int) -> RoomFilter:
        """Make one with these rooms.

        Args:
            count: How many they are, about.
        """
        size = _MIN_BYTES
        while size < MAX_BYTES and size * 8 < count * _BITS_PER_ROOM:
            size *= 2
        made = cls(bytes(size))
        for room in rooms:
            made.add(room)
        return made

    @property
    def data(self) -> bytes:
        """As it goes over the wire."""
        return bytes(self._bits)

    def add(self, room: Room) -> None:
        """Add a room; none can be taken out."""
        bits, mask = self._bits, self._mask
        place, step = _hashes(room)
        for _ in range(_PLACES):
            bits[(place & mask) >> 3] |= 1 << (place & 7)
            place += step

    def __contains__(self, room: Room) -> bool:
        bits, mask = self._bits, self._mask
        place, step = _hashes(room)
        for _ in range(_PLACES):
            if not bits[(place & mask) >> 3] & 1 << (place & 7):
                return False
            place += step
        return True


def _hashes(room: Room) -> tuple[int, int]:
    """Two numbers, which make as many places as are wanted: the first, and the way to the next."""
    digest = blake2b(room.encode(errors="surrogatepass"), digest_size=16).digest()
    return int.from_bytes(digest[:8], "little"), int.from_bytes(digest[8:], "little") | 1
