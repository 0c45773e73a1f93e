"""What a peer says of its session beside the stream: capsules (RFC 9297 section 3.2)."""

from __future__ import annotations

from typing import Final

from aioquic._buffer import Buffer, BufferReadError
from aioquic.buffer import encode_uint_var

__all__ = ["CapsuleReader", "encode_close"]

_CLOSE_SESSION: Final = 0x2843
_MAX_REASON: Final = 1_024
"""Bytes of the words for an end (draft-ietf-webtrans-http3 section 6)."""

_MAX_CLOSE: Final = 4 + _MAX_REASON


def encode_close(code: int, reason: str) -> bytes:
    """End a session.

    Args:
        code: Of the application.
        reason: The same in words; cut where they are too long.
    """
    words = reason.encode()[:_MAX_REASON].decode(errors="ignore").encode()
    body = code.to_bytes(4, "big") + words
    return encode_uint_var(_CLOSE_SESSION) + encode_uint_var(len(body)) + body


class CapsuleReader:
    """Finds the end of a session, and skips everything else, however long it is."""

    __slots__ = ("_held", "_skipping")

    def __init__(self) -> None:
        self._held = b""
        self._skipping = 0

    def feed(self, data: bytes) -> int | None:
        """Take what came; give the code with which the session ends, if it does."""
        if self._skipping:
            skipped = min(self._skipping, len(data))
            self._skipping -= skipped
            data = data[skipped:]
        self._held += data
        while self._held:
            buffer = Buffer(data=self._held)
            try:
                kind, size = buffer.pull_uint_var(), buffer.pull_uint_var()
            except BufferReadError:
                return None
            begin, end = buffer.tell(), buffer.tell() + size
            if kind != _CLOSE_SESSION or size > _MAX_CLOSE:
                self._skipping = max(end - len(self._held), 0)
                self._held = self._held[end:]
            elif len(self._held) < end:
                return None
            else:
                body, self._held = self._held[begin:end], b""
                return int.from_bytes(body[:4], "big")
        return None
