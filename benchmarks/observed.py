"""What observing costs, in processor time of the server: `python -m benchmarks.observed WAY`.

The same version serves in two ways, measured in turn, a short slice each, on fresh servers in each
round: observed, and not. WAY is one of those of `benchmarks/server.py`: `prometheus` counts for
Prometheus, `all` calls an observer of every kind that does nothing, `traced` traces one event of
a hundred, `records` keeps records of connections.

For each kind of work the ratio is printed, with the ends of the interval in which the median of the
rounds lies. Nothing else should run meanwhile. The exit code is 1 where a median is below what it
should be.
"""

from __future__ import annotations

import argparse
from contextlib import contextmanager
from functools import partial
from statistics import median
from typing import TYPE_CHECKING, Final

from benchmarks.revisions import ROUNDS, in_turn, interval
from benchmarks.run import LOAD_CORE, one_slice, pin, server, slices_of
from benchmarks.server import WAYS
from benchmarks.workloads import MODES, UNITS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = ["LEAST", "WITHOUT", "measure"]

DEFAULT: Final = ("echo", "ack", "fanout", "churn", "memory")

LEAST: Final = {
    "prometheus": {"echo": 0.93, "fanout": 0.97},
    "traced": {"echo": 0.97},
    "records": {"echo": 0.99, "churn": 0.99},
}
"""What a ratio should be at least; elsewhere it is only told."""

WITHOUT: Final = {"records": "unrecorded"}
"""What is compared with each way; `nothing` with all others."""


def measure(way: str, mode: str, rounds: int) -> tuple[float, ...]:
    """The ratio of each round; more is better."""
    ways = f"observed={way}", f"observed={WITHOUT.get(way, 'nothing')}"
    found = in_turn(partial(_servers, mode), ways, rounds=rounds, slices=slices_of(mode))
    less_is_better = mode in UNITS
    return tuple(without / seen if less_is_better else seen / without for seen, without in found)


@contextmanager
def _servers(mode: str, ways: Sequence[str]) -> Iterator[Callable[[str], float]]:
    """Both are there all the time, and the one that is not asked does nothing."""
    with server(ways[0]) as first, server(ways[1]) as second:
        ports = dict(zip(ways, (first, second), strict=True))
        yield lambda way: one_slice(mode, ports[way])


def main() -> None:
    """Measure, and print a line for each kind of work."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("way", choices=[way for way in WAYS if way not in WITHOUT.values()])
    parser.add_argument("modes", nargs="*", help=f"{', '.join(DEFAULT)} by default")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"{ROUNDS} by default")
    options = parser.parse_args()
    if unknown := set(options.modes) - set(MODES):
        parser.error(f"no such mode: {min(unknown)}")
    pin(0, LOAD_CORE)
    is_enough = True
    for mode in options.modes or DEFAULT:
        ratios = measure(options.way, mode, options.rounds)
        low, high = interval(ratios)
        least = LEAST.get(options.way, {}).get(mode, 0.0)
        is_enough &= median(ratios) >= least
        print(
            f"{mode:8} {median(ratios):.3f}   low {low:.3f}   high {high:.3f}"
            + (f"   should be {least:.2f} at least" if least else ""),
            flush=True,
        )
    raise SystemExit(not is_enough)


if __name__ == "__main__":
    main()
