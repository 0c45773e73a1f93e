"""What the application sees of a client, when it looks."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sockwave import Server, Socket


def _only(io: Server, socket_id: str) -> Socket:
    return next(socket for socket in io.sockets.values() if socket.id == socket_id)


async def auth(io: Server, socket_id: str) -> Any:
    """What came as `auth`, and whether the socket is one that came back."""
    socket = _only(io, socket_id)
    value = socket.handshake.auth
    if len(repr(value)) > 1_000:
        value = {name: len(text) for name, text in value.items()}
    return {"auth": value, "kind": type(value).__name__, "recovered": socket.recovered}


async def rooms(io: Server, socket_id: str) -> list[str]:
    """Rooms of a socket, but for its own."""
    return sorted(_only(io, socket_id).rooms - {socket_id})


async def request(io: Server, socket_id: str) -> dict[str, Any]:
    """Cookies, address and the like; and the processor time of reading the cookies."""
    handshake = _only(io, socket_id).handshake
    before = time.thread_time()
    cookies = handshake.cookies
    seconds = time.thread_time() - before
    return {
        "cookies": len(cookies),
        "longest": max(map(len, cookies.values()), default=0),
        "seconds": seconds,
        "address": handshake.address,
        "secure": handshake.secure,
        "forwarded": len(handshake.headers.get("x-forwarded-for", "")),
    }
