"""A connection whose state cannot be passed on (TLS): its bytes are carried, both ways.

The worker that has accepted it does the encryption; the one that has its session gets one end of a
pair of sockets. Each direction holds back the other side when its own cannot keep up, and the end
of either is the end of both.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

__all__ = ["relay"]


class _Side(asyncio.Protocol):
    """One end; what comes goes to the other."""

    def __init__(self, ended: Callable[[], None]) -> None:
        self._ended = ended
        self.tcp: asyncio.Transport | None = None
        self.other: _Side | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The pair of sockets stands."""
        self.tcp = transport  # type: ignore[assignment] # uvloop's is no asyncio.Transport

    def data_received(self, data: bytes) -> None:
        """Pass on."""
        if self.other is not None and self.other.tcp is not None:
            self.other.tcp.write(data)

    def pause_writing(self) -> None:
        """This end is slow: read nothing more at the other."""
        if self.other is not None and self.other.tcp is not None:
            self.other.tcp.pause_reading()

    def resume_writing(self) -> None:
        """It has caught up."""
        tcp = None if self.other is None else self.other.tcp
        if tcp is not None and not tcp.is_closing():
            tcp.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """The other ends, too, after what it is owed."""
        other, self.other = self.other, None
        if other is not None and other.tcp is not None:
            other.tcp.close()
        self._ended()


async def relay(tcp: asyncio.Transport, inner: socket.socket, ended: Callable[[], None]) -> None:
    """Carry bytes between a connection and one end of a pair of sockets.

    Args:
        tcp: Paused.
        inner: It belongs to this function.
        ended: Called once for each of the two ends.

    Raises:
        OSError: The pair has gone already.
    """
    inner.setblocking(False)
    outside, inside = _Side(ended), _Side(ended)
    outside.other, inside.other = inside, outside
    outside.tcp = tcp
    tcp.set_protocol(outside)
    await asyncio.get_running_loop().connect_accepted_socket(lambda: inside, inner)
    if not tcp.is_closing():
        tcp.resume_reading()
    elif inside.tcp is not None:
        inside.tcp.close()
