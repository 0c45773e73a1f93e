"""What bounds of processor time are measured with: the same work here and on the first machine."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["best_of_three", "delay", "is_quick", "slowness"]

NOMINAL: Final = 0.012
"""Seconds of processor time that the work took where the bounds were written down."""

LOOKS: Final = 9

MOST: Final = 3.0


def slowness() -> float:
    """How many times longer work takes here and now than where the bounds were written; 1 or more.

    The worst of several looks: who shares a core with others has a slow moment now and then, and so
    had what is judged.
    """
    return max(1.0, *(_work() / NOMINAL for _ in range(LOOKS)))


def delay() -> float:
    """How many times longer work takes from its beginning to its end: others use the machine, too.

    At most `MOST`: who waits for longer finds no more faults, and takes all day.
    """
    looks = []
    for _ in range(LOOKS):
        began = time.monotonic()
        _work()
        looks.append((time.monotonic() - began) / NOMINAL)
    return min(MOST, max(1.0, *looks))


def is_quick(took: float, most: float) -> bool:
    """Whether processor time is within a bound, by what work takes on this machine just now.

    Where others use the machine, too, work also takes more processor time: its caches are cold.
    """
    return took <= most or took <= most * max(slowness(), delay())


def best_of_three(work: Callable[[], object]) -> float:
    """Seconds of processor time."""
    best = float("inf")
    for _ in range(3):
        began = time.process_time()
        work()
        best = min(best, time.process_time() - began)
    return best


def _work() -> float:
    """Seconds of processor time for what servers do: objects, text, bytes."""
    began = time.process_time()
    for number in range(60):
        values = [{"a": str(each), "b": [each] * 3} for each in range(50)]
        assert len(json.loads(json.dumps(values))) == 50
        assert bytes(20_000).replace(b"\0", b"%d" % (number % 10))
    return time.process_time() - began
