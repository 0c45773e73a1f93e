"""What the connections of one client share in an event loop: clocks, one wheel of timers, tasks."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, Final

from sockwave.engine.core.heartbeat import TimingWheel

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from sockwave.engine.core.heartbeat import WheelEntry

__all__ = ["Runtime"]

LATE: Final = 1.0
"""Seconds after which a timer is so late that the process was stopped or blocked: what the server
sent meanwhile is read before it is judged for silence."""

_HAS_EAGER_TASKS: Final = sys.version_info >= (3, 12)
_logger: Final = logging.getLogger("sockwave.engine")


def _awake_clock() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Runtime:
    """Binds a client to one event loop and owns every task it starts there."""

    def __init__(self) -> None:
        self.thread_id = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wheel = TimingWheel()
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[Any]] = set()

    # --- the loop ---------------------------------------------------------------------------------

    def bind(self) -> None:
        """Use the running loop from now on.

        Raises:
            RuntimeError: There is none, or the client is in use in another one.
        """
        loop = asyncio.get_running_loop()
        if loop is self._loop:
            return
        if self._loop is not None and not self._loop.is_closed() and self._tasks:
            raise RuntimeError("this client is in use in another event loop")
        self._loop = loop
        self.thread_id = threading.get_ident()
        self.clock = loop.time  # type: ignore[method-assign] # no call of ours in between
        self.call_soon = loop.call_soon  # type: ignore[method-assign,assignment] # likewise
        self._wheel = TimingWheel()
        self._timer = None
        self._tasks.clear()

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The bound loop.

        Raises:
            RuntimeError: The client was not started inside an event loop.
        """
        if self._loop is None:
            raise RuntimeError("the client is not connected to an event loop yet")
        return self._loop

    @property
    def is_bound(self) -> bool:
        """Whether there is a loop yet."""
        return self._loop is not None

    def clock(self) -> float:
        """Monotonic seconds of the loop."""
        return self.loop.time()

    awake_clock: Callable[[], float] = staticmethod(
        _awake_clock if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic
    )
    """Seconds of a clock that also runs while the machine sleeps, where there is one."""

    def call_soon(self, callback: Callable[[], None]) -> None:
        """Run in the next turn of the loop."""
        self.loop.call_soon(callback)

    def is_foreign_thread(self) -> bool:
        """Whether the caller runs in another thread than the loop's."""
        return self._loop is not None and threading.get_ident() != self.thread_id

    def call_from_thread(self, callback: Callable[..., object], *args: Any) -> None:
        """Hand a call to the loop; order within one calling thread is kept."""
        self.loop.call_soon_threadsafe(callback, *args)

    # --- tasks ------------------------------------------------------------------------------------

    def start(self, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run a coroutine from the next turn on, and own it until it ends."""
        task = self.loop.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def start_handler(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        """Run a handler, at once where Python can (3.12): one that never waits costs no switch."""
        if not _HAS_EAGER_TASKS:
            self.start(coroutine)
            return
        task = asyncio.Task(coroutine, loop=self.loop, eager_start=True)  # type: ignore[call-arg] # typeshed
        if not task.done():
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def __len__(self) -> int:
        """How many tasks run."""
        return len(self._tasks)

    async def cancel_all(self) -> None:
        """Cancel all tasks but the calling one, and wait until they are gone."""
        current = asyncio.current_task()
        tasks = [task for task in self._tasks if task is not current]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._timer is not None and not len(self._wheel):
            self._timer.cancel()  # nothing of a closed client stays in the loop
            self._timer = None
            self._wheel = TimingWheel()

    # --- deadlines --------------------------------------------------------------------------------

    def schedule(self, entry: WheelEntry, deadline: float) -> None:
        """Put a deadline into the wheel, or move it."""
        if self._wheel.schedule(entry, deadline):
            self._arm()

    def cancel(self, entry: WheelEntry) -> None:
        """Take a deadline out."""
        self._wheel.cancel(entry)

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        deadline = self._wheel.next_deadline()
        if deadline is not None:
            self._timer = self.loop.call_at(deadline, self._deadline_came, deadline)

    def _deadline_came(self, deadline: float) -> None:
        self._timer = None
        if self.clock() - deadline > LATE:
            self._timer = self.loop.call_later(0.05, self._expire)
        else:
            self._expire()

    def _expire(self) -> None:
        self._timer = None
        now = self.clock()
        for entry in self._wheel.expire(now):
            try:
                entry.handle_timeout(now)
            except Exception:
                _logger.exception("internal error at a deadline")
        self._arm()
