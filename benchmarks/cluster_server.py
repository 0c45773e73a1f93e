"""The server of `benchmarks.cluster`, which says on which port: `... [WORKERS]`."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Final

from benchmarks.server import make_server

if TYPE_CHECKING:
    from sockwave import Socket
    from sockwave.engine.server.fronts.ports import Listener

PING_INTERVAL: Final = 300.0
"""Seconds: no heartbeat falls into what is measured."""


def announce(listener: Listener) -> None:
    """Say where."""
    print(listener.port, flush=True)


def main() -> None:
    """Serve by so many workers, or in this process where none are asked for."""
    io = make_server(None, PING_INTERVAL)

    @io.on("connection")
    def connection(socket: Socket) -> None:
        def room() -> bool:
            socket.join("room")
            return True

        socket.on("pid", os.getpid)
        socket.on("room", room)
        socket.on("tell", lambda data: io.to("room").emit("told", data))

    workers = int(sys.argv[1]) if sys.argv[1:] else None
    io.run(port=0, workers=workers, on_listening=announce)


if __name__ == "__main__":
    main()
