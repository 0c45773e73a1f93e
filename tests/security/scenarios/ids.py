"""Ids as a server makes them, in workers too: `python -m tests.security.scenarios.ids COUNT`."""

from __future__ import annotations

import os
import random
import sys
from typing import Final

from sockwave import Server
from sockwave.types import SocketId

WORKERS: Final = 4


def main() -> None:
    """Print so many ids, a share by each of some workers that begin in the same state."""
    count = int(sys.argv[1]) // WORKERS
    io = Server()
    random.seed(1)
    for _ in range(WORKERS):
        worker = os.fork()
        if not worker:
            sys.stdout.write("".join(f"{io.new_socket_id()}\n" for _ in range(count)))
            sys.stdout.flush()
            os._exit(0)
        os.waitpid(worker, 0)  # the parent makes no ids: the next one begins in the same state


async def join_the_room_of(io: Server, intruder: str, victim: str) -> str:
    """Let a socket enter the room of another one's id; the name of what is raised."""
    try:
        io.sockets[SocketId(intruder)].join("before", victim)
    except ValueError as error:
        return type(error).__name__
    return ""


async def put_into_the_room_of(io: Server, intruder: str, victim: str) -> str:
    """Do the same from outside."""
    try:
        io.in_(intruder).sockets_join(victim)
    except ValueError as error:
        return type(error).__name__
    return ""


async def emit_to(io: Server, room: str, event: str) -> None:
    """Emit to a room."""
    io.to(room).emit(event)


async def rooms(io: Server, sid: str) -> list[str]:
    """Rooms of a socket, by its id."""
    return sorted(io.sockets[SocketId(sid)].rooms)


if __name__ == "__main__":
    main()
