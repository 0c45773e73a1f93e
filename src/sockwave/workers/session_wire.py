"""What two workers say to each other of a WebTransport session, of which one has the QUIC
connection and the other one the session of ours.

Messages on a pair of sockets: a byte for the kind, four for the length, and the body. Bytes of the
stream go on as they come, whole or not; everything else is short.
"""

from __future__ import annotations

import asyncio
import struct
from enum import IntEnum
from typing import Final, Protocol

__all__ = ["Kind", "Pipe", "PipeOwner"]

LONGEST: Final = 65_536
"""Bytes of a message that is not of the stream."""

_HEAD: Final = struct.Struct("!BI")


class Kind(IntEnum):
    """What a message is. Either side sends `DATA`."""

    DATA = 0
    """Bytes of the stream."""
    CLOSE = 1
    """To the connection: end the session in order; four bytes of code, then words."""
    REFUSE = 2
    """To the connection: its client is not to have a session; words."""
    PAUSE = 3
    """To the connection: let the client send no more."""
    RESUME = 4
    """To the connection: let it go on."""
    TAKEN = 5
    """To the session: bytes that the client's machine has confirmed by now, of all; eight bytes."""
    LOST = 6
    """To the session: it has ended; the reason, a NUL, and words."""


class PipeOwner(Protocol):
    """Who hears the other worker."""

    def pipe_made(self) -> None:
        """It can be spoken to."""

    def message_received(self, kind: int, body: bytes) -> None:
        """It has said something; of the stream this may be a part of what it has sent at once."""

    def pipe_full(self, *, is_full: bool) -> None:
        """Much waits for it, or little again."""

    def pipe_lost(self) -> None:
        """It is gone, or this side has closed."""


class Pipe(asyncio.Protocol):
    """One end."""

    def __init__(self, owner: PipeOwner) -> None:
        self._owner = owner
        self._transport: asyncio.Transport | None = None
        self._kind = 0
        self._missing = 0
        self._held = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It stands."""
        self._transport = transport  # type: ignore[assignment] # uvloop's is no asyncio.Transport
        self._owner.pipe_made()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing comes any more."""
        self._transport = None
        self._owner.pipe_lost()

    def pause_writing(self) -> None:
        """The other is slow."""
        self._owner.pipe_full(is_full=True)

    def resume_writing(self) -> None:
        """It has caught up."""
        self._owner.pipe_full(is_full=False)

    def data_received(self, data: bytes) -> None:
        """Take messages apart."""
        at = 0
        while at < len(data) and self._transport is not None:
            if self._missing and self._kind == Kind.DATA:
                piece = data[at : at + self._missing]
                at += len(piece)
                self._missing -= len(piece)
                self._owner.message_received(Kind.DATA, piece)
                continue
            wanted = (self._missing or _HEAD.size) - len(self._held)
            self._held += data[at : at + wanted]
            at += wanted
            if at > len(data):
                return
            whole, self._held = bytes(self._held), bytearray()
            if self._missing:
                self._missing = 0
                self._owner.message_received(self._kind, whole)
                continue
            self._kind, self._missing = _HEAD.unpack(whole)
            if self._missing > LONGEST and self._kind != Kind.DATA:
                self.abort()
            elif not self._missing:
                self._owner.message_received(self._kind, b"")

    def say(self, kind: Kind, body: bytes = b"") -> None:
        """Send a message; nothing happens when the other is gone."""
        if self._transport is not None:
            self._transport.write(_HEAD.pack(kind, len(body)) + body)

    def waiting(self) -> int:
        """Bytes that the other worker's machine has not taken."""
        return 0 if self._transport is None else self._transport.get_write_buffer_size()

    def close(self) -> None:
        """End it, after what was said."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """End it now."""
        if self._transport is not None:
            self._transport.abort()
