"""Entries that are larger than what NATS takes: parts, and behind them a reference in their place.

The place of the reference is that of the entry. The parts are in the same stream before it, on a
subject of their own, by which somebody who begins to read between the two finds them.
"""

from __future__ import annotations

import re
import struct
from typing import Final

from sockwave.errors import PacketError

__all__ = ["ROOM", "Parts", "cut", "is_reference", "read_reference"]

ROOM: Final = 512
"""Bytes of `max_payload` that are left for a header."""

MAX_PARTIAL: Final = 64 * 1024 * 1024
"""Bytes of parts that are kept until their references come; the oldest go first."""

_REFERENCE: Final = b"\0"
"""What one begins with; a message never does."""

_COUNT: Final = struct.Struct("!I")
_TOKEN: Final = re.compile(rb"[0-9A-Za-z_=-]{1,256}")


def cut(data: bytes, token: str, most: int) -> tuple[list[bytes], bytes]:
    """The parts of an entry, and the reference to them.

    Args:
        token: The last one of the subject of the parts.
        most: Bytes of each part.
    """
    parts = [data[at : at + most] for at in range(0, len(data), most)]
    return parts, _REFERENCE + _COUNT.pack(len(parts)) + token.encode()


def is_reference(data: bytes) -> bool:
    """Whether an entry is one to its parts."""
    return data.startswith(_REFERENCE)


def read_reference(data: bytes) -> tuple[int, str]:
    """How many parts there are, and the last token of their subject.

    Raises:
        PacketError: It makes no sense.
    """
    token = data[1 + _COUNT.size :]
    if len(data) <= 1 + _COUNT.size or _TOKEN.fullmatch(token) is None:
        raise PacketError("invalid payload", "a reference to parts that makes no sense")
    (count,) = _COUNT.unpack_from(data, 1)
    return count, token.decode()


class Parts:
    """Those that have come, and whose references have not.

    Args:
        most: Bytes that are kept.
    """

    def __init__(self, most: int = MAX_PARTIAL) -> None:
        self._most = most
        self._parts: dict[tuple[str, str], list[bytes]] = {}
        self._size = 0

    def add(self, channel: str, token: str, data: bytes) -> None:
        """One has come."""
        self._parts.setdefault((channel, token), []).append(data)
        self._size += len(data)
        while self._size > self._most:
            self._pop(next(iter(self._parts)))

    def take(self, channel: str, reference: bytes) -> bytes:
        """The entry of which all parts have come.

        Raises:
            PacketError: They have not.
        """
        count, token = read_reference(reference)
        parts = self._pop((channel, token))
        if len(parts) != count:
            raise PacketError("invalid payload", f"{count - len(parts)} parts of it are missing")
        return b"".join(parts)

    def _pop(self, key: tuple[str, str]) -> list[bytes]:
        parts = self._parts.pop(key, [])
        self._size -= sum(map(len, parts))
        return parts
