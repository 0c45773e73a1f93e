"""Behind a proxy: whose word counts for the address and for TLS, and that nobody else's does."""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
from typing import TYPE_CHECKING, Any

import pytest

from sockwave import RateLimits, Server
from sockwave.engine import RateLimitCounts, Response
from tests.support.apps import echo_engine
from tests.support.raw import RawHttp, RawWebSocket, check_switched, until, within

if TYPE_CHECKING:
    from sockwave import Request, Socket
    from tests.support.fronts import Front, Wire

CLIENT = "198.51.100.1"
PROXY = "10.0.0.2"


async def handshake_of(
    front: Front, transport: str, headers: dict[str, str], **options: Any
) -> Any:
    """Connect with these headers; address and `secure` as the socket has them."""
    io = Server(**options)
    seen: list[tuple[str, bool]] = []

    @io.on("connection")
    def connection(socket: Socket) -> None:
        seen.append((socket.handshake.address, socket.handshake.secure))

    async with front.serve(io) as wire:
        await open_with(wire, transport, headers)
        await until(lambda: seen)
    return seen[0]


async def open_with(wire: Wire, transport: str, headers: dict[str, str]) -> None:
    """Open a session with these headers, and join the main namespace."""
    http = await wire.http()
    if transport == "polling":
        first = await http.request("GET", wire.target(), headers)
        assert first.status == 200, first
        sid = json.loads(first.text.removeprefix("0"))["sid"]
        assert (await http.post(wire.target(sid=sid), "40")).status == 200
    else:
        request = {**RawWebSocket.request_headers(), **headers}
        check_switched(await http.request("GET", wire.target("websocket"), request), request)
        RawWebSocket(http).send("40")


FORWARDED = {"X-Forwarded-For": f"192.0.2.66, {CLIENT}, {PROXY}", "X-Forwarded-Proto": "https"}
BEHIND = ["127.0.0.1", "10.0.0.0/8"]


async def test_client_of_a_trusted_proxy_is_seen(front: Front, transport: str) -> None:
    seen = await handshake_of(front, transport, FORWARDED, trusted_proxies=BEHIND)
    assert seen == (CLIENT, True)


@pytest.mark.parametrize("trusted", [(), ["192.0.2.1"], ["unix"]])
async def test_headers_of_others_mean_nothing(
    front: Front, transport: str, trusted: list[str]
) -> None:
    seen = await handshake_of(front, transport, FORWARDED, trusted_proxies=trusted)
    assert seen == ("127.0.0.1", False)


async def test_trusted_proxy_that_says_nothing_is_the_client(front: Front, transport: str) -> None:
    seen = await handshake_of(front, transport, {}, trusted_proxies=BEHIND)
    assert seen == ("127.0.0.1", False)


async def test_rubbish_gives_the_proxy_that_was_reached_last(front: Front) -> None:
    headers = {"X-Forwarded-For": f"<script>, {PROXY}", "X-Forwarded-Proto": "gopher"}
    seen = await handshake_of(front, "polling", headers, trusted_proxies=BEHIND)
    assert seen == (PROXY, False)


async def test_thousand_hops_are_taken(front: Front) -> None:
    headers = {"X-Forwarded-For": ", ".join([PROXY] * 1_000)}
    seen = await handshake_of(front, "polling", headers, trusted_proxies=BEHIND)
    assert seen == (PROXY, False)


async def test_middlewares_and_handlers_see_the_client(front: Front) -> None:
    engine, _ = echo_engine(trusted_proxies=BEHIND)
    seen: list[tuple[str, int] | None] = []

    @engine.use
    def look(request: Request) -> Response | None:
        seen.append(request.client)
        return Response(status=418)

    async with front.serve(engine) as wire:
        assert (await wire.request("GET", wire.target(), FORWARDED)).status == 418
    assert seen == [(CLIENT, 0)]


async def test_log_names_the_client(front: Front, caplog: pytest.LogCaptureFixture) -> None:
    engine, _ = echo_engine(trusted_proxies=BEHIND)
    async with front.serve(engine) as wire:
        assert (await wire.request("GET", wire.target("tobi"), FORWARDED)).status == 400
    lines = [line for line in caplog.messages if "refused" in line]
    assert len(lines) == 1 and lines[0].startswith(f"{CLIENT}: refused: Transport unknown: ")


@pytest.mark.unix
async def test_unix_socket_may_be_trusted(native: Front) -> None:
    engine, _ = echo_engine(trusted_proxies=["unix"])
    seen: list[tuple[str, int] | None] = []
    engine.on("connection", lambda session: seen.append(session.request.client))
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "s")
        async with engine.listen(unix_path=path):
            http = RawHttp(*await within(asyncio.open_unix_connection(path)))
            target = f"{engine.options.prefix}?EIO=4&transport=polling"
            assert (await http.request("GET", target, FORWARDED)).status == 200
            assert (await http.request("GET", target)).status == 200
            await http.close()
            for session in list(engine.sessions.values()):
                session.discard()
    assert seen == [(PROXY, 0), None]


# --- with rate limits ---------------------------------------------------------------------------


async def test_limits_hold_for_clients_and_not_for_the_proxy(front: Front) -> None:
    engine, _ = echo_engine(
        trusted_proxies=BEHIND,
        rate_limits=RateLimits(
            address_handshakes=0.001, burst=1_000, address_sessions=1, address_connections=1
        ),
    )
    async with front.serve(engine) as wire:
        for number in range(5):
            for status in (200, 429):
                headers = {"X-Forwarded-For": f"198.51.100.{number}"}
                assert (await wire.request("GET", wire.target(), headers)).status == status
        assert engine.rate_limit_counts == RateLimitCounts(address_sessions=5)


async def test_client_cannot_escape_its_limit_by_headers(front: Front) -> None:
    engine, _ = echo_engine(rate_limits=RateLimits(address_handshakes=0.001, burst=1_000))
    async with front.serve(engine) as wire:
        for number, status in enumerate((200, 429, 429)):
            headers = {"X-Forwarded-For": f"198.51.100.{number}"}
            assert (await wire.request("GET", wire.target(), headers)).status == status


async def test_addresses_of_one_network_of_ipv6_are_one(front: Front) -> None:
    engine, _ = echo_engine(
        trusted_proxies=BEHIND, rate_limits=RateLimits(address_handshakes=0.001, burst=1_000)
    )
    async with front.serve(engine) as wire:
        for host, status in (("0::1", 200), ("0:1:2:3:4", 429), ("1::1", 200), ("1::2", 429)):
            headers = {"X-Forwarded-For": f"2001:db8:0:{host}"}
            assert (await wire.request("GET", wire.target(), headers)).status == status
