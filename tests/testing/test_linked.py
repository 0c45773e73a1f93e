"""The client without a port meets rate limits and proxies as any other."""

from __future__ import annotations

import asyncio
from typing import Literal

import pytest

from sockwave import RateLimits, Server, TransportError
from sockwave.testing import LinkedClient

TRANSPORTS: list[Literal["polling", "websocket"]] = ["polling", "websocket"]


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_client_that_sends_too_much_is_disconnected(
    transport: Literal["polling", "websocket"],
) -> None:
    io = Server(rate_limits=RateLimits(session_packets=0.005, burst=1_000.0))
    reasons: list[str] = []
    io.event("disconnect")(lambda socket, reason: reasons.append(reason))

    async def scenario() -> None:
        async with LinkedClient(io, transport=transport) as client:
            for _ in range(5):
                client.emit("event")
            assert await client.disconnected() in ("transport close", "transport error")

    asyncio.run(scenario())
    assert reasons == ["rate limit exceeded"]


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_client_of_a_proxy_has_its_own_address(
    transport: Literal["polling", "websocket"],
) -> None:
    io = Server(trusted_proxies=["10.0.0.1"], rate_limits=RateLimits(address_sessions=1))
    addresses: list[str] = []
    io.on("connection", lambda socket: addresses.append(socket.handshake.address))

    def client(host: str) -> LinkedClient:
        headers = {"X-Forwarded-For": host}
        return LinkedClient(io, transport=transport, headers=headers, address=("10.0.0.1", 5))

    async def scenario() -> None:
        async with client("198.51.100.1"), client("198.51.100.2"):
            with pytest.raises(TransportError, match="429"):
                async with client("198.51.100.1"):
                    pass

    asyncio.run(scenario())
    assert addresses == ["198.51.100.1", "198.51.100.2"]


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_client_may_ask_for_base64(transport: Literal["polling", "websocket"]) -> None:
    io = Server()
    io.event("echo")(lambda socket, *args: args)

    async def scenario() -> None:
        async with LinkedClient(io, transport=transport, query={"b64": "1"}) as client:
            assert await client.emit_with_ack("echo", b"\x01\x02") == b"\x01\x02"

    asyncio.run(scenario())
