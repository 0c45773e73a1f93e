"""Frames in the payloads of NATS: numbers by which losses are noticed, and parts of what is too
large for one payload.

Theory. NATS delivers at most once, and tells nobody when it did not. The messages of one connection
to one subject arrive in their order. So each frame has the name of its sender and a number that
counts the frames of that sender to that subject; who sees a number left out knows of a loss. The
last frame of a row may be the lost one: so some time after it a mark follows, which has the number
of the next frame.

A message that does not fit is sent in parts, one behind the other, of which the first and the last
are called so. A sender that is cut off in the middle of them begins again with the first one.
Nothing is announced by a sender and believed: what is kept is what has come.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from sockwave.errors import PacketError

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator

__all__ = ["HEAD_SIZE", "SENDER_SIZE", "FrameReader", "FrameWriter", "sender_of"]

SENDER_SIZE: Final = 8
"""Bytes of the name of a sender, which are random."""

_HEAD: Final = struct.Struct(f"!B{SENDER_SIZE}sQ")
HEAD_SIZE: Final = _HEAD.size
"""Bytes of each payload before the message or its part."""

MAX_SUBJECTS: Final = 10_000
"""Subjects whose frames a sender counts; past it the one that was used first begins anew, with a
number so high that its receivers take it for a loss."""

MAX_STREAMS: Final = 20_000
"""Senders on subjects whose numbers a receiver remembers; past it the first one is forgotten, and
its next frame tells of no loss."""

MAX_PARTIAL: Final = 64 * 1024 * 1024
"""Bytes of parts that are kept until their messages are whole; the oldest goes first."""

PATIENCE: Final = 30.0
"""Seconds that the rest of a message may take."""


class _Kind(IntEnum):
    WHOLE = 0
    FIRST = 1
    MIDDLE = 2
    LAST = 3
    MARK = 4


def sender_of(frame: bytes) -> bytes:
    """The name of the sender, or of nobody if it is no frame."""
    return frame[1 : 1 + SENDER_SIZE]


class FrameWriter:
    """Numbers what one process sends, and cuts it.

    Args:
        sender: Its name, `SENDER_SIZE` random bytes.
    """

    def __init__(self, sender: bytes) -> None:
        self._sender = sender
        self._next: dict[str, int] = {}
        self._unmarked: dict[str, None] = {}
        self._total = 0

    def frames(self, subject: str, message: bytes, max_payload: int) -> Iterator[bytes]:
        """The payloads of a message, to be sent one behind the other.

        Args:
            max_payload: Bytes that one may have.
        """
        room = max(max_payload - HEAD_SIZE, 1)
        if len(message) <= room:
            yield self._frame(_Kind.WHOLE, subject, message)
            return
        kind = _Kind.FIRST
        for at in range(0, len(message), room):
            if at + room >= len(message):
                kind = _Kind.LAST
            yield self._frame(kind, subject, message[at : at + room])
            kind = _Kind.MIDDLE

    def marks(self) -> list[tuple[str, bytes]]:
        """Subjects to which frames were sent since the last call, and the mark of each."""
        unmarked, self._unmarked = self._unmarked, {}
        return [
            (subject, _HEAD.pack(_Kind.MARK, self._sender, self._next.get(subject, 0)))
            for subject in unmarked
        ]

    def forget(self, subject: str) -> None:
        """Nobody has to be told by a mark what was sent there."""
        self._unmarked.pop(subject, None)

    def _frame(self, kind: _Kind, subject: str, body: bytes) -> bytes:
        # One that begins anew begins behind all that it can have counted before.
        number = self._next.get(subject, self._total)
        if subject not in self._next and len(self._next) >= MAX_SUBJECTS:
            oldest = next(iter(self._next))
            del self._next[oldest]
            self._unmarked.pop(oldest, None)
        self._next[subject] = number + 1
        self._unmarked[subject] = None
        self._total += 1
        return _HEAD.pack(kind, self._sender, number) + body


class _Stream:
    """What one sender sends to one subject: the number of its next frame, and parts."""

    __slots__ = ("began", "next", "parts", "size")

    def __init__(self, number: int) -> None:
        self.next = number
        self.parts: list[bytes] = []
        self.size = 0
        self.began = 0.0


class FrameReader:
    """Makes messages of the frames that arrive at one process.

    Args:
        lost: Is called with the place at which messages were lost, and a sentence about it, before
            the next message there is returned.
        max_partial: Bytes that are kept of messages that are not whole.
    """

    def __init__(
        self, lost: Callable[[Hashable, str], None], *, max_partial: int = MAX_PARTIAL
    ) -> None:
        self._lost = lost
        self._max_partial = max_partial
        self._streams: dict[tuple[Hashable, bytes], _Stream] = {}
        self._partial: dict[tuple[Hashable, bytes], _Stream] = {}
        self._partial_size = 0

    def receive(self, place: Hashable, frame: bytes, now: float) -> bytes | None:
        """Take a frame.

        Args:
            place: Where it has come, one for each subscription.
            now: Monotonic seconds.

        Returns:
            A message that is whole with it.

        Raises:
            PacketError: It is no frame.
        """
        if len(frame) < HEAD_SIZE or frame[0] > _Kind.MARK:
            raise PacketError("it is no frame")
        kind, sender, number = _HEAD.unpack_from(frame)
        key = (place, sender)
        stream = self._streams.get(key)
        if stream is None:
            stream = self._new_stream(key, number)
        elif number != stream.next:
            if number < stream.next:
                if kind == _Kind.MARK:  # it has never sent so many: somebody else has in its name
                    self._drop(key, stream)
                    stream.next = number
                return None  # it came twice, or was overtaken, and counts as lost already
            self._gap(key, stream, number)
        if kind == _Kind.MARK:
            return None
        stream.next = number + 1
        if kind == _Kind.WHOLE:
            if stream.parts:  # the sender has begun anew after a new connection
                self._drop(key, stream)
            return frame[HEAD_SIZE:]
        return self._part(key, stream, kind, frame[HEAD_SIZE:], now)

    def _new_stream(self, key: tuple[Hashable, bytes], number: int) -> _Stream:
        if len(self._streams) >= MAX_STREAMS:
            oldest = next(iter(self._streams))
            self._drop(oldest, self._streams.pop(oldest))
        stream = self._streams[key] = _Stream(number)
        return stream

    def _gap(self, key: tuple[Hashable, bytes], stream: _Stream, number: int) -> None:
        missing = number - stream.next
        stream.next = number
        self._drop(key, stream)
        self._lost(key[0], f"NATS has lost {missing} messages of another process, or parts of one")

    def _part(
        self, key: tuple[Hashable, bytes], stream: _Stream, kind: int, body: bytes, now: float
    ) -> bytes | None:
        if kind == _Kind.FIRST:
            self._drop(key, stream)
            stream.began = now
            self._partial[key] = stream
        elif not stream.parts:
            return None  # of a message whose beginning was lost, or came before this one listened
        stream.parts.append(body)
        stream.size += len(body)
        self._partial_size += len(body)
        if kind == _Kind.LAST:
            message = b"".join(stream.parts)
            self._drop(key, stream)
            return message
        while self._partial_size > self._max_partial:
            oldest = next(iter(self._partial))
            self._drop(oldest, self._partial[oldest])
            self._lost(oldest[0], "a message of another process is too large")
        return None

    def _drop(self, key: tuple[Hashable, bytes], stream: _Stream) -> None:
        """Forget the parts that are there."""
        if self._partial.pop(key, None) is not None:
            self._partial_size -= stream.size
        stream.parts = []
        stream.size = 0

    def expire(self, now: float) -> None:
        """Give up messages whose rest does not come; to be called every few seconds."""
        while self._partial:
            oldest, stream = next(iter(self._partial.items()))
            if now - stream.began <= PATIENCE:
                return
            self._drop(oldest, stream)
            self._lost(oldest[0], "the rest of a large message of another process did not come")

    def forget(self, place: Hashable) -> None:
        """Nobody listens there any more."""
        for key in [key for key in self._streams if key[0] == place]:
            self._drop(key, self._streams.pop(key))
