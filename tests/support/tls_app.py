"""A server that tells whether its connections are encrypted."""

from __future__ import annotations

from sockwave import Server, Socket

io = Server()


@io.event
def is_secure(socket: Socket, text: str) -> tuple[str, bool]:
    """Echo, and tell."""
    return text, socket.handshake.secure
