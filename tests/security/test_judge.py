"""The judge finds what the catalogue forbids: each of its points, planted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.security.judge import ANSWERS
from tests.security.ways import connected

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.security.judge import Target

PLANTED = "tests.security.scenarios.planted"


async def test_nothing_done_passes(front: str, targets: Callable[..., Target]) -> None:
    async with targets(front).attack() as attack:
        pass
    assert min(report["answers"] for report in attack.reports.values()) >= ANSWERS


@pytest.mark.parametrize(
    ("planted", "arguments", "found"),
    [
        ("block", {"seconds": 1.0}, "a turn took 1.0"),
        ("hold", {"size": 20_000_000}, "memory grew by 1[89].. MB|memory grew by 2.* MB"),
        ("log", {"text": "ERROR sockwave.x failed"}, "failed"),
        ("log", {"text": "Task exception was never retrieved"}, "never retrieved"),
        ("log", {"text": "INFO sockwave.x 127.0.0.1: the same\n" * 10}, "the same"),
        ("keep_a_task", {}, "tasks"),
    ],
)
async def test_judge_finds(
    native: str,
    targets: Callable[..., Target],
    planted: str,
    arguments: dict[str, Any],
    found: str,
) -> None:
    target = targets(native, ack_timeout=59.0)  # spoilt for others
    with pytest.raises(AssertionError, match=found):
        async with target.attack(settle=0.3):
            await target.do(f"{PLANTED}.{planted}", **arguments)
    await target.do(f"{PLANTED}.clean")


async def test_judge_finds_a_handler_that_ran(native: str, targets: Callable[..., Target]) -> None:
    async def attack() -> None:
        async with targets(native).attack() as attack:
            peer = await connected(attack.wire)
            await peer.send('420["echo"]')
            await peer.receive()

    with pytest.raises(AssertionError, match=r"handlers ran \{'echo': 1\}"):
        await attack()


async def test_judge_finds_an_honest_client_that_waits_in_vain(
    native: str, targets: Callable[..., Target]
) -> None:
    target = targets(native, ack_timeout=58.0)  # loses its honest clients
    with pytest.raises(AssertionError, match=r"honest client on|sessions"):
        async with target.attack():
            await target.do(f"{PLANTED}.end_everybody")
