"""How long to wait before the next attempt to connect (docs/protocol/reconnection.md#backoff)."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Backoff"]

_MAX_EXPONENT: Final = 64
"""Past this any base delay is above any cap; the reference computes on, into NaN."""


class Backoff:
    """Doubling delays with jitter, capped: the reference's, in seconds.

    Each delay is the base times two to the number of delays before it, moved up or down by up to
    `jitter` of that, and then cut to `delay_max`.

    Args:
        delay: Seconds, of the first.
        delay_max: Seconds, after jitter.
        jitter: 0 to 1.
        random: Gives numbers in [0, 1).
    """

    __slots__ = ("_count", "_delay", "_delay_max", "_jitter", "_random")

    def __init__(
        self,
        delay: float = 1.0,
        delay_max: float = 5.0,
        jitter: float = 0.5,
        *,
        random: Callable[[], float] = random.random,
    ) -> None:
        self._delay = delay
        self._delay_max = delay_max
        self._jitter = jitter
        self._random = random
        self._count = 0

    def next(self) -> float:
        """Seconds to wait now; each call is one attempt more."""
        base = self._delay * (1 << min(self._count, _MAX_EXPONENT))
        self._count += 1
        number = self._random()
        deviation = number * self._jitter * base
        # The reference takes the sign from the first decimal of the same number.
        signed = -deviation if int(number * 10) % 2 == 0 else deviation
        return min(base + signed, self._delay_max)

    def reset(self) -> None:
        """Begin again with the first delay."""
        self._count = 0
