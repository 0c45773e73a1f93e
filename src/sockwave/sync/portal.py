"""An event loop in a thread of its own, and threads for handlers.

Theory: everything of the client happens in the loop's thread; a blocking call hands a coroutine
over and waits. Handlers of the user may themselves make blocking calls, so they never run in the
loop's thread: they go through a queue to worker threads. All threads are daemons, and a hook at the
interpreter's exit closes what is open within a bound, so that no script hangs at its end.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import queue
import threading
import weakref
from typing import TYPE_CHECKING, Any, Final, TypeVar

from sockwave.errors import SockwaveError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

__all__ = ["Portal"]

R = TypeVar("R")

EXIT_TIMEOUT: Final = 2.0
"""Seconds that the interpreter's exit may wait for connections to close."""

_open: Final[weakref.WeakSet[Portal]] = weakref.WeakSet()


class Portal:
    """Calls into a loop that runs in another thread.

    Args:
        workers: Threads that run handlers; with one they run in order, one at a time.
    """

    def __init__(self, workers: int = 1) -> None:
        self._loop = asyncio.new_event_loop()
        self._pid = os.getpid()
        self._is_closed = False
        self._jobs: queue.SimpleQueue[Callable[[], object] | None] = queue.SimpleQueue()
        self._closers: list[Callable[[], Coroutine[Any, Any, None]]] = []
        self._thread = threading.Thread(target=self._run, name="sockwave", daemon=True)
        self._thread.start()
        self._workers = [
            threading.Thread(target=self._work, name=f"sockwave-handlers-{number}", daemon=True)
            for number in range(workers)
        ]
        for worker in self._workers:
            worker.start()
        _open.add(self)

    def on_close(self, closer: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run a coroutine in the loop before it stops."""
        self._closers.append(closer)

    # --- calls ------------------------------------------------------------------------------------

    def call(self, coroutine: Coroutine[Any, Any, R]) -> R:
        """Run a coroutine in the loop and wait for its result; Ctrl-C cancels it.

        Raises:
            RuntimeError: Called in the loop's own thread, after a fork, or when closed.
        """
        try:
            self._check()
        except RuntimeError:
            coroutine.close()
            raise
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def run(self, function: Callable[..., R], *args: Any) -> R:
        """Run a function in the loop and wait for its result."""

        async def run() -> R:
            return function(*args)

        return self.call(run())

    def wrap(self, handler: Callable[..., Any]) -> Callable[..., Coroutine[Any, Any, Any]]:
        """Make a handler for the asyncio client of one that runs in a worker."""

        async def wrapped(*args: Any) -> Any:
            done: asyncio.Future[Any] = self._loop.create_future()

            def job() -> None:
                try:
                    result, error = handler(*args), None
                except Exception as failure:
                    result, error = None, failure
                self._later(_finish, done, result, error)

            self._jobs.put(job)
            return await done

        wrapped.__wrapped__ = handler  # type: ignore[attr-defined] # its arguments, and `off`
        return wrapped

    def start(self, function: Callable[..., object], *args: Any) -> None:
        """Run a function in a worker, and wait for nothing."""
        self._jobs.put(lambda: function(*args))

    def _check(self) -> None:
        if os.getpid() != self._pid:
            raise RuntimeError("a connection cannot be used after a fork: make one in the child")
        if self._is_closed:
            raise RuntimeError("the connection is closed")
        if threading.current_thread() is self._thread:
            raise RuntimeError("a blocking call in the event loop's thread would never end")

    def _later(self, function: Callable[..., object], *args: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(function, *args)
        except RuntimeError:
            pass  # closed meanwhile: nobody waits

    # --- threads ----------------------------------------------------------------------------------

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            self._loop.close()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()

    def close(self, timeout: float | None = None) -> None:
        """Close what is open, and end the threads; the second time nothing happens.

        Args:
            timeout: Seconds to wait at most; what is not closed by then is cut.
        """
        if self._is_closed or os.getpid() != self._pid:
            return
        future = asyncio.run_coroutine_threadsafe(self._close_all(), self._loop)
        try:
            future.result(timeout)
        except (TimeoutError, SockwaveError):
            future.cancel()
        finally:
            self._is_closed = True
            _open.discard(self)
            for _ in self._workers:
                self._jobs.put(None)
            self._later(self._loop.stop)
        self._thread.join(EXIT_TIMEOUT)

    async def _close_all(self) -> None:
        for closer in self._closers:
            await closer()


def _finish(done: asyncio.Future[Any], result: Any, error: Exception | None) -> None:
    if done.done():
        return
    if error is None:
        done.set_result(result)
    else:
        done.set_exception(error)


@atexit.register
def _close_at_exit() -> None:
    for portal in list(_open):
        portal.close(EXIT_TIMEOUT)
