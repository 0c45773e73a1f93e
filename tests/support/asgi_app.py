"""`app`: an echo server in front of an ASGI application, for any ASGI server to serve.

Prints what a test wants to know: the application's lifespan, and the ends of sockets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.apps import echo_server

if TYPE_CHECKING:
    from sockwave import Socket
    from sockwave.engine.server.fronts.asgi import Receive, Scope, Send


async def inner(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the path, and tell of the lifespan."""
    if scope["type"] == "lifespan":
        await receive()
        print("application starts")
        await send({"type": "lifespan.startup.complete"})
        await receive()
        print("application stops")
        await send({"type": "lifespan.shutdown.complete"})
    elif scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": scope["path"].encode()})
    else:
        await receive()
        await send({"type": "websocket.close", "code": 1000})


io, _ = echo_server()


@io.on("connection")
def connection(socket: Socket) -> None:
    """Tell of its end."""
    socket.on("disconnect", lambda reason, text: print(f"socket ends: {reason}"))


app = io.wrap(inner)
