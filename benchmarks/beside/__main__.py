"""The server beside socket.io on Node and on Bun: `python -m benchmarks.beside [WORK ...]`.

Kinds of work are those of `benchmarks.run` (`make bench`), without `idle`; all by default. Each
round starts a fresh server of each kind, one after the other, on one core, with the load on
another, and lets it warm up. The figure is the median of work per second of the server's own
processor time; for `memory` it is kB per connection.

    --servers ours,node     of ours, bun, node and psio (python-socketio on uvicorn, which is left
                            out by default)
    --rounds 1              so often; 3 by default, which takes a quarter of an hour
    --save                  keep the figures in docs/benchmark.json, write them into the tables of
                            docs/performance.md and docs/compared.md, and draw the picture; with
                            the three servers of these

Needs Node.js (`make node`). Bun is installed from npm at its first use, into this folder. Nothing
else should run meanwhile.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics

from benchmarks.beside.pages import Measured, load, publish
from benchmarks.beside.servers import SERVERS
from benchmarks.load import leave_all
from benchmarks.reliability.report import allow_many_descriptors
from benchmarks.run import LOAD_CORE, pin
from benchmarks.workloads import MODES, UNITS
from sockwave.platform import new_event_loop

WORK = tuple(mode for mode in MODES if mode != "idle")
PUBLISHED = ("ours", "bun", "node")

WARM_UP = 5
"""Slices that do not count: the compilers of JavaScript need seconds of work."""

SLICES = 3
"""Of a round, of which the median counts."""


def one_round(work: str, server: str) -> float:
    """Measure on a fresh server, when its compiler has seen the work; memory as it is at first."""

    def one_slice(port: int) -> float:
        async def run() -> float:
            try:
                return await MODES[work](port)
            finally:
                await leave_all()

        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            return runner.run(run())

    with SERVERS[server]() as port:
        if work in UNITS:
            return one_slice(port)
        figures = [one_slice(port) for _ in range(WARM_UP + SLICES)]
        return statistics.median(figures[WARM_UP:])


def measure(works: list[str], servers: list[str], rounds: int) -> Measured:
    """Measure, and print each kind of work when it is done."""
    measured: Measured = {}
    for work in works:
        figures: dict[str, list[float]] = {server: [] for server in servers}
        for _ in range(rounds):
            for server in servers:
                figures[server].append(one_round(work, server))
        digits = 1 if work == "memory" else None
        medians = {name: round(statistics.median(of), digits) for name, of in figures.items()}
        measured[work] = {name: float(figure) for name, figure in medians.items()}
        told = "   ".join(f"{name} {figure:,}" for name, figure in medians.items())
        beside = [
            f"{medians['ours'] / figure:.2f} of {name}"
            for name, figure in medians.items()
            if name != "ours" and "ours" in medians
        ]
        print(f"{work:8} {told}   {', '.join(beside)}", flush=True)
    return measured


def main() -> None:
    """Measure, print, and keep if that is asked for."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.beside",
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument("work", nargs="*", help=f"of {', '.join(WORK)}")
    parser.add_argument("--servers", default=",".join(PUBLISHED), help="with commas between")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--save", action="store_true")
    options = parser.parse_args()
    servers = options.servers.split(",")
    if unknown := [*(set(options.work) - set(WORK)), *(set(servers) - set(SERVERS))]:
        parser.error(f"not known: {', '.join(sorted(unknown))}")
    if options.rounds < 1:
        parser.error("one round is the least")
    if options.save and set(servers) != set(PUBLISHED):
        parser.error(f"--save keeps figures of {', '.join(PUBLISHED)}, of all of them")
    allow_many_descriptors()
    pin(0, LOAD_CORE)
    measured = measure(options.work or list(WORK), servers, options.rounds)
    if options.save:
        publish(load() | measured)


if __name__ == "__main__":
    main()
