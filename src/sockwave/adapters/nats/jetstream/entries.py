"""Entries of a stream of NATS, and their places.

The messages of a stream have sequence numbers, which begin anew when the stream is made anew, as by
a NATS that has forgotten all. An offset from before must not seem to be one of now: so a place
begins with the time at which the stream was made, and those of a later one are behind it. They look
as those of Redis streams do, by which clients of ours know them.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final

from sockwave.adapters.messages import Message, decode_message
from sockwave.adapters.streams.positions import PART
from sockwave.errors import PacketError

if TYPE_CHECKING:
    from sockwave.types import NamespaceName

__all__ = ["JetStreamEntry", "Places"]

_BITS: Final = 30
"""Of the second part of a place, which has ten digits then; what is more goes into the first."""

_LOW: Final = 2**_BITS


class Places:
    """Places in one stream.

    Args:
        created: When it was made, as NATS tells it.

    Raises:
        ValueError: That is no time.
    """

    def __init__(self, created: str) -> None:
        self.created = created
        if created[10:11] != "T":
            raise ValueError("no time")
        seconds = datetime.fromisoformat(f"{created[:19]}+00:00").timestamp()
        digits = created[20:23] if created[19:20] == "." else ""
        milliseconds = "".join(digit for digit in digits if digit.isdigit())
        self._base = int(seconds) * 1000 + int(milliseconds.ljust(3, "0") or "0")

    def position(self, sequence: int) -> int:
        """The place of a message."""
        return (self._base + (sequence >> _BITS)) * PART + (sequence & (_LOW - 1))

    def sequence(self, position: int) -> int:
        """The first message that is at a place or behind it."""
        high, low = divmod(position, PART)
        if high < self._base:
            return 1
        if low >= _LOW:
            high, low = high + 1, 0
        return max(((high - self._base) << _BITS) + low, 1)


class JetStreamEntry:
    """One that was read; see `Entry`.

    Args:
        position: Its place.
        namespace: By its subject.
        data: As it was written.
    """

    __slots__ = ("_data", "_error", "_message", "namespace", "position")

    def __init__(self, position: int, namespace: NamespaceName, data: bytes) -> None:
        self.position: int = position
        self.namespace: str | None = namespace
        self._data = data
        self._message: Message | None = None
        self._error: PacketError | None = None

    @property
    def sender(self) -> bytes:
        """Who has written it; nobody where it is no message."""
        message = self._decoded()
        return b"" if message is None else message.sender.encode("utf-8", "replace")

    @property
    def number(self) -> int | None:
        """Counts the messages of its sender; None of emitters, and where it is no message."""
        message = self._decoded()
        return None if message is None else message.number

    def message(self) -> Message:
        """What it says.

        Raises:
            PacketError: It is no message.
        """
        message = self._decoded()
        if message is None:
            raise self._error or PacketError("invalid payload")
        return message

    def _decoded(self) -> Message | None:
        if self._message is None and self._error is None:
            try:
                self._message = decode_message(self._data, self.namespace)
            except PacketError as error:
                self._error = error
        return self._message
