"""Handlers in threads, where `thread=True` asks for it.

Theory: such a handler is called like an `async def` one: the call gives a coroutine, which ends
when the thread has ended the handler. So all that holds for handlers that wait holds for these:
orders, acknowledgements, what is counted and bounded, and the end. Only the end is another one for
the function itself: a thread cannot be cancelled. Who waits for it does so no longer, what has
not begun never begins, and a thread that still runs is none that the process waits for.

Threads begin when they are needed and end when there is nothing to do for a while. So nobody has
to close them, and a server that ends and runs again finds none of its last life.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import threading
from collections import deque
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from sockwave.engine.core.handlers import WrappedHandler, name_of
from sockwave.socketio.core.running import IN_A_THREAD

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from contextvars import Context

    from sockwave.engine.core.handlers import Handler

__all__ = ["HandlerThreads", "ThreadedHandler", "check_threaded"]

IDLE: Final = 10.0
"""Seconds until a thread without work ends: what it keeps, such as a connection to a database, is
not made anew for each event, and not kept for ever."""


class _Call:
    """A handler with what it is called with, and who waits for it."""

    __slots__ = ("_args", "_context", "_future", "_handler", "_loop")

    def __init__(
        self,
        handler: Handler,
        args: tuple[Any, ...],
        future: asyncio.Future[tuple[Any, BaseException | None]],
    ) -> None:
        self._handler = handler
        self._args = args
        self._future = future
        self._loop = future.get_loop()
        self._context: Context = copy_context()

    def run(self) -> None:
        """In the thread; nothing is raised."""
        if self._future.cancelled():
            return
        result, failure = None, None
        try:
            result = self._context.run(self._handler, *self._args)
        except BaseException as error:
            failure = error
        with contextlib.suppress(RuntimeError):  # the loop has ended, and whoever waited with it
            self._loop.call_soon_threadsafe(self._ended, result, failure)

    def _ended(self, result: Any, failure: BaseException | None) -> None:
        if not self._future.done():
            self._future.set_result((result, failure))


class HandlerThreads:
    """A bounded number of threads that run handlers, in the order in which these were called.

    Args:
        most: So many handlers run at a time; others wait.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._calls: deque[_Call] = deque()
        self._changed = threading.Condition()
        self._count = 0
        self._idle = 0
        self._numbers = 0

    async def call(self, handler: Handler, args: tuple[Any, ...]) -> Any:
        """Call a handler in a thread, in a copy of the context of the caller.

        Cancelled before the handler has begun, it never begins; later, it runs to its end.

        Raises:
            RuntimeError: There is no thread yet, and the system gives none.
        """
        future: asyncio.Future[tuple[Any, BaseException | None]]
        future = asyncio.get_running_loop().create_future()
        self._submit(_Call(handler, args, future))
        result, failure = await future
        if failure is None:
            return result
        try:
            raise failure
        finally:
            del failure  # its traceback has this frame

    def _submit(self, call: _Call) -> None:
        with self._changed:
            self._calls.append(call)
            if len(self._calls) > self._idle and self._count < self._most:
                self._start_thread()
            else:
                self._changed.notify()

    def _start_thread(self) -> None:
        self._numbers += 1
        name = f"sockwave-handlers-{self._numbers}"
        try:
            threading.Thread(target=self._work, name=name, daemon=True).start()
        except RuntimeError:
            if not self._count:
                self._calls.pop()
                raise
        else:
            self._count += 1

    def _work(self) -> None:
        while (call := self._next()) is not None:
            call.run()
            del call  # while it waits, nothing is kept alive

    def _next(self) -> _Call | None:
        """What is to be done; None when there was nothing for a while."""
        with self._changed:
            if not self._calls:
                self._idle += 1
                self._changed.wait_for(lambda: self._calls, IDLE)
                self._idle -= 1
            if not self._calls:
                self._count -= 1
                return None
            return self._calls.popleft()


def check_threaded(handler: Handler) -> None:
    """Refuse what would run in the event loop in any case.

    Raises:
        TypeError: It is `async def`.
    """
    call = getattr(handler, "__call__", None)  # noqa: B004 # of an object
    if inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(call):
        raise TypeError(
            f"thread=True is for plain functions, and {name_of(handler)} is async: leave it "
            "out, and call what blocks by asyncio.to_thread"
        )


class ThreadedHandler(WrappedHandler):
    """A plain handler that runs in a thread.

    Raises:
        TypeError: It is `async def`: it would run in the event loop in any case.
    """

    __slots__ = ("_threads",)

    def __init__(self, handler: Handler, threads: HandlerThreads) -> None:
        check_threaded(handler)
        super().__init__(handler)
        self._threads = threads

    def __call__(self, *args: Any, **keywords: Any) -> Coroutine[Any, Any, Any]:
        """Begin the call; what is returned has to be waited for."""
        called = partial(self.__wrapped__, **keywords) if keywords else self.__wrapped__
        running = self._threads.call(called, args)
        name = name_of(self.__wrapped__) + IN_A_THREAD
        running.__qualname__ = name  # type: ignore[attr-defined] # it is what `async def` makes
        return running
