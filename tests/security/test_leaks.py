"""What clients leave behind who come, talk and go: nothing (Z9); and a strict interpreter (Z10)."""

from __future__ import annotations

import asyncio
import itertools
import statistics
from typing import TYPE_CHECKING, Final

import pytest

from tests.security.judge import MB, SETTLE, Target, left_behind
from tests.security.settings import scaled
from tests.support.raw import until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.fronts import Wire

LEAKS: Final = "tests.security.scenarios.leaks"
LIVES: Final = scaled(20_000, 300)
"""Of a round."""
ROUNDS: Final = 6
TOGETHER: Final = 20
HONEST: Final = 2
"""Sessions of the clients that are always there."""
LEFT: Final = 0.5
"""Pieces of memory that a life may leave: less than one object."""


def slope(counts: list[int]) -> float:
    """What is added from one count to the next: the median over all pairs (Theil and Sen)."""
    pairs = itertools.combinations(enumerate(counts), 2)
    return statistics.median((b - a) / (j - i) for (i, a), (j, b) in pairs)


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
    """Tables grow and shrink with a crowd, so no two counts are the same: the slope tells."""
    target = targets(front)
    counts = await target.do("counts")
    async with target.attack(peak=32 * MB, stall=0.5) as attack:
        for event in ("join", "echo", "leave"):
            attack.runs[event] = ROUNDS * LIVES
        left = []
        for _ in range(ROUNDS):
            await crowd(target, transport, LIVES)
            await until(lambda: not left_behind(counts, target.call("counts")), SETTLE)
            left.append(await target.do(f"{LEAKS}.blocks"))
    assert slope(left) / LIVES < LEFT, f"after each {LIVES} lives: {left}"


def test_slope_is_that_of_most_rounds() -> None:
    assert slope([1_000, 1_300, 900, 1_100, 1_050]) < 100
    assert slope([0, 700, 1_000, 1_700, 2_000]) == pytest.approx(500, rel=0.1)


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
        for word in ("Warning", "Traceback", "ERROR"):  # how long turns take is judged elsewhere
            assert word not in target.output, target.output
