"""The ways to put a server on a port, inside the running loop."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import uvicorn

from sockwave.engine.server.fronts.hosting import hosted_server
from tests.support.doors import Doors

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sockwave.engine.server.fronts.asgi import Receive, Scope, Send
    from sockwave.engine.server.fronts.serving import Servable

__all__ = ["FRONTS", "all_ended", "serving"]

FRONTS = ("native", "hosted", "asgi", "workers")

_ending: list[asyncio.Task[None]] = []
"""Those of uvicorn on their way out: each sleeps for 0.1 seconds, in which the next test begins."""


async def plain_app(scope: Scope, receive: Receive, send: Send) -> None:
    """An application that has everything else on the port."""
    if scope["type"] == "lifespan":
        while (await receive())["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"the application"})


@asynccontextmanager
async def serving(servable: Servable, front: str) -> AsyncIterator[str]:
    """Serve on a free port of 127.0.0.1, until the block ends.

    Args:
        front: `native`: the own listener; `hosted`: what `run(app=...)` does; `asgi`: as the
            application of a plain uvicorn; `workers`: as one of three workers of a port,
            where clients connect to the others.
    """
    if front == "native":
        async with servable.listen() as listener:
            yield listener.url
        return
    if front == "workers":
        servable.engine.driver.bind(asyncio.get_running_loop())
        doors = Doors(servable.engine)
        async with doors.open():
            try:
                yield f"http://127.0.0.1:{doors.port}"
            finally:
                await servable.close()
        return
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{sock.getsockname()[1]}"
    options: dict[str, Any] = {"log_level": "warning"}
    if front == "hosted":
        server = hosted_server(servable, plain_app, sock, None, options)
    else:
        server = uvicorn.Server(uvicorn.Config(servable, **options))
    stop = asyncio.Event()

    async def wait_for_stop() -> None:
        await server.on_tick(0)
        await stop.wait()

    server.main_loop = wait_for_stop  # type: ignore[method-assign] # it looks every 0.1 s only
    server.capture_signals = nullcontext  # type: ignore[assignment,method-assign] # they are pytest's here
    running = asyncio.create_task(server.serve(sockets=[sock]))
    while not server.started and not running.done():
        await asyncio.sleep(0.001)
    try:
        yield url
    finally:
        await servable.close()
        if front == "asgi":
            # It fails for a WebSocket in the middle of its closing handshake.
            for _ in range(30):
                if not server.server_state.connections:
                    break
                await asyncio.sleep(0.005)
        stop.set()
        _ending.append(running)
        if len(_ending) > 2:
            await _ending.pop(0)


async def all_ended() -> None:
    """Wait for the servers of earlier tests."""
    while _ending:
        await _ending.pop(0)
