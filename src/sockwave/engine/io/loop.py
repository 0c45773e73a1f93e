"""What is shared in one event loop, by a server or by a client: clock, wheel, tasks, threads."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import time
import weakref
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeVar

from sockwave.engine.core.heartbeat import LATE, TimingWheel
from sockwave.engine.io.turns import Turns
from sockwave.engine.io.visit import visit
from sockwave.errors import Disconnected
from sockwave.platform import after_fork_in_child

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from sockwave.engine.core.heartbeat import WheelEntry

__all__ = ["LoopDriver", "forget_cancellation", "is_cancelled"]

R = TypeVar("R")

DEADLINES_PER_TICK: Final = 256

_HAS_EAGER_TASKS: Final = sys.version_info >= (3, 12)

_logger: Final = logging.getLogger("sockwave.engine")
_bound: Final[weakref.WeakSet[LoopDriver]] = weakref.WeakSet()


class LoopDriver(ABC):
    """Binds one side, the server or a client, to an event loop.

    Attributes:
        thread_id: Of the thread that the loop runs in; 0 before there is one.
        turns: The time that is spent on what peers send.
    """

    _side: ClassVar[str]
    """What it drives, in messages of errors."""
    _not_bound: ClassVar[str]
    """Message of the error when there is no loop yet."""

    def __init__(self) -> None:
        self.thread_id: int = 0
        self._is_forked = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self.turns: Turns = Turns(self.turn_clock, self.call_soon)
        self._wheel = TimingWheel()
        self._timer: asyncio.TimerHandle | None = None
        self._on_bind: list[Callable[[], None]] = []
        self._is_bind_due = False
        self._tasks: set[asyncio.Task[Any] | None] = set()
        self._ending: weakref.WeakSet[asyncio.Task[Any]] = weakref.WeakSet()

    # --- the loop ---------------------------------------------------------------------------------

    def bind(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        """Use this loop, or else the running one, from now on, in the calling thread.

        Raises:
            RuntimeError: There is none, or another one is in use.
        """
        self.check_process()
        loop = loop or asyncio.get_running_loop()
        if loop is not self._loop:
            if self._loop is not None and not self._loop.is_closed() and self._is_in_use():
                raise RuntimeError(f"this {self._side} is in use in another event loop")
            self._take(loop)
        if self._is_bind_due:
            for callback in self._on_bind:
                callback()
            self._is_bind_due = False

    def _take(self, loop: asyncio.AbstractEventLoop) -> None:
        is_first = self._loop is None
        _bound.add(self)
        self._loop = loop
        self.thread_id = threading.get_ident()
        self.clock = loop.time  # type: ignore[method-assign] # no call of ours in between
        self.call_soon = loop.call_soon  # type: ignore[method-assign,assignment] # likewise
        self.turns = Turns(self.turn_clock, self.call_soon)
        self._loop_changed(is_first)
        self._wheel = TimingWheel()
        self._timer = None
        self.begin_again()

    def on_bind(self, callback: Callable[[], None]) -> None:
        """Call back whenever this is bound to a loop, before anything is done there.

        What it raises is raised by `bind`, and it is called again with the next one.
        """
        self._on_bind.append(callback)
        self.begin_again()

    def begin_again(self) -> None:
        """Call back all of `on_bind` at the next `bind`, though it may be to the same loop."""
        self._is_bind_due = bool(self._on_bind)

    # --- forks ------------------------------------------------------------------------------------

    def forked(self) -> None:
        """This is a child of the process that it was used in, whose loop does not run here."""
        if self._loop is not None and not self._loop.is_closed():
            self._is_forked = True
            self.thread_id = -1  # no thread is its own, so that no call takes the short way

    @property
    def is_forked(self) -> bool:
        """Whether the loop and all connections are those of another process."""
        return self._is_forked

    def check_process(self) -> None:
        """Refuse what would be done in vain, on connections that are the parent's.

        Raises:
            RuntimeError: This process was forked while there was a loop.
        """
        if self._is_forked:
            raise RuntimeError(
                f"this {self._side} cannot be used after a fork, since its connections are those "
                "of the parent process: make one in the child"
            )

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

    @property
    def has_ended(self) -> bool:
        """Whether there was a loop, and it is closed."""
        return self._loop is not None and self._loop.is_closed()

    def clock(self) -> float:
        """Monotonic seconds of the loop."""
        return self.loop.time()

    turn_clock: Callable[[], float] = staticmethod(time.perf_counter)
    """Monotonic seconds that go on during a turn of the loop, finer than a slice of it: the clock
    of uvloop stands still meanwhile, and `time.monotonic` of Windows makes steps of 16 ms."""

    def call_soon(self, callback: Callable[[], None]) -> None:
        """Run in the next turn of the loop."""
        self.loop.call_soon(callback)

    def is_foreign_thread(self) -> bool:
        """Whether the caller runs in another thread than the loop's, or that has ended: then
        another thread may have got its number."""
        loop = self._loop
        return threading.get_ident() != self.thread_id or (loop is not None and loop.is_closed())

    def call_from_thread(self, callback: Callable[..., object], *args: Any) -> None:
        """Hand a call to the loop; order within one calling thread is kept.

        Raises:
            Disconnected: The loop has ended.
        """
        self.check_process()
        try:
            self.loop.call_soon_threadsafe(callback, *args)
        except RuntimeError:
            if not self.loop.is_closed():
                raise
            raise Disconnected(f"the event loop of the {self._side} has ended") from None

    def is_elsewhere(self) -> bool:
        """Whether there is a loop, and the caller does not run in it."""
        return self._loop is not None and asyncio._get_running_loop() is not self._loop

    async def visit(self, work: Coroutine[Any, Any, R]) -> R:
        """Run a coroutine in the loop for a caller in another one; see `visit` of the module.

        Raises:
            Disconnected: The loop has ended, or does before the work is done.
        """
        try:
            self.check_process()
        except RuntimeError:
            work.close()
            raise
        return await visit(self.loop, work, self._side)

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
            self._ending.add(task)
            task.cancel()
        return tasks

    def is_ending(self) -> bool:
        """Whether the running task was cancelled by `cancel_tasks`: then its end is no failure."""
        return asyncio.current_task() in self._ending

    def application_failed(self, error: BaseException) -> None:
        """A function of the application has ended by an exception, which was reported.

        One that asks for the end of the program ends it, by way of the loop: raised here it would
        pass for a fault of the connection whose bytes are being read, and end only that. In a
        thread that is not the main one it would end no more than the thread, without a word.
        """
        if (
            isinstance(error, (SystemExit, KeyboardInterrupt))
            and threading.current_thread() is threading.main_thread()
        ):
            self.loop.call_soon(_raise, error)

    # --- deadlines --------------------------------------------------------------------------------

    def schedule(self, entry: WheelEntry, deadline: float) -> None:
        """Put a deadline into the wheel, or move it."""
        if self._wheel.schedule(entry, deadline):
            self._arm()

    def cancel(self, entry: WheelEntry) -> None:
        """Take a deadline out."""
        if entry.wheel_slot:
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


def is_cancelled() -> bool:
    """Whether the running task was cancelled, and does not only wait for another one that was."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def forget_cancellation() -> None:
    """Let the running task go on as if nobody had cancelled it: time-outs ask whether one did."""
    task = asyncio.current_task()
    while task is not None and task.cancelling():
        task.uncancel()


def _raise(error: BaseException) -> None:
    raise error


def _tell_all() -> None:
    for driver in list(_bound):
        driver.forked()


after_fork_in_child(_tell_all)
