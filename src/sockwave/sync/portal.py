"""An event loop in a thread of its own, and threads for handlers.

Theory: everything of the client happens in the loop's thread; a blocking call hands a coroutine
over and waits. Handlers of the user may themselves make blocking calls, so they never run in the
loop's thread: they go to workers. Whatever a user's function raises is a failure of that function
alone: neither a worker nor the loop's thread ends by it, not by `SystemExit` either, which in a
thread would end the client without a word, and the program not at all. All threads are daemons, and
a hook at the interpreter's exit closes what is open within a bound, so that no script hangs at its
end. The threads refer to the portal and never to what the user holds: an owner that is dropped can
be collected, and that ends the portal.
"""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import inspect
import logging
import os
import threading
import warnings
import weakref
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from sockwave.errors import SockwaveError
from sockwave.sync.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

__all__ = ["Portal", "raised_by"]

R = TypeVar("R")

EXIT_TIMEOUT: Final = 2.0
"""Seconds that the interpreter's exit may wait for connections to close."""

_open: Final[weakref.WeakSet[Portal]] = weakref.WeakSet()
_logger: Final = logging.getLogger("sockwave.socketio")


class _Escaped(Exception):
    """A user's function raised what must not pass through the loop; that is the cause."""


class Portal:
    """Calls into a loop that runs in another thread.

    Args:
        workers: Threads that run handlers; with one they run in order, one at a time.
    """

    def __init__(self, workers: int = 1) -> None:
        self._loop = asyncio.new_event_loop()
        self._pid = os.getpid()
        self._is_closed = False
        self._closers: list[Callable[[], Coroutine[Any, Any, None]]] = []
        self._thread = threading.Thread(target=self._run, name="sockwave", daemon=True)
        self._thread.start()
        self._workers = Workers(workers)
        _open.add(self)

    def on_close(self, closer: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run a coroutine in the loop before it stops."""
        self._closers.append(closer)

    def close_with(self, owner: object, name: str) -> None:
        """Close when this object is collected, with a ResourceWarning, unless it is closed."""
        weakref.finalize(owner, self._abandon, name).atexit = False

    # --- calls ------------------------------------------------------------------------------------

    def call(self, coroutine: Coroutine[Any, Any, R]) -> R:
        """Run a coroutine in the loop and wait for its result; Ctrl-C cancels it.

        Raises:
            RuntimeError: Called in the loop's own thread, after a fork, or when closed, also by
                another thread meanwhile.
        """
        try:
            self.check()
            future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        except RuntimeError:
            coroutine.close()
            raise
        try:
            return future.result()
        except concurrent.futures.CancelledError:
            raise RuntimeError("the connection is closed") from None
        except BaseException:
            future.cancel()
            raise

    def run(self, function: Callable[..., R], *args: Any) -> R:
        """Run a function in the loop and wait for its result."""

        async def run() -> R:
            return function(*args)

        return self.call(run())

    def check(self) -> None:
        """Refuse a call that could never end.

        Raises:
            RuntimeError: See `call`.
        """
        self.check_process()
        if self._is_closed:
            raise RuntimeError("the connection is closed")
        if threading.current_thread() is self._thread:
            raise RuntimeError("a blocking call in the event loop's thread would never end")

    def check_process(self) -> None:
        """Refuse what would be done in vain.

        Raises:
            RuntimeError: This process is a child of the one that the threads run in.
        """
        if os.getpid() != self._pid:
            raise RuntimeError(
                "this client cannot be used after a fork, since its connection and its threads are "
                "those of the parent process: make one in the child"
            )

    # --- functions of the user --------------------------------------------------------------------

    def wrap(self, handler: Callable[..., Any]) -> Callable[..., Coroutine[Any, Any, Any]]:
        """Make a handler for the asyncio client of one that runs in a worker.

        Raises:
            TypeError: It is `async def`, and there is no loop of the user's to run it in.
        """
        self.check_process()
        _check_plain(handler)

        async def wrapped(*args: Any) -> Any:
            done: asyncio.Future[Any] = self._loop.create_future()
            self._workers.submit(partial(handler, *args), partial(self._later, _finish, done))
            return await done

        wrapped.__wrapped__ = handler  # type: ignore[attr-defined] # its arguments, and `off`
        return wrapped

    def callback(
        self, function: Callable[..., object], failed: Callable[[Exception], object]
    ) -> Callable[..., None]:
        """Make a callback for the asyncio client of a function that runs in a worker.

        Args:
            failed: Gets what it raises, in the loop.

        Raises:
            TypeError: As `wrap`.
        """
        self.check_process()
        _check_plain(function)
        asked_by = self._workers.current()
        done = partial(self._later, _report, failed)

        def called(*args: Any) -> None:
            self._workers.submit(partial(function, *args), done, asked_by)

        return called

    @staticmethod
    def guard(function: Callable[..., Any]) -> Callable[..., Any]:
        """Make a function that runs in the loop, such as `auth`, unable to end it."""

        def guarded() -> Any:
            try:
                result = function()
            except Exception:
                raise
            except BaseException as error:
                raise _passable(error) from error
            return _guarded(result) if hasattr(result, "__await__") else result

        guarded.__wrapped__ = function  # type: ignore[attr-defined] # what the user gave
        return guarded

    def _later(self, function: Callable[..., object], *args: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(function, *args)
        except RuntimeError:
            pass  # closed meanwhile: nobody waits

    # --- the thread of the loop -------------------------------------------------------------------

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            while not self._is_closed:
                try:
                    self._loop.run_forever()
                except BaseException:
                    _logger.critical("internal error: the client goes on", exc_info=True)
            self._cancel_all()
        finally:
            self._loop.close()

    def _cancel_all(self) -> None:
        """Let every call that still waits in another thread end."""
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        if tasks:
            self._loop.run_until_complete(asyncio.wait(tasks, timeout=EXIT_TIMEOUT))

    # --- the end ----------------------------------------------------------------------------------

    def close(self, timeout: float | None = None) -> None:
        """Close what is open, and end the threads; the second time nothing happens.

        In a forked child nothing happens either: the connection is its parent's.

        Args:
            timeout: Seconds to wait at most; what is not closed by then is cut.
        """
        if self._is_closed or os.getpid() != self._pid:
            return
        self.check()
        future = asyncio.run_coroutine_threadsafe(self._close_all(), self._loop)
        try:
            future.result(timeout)
        except (TimeoutError, SockwaveError, concurrent.futures.CancelledError):
            future.cancel()
        finally:
            self._end()
        self._thread.join(EXIT_TIMEOUT)

    def _abandon(self, name: str) -> None:
        """Close without waiting: the caller is the garbage collector, in whatever thread."""
        if self._is_closed or os.getpid() != self._pid:
            return
        asyncio.run_coroutine_threadsafe(self._close_and_end(), self._loop)
        text = f"unclosed {name}: it is closed now; use `with`, or keep it and call close()"
        warnings.warn(text, ResourceWarning, stacklevel=2)

    async def _close_and_end(self) -> None:
        try:
            async with asyncio.timeout(EXIT_TIMEOUT):
                await self._close_all()
        finally:
            self._end()

    async def _close_all(self) -> None:
        for closer in self._closers:
            await closer()

    def _end(self) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        _open.discard(self)
        self._workers.close()
        self._later(self._loop.stop)


def raised_by(error: Exception) -> BaseException:
    """What a user's function raised, of what the asyncio client reports."""
    cause = error.__cause__
    return cause if isinstance(error, _Escaped) and cause is not None else error


def _check_plain(function: Callable[..., Any]) -> None:
    if inspect.iscoroutinefunction(function):
        name = getattr(function, "__name__", function)
        raise TypeError(f"{name} is async def: functions of the blocking client are plain ones")


def _passable(error: BaseException) -> Exception:
    """An exception that a future takes, and that does not end the loop."""
    if isinstance(error, Exception) and not isinstance(error, StopIteration):
        return error
    escaped = _Escaped(f"it raised {error!r}")
    escaped.__cause__ = error
    return escaped


async def _guarded(awaitable: Any) -> Any:
    try:
        return await awaitable
    except (SystemExit, KeyboardInterrupt) as error:
        raise _passable(error) from error


def _finish(done: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if done.done():
        return
    if error is None:
        done.set_result(result)
    else:
        done.set_exception(_passable(error))


def _report(
    failed: Callable[[Exception], object], result: object, error: BaseException | None
) -> None:
    if error is not None:
        failed(_passable(error))


@atexit.register
def _close_at_exit() -> None:
    for portal in list(_open):
        portal.close(EXIT_TIMEOUT)
