"""What the tests of WebSocket framing share: a recording handler and a peer that writes raw frames.

Frames are built here by hand, so that the reader is not tested against our own writer.
"""

from __future__ import annotations

import gc
import sys
import tracemalloc
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self, TypeAlias

from sockwave.codec.message_reader import MessageReader
from sockwave.errors import WebSocketError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sockwave.codec.deflate import PerMessageDeflate

Event: TypeAlias = tuple[str, bytes] | tuple[str, int, str]

MASK_KEY = bytes.fromhex("37fa213d")
"""Of the examples in RFC 6455 section 5.7."""


class RecordingHandler:
    """Keeps what a reader tells it, in order."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    @property
    def receiver(self) -> Self:
        """Of messages."""
        return self

    def text_received(self, data: bytes) -> None:
        self.events.append(("text", data))

    def binary_received(self, data: bytes) -> None:
        self.events.append(("binary", data))

    def ping_received(self, data: bytes) -> None:
        self.events.append(("ping", data))

    def pong_received(self, data: bytes) -> None:
        self.events.append(("pong", data))

    def close_received(self, code: int, reason: str) -> None:
        self.events.append(("close", code, reason))


def xor_mask(payload: bytes, key: bytes = MASK_KEY) -> bytes:
    """RFC 6455 section 5.3, octet by octet."""
    return bytes(octet ^ key[at % 4] for at, octet in enumerate(payload))


def raw_frame(
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    rsv: int = 0,
    masked: bool,
    length_form: int | None = None,
) -> bytes:
    """Build any frame, also a forbidden one.

    Args:
        rsv: The three reserved bits, RSV1 is 4.
        length_form: Octets of the extended length: 0, 2 or 8; None for the shortest.
    """
    length = len(payload)
    if length_form is None:
        length_form = 0 if length < 126 else 2 if length < 65536 else 8
    head = bytes([fin << 7 | rsv << 4 | opcode])
    short = {0: length, 2: 126, 8: 127}[length_form]
    head += bytes([masked << 7 | short])
    if length_form:
        head += length.to_bytes(length_form, "big")
    return head + (MASK_KEY + xor_mask(payload) if masked else payload)


@dataclass(frozen=True)
class Connection:
    """One side of a connection: what its peer sends, and what it reads from that."""

    is_server: bool

    def frame(self, opcode: int, payload: bytes = b"", *, fin: bool = True, rsv: int = 0) -> bytes:
        """A frame of the peer, masked as its role demands."""
        return raw_frame(opcode, payload, fin=fin, rsv=rsv, masked=self.is_server)

    def text(self, payload: bytes, *, fin: bool = True, rsv: int = 0) -> bytes:
        return self.frame(1, payload, fin=fin, rsv=rsv)

    def more(self, payload: bytes, *, fin: bool = False, rsv: int = 0) -> bytes:
        """A continuation."""
        return self.frame(0, payload, fin=fin, rsv=rsv)

    def reader(
        self,
        handler: RecordingHandler,
        *,
        max_message: int = 1_000_000,
        deflate: PerMessageDeflate | None = None,
    ) -> MessageReader:
        return MessageReader(
            handler, is_server=self.is_server, max_message=max_message, deflate=deflate
        )

    def read(
        self,
        *wire: bytes,
        max_message: int = 1_000_000,
        deflate: PerMessageDeflate | None = None,
    ) -> list[Event]:
        """Feed each piece; return what the reader made of them."""
        handler = RecordingHandler()
        reader = self.reader(handler, max_message=max_message, deflate=deflate)
        for piece in wire:
            assert not reader.feed(piece)
        return handler.events

    def failure(
        self,
        *wire: bytes,
        max_message: int = 1_000_000,
        deflate: PerMessageDeflate | None = None,
    ) -> tuple[list[Event], int]:
        """Feed pieces of which the last one must fail; return what came before, and the code."""
        handler = RecordingHandler()
        reader = self.reader(handler, max_message=max_message, deflate=deflate)
        for piece in wire[:-1]:
            assert not reader.feed(piece)
        try:
            reader.feed(wire[-1])
        except WebSocketError as error:
            return handler.events, error.code
        raise AssertionError(f"no failure, but {handler.events!r}")


def chopped(wire: bytes, size: int = 1) -> list[bytes]:
    """Split as a slow network would."""
    return [wire[at : at + size] for at in range(0, len(wire), size)]


class PeakMemory:
    """Bytes allocated at most since the measurement began."""

    peak = 0


@contextmanager
def peak_memory() -> Iterator[PeakMemory]:
    result = PeakMemory()
    # What other threads allocate counts as well, such as that by which pytest-xdist gets its tests.
    interval = sys.getswitchinterval()
    sys.setswitchinterval(60.0)
    # And so does the end of what earlier tests have left to the collector.
    gc.collect()
    gc.disable()
    tracemalloc.start()
    try:
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        yield result
        result.peak = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
        gc.enable()
        sys.setswitchinterval(interval)
