"""The contract between a session and what carries it, and the packets that pass between the two."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

from sockwave.codec.websocket import server_frame
from sockwave.types import DisconnectReason

if TYPE_CHECKING:
    from sockwave.engine.core.taking import Taken
    from sockwave.types import TransportName

__all__ = [
    "CONNECTION_LOST",
    "NOBODY",
    "SLICE",
    "FrameWriter",
    "Outgoing",
    "SharedPacket",
    "Transport",
    "TransportReceiver",
    "cut",
    "has_said_goodbye",
]

CONNECTION_LOST: Final = "connection lost"
"""Describes the end of a WebSocket whose peer has not said goodbye."""

SLICE: Final = 256 * 1024
"""Bytes that are handed to a transport at once: a ping can still overtake what comes after."""


_GOODBYE: Final = re.compile(r"(peer closed with (?!1005|1006)\d+)?")
"""A close frame without a code (1005) is one as well, but hosts tell a lost connection likewise."""


def has_said_goodbye(reason: DisconnectReason, description: str) -> bool:
    """Whether a peer has surely closed in an orderly way, so that what it sent before is meant."""
    is_closed = reason is DisconnectReason.TRANSPORT_CLOSE
    return is_closed and _GOODBYE.fullmatch(description) is not None


class SharedPacket:
    """A packet encoded once and handed to many sessions, or one that is not plain text.

    Its bytes are kept once, in the frame: the backlog of a client that does not read is made of
    these.

    Attributes:
        is_binary: Whether it is a binary message; else it is text.
        compress: Whether a transport may compress it.
        frame: The whole WebSocket frame, unmasked and uncompressed.
    """

    __slots__ = ("_head", "compress", "frame", "is_binary")

    def __init__(self, data: bytes, *, is_binary: bool = False, compress: bool = True) -> None:
        self.is_binary: bool = is_binary
        self.compress: bool = compress
        frame = server_frame(data, binary=is_binary)
        self.frame: bytes = frame
        self._head = len(frame) - len(data)

    @property
    def data(self) -> bytes:
        """A text packet with its type digit, in UTF-8, or the data of a binary message."""
        return self.frame[self._head :]

    @property
    def size(self) -> int:
        """Bytes of the data."""
        return len(self.frame) - self._head


Outgoing: TypeAlias = bytes | SharedPacket
"""A packet to send. Bare bytes are a text packet for this session alone: no object around it."""


def cut(packets: list[Outgoing], limit: int) -> tuple[int, int]:
    """How many packets make up so many bytes, or a few more, and how many bytes these are."""
    size = 0
    for count, packet in enumerate(packets, 1):
        size += len(packet) if isinstance(packet, bytes) else packet.size
        if size >= limit:
            return count, size
    return len(packets), size


class TransportReceiver(Protocol):
    """What a transport tells the session, or the probe, that it carries."""

    def text_received(self, packet: bytes) -> None:
        """A text packet with its type digit; UTF-8 not yet checked.

        Raises:
            TextEncodingError: It was read and is not UTF-8; the transport closes for it.
        """

    def binary_received(self, data: bytes) -> None:
        """A binary message."""

    def transport_writable(self, transport: Transport) -> None:
        """Packets can be written again."""

    def transport_closed(
        self, transport: Transport, reason: DisconnectReason, description: str
    ) -> None:
        """The transport has ended; called once, by whatever it ended."""


class FrameWriter(Protocol):
    """A connection that takes frames as they are."""

    def write(self, frame: bytes, /) -> None:
        """Send it."""


class Transport(Protocol):
    """What carries a session."""

    name: TransportName
    receiver: TransportReceiver

    @property
    def direct(self) -> FrameWriter | None:
        """What takes the frame of a shared packet as `write` would; None without such a way, or
        no room."""

    @property
    def slice(self) -> int:
        """Bytes of one `write` after which the rest of a long queue should wait for the next."""

    @property
    def is_writable(self) -> bool:
        """Whether `write` may be called now: a poll is waiting, or the socket's buffer has room."""

    def write(self, packets: list[Outgoing]) -> None:
        """Send packets in order, all of them."""

    def buffered(self) -> int:
        """Bytes written that this process still holds."""

    def progress(self) -> Taken:
        """How far the peer is with what was written."""

    def close(self) -> None:
        """End in an orderly way, after what was written; `transport_closed` may follow later."""

    def discard(self) -> None:
        """End now and tell nobody: the session has moved on, or the server stops."""

    def pause_reading(self) -> None:
        """Take nothing more from the peer until `resume_reading`."""

    def resume_reading(self) -> None:
        """Go on."""


class _Nobody:
    """Does nothing with anything."""

    def text_received(self, packet: bytes) -> None: ...

    def binary_received(self, data: bytes) -> None: ...

    def transport_writable(self, transport: Transport) -> None: ...

    def transport_closed(
        self, transport: Transport, reason: DisconnectReason, description: str
    ) -> None: ...


NOBODY: Final[TransportReceiver] = _Nobody()
"""Receiver of a transport that carries nothing yet, or nothing any more."""
