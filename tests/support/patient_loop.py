"""An event loop in which waiting takes no time, so that no time-out judges a busy machine."""

from __future__ import annotations

import asyncio
import selectors
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

__all__ = ["PatientLoop", "run"]

T = TypeVar("T")


class _Patient(selectors.DefaultSelector):
    """Never waits: time passes at once."""

    passed = 0.0

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if not ready and timeout:
            self.passed += timeout
        return ready


class PatientLoop(asyncio.SelectorEventLoop):
    """Time passes only by waiting, and at once. For what needs neither sockets nor threads."""

    def __init__(self) -> None:
        self._patient = _Patient()
        super().__init__(self._patient)

    def time(self) -> float:
        """Seconds that were waited for."""
        return self._patient.passed


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in such a loop."""
    with asyncio.Runner(loop_factory=PatientLoop) as runner:
        return runner.run(coroutine)
