"""Requests in an ASGI server whose sessions other processes have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sockwave.engine.server.exchange import PLAIN
from sockwave.engine.server.fronts.asgi_http import send_answer
from sockwave.engine.server.fronts.asgi_websocket import reject
from sockwave.engine.server.routing import HandOver
from sockwave.engine.server.rules.rates import RETRY_AFTER

if TYPE_CHECKING:
    from sockwave.engine.server.engine import EngineServer
    from sockwave.engine.server.fronts.asgi_scope import Receive, Scope, Send
    from sockwave.engine.server.routing import Relay

__all__ = ["carried"]

_BUSY = b"the process of this session does not answer"


async def carried(
    engine: EngineServer, relay: Relay, sid: bytes, scope: Scope, receive: Receive, send: Send
) -> bool:
    """Have a request answered where its session is; False leaves it to this process, which knows
    nothing of that session."""
    outcome = await relay.relay(sid, scope, receive, send)
    if outcome is HandOver.BUSY:
        engine.peer_log.info(scope.get("client"), "refused:", _BUSY.decode())
        headers = [*PLAIN, ("Retry-After", str(RETRY_AFTER))]
        if scope["type"] == "http":
            await send_answer(scope, send, 503, headers, _BUSY, is_last=True)
        else:
            await receive()  # websocket.connect
            await reject(scope, send, 503, headers, _BUSY)
    return outcome is not HandOver.GONE
