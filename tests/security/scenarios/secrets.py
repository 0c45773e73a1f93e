"""How long a server takes to find that a secret is wrong."""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sockwave import Server

_SLICE = 1_000
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


async def time_wrong_pids(
    io: Server, pids: list[str], offset: str, tries: int
) -> dict[str, dict[str, float]]:
    """Come back with ids of sessions that are wrong in one character.

    Returns:
        For `first` and `last`, where the wrong character is: mean, deviation and number of the
        nanoseconds of a try, without the slowest fiftieth.
    """
    recovery = io.of("/").recovery
    assert recovery is not None
    dice = random.Random(1)
    times: dict[str, list[int]] = {"first": [], "last": []}
    for number in range(tries):
        pid = dice.choice(pids)
        where, at = ("first", 0) if dice.random() < 0.5 else ("last", len(pid) - 1)
        other = _ALPHABET[_ALPHABET.index(pid[at]) - dice.randrange(1, len(_ALPHABET))]
        auth = {"pid": pid[:at] + other + pid[at + 1 :], "offset": offset}
        began = time.perf_counter_ns()
        found = recovery.restore(auth)
        times[where].append(time.perf_counter_ns() - began)
        assert found is None
        if number % _SLICE == 0:
            await asyncio.sleep(0)
    return {where: _summary(each) for where, each in times.items()}


def _summary(times: list[int]) -> dict[str, float]:
    kept = sorted(times)[: len(times) * 49 // 50]
    return {"mean": statistics.fmean(kept), "deviation": statistics.stdev(kept), "n": len(kept)}
