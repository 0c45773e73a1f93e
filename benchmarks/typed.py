"""What typed handlers cost, in processor time of the server: `python -m benchmarks.typed`.

Each line is the ratio of two ways to do the same, measured in turn, a short slice each, on fresh
servers in each round:

    struct         an echo that is checked and made into a `msgspec.Struct`, and back
    text           a struct comes, and one text of it goes back
    dependencies   a handler with two dependencies, kept for the event
    leave          connect, and leave, with five typed handlers registered for each socket

`low` and `high` are the ends of the interval in which the median of the rounds lies. Nothing else
should run meanwhile. The exit code is 1 where a median is below what it should be.
"""

from __future__ import annotations

import argparse
import asyncio
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Final

import sockwave
from benchmarks.revisions import SLICES, in_turn, interval
from benchmarks.run import LOAD_CORE, one_slice, pin, server
from benchmarks.workloads import Meter, connected, events_of
from sockwave.platform import new_event_loop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = ["LINES", "Line", "measure"]

ROUNDS: Final = 15

CLIENTS: Final = 50

MESSAGE: Final = b'{"text":"%b","number":7,"tags":["red","blue"]}' % (b"x" * 32)


@dataclass(frozen=True, slots=True)
class Line:
    """Two ways to do the same.

    Attributes:
        ways: The typed one first: events, or kinds of servers.
        least: What their ratio should be; 0 where it is only told.
        is_of_events: One server is asked for two events; else two servers do the same.
    """

    ways: tuple[str, str]
    least: float
    is_of_events: bool = True


LINES: Final = {
    "struct": Line(("struct", "plain"), 0.9),
    "text": Line(("struct_text", "plain_text"), 0.0),
    "dependencies": Line(("with_dependencies", "plain"), 0.8),
    "leave": Line(("typed", "untyped"), 0.97, is_of_events=False),
}


def measure(line: Line, rounds: int) -> tuple[float, ...]:
    """The ratio of each round; more is better."""
    fresh = _one_server if line.is_of_events else _two_servers
    found = in_turn(fresh, line.ways, rounds=rounds, slices=SLICES)
    return tuple(typed / plain for typed, plain in found)


@contextmanager
def _one_server(events: Sequence[str]) -> Iterator[Callable[[str], float]]:
    with server("typed") as port:
        yield lambda event: _slice_of_events(port, event)


@contextmanager
def _two_servers(kinds: Sequence[str]) -> Iterator[Callable[[str], float]]:
    """Both are there all the time, and the one that is not asked does nothing."""
    with server(kinds[0]) as first, server(kinds[1]) as second:
        ports = dict(zip(kinds, (first, second), strict=True))
        yield lambda kind: one_slice("churn", ports[kind])


def _slice_of_events(port: int, event: str) -> float:
    async def run() -> float:
        clients = await connected(port, CLIENTS)
        packet = b'421["%b",%b]' % (event.encode(), MESSAGE)
        return await events_of(clients, packet, 1, await Meter.asking(port))

    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(run())


def main() -> None:
    """Measure, and print a line for each."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("lines", nargs="*", help=f"of {', '.join(LINES)}; all by default")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"{ROUNDS} by default")
    options = parser.parse_args()
    if unknown := set(options.lines) - set(LINES):
        parser.error(f"no such line: {min(unknown)}")
    pin(0, LOAD_CORE)
    is_enough = True
    for name in options.lines or LINES:
        line = LINES[name]
        if name == "dependencies" and not hasattr(sockwave, "Depends"):
            print(f"{name:13} this version has none")
            continue
        ratios = measure(line, options.rounds)
        low, high = interval(ratios)
        is_enough &= median(ratios) >= line.least
        print(
            f"{name:13} {median(ratios):.3f}   low {low:.3f}   high {high:.3f}"
            + (f"   should be {line.least:.2f} at least" if line.least else ""),
            flush=True,
        )
    raise SystemExit(not is_enough)


if __name__ == "__main__":
    main()
