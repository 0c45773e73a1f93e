"""Soak: clients that connect, talk and vanish without end, and a server that must not grow.

    make soak                            an hour on the native listener
    make soak ARGS="--seconds 30"        as in CI
    make soak ARGS="--front asgi --seed 7 --save soak.json"

Same seed, same lives, though not to the same moment. A terminal shows how it goes. At the end comes
what was seen, and status 1 if memory, descriptors or counts are not as they must be, if an answer
was missing or wrong, or if two honest clients beside it were disturbed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import resource
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from soak.lives import PINGS, Tally, live
from tests.security.judge import MB, Target, left_behind

if TYPE_CHECKING:
    from collections.abc import Sequence

HOUR: Final = 3600.0
MAX_GROWTH: Final = 8 * MB
"""Of memory from the end of the first third to the end; also in an hour."""

GONE: Final = 60.0
"""Seconds until nothing is left of the last clients, silent ones among them."""


@dataclass(frozen=True)
class Sample:
    """One look at the server; seconds since the start, bytes."""

    at: float
    memory: int
    descriptors: int
    sessions: int


async def clients(
    target: Target, workers: int, until: float, chance: random.Random, tally: Tally
) -> None:
    """Keep so many lives going at a time."""

    async def worker(seed: int) -> None:
        own = random.Random(seed)
        while time.monotonic() < until:
            await live(target.wire, own, tally)

    async with asyncio.TaskGroup() as group:
        for _ in range(workers):
            group.create_task(worker(chance.getrandbits(64)))


async def watch(target: Target, samples: list[Sample], every: float) -> None:
    """Sample for ever."""
    began = time.monotonic()
    while True:
        counts = await target.do("counts")
        sample = Sample(
            time.monotonic() - began,
            target.memory(),
            counts["descriptors"],
            counts["sessions"],
        )
        samples.append(sample)
        if sys.stderr.isatty():
            sys.stderr.write(
                f"\r{sample.at:6.0f} s  {sample.sessions:5} sessions  "
                f"{sample.descriptors:5} descriptors  {sample.memory / MB:6.1f} MB "
            )
        await asyncio.sleep(every)


def slope(samples: Sequence[Sample]) -> float:
    """Bytes a second by which memory grows: least squares."""
    count = len(samples)
    at = sum(sample.at for sample in samples) / count
    memory = sum(sample.memory for sample in samples) / count
    spread = sum((sample.at - at) ** 2 for sample in samples)
    return sum((s.at - at) * (s.memory - memory) for s in samples) / spread


@dataclass
class Outcome:
    """What a soak has shown; `faults` is empty when all holds."""

    figures: dict[str, Any]
    faults: list[str]


async def soak(front: str, seconds: float, workers: int, seed: int) -> tuple[Outcome, list[Sample]]:
    """Run one."""
    tally, samples = Tally(), list[Sample]()
    with (
        tempfile.TemporaryDirectory() as directory,
        Target(front, Path(directory), **PINGS) as target,
    ):
        await target.do("soak.server.install")
        before = await target.do("begin")
        target.ask_honest()
        watching = asyncio.create_task(watch(target, samples, min(max(seconds / 600, 0.5), 6.0)))
        until = time.monotonic() + seconds
        await clients(target, workers, until, random.Random(seed), tally)
        watching.cancel()
        deadline = time.monotonic() + GONE
        while left := left_behind(before, await target.do("counts")):
            if time.monotonic() > deadline:
                break
            await asyncio.sleep(0.2)
        after = await target.do("counts")
        report = await target.do("soak.server.report")
        honest = target.ask_honest()
        end = target.memory()
        log = target.output
    warm = [sample for sample in samples if sample.at > seconds / 3]
    growth = end - min(sample.memory for sample in warm[: max(len(warm) // 10, 1)])
    sockets, ended = report["came"].get("sockets", 0), sum(report["ended"].values())
    faults = [f"left behind: {name}, {was} before, {now} now" for name, (was, now) in left.items()]
    if growth > MAX_GROWTH:
        faults.append(f"memory grew by {growth / MB:.1f} MB after the first third")
    if sockets != tally.connected:
        faults.append(f"{tally.connected} clients connected, the server saw {sockets}")
    if ended != sockets:
        faults.append(f"{sockets} sockets came, {ended} have ended")
    if report["came"].get("questions", 0) != tally.questions:
        faults.append(f"{tally.questions} questions were answered, {report['came']} came")
    faults += [f"honest client on {name}: {r['fault']}" for name, r in honest.items() if r["fault"]]
    if "Traceback" in log or "ERROR" in log:
        faults.append(f"the log has errors:\n{log[-2000:]}")
    figures = {
        "front": front,
        "seconds": seconds,
        "lives": sum(tally.lives.values()),
        "questions answered": tally.questions,
        "ends": report["ended"],
        "most sessions at a time": max(sample.sessions for sample in samples),
        "memory after a third, MB": round(warm[0].memory / MB, 1),
        "memory at the end, MB": round(end / MB, 1),
        "slope after a third, MB an hour": round(slope(warm) * HOUR / MB, 2),
        "descriptors before and after": [before["descriptors"], after["descriptors"]],
        "honest round trip p99, ms": round(max(r["p99"] for r in honest.values()) * 1000, 1),
        "least lives of one kind": min(tally.lives.values()),
    }
    return Outcome(figures, faults), samples


def main() -> None:
    """Run as the command line says."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=HOUR)
    parser.add_argument("--clients", type=int, default=100, help="lives at a time")
    parser.add_argument("--front", choices=("native", "asgi"), default="native")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--save", type=Path, help="file for the samples, as JSON")
    options = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    print(f"seed {options.seed}", flush=True)
    outcome, samples = asyncio.run(
        soak(options.front, options.seconds, options.clients, options.seed)
    )
    for name, figure in outcome.figures.items():
        print(f"{name}: {figure}")
    if options.save:
        rows = [[round(s.at, 1), s.memory, s.descriptors, s.sessions] for s in samples]
        options.save.write_text(json.dumps(rows))
    if outcome.faults:
        print("\n".join(["", "Faults:", *outcome.faults]))
        sys.exit(1)


if __name__ == "__main__":
    main()
