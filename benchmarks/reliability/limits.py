"""What all rate limits cost: the benchmark's work with them, and without, turn by turn."""

from __future__ import annotations

import statistics
from typing import Final

from benchmarks.reliability.report import Figure
from benchmarks.run import one_run

ROUNDS: Final = 7
WORK: Final = {
    "echo": "echo, one event in flight",
    "pipe": "echo, 16 events in flight",
    "poll": "echo by long-polling",
    "churn": "connect, join, leave",
}


def _ratio(mode: str, *, limited_first: bool) -> float:
    """Either may be first: a machine is slower after some work than before it."""
    if limited_first:
        limited, plain = one_run(mode, "limited"), one_run(mode)
    else:
        plain, limited = one_run(mode), one_run(mode, "limited")
    return limited / plain


def measure() -> list[Figure]:
    """Compare by processor time of the server; the median of the rounds' ratios."""
    figures = []
    for mode, what in WORK.items():
        ratios = [_ratio(mode, limited_first=bool(number % 2)) for number in range(ROUNDS)]
        figures.append(
            Figure(
                f"{what}: throughput with all rate limits, of that without",
                f"{statistics.median(ratios):.1%}",
            )
        )
    return figures
