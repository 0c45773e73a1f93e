"""Two revisions of the project in turn: `python -m benchmarks.run --against REV [MODE ...]`.

Each round starts a fresh server of either revision, does the same work on both in turn, a short
slice each and in alternating order, and keeps the ratio of what they did per second of processor
time in all their slices. What the machine does meanwhile meets both alike; what one process
happens to have (its layout of memory) differs from round to round and evens out.

A revision is served by its own `benchmarks/server.py`, so that names may move; the load is that of
the working tree for both.
"""

from __future__ import annotations

import io
import os
import random
import statistics
import subprocess
import tarfile
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

__all__ = ["FLOOR", "ROUNDS", "Comparison", "checkout", "compare", "in_turn", "interval"]

T = TypeVar("T")

ROUNDS: Final = 30
"""Of fresh servers: one differs from the next by several per cent, so there are many."""

SLICES: Final = 2
"""Of a round, for each revision."""

FLOOR: Final = 0.97
"""Speed is as before when the lower end of no kind of work is under it."""

RESAMPLES: Final = 2_000
CONFIDENCE: Final = 0.95

ROOT: Final = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Comparison:
    """One kind of work on two revisions.

    Attributes:
        now: Median figure of the working tree.
        before: The same of the other revision.
        ratios: Of each round, more is better.
    """

    now: float
    before: float
    ratios: tuple[float, ...]

    @property
    def ratio(self) -> float:
        """The median round."""
        return statistics.median(self.ratios)

    @property
    def low(self) -> float:
        """Lower end of the interval in which the median lies."""
        return interval(self.ratios)[0]

    @property
    def high(self) -> float:
        """Its upper end."""
        return interval(self.ratios)[1]


def interval(ratios: Sequence[float]) -> tuple[float, float]:
    """Where the median lies with a confidence of 95 %, by resampling; always the same."""
    chance = random.Random(1)
    medians = sorted(
        statistics.median(chance.choices(ratios, k=len(ratios))) for _ in range(RESAMPLES)
    )
    cut = round(RESAMPLES * (1 - CONFIDENCE) / 2)
    return medians[cut], medians[-1 - cut]


@contextmanager
def checkout(revision: str) -> Iterator[Path]:
    """A revision's files in a folder that goes again.

    Raises:
        SystemExit: There is no such revision.
    """
    archive = subprocess.run(
        ["git", "archive", revision, "src", "benchmarks"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if archive.returncode:
        raise SystemExit(f"no revision {revision!r} to compare with: {archive.stderr.decode()}")
    with tempfile.TemporaryDirectory(prefix="sockwave-revision-") as folder:
        with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
            # CPython before 3.11.4 has no filters, and extracts without one.
            files.extraction_filter = getattr(tarfile, "data_filter", None)
            files.extractall(folder)
        yield Path(folder)


def compare(
    fresh: Callable[[Sequence[Path]], AbstractContextManager[Callable[[Path], float]]],
    before: Path,
    *,
    rounds: int,
    slices: int,
    less_is_better: bool,
) -> Comparison:
    """Measure both, in alternating order.

    Args:
        fresh: Starts a server of the project in each of these folders, and gives what does a slice
            of the work on one of them.
        before: Folder of the other revision.
    """
    found = list(in_turn(fresh, (ROOT, before), rounds=rounds, slices=slices))
    ratios = tuple(b / a if less_is_better else a / b for a, b in found)
    ours, theirs = zip(*found, strict=True)
    return Comparison(statistics.median(ours), statistics.median(theirs), ratios)


def in_turn(
    fresh: Callable[[Sequence[T]], AbstractContextManager[Callable[[T], float]]],
    variants: Sequence[T],
    *,
    rounds: int,
    slices: int,
) -> Iterator[tuple[float, ...]]:
    """Measure variants of something, forwards and backwards in turn.

    Args:
        fresh: Makes what a round needs, and gives what measures a slice of one variant.

    Yields:
        For each round the median of each variant.
    """
    for round_ in range(rounds):
        figures: list[list[float]] = [[] for _ in variants]
        with fresh(variants) as measure:
            for slice_ in range(slices):
                order = range(len(variants))
                for at in order if (round_ + slice_) % 2 else reversed(order):
                    figures[at].append(measure(variants[at]))
        yield tuple(map(statistics.median, figures))


def environment(folder: Path) -> dict[str, str]:
    """What makes a process use the project in this folder, whatever is installed."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join((str(folder / "src"), str(folder)))}
