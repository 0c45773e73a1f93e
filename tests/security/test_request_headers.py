"""Headers that take long to read, and that anybody can write: row D38."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from tests.security.ways import check_refused
from tests.support.raw import PollingPeer
from tests.support.yardstick import is_quick

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.security.judge import Target
    from tests.support.fronts import Wire

LOOK: Final = "tests.security.scenarios.looks.request"

LINEAR: Final = 0.02
"""Seconds of processor time for 15 kB; it is less than 1 ms."""

COOKIES: Final = {
    "many": ("; ".join(f"c{number}=v{number}" for number in range(1_000)), 1_000),
    "one": ("c=" + "x" * 15_000, 1),
    "quotes": ('a="b; ' * 2_500, 1),
    "backslashes": ('a="' + "\\" * 15_000, 1),
    "empty": (";" * 15_000, 0),
    "equal": ("=" * 15_000, 1),
    "spaces": (" " * 14_000 + "=", 1),
}


async def look(target: Target, wire: Wire, **headers: str) -> dict[str, Any]:
    """Open a session with headers; what the application sees of it.

    On polling: as a WebSocket a host of ASGI may not take lines of more than 8 KiB.
    """
    gets, posts = await wire.http(), await wire.http()
    first = await gets.get(wire.target(), **headers)
    assert first.status == 200
    peer = PollingPeer(gets, posts, wire.target(), first)
    socket_id = json.loads((await peer.connect()).removeprefix("40"))["sid"]
    seen: dict[str, Any] = await target.do(LOOK, socket_id=socket_id)
    await peer.send("1")
    return seen


async def test_d38_cookies_are_read_in_linear_time_when_asked_for(
    front: str, targets: Callable[..., Target]
) -> None:
    target = targets(front)
    async with target.attack() as attack:
        for kind, (cookie, count) in COOKIES.items():
            seen = await look(target, attack.wire, Cookie=cookie)
            assert seen["cookies"] == count, kind
            assert is_quick(seen["seconds"], LINEAR), kind


async def test_d38_cookies_of_more_than_a_head_may_have_are_refused(
    listener: str, targets: Callable[..., Target]
) -> None:
    async with targets(listener).attack() as attack:
        wire = attack.wire
        check_refused(await wire.get(wire.target(), Cookie="a=" + "x" * 17_000), 431, "xxx")


HOPS: Final = ", ".join(f"10.0.{number // 250}.{number % 250}" for number in range(1_000))


async def test_d38_nobody_is_believed_unless_he_is_a_trusted_proxy(
    listener: str, targets: Callable[..., Target]
) -> None:
    """Under ASGI the host decides: uvicorn believes proxies of its own machine."""
    target = targets(listener)
    async with target.attack() as attack:
        for header in ("203.0.113.9", HOPS, "unix", "127.0.0.2", "::1", "<script>", "," * 9_000):
            seen = await look(
                target, attack.wire, X_Forwarded_For=header, X_Forwarded_Proto="https"
            )
            assert (seen["address"], seen["secure"]) == ("127.0.0.1", False)
            assert seen["forwarded"] == len(header)


TRUSTING: Final = {"trusted_proxies": ["127.0.0.1", "10.0.0.0/8"]}


async def test_d38_hops_are_read_from_the_end_and_not_without_a_bound(
    listener: str, targets: Callable[..., Target]
) -> None:
    target = targets(listener, **TRUSTING)
    async with target.attack() as attack:
        for header, address in (
            ("203.0.113.9", "203.0.113.9"),
            ("198.51.100.1, 203.0.113.9, 10.0.0.1", "203.0.113.9"),
            (f"{HOPS}, 203.0.113.9, 10.1.2.3", "203.0.113.9"),
            ("203.0.113.9, <script>", "127.0.0.1"),
            ("203.0.113.9, rubbish, 10.0.0.7", "10.0.0.7"),
            ("," * 9_000, "127.0.0.1"),
        ):
            seen = await look(
                target, attack.wire, X_Forwarded_For=header, X_Forwarded_Proto="https"
            )
            assert seen["address"] == address, header[:40]
            assert seen["secure"]
        seen = await look(target, attack.wire, X_Forwarded_For=f"203.0.113.9, {HOPS}")
        assert seen["address"].startswith("10.0.3.") and not seen["secure"]
