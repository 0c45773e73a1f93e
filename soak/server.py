"""The server's part of the soak: handlers and counts, run inside the process that is watched."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from sockwave import Server, Socket

ROOMS: Final = 10

_came: Counter[str] = Counter()
_ended: Counter[str] = Counter()


async def install(io: Server) -> None:
    """Register the handlers that clients of the soak talk to."""

    @io.on("connection")
    def connection(socket: Socket) -> None:
        _came["sockets"] += 1
        socket.on("disconnect", lambda reason: _ended.update([str(reason)]))

        @socket.on("ask")
        def ask(*args: Any) -> tuple[Any, ...]:
            _came["questions"] += 1
            return args

        @socket.on("room")
        def room(name: str) -> int:
            """Join or leave, and tell everybody in it."""
            if name in socket.rooms:
                socket.leave(name)
            else:
                socket.join(name)
            io.to(name).emit("moved", name, b"\x00\x01")
            return len(socket.rooms)


async def report(io: Server) -> dict[str, Any]:
    """What has come, and how sockets ended."""
    return {"came": dict(_came), "ended": dict(_ended)}
