"""How much may be on its way on a QUIC connection, in both directions."""

from __future__ import annotations

from typing import Final

__all__ = ["CONNECTION_WINDOW", "FULL", "MAX_DATAGRAM_FRAME", "ROOM", "WINDOW"]

WINDOW: Final = 256 * 1024
"""Bytes that a peer may send on a stream beyond what was taken: at 50 ms there and back that is 5
MB a second, and no more than this of a peer is ever held before its frames are read."""

CONNECTION_WINDOW: Final = 2 * WINDOW
"""The same of all streams of a connection together."""

FULL: Final = 262_144
"""Bytes not confirmed by the peer, above which nothing more is written: the library would keep any
amount. With what is written at once it is the most that a stalled peer costs here."""

ROOM: Final = FULL // 2
"""Bytes below which it can be written again."""

MAX_DATAGRAM_FRAME: Final = 65_536
"""HTTP/3 asks for datagrams where there is WebTransport, though Engine.IO uses none."""
