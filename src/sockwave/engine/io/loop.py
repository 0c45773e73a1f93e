"""What is shared in one event loop, by a server or by a client: clock, wheel, tasks, threads."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Final

from sockwave.engine.core.heartbeat import TimingWheel

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from sockwave.engine.core.heartbeat import WheelEntry

__all__ = ["LoopDriver"]

DEADLINES_PER_TICK: Final = 256

LATE: Final = 1.0
"""Seconds after which a timer is so late that the process was stopped or blocked: what peers sent
meanwhile is read before anybody is judged for silence."""

_HAS_EAGER_TASKS: Final = sys.version_info >= (3, 12)

_logger: Final = logging.getLogger("sockwave.engine")


class LoopDriver(ABC):
    """Binds one side, the server or a client, to an event loop.

    Attributes:
        thread_id: Of the thread that the loop runs in; 0 before there is one.
    """

    _side: ClassVar[str]
    """What it drives, in messages of errors."""
    _not_bound: ClassVar[str]
    """Message of the error when there is no loop yet."""

    def __init__(self) -> None:
        self.thread_id = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wheel = TimingWheel()
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[Any] | None] = set()

    # --- the loop ---------------------------------------------------------------------------------

    def bind(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        """Use this loop, or else the running one, from now on, in the calling thread.

        Raises:
            RuntimeError: There is none, or another one is in use.
        """
        loop = loop or asyncio.get_running_loop()
        if loop is self._loop:
            return
        if self._loop is not None and not self._loop.is_closed() and self._is_in_use():
            raise RuntimeError(f"this {self._side} is in use in another event loop")
        is_first = self._loop is None
        self._loop = loop
        self.thread_id = threading.get_ident()
        self.clock = loop.time  # type: ignore[method-assign] # no call of ours in between
        self.call_soon = loop.call_soon  # type: ignore[method-assign,assignment] # likewise
        self._loop_changed(is_first)
        self._wheel = TimingWheel()
        self._timer = None

    @abstractmethod
    def _is_in_use(self) -> bool:
        """Whether something would be lost with the loop."""

    @abstractmethod
    def _loop_changed(self, is_first: bool) -> None:
        """Forget what belongs to the loop before, whose deadlines still stand in the wheel."""

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The bound loop.

        Raises:
            RuntimeError: There is none yet.
        """
        if self._loop is None:
            raise RuntimeError(self._not_bound)
        return self._loop

    @property
    def is_bound(self) -> bool:
        """Whether there is a loop yet."""
        return self._loop is not None

    def clock(self) -> float:
        """Monotonic seconds of the loop."""
        return self.loop.time()

    @staticmethod
    def turn_clock() -> float:
        """Monotonic seconds that go on during a turn of the loop; those of uvloop stand still."""
        return time.monotonic()

    def call_soon(self, callback: Callable[[], None]) -> None:
        """Run in the next turn of the loop."""
        self.loop.call_soon(callback)

    def is_foreign_thread(self) -> bool:
        """Whether the caller runs in another thread than the loop's."""
        return threading.get_ident() != self.thread_id

    def call_from_thread(self, callback: Callable[..., object], *args: Any) -> None:
        """Hand a call to the loop; order within one calling thread is kept."""
        self.loop.call_soon_threadsafe(callback, *args)

    # --- tasks ------------------------------------------------------------------------------------

    def _start_eagerly(self, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run a coroutine, at once where Python can (3.12), else from the next turn on.

        Unless it is done, it is owned until it is taken out of `_tasks`.
        """
        if _HAS_EAGER_TASKS:
            task = asyncio.Task(coroutine, loop=self.loop, eager_start=True)  # type: ignore[call-arg] # typeshed
            if task.done():
                return task
        else:
            task = self.loop.create_task(coroutine)
        self._tasks.add(task)
        return task

    def tasks(self) -> set[asyncio.Task[Any]]:
        """Those that run, as they are now."""
        return {task for task in self._tasks if task is not None}

    def cancel_tasks(self) -> list[asyncio.Task[Any]]:
        """Cancel all tasks but the calling one, and return those whose end is to be awaited."""
        current = asyncio.current_task()
        tasks = [task for task in self._tasks if task is not None and task is not current]
        for task in tasks:
            task.cancel()
        return tasks

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
        for entry in self._wheel.expire(now, DEADLINES_PER_TICK):
            try:
                entry.handle_timeout(now)
            except Exception:
                _logger.exception("internal error at a deadline")
        self._arm()
