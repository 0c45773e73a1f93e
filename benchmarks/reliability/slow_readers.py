"""A broadcast of 1 MB messages to 500 clients, of which 50 never read.

Half of the slow ones are on a WebSocket, half poll once and never again. The same without them
first, so that the delays of the others can be compared.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from tests.security.judge import MB, Target

if TYPE_CHECKING:
    from tests.support.fronts import Wire

READING: Final = 450
SLOW: Final = 50
SIZE: Final = 1_000_000
COUNT: Final = 25
INTERVAL: Final = 1.5
SCENARIO: Final = "benchmarks.reliability.scenario.broadcast"


class Figures(NamedTuple):
    """Of one run; seconds and bytes."""

    delays: list[float]
    grew: int
    answers_p99: float
    still_open: int
    longest_turn: float


def percentile(values: list[float], share: float) -> float:
    """Of sorted or unsorted values."""
    return sorted(values)[min(int(len(values) * share), len(values) - 1)]


async def open_slow(wire: Wire) -> None:
    """Connect clients that read nothing from here on."""
    for number in range(SLOW):
        peer = await wire.open("websocket" if number % 2 else "polling")
        await peer.connect()
    for client in wire._clients:
        client.writer.transport.pause_reading()


async def one_run(*, slow: bool) -> Figures:
    """Broadcast to the readers, with or without the slow ones beside them."""
    with tempfile.TemporaryDirectory() as directory, Target("native", Path(directory)) as target:
        command = [sys.executable, "-m", "benchmarks.reliability.readers"]
        with subprocess.Popen(
            [*command, str(target.port), str(READING)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as readers:
            assert readers.stdin is not None and readers.stdout is not None
            assert readers.stdout.readline() == "ready\n"
            wire = target.wire()
            if slow:
                await open_slow(wire)
            before = target.memory()
            target.forget_peak()
            await target.do("begin")
            target.ask_honest()
            await target.do(SCENARIO, 300, size=SIZE, count=COUNT, interval=INTERVAL)
            grew = target.memory("VmHWM") - before
            answers = max(report["p99"] for report in target.ask_honest().values())
            counts = await target.do("counts")
            turn = (await target.do("outcome"))["stall"]
            readers.stdin.write("\n")
            readers.stdin.flush()
            delays = json.loads(readers.stdout.readline())
            readers.stdin.close()
            await wire.aclose()
    assert len(delays) == READING * COUNT, "a reader has lost a message"
    return Figures(delays, grew, answers, counts["sessions"] - READING - 2, turn)


def main() -> list[tuple[str, str]]:
    """Measure; lines of the report."""
    lines = []
    for slow in (False, True):
        figures = asyncio.run(one_run(slow=slow))
        who = f"{SLOW} clients that never read beside them" if slow else "nobody slow"
        lines += [
            (
                f"1 MB to {READING} readers, {who}: delay of a message, median / p99",
                f"{percentile(figures.delays, 0.5) * 1000:.0f} / "
                f"{percentile(figures.delays, 0.99) * 1000:.0f} ms",
            ),
            (f"the same, {who}: memory added at the peak", f"{figures.grew / MB:.0f} MB"),
            (
                f"the same, {who}: p99 of an honest client's round trip",
                f"{figures.answers_p99 * 1000:.0f} ms",
            ),
            (
                f"the same, {who}: longest turn of the loop, processor time",
                f"{figures.longest_turn * 1000:.0f} ms",
            ),
        ]
        if slow:
            lines.append(("slow clients that are left at the end", str(figures.still_open)))
    return lines


if __name__ == "__main__":
    for what, figure in main():
        print(f"{what}: {figure}")
