"""What an asyncio transport does differently on each event loop."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

__all__ = ["close_once", "end_writing"]


def close_once(tcp: asyncio.Transport) -> None:
    """Close a connection, unless it is closing.

    The second time breaks a TLS transport of asyncio: its methods raise AttributeError then.
    """
    if not tcp.is_closing():
        tcp.close()


def end_writing(tcp: asyncio.Transport) -> bool:
    """Half-close a connection, so that the peer can still read what was written.

    Returns:
        Whether it can be: not under TLS, and not when it is closing.
    """
    if not tcp.can_write_eof() or tcp.is_closing():
        return False
    with suppress(OSError):  # asyncio raises it here if the peer is gone, before it tells of that
        tcp.write_eof()
    return True
