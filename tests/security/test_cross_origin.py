"""Pages of other origins, and patterns that take long: rows D29, D30 and D37."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, Final

import pytest

from sockwave import Cors
from tests.security.pipeline import pipelined
from tests.security.settings import scaled
from tests.security.ways import check_refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.security.judge import Target
    from tests.support.fronts import Wire
    from tests.support.raw import Reply

PREFLIGHTS: Final = scaled(10_000, 2_000)

GOOD: Final = "https://good.example"
DEEP: Final = "https://a.good.example"

CORS: Final[dict[str, Any]] = {
    "origin": [GOOD],
    "patterns": [r"https://[a-z]+\.good\.example"],
    "credentials": True,
}
"""The server adds a pattern that takes long."""

ANYBODY: Final[dict[str, Any]] = {"origin": True, "credentials": True}

FOREIGN: Final = (
    "null",
    "NULL",
    "file://",
    "https://evil.example",
    "http://good.example",
    "https://good.example:8443",
    "https://good.example.",
    "https://GOOD.example",
    f"{GOOD}.evil.example",
    f"{DEEP}.evil.example",
    f"{DEEP}:1",
    f"{DEEP}/",
    f"https://evil.example/{DEEP}",
    f"https://evil.example#{DEEP}",
    f"https://evil.example@{GOOD}",
    "https://a.goodxexample",
    f"{GOOD}, {GOOD}",
    f"{GOOD} {DEEP}",
    "https://a.b.good.example",
    "*",
    "",
)


def cors_of(reply: Reply) -> dict[str, str]:
    """Headers that let a page read an answer."""
    return {name: value for name, value in reply.headers if name.startswith("access-control-")}


async def end(wire: Wire, handshake: Reply) -> None:
    """Close a session that a GET has opened."""
    assert handshake.status == 200
    sid = handshake.text.partition('"sid":"')[2].partition('"')[0]
    assert (await (await wire.http()).post(wire.target(sid=sid), "1")).text == "ok"


async def test_d29_preflights_of_foreign_origins_leave_nothing(
    front: str, targets: Callable[..., Target]
) -> None:
    async with targets(front, cors=CORS).attack() as attack:
        wire = attack.wire
        requests = [
            f"OPTIONS {wire.target()} HTTP/1.1\r\nHost: a\r\n"
            f"Origin: https://{secrets.token_hex(20)}.example\r\n"
            "Access-Control-Request-Method: POST\r\n\r\n".encode()
            for _ in range(PREFLIGHTS)
        ]
        answers = (await pipelined(wire, requests, b"\r\n\r\n")).lower()
        assert answers.count(b"http/1.1 204 ") == PREFLIGHTS
        assert answers.count(b"vary: origin\r\n") == PREFLIGHTS
        assert b"access-control-" not in answers and b".example" not in answers


async def test_d29_preflight_means_nothing_without_the_option(
    front: str, targets: Callable[..., Target]
) -> None:
    async with targets(front).attack() as attack:
        wire = attack.wire
        headers = {"Origin": GOOD, "Access-Control-Request-Method": "POST"}
        reply = await wire.request("OPTIONS", wire.target(), headers)
        check_refused(reply, 400, "good.example")
        assert cors_of(reply) == {}


async def test_d30_foreign_pages_get_no_headers_and_no_websocket(
    front: str, targets: Callable[..., Target]
) -> None:
    async with targets(front, cors=CORS).attack() as attack:
        wire = attack.wire
        for origin in FOREIGN:
            preflight = await wire.request("OPTIONS", wire.target(), {"Origin": origin})
            assert (preflight.status, preflight.header("vary")) == (204, "Origin")
            handshake = await wire.get(wire.target(), Origin=origin)
            refused = await wire.get(wire.target(sid="unknown"), Origin=origin)
            for reply in (preflight, handshake, refused):
                assert cors_of(reply) == {}, (origin, reply)
            await end(wire, handshake)
            reply = await wire.upgrade(wire.target("websocket"), Origin=origin)
            assert (reply.status, reply.body) == (403, b"Forbidden"), origin


async def test_d30_allowed_pages_get_their_own_origin(
    front: str, targets: Callable[..., Target]
) -> None:
    async with targets(front, cors=CORS).attack() as attack:
        wire = attack.wire
        for origin in (GOOD, DEEP):
            reply = await wire.get(wire.target(), Origin=origin)
            expected = {
                "access-control-allow-origin": origin,
                "access-control-allow-credentials": "true",
            }
            assert cors_of(reply) == expected
            assert reply.header("vary") == "Origin"
            await end(wire, reply)
            assert (await wire.upgrade(wire.target("websocket"), Origin=origin)).status == 101


async def test_d30_sandbox_is_nobody_also_where_everybody_is_allowed(
    front: str, targets: Callable[..., Target]
) -> None:
    async with targets(front, cors=ANYBODY).attack() as attack:
        wire = attack.wire
        reply = await wire.get(wire.target(), Origin="https://any.example")
        assert cors_of(reply)["access-control-allow-origin"] == "https://any.example"
        await end(wire, reply)
        reply = await wire.get(wire.target(), Origin="null")
        assert cors_of(reply) == {}
        await end(wire, reply)
        assert (await wire.upgrade(wire.target("websocket"), Origin="null")).status == 403


@pytest.mark.parametrize("origin", ["*", "null", ["*"], [GOOD, "null"]])
def test_d30_credentials_need_origins_that_are_somebody(origin: str | list[str]) -> None:
    with pytest.raises(ValueError, match="credentials need explicit origins"):
        Cors(origin=origin, credentials=True)


SLOW_MATCH: Final = "tests.security.scenarios.costs.slow_match"

LONGEST: Final = 255


def long_text(start: str, length: int) -> str:
    """What the slow patterns do not match, after long."""
    return start + "x" * (length - len(start))


async def test_d37_pattern_of_origins_sees_255_bytes_once(
    front: str, targets: Callable[..., Target]
) -> None:
    """A longer text would take minutes, and is not matched."""
    target = targets(front, cors=CORS)
    origin = long_text("https://slow", LONGEST)
    cost = min([await target.do(SLOW_MATCH, text=origin) for _ in range(3)])
    async with target.attack(stall=1.6 * cost + 0.02) as attack:
        wire = attack.wire
        handshake = await wire.get(wire.target(), Origin=origin)
        assert cors_of(handshake) == {}
        await end(wire, handshake)
        assert (await wire.upgrade(wire.target("websocket"), Origin=origin)).status == 403
        for length in (LONGEST + 1, 1_000, 7_000):
            origin = long_text("https://slow", length)
            handshake = await wire.get(wire.target(), Origin=origin)
            assert cors_of(handshake) == {}
            await end(wire, handshake)
            assert (await wire.upgrade(wire.target("websocket"), Origin=origin)).status == 403


async def test_d37_pattern_of_namespaces_sees_255_bytes_once(
    front: str, targets: Callable[..., Target], transport: str
) -> None:
    target = targets(front)
    name = long_text("/slow", LONGEST)
    cost = min([await target.do(SLOW_MATCH, text=name) for _ in range(3)])
    async with target.attack(stall=1.6 * cost + 0.02) as attack:
        peer = await attack.wire.open(transport)
        assert await peer.connect(name) == f'44{name},{{"message":"Invalid namespace"}}'
        await peer.send(f"40{long_text('/slow', LONGEST + 1)},")
        await peer.ended()
