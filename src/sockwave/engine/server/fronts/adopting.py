"""A connection that another process has accepted, whose next request is for a session of ours."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from sockwave.engine.server.fronts.listener import HttpConnection

if TYPE_CHECKING:
    import socket

    from sockwave.engine.server.engine import EngineServer
    from sockwave.engine.server.fronts.shared_port import Host

__all__ = ["adopt"]


class AdoptedConnection(HttpConnection):
    """Begins with what the other process has read, before anything comes from the peer itself.

    Args:
        data: It.
        client: Host and port of the peer, where the socket does not tell.
    """

    __slots__ = ("_data",)

    def __init__(
        self,
        engine: EngineServer,
        host: Host | None,
        data: bytes,
        client: tuple[str, int] | None,
        *,
        is_secure: bool,
    ) -> None:
        super().__init__(engine, host, is_secure=is_secure)
        self._data = data
        self._reader.client = client

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is ours."""
        super().connection_made(transport)
        data, self._data = self._data, b""
        self.data_received(data)


async def adopt(
    engine: EngineServer,
    host: Host | None,
    sock: socket.socket,
    data: bytes,
    client: tuple[str, int] | None,
    *,
    is_secure: bool,
) -> None:
    """Serve a connection from here on.

    Args:
        host: Takes requests that are not the engine's.
        sock: Of the connection; it belongs to this function.

    Raises:
        OSError: The peer has gone.
    """
    sock.setblocking(False)
    await asyncio.get_running_loop().connect_accepted_socket(
        lambda: AdoptedConnection(engine, host, data, client, is_secure=is_secure), sock
    )
