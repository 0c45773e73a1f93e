"""What a server has of frames that are not whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sockwave.engine.server.transports.websocket import WebSocketTransport

if TYPE_CHECKING:
    from sockwave import Server


async def begun(io: Server) -> int:
    """Bytes of frames that have begun."""
    readers = [
        connection._reader
        for connection in io.engine.driver.connections
        if isinstance(connection, WebSocketTransport)
    ]
    return sum(len(reader._buffer or b"") for reader in readers)
