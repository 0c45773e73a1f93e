"""python-socketio on uvicorn. Prints its port, and ends with its input."""

# mypy: disable-error-code="untyped-decorator"
# python-socketio has no types.

from __future__ import annotations

import asyncio
import socket
import sys
import time
from typing import Any

import socketio
import uvicorn

from benchmarks.server import resident_kilobytes

io: Any = socketio.AsyncServer(async_mode="asgi")


@io.event
async def echo(sid: str, data: Any) -> None:
    """Send it back."""
    await io.emit("echo", data, to=sid)


@io.event
async def ack(sid: str, data: Any) -> Any:
    """Acknowledge with it."""
    return data


@io.event
async def fanout(sid: str, data: Any) -> None:
    """Send it to all."""
    await io.emit("fanout", data)


@io.event
async def cpu(sid: str) -> float:
    """Processor time that this process has used."""
    return time.process_time()


@io.event
async def memory(sid: str) -> int:
    """What it takes."""
    return resident_kilobytes()


async def main() -> None:
    """Serve until the end of standard input."""
    with socket.create_server(("127.0.0.1", 0), backlog=4096) as sock:
        # Clients that are cut off would be tracebacks.
        config = uvicorn.Config(socketio.ASGIApp(io), log_level="critical", backlog=4096)
        server = uvicorn.Server(config)

        def stop() -> None:
            server.should_exit = server.force_exit = True

        loop = asyncio.get_running_loop()
        loop.add_reader(sys.stdin.fileno(), stop)
        sys.stdout.write(f"{sock.getsockname()[1]}\n")
        sys.stdout.flush()
        try:
            await server.serve(sockets=[sock])
        finally:
            loop.remove_reader(sys.stdin.fileno())


if __name__ == "__main__":
    import uvloop

    uvloop.run(main())
