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

`--against REV` measures the working tree and another revision of the project in turn instead,
thirty rounds of each kind of work (`--rounds` for more), and prints the ratio with the interval in
which its median lies: `lower end` under 0.97 is a loss of speed, and the exit code 1.

`--observed prometheus` has the server of the working tree observed, see `benchmarks/server.py`;
with `--against` the other one is not. `python -m benchmarks.observed` compares one version with
itself, observed and not.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import statistics
import subprocess
import sys
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.revisions import FLOOR, ROOT, ROUNDS, SLICES, checkout, compare, environment
from benchmarks.server import WAYS
from benchmarks.workloads import MODES, UNITS, bare
from sockwave.platform import new_event_loop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

BASELINE = Path(__file__).with_name("baseline.json")


SERVER_CORE, LOAD_CORE = 0, 1
CORES = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set[int]()


@contextmanager
def server(*arguments: str, folder: Path = ROOT) -> Iterator[int]:
    """Run the server of the project in this folder, in a process of its own; gives its port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.server", str(port), *arguments],
        cwd=folder,
        env=environment(folder),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        if not process.stdout.readline():
            raise SystemExit(f"the server of {folder} did not start")
        pin(process.pid, SERVER_CORE)
        yield port
    finally:
        process.communicate(b"stop")


def pin(pid: int, core: int) -> None:
    """Keep a process on a core, where there are two and the system can: less chance in figures."""
    if {SERVER_CORE, LOAD_CORE} <= CORES:
        os.sched_setaffinity(pid, {core})


def one_run(mode: str, *arguments: str) -> float:
    """Measure a mode on a fresh server."""
    with server(*arguments) as port:
        return statistics.median(one_slice(mode, port) for _ in range(slices_of(mode)))


def one_slice(mode: str, port: int) -> float:
    """Measure a mode for a moment, with fresh clients, on a fresh loop."""

    async def run() -> float:
        return await (bare(port) if mode == "bare" else MODES[mode](port))

    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(run())


def slices_of(mode: str) -> int:
    """How many slices make a measurement: memory is that of a fresh server."""
    return 1 if mode in UNITS else SLICES


@contextmanager
def both(
    mode: str, observed: Sequence[str], folders: Sequence[Path]
) -> Iterator[Callable[[Path], float]]:
    """A fresh server of the project in each of two folders; gives what measures a slice of one.

    Both are there all the time, and the one that is not asked does nothing.

    Args:
        observed: Arguments of the first one.
    """
    with server(*observed, folder=folders[0]) as first, server(folder=folders[1]) as second:
        ports = dict(zip(folders, (first, second), strict=True))
        yield lambda folder: one_slice(mode, ports[folder])


def against(revision: str, modes: list[str], rounds: int, observed: Sequence[str] = ()) -> bool:
    """Print how fast the working tree is beside a revision; whether it is as fast everywhere."""
    slower: list[str] = []
    width = max(map(len, modes))
    with checkout(revision) as before:
        for mode in modes:
            result = compare(
                partial(both, mode, observed),
                before,
                rounds=rounds,
                slices=slices_of(mode),
                less_is_better=mode in UNITS,
            )
            unit = UNITS.get(mode, "per CPU second")
            print(
                f"{mode:{width}} {result.now:12,.1f} before {result.before:12,.1f} {unit:18}"
                f" ratio {result.ratio:.3f}, lower end {result.low:.3f}, upper {result.high:.3f}"
                f" (rounds {min(result.ratios):.3f} to {max(result.ratios):.3f})",
                flush=True,
            )
            if result.low < FLOOR:
                slower.append(mode)
    print(f"Lower end under {FLOOR}: {', '.join(slower)}" if slower else "Speed is as before")
    return not slower


def beside_bare(modes: list[str], rounds: int, observed: Sequence[str] = (), *, save: bool) -> None:
    """Print the figures of the working tree, compared with those that were kept."""
    kept: dict[str, float] = json.loads(BASELINE.read_text()) if BASELINE.exists() else {}
    for mode in modes:
        if mode in UNITS:
            figure = one_run(mode, *observed)
            print(f"{mode:8} {figure:12,.2f} {UNITS[mode]}", end="")
        else:
            pairs = [(one_run(mode, *observed), one_run("bare", "bare")) for _ in range(rounds)]
            figure = statistics.median(ours / yardstick for ours, yardstick in pairs)
            work = statistics.median(ours for ours, _ in pairs)
            print(f"{mode:8} {work:12,.0f} per CPU second   {figure:6.3f} of bare echo", end="")
        if mode in kept:
            print(f"   {figure / kept[mode]:5.2f} x the baseline", end="")
        print(flush=True)
        kept[mode] = round(figure, 4)
    if save:
        BASELINE.write_text(json.dumps(kept, indent=2) + "\n")


def main() -> None:
    """Measure, print, and compare with what was kept or with another revision."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("modes", nargs="*", help=f"of {', '.join(MODES)}; all but idle by default")
    parser.add_argument(
        "--rounds", type=int, help=f"3; with --against {ROUNDS}, which is the least"
    )
    parser.add_argument("--save", action="store_true", help="keep the figures as the baseline")
    parser.add_argument("--against", metavar="REV", help="a revision of the project, for git")
    parser.add_argument(
        "--observed", choices=WAYS, help="how the server of the working tree is observed"
    )
    options = parser.parse_args()
    observed = () if options.observed is None else (f"observed={options.observed}",)
    modes = options.modes or [mode for mode in MODES if mode != "idle"]
    if unknown := set(modes) - set(MODES):
        parser.error(f"no such mode: {min(unknown)}")
    pin(0, LOAD_CORE)
    if options.against is None:
        beside_bare(modes, options.rounds or 3, observed, save=options.save)
    elif not against(options.against, modes, max(options.rounds or ROUNDS, ROUNDS), observed):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
