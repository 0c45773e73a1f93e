"""A broadcast of 1 MB messages to 500 clients, of which 50 never read.

Half of the slow ones are on a WebSocket, half poll once and never again. The same without them
first, so that the delays of the others can be compared.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Final, NamedTuple

from benchmarks.reliability.report import Figure, milliseconds, percentile, target
from tests.security.judge import MB

if TYPE_CHECKING:
    from tests.security.judge import Target

READING: Final = 450
SLOW: Final = 50
SIZE: Final = 1_000_000
COUNT: Final = 25
INTERVAL: Final = 1.5
SCENARIO: Final = "benchmarks.reliability.scenario.broadcast"


class Run(NamedTuple):
    """What was seen; seconds and bytes."""

    delays: list[float]
    grew: int
    answers_p99: float
    longest_turn: float
    still_open: int


async def _broadcast(server: Target, *, slow: bool) -> tuple[int, int]:
    """Let the server emit; the memory it took, and how many slow clients are left."""
    wire = server.wire()
    if slow:
        for number in range(SLOW):
            peer = await wire.open("websocket" if number % 2 else "polling")
            await peer.connect()
        for client in wire._clients:
            transport: asyncio.Transport = client.writer.transport  # type: ignore[assignment]
            transport.pause_reading()
    before = server.memory()
    server.forget_peak()
    await server.do("begin")
    server.ask_honest()
    await server.do(SCENARIO, 300, size=SIZE, count=COUNT, interval=INTERVAL)
    grew = server.memory("VmHWM") - before
    counts = await server.do("counts")
    await wire.aclose()
    return grew, counts["sessions"] - READING - 2


def one_run(*, slow: bool) -> Run:
    """Broadcast to the readers, with or without the slow ones beside them."""
    command = (sys.executable, "-m", "benchmarks.reliability.readers")
    with (
        target() as server,
        subprocess.Popen(
            [*command, str(server.port), str(READING)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as readers,
    ):
        assert readers.stdin is not None and readers.stdout is not None
        assert readers.stdout.readline() == "ready\n"
        grew, still_open = asyncio.run(_broadcast(server, slow=slow))
        honest = server.ask_honest()
        turn = server.call("outcome")["stall"]
        readers.stdin.write("\n")
        readers.stdin.flush()
        delays = json.loads(readers.stdout.readline())
        readers.stdin.close()
    assert len(delays) == READING * COUNT, "a reader has lost a message"
    p99 = max(report["p99"] for report in honest.values())
    return Run(delays, grew, p99, turn, still_open)


def measure() -> list[Figure]:
    """Run both."""
    figures = []
    for slow in (False, True):
        run = one_run(slow=slow)
        who = f"and {SLOW} that never read" if slow else "alone"
        median, p99 = (milliseconds(percentile(run.delays, share)) for share in (0.5, 0.99))
        figures += [
            Figure(f"{READING} readers {who}: delay of a message, median", median),
            Figure(f"{READING} readers {who}: delay of a message, p99", p99),
            Figure(f"{READING} readers {who}: memory added at the peak", f"{run.grew / MB:.0f} MB"),
            Figure(
                f"{READING} readers {who}: round trip of an honest client, p99",
                milliseconds(run.answers_p99),
            ),
            Figure(
                f"{READING} readers {who}: longest turn of the loop", milliseconds(run.longest_turn)
            ),
        ]
        if slow:
            figures.append(Figure("slow clients left at the end", str(run.still_open)))
    return figures
