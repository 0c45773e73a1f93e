"""Which text at the end of an event is a server's offset, and no argument.

docs/protocol/recovery.md#the-clients-part has the rule.

Servers with connection state recovery put an offset behind the arguments of the events that they
log, and nothing tells it from an argument: volatile events come without one, and may end in text.
Our own servers begin their secret (`pid`) with the epoch of their log, as they do their offsets, so
that there is no doubt. Where several processes are one server, a client that is back may be at
another one than before, whose log has another epoch: the first text of that form tells it. Offsets
of other servers are known by their shape, which is not certain, but text of an unknown shape always
stays an argument.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Offsets"]

_OWN_SECRET: Final = re.compile(r"([\w-]{12}\.)[\w-]{20}", re.ASCII)
_OWN_OFFSET: Final = re.compile(r"([\w-]{12}\.)([0-9a-f]{1,16})", re.ASCII)

_STREAM_ENTRY: Final = re.compile(r"[0-9]{10,16}-[0-9]{1,10}")
"""The Redis streams adapter: the id of an entry."""

_OBJECT_ID: Final = re.compile(r"[0-9a-f]{24}")
"""The MongoDB adapter."""

_TIMESTAMP: Final = re.compile(r"([0-9A-Za-z_-]{7})(\.[0-9A-Za-z_-]{1,3})?")
"""The reference's in-memory adapter: milliseconds of its clock to the base of 64, and a counter."""

_DIGITS: Final = {
    digit: value
    for value, digit in enumerate(
        "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_"
    )
}

CLOCK_DIFFERENCE: Final = 2 * 86_400.0
"""Seconds that the server's clock may differ from ours: hardly a word is taken for a time."""


class Offsets:
    """What a socket knows of the recovery.

    Args:
        clock: Seconds since 1970.

    Attributes:
        pid: Who this client is to the server, a secret; None when that cannot recover it.
        last: Offset of the last event that has come; None before the first.
    """

    __slots__ = ("_clock", "_epoch", "_is_known", "_may_move", "_position", "last", "pid")

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.pid: str | None = None
        self.last: str | None = None
        self._clock = clock
        self._epoch: str | None = None
        self._position = -1
        self._may_move = False
        self._is_known = False

    def accepted(self, pid: str | None) -> bool:
        """The server lets the socket in; returns whether it is the one of before."""
        if pid is not None and pid == self.pid:
            self._may_move = True
            return True
        self._may_move = False
        own = _OWN_SECRET.fullmatch(pid) if pid is not None else None
        self.pid = pid
        self.last = None
        self._epoch = own[1] if own else None
        self._position = -1
        self._is_known = False
        return False

    def without(self, args: list[Any]) -> list[Any]:
        """The name and arguments of an event without an acknowledgement; its offset is noted."""
        text = args[-1]
        if text.__class__ is not str or len(args) < 2:
            return args
        if self._epoch is not None:
            is_offset = self._is_next(text, self._epoch)
        else:
            is_offset = self._has_known_shape(text)
            self._is_known = self._is_known or is_offset
            if not self._is_known:
                self.last = text  # of an adapter that nobody knows here: as the reference does
        if not is_offset:
            return args
        self.last = text
        return args[:-1]

    def _is_next(self, text: str, epoch: str) -> bool:
        """Whether it is an offset of ours: events come in the order of their positions."""
        own = _OWN_OFFSET.fullmatch(text)
        if own is None:
            return False
        position = int(own[2], 16)
        if own[1] != epoch:
            if not self._may_move:
                return False
            self._epoch, self._may_move = own[1], False
        elif position <= self._position:
            return False
        self._position = position
        return True

    def _has_known_shape(self, text: str) -> bool:
        if _STREAM_ENTRY.fullmatch(text) or _OBJECT_ID.fullmatch(text):
            return True
        parts = _TIMESTAMP.fullmatch(text)
        if parts is None:
            return False
        milliseconds = 0
        for digit in parts[1]:
            milliseconds = milliseconds * 64 + _DIGITS[digit]
        return abs(milliseconds / 1_000 - self._clock()) < CLOCK_DIFFERENCE
