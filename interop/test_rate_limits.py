"""What a JavaScript client makes of rate limits: it hears of an error, and comes back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sockwave import RateLimits, Server

if TYPE_CHECKING:
    from interop.stage import Stage

pytestmark = pytest.mark.interop


async def test_client_that_is_refused_gets_a_connect_error(stage: Stage) -> None:
    io = Server(rate_limits=RateLimits(address_sessions=1))
    await stage.serve(io)
    await stage.connect()
    (error,) = await stage.client().next("connect_error")
    kind = "websocket" if stage.transport == "websocket" else "xhr poll"
    assert error["message"] == f"{kind} error"
    if stage.transport != "websocket":
        assert error["description"] == 429
    assert io.engine.rate_limit_counts.address_sessions == 1


async def test_client_that_sends_too_much_is_disconnected_and_comes_back(stage: Stage) -> None:
    io = Server(rate_limits=RateLimits(session_packets=0.02, burst=1_000.0))
    reasons: list[str] = []
    io.event("disconnect")(lambda socket, reason: reasons.append(reason))
    await stage.serve(io)
    client = await stage.connect(reconnection=True, reconnectionDelay=10)
    await client.run("for (let number = 0; number < 50; number++) socket.emit('echo', number)")
    (reason,) = await client.next("disconnect")
    assert reason in ("transport close", "transport error")
    await client.connected()
    assert reasons == ["rate limit exceeded"]
    assert io.engine.rate_limit_counts.session_packets == 1
