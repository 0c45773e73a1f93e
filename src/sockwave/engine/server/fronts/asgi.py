"""The ASGI front end: an engine inside any ASGI server. ASGI's dicts stop here.

The host owns sockets and framing; here are the same exchanges and the same transport contract as on
the native listener, on a task per connection instead of a protocol object.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from sockwave.debug import known
from sockwave.engine.server.fronts.asgi_http import serve_http
from sockwave.engine.server.fronts.asgi_relay import carried
from sockwave.engine.server.fronts.asgi_scope import AsgiApp, Receive, Scope, Send, path_below_root
from sockwave.engine.server.fronts.asgi_websocket import serve_websocket
from sockwave.engine.server.routing import session_in

if TYPE_CHECKING:
    from sockwave.engine.server.engine import EngineServer
    from sockwave.engine.server.fronts.asgi_scope import Message
    from sockwave.engine.server.fronts.ports import Served

__all__ = ["AsgiApp", "Receive", "Scope", "Send", "serve", "wrap"]

_logger: Final = logging.getLogger("sockwave.engine")


def wrap(served: Served, app: AsgiApp) -> AsgiApp:
    """Send requests under the engine's path to it, and everything else to the application."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        engine = served.engine
        if scope["type"] == "lifespan":
            if await _begun(engine, receive, send):
                await app(scope, _closing_first(served, receive), send)
        elif engine.is_ours(path_below_root(scope)):
            await serve(served, scope, receive, send)
        else:
            await app(scope, receive, send)

    return wrapped


def _closing_first(served: Served, receive: Receive) -> Receive:
    """End all sessions before the application shuts down."""

    async def closing_receive() -> Message:
        message = await receive()
        if message["type"] == "lifespan.shutdown":
            await served.close()
        return message

    return closing_receive


async def serve(served: Served, scope: Scope, receive: Receive, send: Send) -> None:
    """Serve one ASGI connection."""
    engine = served.engine
    if scope["type"] == "lifespan":
        if await _begun(engine, receive, send):
            await _serve_lifespan(served, receive, send)
        return
    engine.driver.bind(asyncio.get_running_loop())
    relay = engine.relay
    if relay is not None:
        sid = session_in(scope.get("query_string", b""))
        if (
            sid is not None
            and relay.is_elsewhere(sid)
            and await carried(engine, relay, sid, scope, receive, send)
        ):
            return
    if scope["type"] == "http":
        await serve_http(engine, scope, receive, send)
    elif scope["type"] == "websocket":
        await serve_websocket(engine, scope, receive, send)


async def _begun(engine: EngineServer, receive: Receive, send: Send) -> bool:
    """Begin in the loop of this host; where that fails, the host is told not to serve."""
    try:
        engine.driver.bind(asyncio.get_running_loop())
    except OSError as error:
        _logger.error("cannot begin: %s", error, extra=known(reason=error))
        await receive()
        await send({"type": "lifespan.startup.failed", "message": str(error)})
        return False
    if engine.relay is not None:
        await engine.relay.wait_joined()
    if engine.elsewhere is not None:
        await engine.elsewhere.wait_joined()
    return True


async def _serve_lifespan(served: Served, receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        else:
            await served.close()
            await send({"type": "lifespan.shutdown.complete"})
            return
