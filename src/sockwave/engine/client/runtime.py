"""What the connections of one client share in an event loop."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from sockwave.engine.core.heartbeat import TimingWheel
from sockwave.engine.io.loop import LoopDriver

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

__all__ = ["Runtime"]


def _awake_clock() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Runtime(LoopDriver):
    """Binds a client to one event loop and owns every task it starts there."""

    _side = "client"
    _not_bound = "the client is not connected to an event loop yet"

    # --- the loop ---------------------------------------------------------------------------------

    def _is_in_use(self) -> bool:
        return bool(self._tasks)

    def _loop_changed(self, is_first: bool) -> None:
        self._tasks.clear()

    awake_clock: Callable[[], float] = staticmethod(
        _awake_clock if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic
    )
    """Seconds of a clock that also runs while the machine sleeps, where there is one."""

    def is_foreign_thread(self) -> bool:
        """Whether there is a loop and the caller runs in another thread than that."""
        return self.is_bound and super().is_foreign_thread()

    # --- tasks ------------------------------------------------------------------------------------

    def start(self, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run a coroutine from the next turn on, and own it until it ends."""
        task = self.loop.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def start_handler(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        """Run a handler, at once where Python can (3.12): one that never waits costs no switch."""
        task = self._start_eagerly(coroutine)
        if not task.done():
            task.add_done_callback(self._tasks.discard)

    async def cancel_all(self) -> None:
        """Cancel all tasks but the calling one, and wait until they are gone."""
        await asyncio.gather(*self.cancel_tasks(), return_exceptions=True)
        if self._timer is not None and not len(self._wheel):
            self._timer.cancel()  # nothing of a closed client stays in the loop
            self._timer = None
            self._wheel = TimingWheel()
