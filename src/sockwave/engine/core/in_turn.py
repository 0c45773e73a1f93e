"""Calls that cause each other, one after the other instead of one inside the other."""

from __future__ import annotations

import logging
from collections import deque
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["InTurn"]

DEPTH: Final = 4
"""Calls that may stand one inside the other: one handler that ends another socket, and looks at it
afterwards, finds it gone."""

_logger: Final = logging.getLogger("sockwave.engine")


class InTurn:
    """Runs functions that may ask for others of their kind, which begin in the order of asking.

    The handler of an end may cause other ends, whose handlers may cause more: for a room of a
    thousand that would be a stack of thousands of calls. Past `DEPTH` they wait until those that
    run have ended.
    """

    __slots__ = ("_depth", "_waiting")

    def __init__(self) -> None:
        self._depth = 0
        self._waiting: deque[tuple[Callable[..., None], tuple[Any, ...]]] = deque()

    def run(self, function: Callable[..., None], *args: Any) -> None:
        """Call a function: now, or behind those that run and those that wait."""
        if self._waiting or self._depth == DEPTH:
            self._waiting.append((function, args))
            return
        self._depth += 1
        try:
            function(*args)
        finally:
            self._depth -= 1
        if self._waiting and not self._depth:
            self._run_waiting()

    def _run_waiting(self) -> None:
        self._depth = DEPTH
        try:
            while self._waiting:
                function, args = self._waiting.popleft()
                try:
                    function(*args)
                except Exception:
                    _logger.exception("internal error at an end")
        finally:
            self._depth = 0
