"""What an input may cost (docs/security.md, row Z2): 1 ms and 20 ns a byte, 20 bytes a byte.

A target does more than decode: it encodes what came and decodes it again, in other segments too,
and the smallest packets have two bytes. So the bounds here are larger, by factors that still leave
what grows with the square no chance.
"""

from __future__ import annotations

import time
import tracemalloc
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tests.support.yardstick import is_quick

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["CostError", "Slowest", "check_memory", "check_time", "time_limit"]

_FIXED: Final = 1e-3 * 10
_PER_BYTE: Final = 20e-9 * 50
_CONNECTION: Final = 10
"""More for what plays whole connections: requests, answers, time-outs."""
_BYTES_PER_BYTE: Final = 20 * 10
_FREE_BYTES: Final = 256 * 1024
_RUNS: Final = 3


class CostError(Exception):
    """An input costs too much."""


@dataclass
class Slowest:
    """The input that took longest, in seconds of CPU."""

    seconds: float = 0.0
    data: bytes = b""

    def saw(self, data: bytes, seconds: float) -> None:
        """Compare with another."""
        if seconds > self.seconds:
            self.seconds, self.data = seconds, data

    def __str__(self) -> str:
        return f"{self.seconds * 1e3:.2f} ms for {len(self.data)} bytes"


def time_limit(size: int, *, is_codec: bool) -> float:
    """Seconds of CPU for an input of so many bytes."""
    return (_FIXED + _PER_BYTE * size) * (1 if is_codec else _CONNECTION)


def check_time(check: Callable[[bytes], None], data: bytes, limit: float) -> float:
    """Measure an input that seemed slow in seconds of CPU; the best of up to three counts.

    Raises:
        CostError: It is slow.
    """
    best = limit + 1
    for _ in range(_RUNS):
        began = time.process_time()
        check(data)
        best = min(best, time.process_time() - began)
        if is_quick(best, limit):
            return best
    raise CostError(f"{best * 1e3:.1f} ms of CPU for {len(data)} bytes; {limit * 1e3:.1f} at most")


def check_memory(check: Callable[[bytes], None], data: bytes) -> None:
    """Measure what an input makes the process hold at its peak.

    Raises:
        CostError: Too much.
    """
    limit = _FREE_BYTES + _BYTES_PER_BYTE * len(data)
    tracemalloc.start()
    try:
        check(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    if peak > limit:
        raise CostError(f"{peak:,} bytes of memory for {len(data):,}; {limit:,} at most")
