"""Handshakes of Engine.IO and WebSocket that mean harm: origins, names, headers, sudden ends."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import pytest

from tests.security.requests import answers_to, event_runs, leave, polling
from tests.security.settings import COMPRESSED
from tests.security.ways import check_refused
from tests.support.raw import RawWebSocket, check_switched

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.security.judge import Target
    from tests.support.fronts import Wire
    from tests.support.raw import Reply

GOOD_ORIGIN: Final = "https://good.example"

EVIL_ORIGINS: Final = (
    "https://evil.example",
    "null",
    "https://good.example.evil.net",
    "http://good.example",
    "https://good.example:444",
    "https://good.example/",
    "https://GOOD.example",
    "https://good.example, https://evil.example",
)

NO_TRANSPORTS: Final = (
    "__proto__",
    "constructor",
    "__class__",
    "websocket\x00",
    "polling\x00",
    "",
    "POLLING",
    "PollingTransport",
)

LINGER: Final = struct.pack("ii", 1, 0)
"""Closing resets the connection."""


def allows(reply_headers: list[tuple[str, str]]) -> list[str]:
    """Headers that let a page read an answer."""
    return [name for name, _ in reply_headers if name.startswith("access-control-")]


# --- who may come ---------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"cors": GOOD_ORIGIN}])
async def test_v02_foreign_origin(
    front: str, options: dict[str, str], targets: Callable[..., Target]
) -> None:
    async with targets(front, **options).attack() as attack:
        wire = attack.wire
        for origin in EVIL_ORIGINS:
            reply = await wire.upgrade(wire.target("websocket"), Origin=origin)
            check_refused(reply, 403, origin)
            polling = await wire.get(wire.target("polling"), Origin=origin)
            assert (polling.status, allows(polling.headers)) == (200, [])
            await leave(wire, polling)


async def test_v02_origin_that_is_allowed(front: str, targets: Callable[..., Target]) -> None:
    async with targets(front, cors=GOOD_ORIGIN).attack() as attack:
        wire = attack.wire
        for origin in (GOOD_ORIGIN, None):
            headers = {} if origin is None else {"Origin": origin}
            assert (await wire.upgrade(wire.target("websocket"), **headers)).status == 101
            polling = await wire.get(wire.target("polling"), **headers)
            assert polling.header("access-control-allow-origin") == origin
            await leave(wire, polling)


async def test_v07_transport_that_is_none(front: str, targets: Callable[..., Target]) -> None:
    async with targets(front).attack() as attack:
        wire = attack.wire
        for name in NO_TRANSPORTS:
            for target in (
                wire.target(name),
                wire.target("polling") + f"&transport={quote(name)}",
            ):
                reply = await wire.get(target)
                check_refused(reply, 400, name or "transport=")
                assert reply.json() == {"code": 0, "message": "Transport unknown"}
                check_refused(await wire.upgrade(target), 400, name or "transport=")


async def test_v07_transport_missing_or_repeated(
    front: str, targets: Callable[..., Target]
) -> None:
    async with targets(front).attack() as attack:
        wire = attack.wire
        reply = await wire.get(wire.target(None))
        check_refused(reply, 400)
        assert reply.json() == {"code": 0, "message": "Transport unknown"}
        check_refused(await wire.upgrade(wire.target(None)), 400)
        # The last of two counts, as in the reference; the first is looked up nowhere.
        reply = await wire.get(wire.target("__proto__") + "&transport=polling")
        assert reply.status == 200
        await leave(wire, reply)


# --- sudden ends ----------------------------------------------------------------------------------


@pytest.mark.parametrize("waits", [False, True])
async def test_v06_reset_while_an_upgrade_is_refused(
    front: str, waits: bool, targets: Callable[..., Target]
) -> None:
    # A host keeps a few of its connections for some seconds.
    async with targets(front).attack() as attack:
        wire = attack.wire
        headers = RawWebSocket.request_headers()
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        target = wire.target("websocket", sid="A" * 20)
        request = f"GET {target} HTTP/1.1\r\nHost: a\r\n{lines}\r\n".encode()
        await asyncio.to_thread(reset_often, wire, request, waits, 1_000)


def reset_often(wire: Wire, request: bytes, waits: bool, times: int) -> None:
    """Send a request and reset the connection, at once or at the first byte of the answer."""
    for _ in range(times):
        with socket.create_connection((wire.host, wire.port), 5) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER)
            connection.sendall(request)
            if waits:
                assert connection.recv(1) == b"H"


# --- headers --------------------------------------------------------------------------------------

EXTENSIONS: Final = (
    "constructor",
    "__class__",
    "permessage-deflate; __init__=1",
    ",".join(["x"] * 7_000),
    "x;;;,,,",
    'permessage-deflate; server_max_window_bits="10',
    'permessage-deflate; server_max_window_bits="' + '\\"' * 100,
    f"permessage-deflate;{' ' * 8_000}={' ' * 4_000}x",
)

REPEATS: Final = 20


async def test_v22_extensions(native: str, targets: Callable[..., Target]) -> None:
    # Stall: 2 ms in the catalogue, and room for a slow machine. Elsewhere the host negotiates.
    async with targets(native, **COMPRESSED).attack(stall=0.008) as attack:
        wire = attack.wire
        for offer in EXTENSIONS * REPEATS:
            http = await wire.http()
            headers = RawWebSocket.request_headers(Sec_WebSocket_Extensions=offer)
            reply = await http.request("GET", wire.target("websocket"), headers)
            if reply.status != 400:  # which is what a malformed header may get
                check_switched(reply, headers)
            assert reply.header("sec-websocket-extensions") is None
            http.reset()


async def test_v22_more_offers_than_a_head_holds(
    native: str, way: str, targets: Callable[..., Target]
) -> None:
    async with targets(native, **COMPRESSED).attack(stall=0.008) as attack:
        attack.runs = event_runs(way)
        wire = attack.wire
        offers = ",".join(["x"] * 10_000)
        reply = await refused_upgrade(wire, [("Sec-WebSocket-Extensions", offers)], way)
        check_refused(reply, 431, "x,x")


SPACED: Final = (
    "Sec-WebSocket-Protocol",
    "Sec-WebSocket-Extensions",
    "Connection",
    "Accept-Encoding",
    "Cookie",
    "X-Forwarded-For",
    "Origin",
)


async def test_v23_header_with_a_long_gap(native: str, targets: Callable[..., Target]) -> None:
    target = targets(native, **COMPRESSED)
    async with target.attack(stall=0.008) as attack:
        for name in SPACED:
            short, long = [
                await time_of_gaps(target, attack.wire, name, size) for size in (1_000, 8_000)
            ]
            # Linear is eightfold at most, and in fact less; quadratic would be 64 times as much.
            assert long <= 8 * short, name


async def time_of_gaps(target: Target, wire: Wire, name: str, size: int) -> float:
    """Processor time of the server for 50 polls and 20 handshakes with a header like this."""
    value = f"a{' ' * size}b"
    peer = await wire.open_polling()
    before = await target.do("tests.security.scenarios.handshakes.processor_time")
    for _ in range(50):
        reply = await peer.posts.post(peer.target, "3", **{name.replace("-", "_"): value})
        assert reply.status in (200, 400)
    for _ in range(REPEATS):
        reply = await wire.upgrade(wire.target("websocket"), **{name.replace("-", "_"): value})
        assert reply.status in (101, 400, 403)
    spent = await target.do("tests.security.scenarios.handshakes.processor_time") - before
    await peer.send("1")
    assert isinstance(spent, float)
    return spent


async def test_v24_too_many_headers_before_the_upgrade(
    listener: str, way: str, targets: Callable[..., Target]
) -> None:
    async with targets(listener).attack() as attack:
        attack.runs = event_runs(way)
        many = [(f"X-{number}", "a") for number in range(200)]
        check_refused(await refused_upgrade(attack.wire, many, way), 431, "X-")


async def refused_upgrade(wire: Wire, more: list[tuple[str, str]], way: str) -> Reply:
    """Ask for a WebSocket, with `Upgrade` as the last header; the answer, and then the end."""
    headers = RawWebSocket.request_headers()
    upgrade = headers.pop("Upgrade")
    lines = [("Host", "a"), *headers.items(), *more, ("Upgrade", upgrade)]
    head = "".join(f"{name}: {value}\r\n" for name, value in lines)
    data = f"GET {wire.target('websocket')} HTTP/1.1\r\n{head}\r\n".encode()
    async with polling(wire) as peer:
        (reply,) = await answers_to(wire, data, way, peer=peer)
    return reply
