"""Threads that run handlers of the blocking client.

Theory: handlers may make blocking calls, and a handler may wait for the `ack=` callback of an event
that it has emitted itself. Were the callback queued behind it in the same thread, neither would
ever end. So each job knows the job that asked for it. As long as that one runs, the job goes one
level deeper, to a thread that no job above it occupies: whoever waits, waits for a deeper level
only, hence there is no circle. All other jobs share level 0, the handlers' own threads, in order.
"""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Job", "Workers"]

MAX_LEVEL: Final = 64
"""Callbacks that wait for each other's callbacks, one in the other; each costs a thread."""


class Job:
    """A call of a user's function.

    Args:
        call: To be made in a worker.
        done: Gets what it returned, or what it raised, in the worker.
        asked_by: The job inside which it was asked for, if that still runs.
    """

    __slots__ = ("_call", "_done", "asked_by", "is_running", "level")

    def __init__(
        self,
        call: Callable[[], Any],
        done: Callable[[Any, BaseException | None], object],
        asked_by: Job | None,
    ) -> None:
        self.is_running: bool = True
        self.asked_by: Job | None = asked_by
        self.level: int = 0 if asked_by is None else min(asked_by.level + 1, MAX_LEVEL)
        self._call = call
        self._done = done

    def run(self) -> None:
        """Make the call; whatever it raises is its result, and the worker lives on."""
        try:
            result, error = self._call(), None
        except BaseException as raised:
            result, error = None, raised
        self.is_running = False
        self._done(result, error)


class Workers:
    """Runs jobs; each level has its own queue, and one thread from its first job on.

    Args:
        count: Threads of level 0; with one, handlers run in order, one at a time.
    """

    def __init__(self, count: int) -> None:
        self._queues: list[queue.SimpleQueue[Job | None]] = []
        self._threads: list[queue.SimpleQueue[Job | None]] = []
        self._lock = threading.Lock()
        self._is_closed = False
        self._local = threading.local()
        for _ in range(count):
            self._start_thread(0)

    def current(self) -> Job | None:
        """The job that the calling thread runs, if it is one of these."""
        return getattr(self._local, "job", None)

    def submit(
        self,
        call: Callable[[], Any],
        done: Callable[[Any, BaseException | None], object],
        asked_by: Job | None = None,
    ) -> None:
        """Queue a call; when all is closed it is dropped."""
        while asked_by is not None and not asked_by.is_running:
            asked_by = asked_by.asked_by
        job = Job(call, done, asked_by)
        with self._lock:
            if self._is_closed:
                return
            while len(self._queues) <= job.level:
                self._start_thread(len(self._queues))
            self._queues[job.level].put(job)

    def close(self) -> None:
        """End the threads, each after the job that it runs and those that wait."""
        with self._lock:
            self._is_closed = True
            threads, self._threads = self._threads, []
        for jobs in threads:
            jobs.put(None)

    def _start_thread(self, level: int) -> None:
        if len(self._queues) == level:
            self._queues.append(queue.SimpleQueue())
        jobs = self._queues[level]
        self._threads.append(jobs)
        name = f"sockwave-handlers-{len(self._threads)}"
        threading.Thread(target=self._work, args=(jobs,), name=name, daemon=True).start()

    def _work(self, jobs: queue.SimpleQueue[Job | None]) -> None:
        while (job := jobs.get()) is not None:
            self._local.job = job
            job.run()
            self._local.job = job = None  # while it waits, nothing is kept alive
