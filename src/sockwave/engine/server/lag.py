"""How late the event loop is, for those who observe it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from sockwave.observe import LoopLag

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from sockwave.observe import Observers

__all__ = ["LagMeter"]

_INTERVAL: Final = 0.5
"""Seconds between two looks."""


class LagDriver(Protocol):
    """Knows the loop."""

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """Where it runs."""

    def when_bound(self, callback: Callable[[], None]) -> None:
        """Call back in the loop, as soon as there is one."""


class LagMeter:
    """Looks twice a second how late a timer is, as long as somebody wants to know.

    Args:
        driver: Of the engine.
        observers: Who is told.
    """

    def __init__(self, driver: LagDriver, observers: Observers) -> None:
        self._driver = driver
        self._observers = observers
        self._timer: asyncio.TimerHandle | None = None
        self._is_beginning = False
        observers.on_change(self._observers_changed)

    def loop_changed(self) -> None:
        """Another loop takes over."""
        self._timer = None
        self._observers_changed()

    def _observers_changed(self) -> None:
        if self._observers.loop_lag and self._timer is None and not self._is_beginning:
            self._is_beginning = True
            self._driver.when_bound(self._begin)

    def _begin(self) -> None:
        self._is_beginning = False
        if self._timer is None:
            self._look_at(self._driver.loop.time() + _INTERVAL)

    def _look_at(self, due: float) -> None:
        self._timer = self._driver.loop.call_at(due, self._look, due)

    def _look(self, due: float) -> None:
        now = self._driver.loop.time()
        if functions := self._observers.loop_lag:
            self._look_at(now + _INTERVAL)
            self._observers.tell(functions, LoopLag(max(now - due, 0.0)))
        else:
            self._timer = None
