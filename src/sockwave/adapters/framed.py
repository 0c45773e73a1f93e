"""Frames on the connections of `UnixDriver`: a length, a kind, and its fields as msgpack."""

from __future__ import annotations

import asyncio
import logging
import struct
from typing import Any, Final

import msgspec

from sockwave.debug import known

__all__ = ["Framed", "encode_frame"]

_logger: Final = logging.getLogger("sockwave.adapters")

MAX_FRAME: Final = 128 * 1024 * 1024
"""Bytes of a message from another process, which is one of ours."""

_HEAD: Final = struct.Struct("!IB")


def encode_frame(kind: int, fields: object) -> bytes:
    """A frame as it goes over the connection."""
    body = msgspec.msgpack.encode(fields)
    return _HEAD.pack(len(body), kind) + body


class Framed(asyncio.Protocol):
    """A connection between two processes of the same user that reads frames.

    Attributes:
        transport: None before it stands.
    """

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self._read = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It stands."""
        self.transport = transport  # type: ignore[assignment] # uvloop's is no asyncio.Transport

    def data_received(self, data: bytes) -> None:
        """Take whole frames."""
        read = self._read
        read += data
        at = 0
        while len(read) - at >= _HEAD.size:
            size, kind = _HEAD.unpack_from(read, at)
            if size > MAX_FRAME:
                self.broken("a frame is too large")
                return
            end = at + _HEAD.size + size
            if len(read) < end:
                break
            body = bytes(memoryview(read)[at + _HEAD.size : end])
            at = end
            try:
                self.frame_received(kind, msgspec.msgpack.decode(body))
            except (msgspec.MsgspecError, TypeError, ValueError) as error:
                self.broken(str(error))
                return
        del read[:at]

    def frame_received(self, kind: int, fields: Any) -> None:
        """Take a frame; what is raised because of its form ends the connection.

        Raises:
            TypeError, ValueError: It has the wrong form.
        """
        raise NotImplementedError

    def broken(self, why: str) -> None:
        """Cut it, since what comes makes no sense."""
        _logger.error("what another process says cannot be read: %s", why, extra=known(reason=why))
        self.abort()

    def abort(self) -> None:
        """Cut it."""
        if self.transport is not None:
            self.transport.abort()
