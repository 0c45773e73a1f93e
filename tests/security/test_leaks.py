"""What clients leave behind who come, talk and go: nothing (Z9); and a strict interpreter (Z10)."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

from tests.security.judge import MB, Target
from tests.security.settings import scaled

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.fronts import Wire

LEAKS: Final = "tests.security.scenarios.leaks"
LIVES: Final = scaled(100_000, 600)
TOGETHER: Final = 20
GOING: Final = 5.0
"""Seconds that the last ones may take to go."""

HONEST: Final = 2
"""Sessions of the clients that are always there."""
LEFT: Final = 64 * 1024
"""Bytes that may be left of all of them."""


async def live(wire: Wire, transport: str) -> None:
    """Connect, join, ask, leave, go."""
    before = len(wire._clients)
    peer = await wire.open(transport)
    await peer.connect()
    await peer.send('421["join",["a","b"]]', '422["echo","hello"]', '423["leave",["a"]]')
    for number in (1, 2, 3):
        assert (await peer.receive()).startswith(f"43{number}")  # type: ignore[arg-type]
    await peer.send("41", "1")
    for client in wire._clients[before:]:
        await client.close()
    del wire._clients[before:]


async def crowd(target: Target, transport: str, lives: int) -> None:
    """Live so many lives, some at a time; each has connections of its own."""

    async def one_after_the_other() -> None:
        for _ in range(lives // TOGETHER):
            await live(target.wire(), transport)

    await asyncio.gather(*(one_after_the_other() for _ in range(TOGETHER)))


async def test_z9_nothing_is_left_of_clients_that_have_gone(
    front: str, transport: str, targets: Callable[..., Target]
) -> None:
    target = targets(front)
    runs = 2 * (LIVES // TOGETHER) * TOGETHER
    async with target.attack(peak=32 * MB, stall=0.5) as attack:
        for event in ("join", "echo", "leave"):
            attack.runs[event] = runs
        await target.do(f"{LEAKS}.traced")
        await crowd(target, transport, LIVES)
        before = await target.do(f"{LEAKS}.traced")
        await crowd(target, transport, LIVES)
        deadline = time.monotonic() + GOING
        while (left := await target.do(f"{LEAKS}.traced") - before) > LEFT:
            assert time.monotonic() < deadline, f"{left} bytes are left of {LIVES} clients"
            await asyncio.sleep(0.1)  # the last connections are on their way
        await target.do(f"{LEAKS}.stop")


async def test_z10_development_mode_has_nothing_to_warn_of(front: str, tmp_path: Path) -> None:
    with Target(front, tmp_path, python=("-X", "dev", "-W", "error")) as target:
        for transport in ("polling", "websocket"):
            await crowd(target, transport, 5 * TOGETHER)
        wire = target.wire()
        for transport in ("polling", "websocket"):
            peer = await wire.open(transport)
            await peer.connect()
            await peer.send('42["connect"]')
            await peer.ended()
        await wire.aclose()
        assert (await target.do("counts"))["sessions"] == HONEST
        for word in ("Warning", "Traceback", "ERROR", "Executing <"):
            assert word not in target.output, target.output
