"""What a message costs the server, in processor time: `python -m benchmarks.run [MODE ...]`.

    echo     100 clients, one event of 32 bytes in flight each
    ack      the same, acknowledged
    pipe     100 clients, 16 events in flight each
    big      20 clients, events of 16 kB
    fanout   one event to 1,000 clients
    poll     50 clients by long-polling: POST, then GET
    churn    connect, join, leave
    memory   kB of memory per connection, at 4,000
    idle     10,000 connected clients that do nothing: per cent of a core

The figure is work per second of the server's processor time, and beside it the same as a multiple
of a bare echo server's, measured in the same run: machines differ and are shared, the multiple
holds better.
`--save` keeps the multiples as the baseline; without it they are compared with the kept ones.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import statistics
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.workloads import MODES, UNITS, bare
from sockwave.engine.server.serving import new_event_loop

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

BASELINE = Path(__file__).with_name("baseline.json")


@asynccontextmanager
async def server(*arguments: str) -> AsyncIterator[int]:
    """Run the server in a process of its own; gives its port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.server", str(port), *arguments),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        await process.stdout.readline()
        yield port
    finally:
        await process.communicate(b"stop")


def one_run(mode: str, *arguments: str) -> float:
    """Measure a mode on a fresh server and a fresh loop."""

    async def run() -> float:
        async with server(*arguments) as port:
            return await (bare(port) if mode == "bare" else MODES[mode](port))

    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(run())


def main() -> None:
    """Measure, print, and compare with what was kept."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("modes", nargs="*", help=f"of {', '.join(MODES)}; all but idle by default")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--save", action="store_true", help="keep the figures as the baseline")
    options = parser.parse_args()
    modes = options.modes or [mode for mode in MODES if mode != "idle"]
    if unknown := set(modes) - set(MODES):
        parser.error(f"no such mode: {min(unknown)}")
    kept: dict[str, float] = json.loads(BASELINE.read_text()) if BASELINE.exists() else {}
    for mode in modes:
        if mode in UNITS:
            figure = one_run(mode)
            print(f"{mode:8} {figure:12,.2f} {UNITS[mode]}", end="")
        else:
            rounds = [(one_run(mode), one_run("bare", "bare")) for _ in range(options.rounds)]
            figure = statistics.median(ours / yardstick for ours, yardstick in rounds)
            work = statistics.median(ours for ours, _ in rounds)
            print(f"{mode:8} {work:12,.0f} per CPU second   {figure:6.3f} of bare echo", end="")
        if mode in kept:
            print(f"   {figure / kept[mode]:5.2f} x the baseline", end="")
        print(flush=True)
        if options.save:
            kept[mode] = round(figure, 4)
    if options.save:
        BASELINE.write_text(json.dumps(kept, indent=2) + "\n")


if __name__ == "__main__":
    main()
