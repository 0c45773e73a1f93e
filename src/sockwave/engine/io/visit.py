"""Waiting in one event loop for what happens in another.

Who waits here may be cancelled, and the other loop may end, or has ended. So the two sides hold on
to nothing but messages to each other, and the one that waits looks from time to time whether there
is still anybody to answer: a loop can be closed without a word to those who wait for it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from sockwave.errors import Disconnected

if TYPE_CHECKING:
    from collections.abc import Coroutine

__all__ = ["visit", "wait_for_other"]

R = TypeVar("R")

LOOK: Final = 0.25
"""Seconds between two looks at the other loop."""

LOOKS_IN_VAIN: Final = 4
"""Looks in a row that find a loop which does not run, though it is not closed: it may be between
two calls of `run_until_complete`."""

_visits: Final[set[Visit[Any]]] = set()
"""Loops know their tasks by weak references only."""


async def visit(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, R], whose: str) -> R:
    """Run a coroutine in another loop, and wait for its result in this one.

    Cancelling cancels it there, without waiting for its end.

    Args:
        loop: Where to run it, in whatever thread that is.
        work: To be run.
        whose: Whose loop it is, for the error.

    Raises:
        Disconnected: The loop has ended, or ends before the work does, or does not run.
    """
    return await Visit(loop, work, whose).result()


async def wait_for_other(
    loop: asyncio.AbstractEventLoop, answer: asyncio.Future[R], whose: str
) -> R:
    """Wait for a future of the running loop that another loop is to finish.

    Raises:
        Disconnected: That loop has ended, or does not run.
    """
    in_vain = 0
    while not answer.done():
        if in_vain >= LOOKS_IN_VAIN or loop.is_closed():
            await asyncio.sleep(0)  # the answer may be on its way
            break
        await asyncio.wait((answer,), timeout=LOOK)
        in_vain = 0 if loop.is_running() else in_vain + 1
    if not answer.done():
        state = "has ended" if loop.is_closed() else "does not run"
        raise Disconnected(f"the event loop of the {whose} {state}")
    return answer.result()


class Visit(Generic[R]):
    """One piece of work in another loop. Methods say in which of the two they run."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, R], whose: str
    ) -> None:
        self._whose = whose
        self._work = work
        self._there = loop
        self._here = asyncio.get_running_loop()
        self._answer: asyncio.Future[R] = self._here.create_future()
        self._task: asyncio.Task[R] | None = None
        self._is_left = False

    async def result(self) -> R:
        """Here: do it and wait."""
        self._is_left = not self._post(self._begin)
        try:
            return await wait_for_other(self._there, self._answer, self._whose)
        finally:
            if not self._answer.done():
                self._leave()
            elif not self._answer.cancelled():
                self._answer.exception()  # seen, also by who was cancelled just now

    def _leave(self) -> None:
        """Here: nobody waits any longer."""
        self._answer.cancel()
        if self._task is None and self._there.is_closed():
            self._work.close()  # it will never begin
        else:
            self._post(self._cancel)

    def _post(self, callback: Any) -> bool:
        try:
            self._there.call_soon_threadsafe(callback)
        except RuntimeError:
            _visits.discard(self)  # closed
            return False
        return True

    def _begin(self) -> None:
        """There: start."""
        if self._is_left:
            self._work.close()
            return
        self._task = self._there.create_task(self._work)
        _visits.add(self)
        self._task.add_done_callback(self._done)

    def _cancel(self) -> None:
        """There: stop."""
        if self._task is not None:
            self._task.cancel()

    def _done(self, task: asyncio.Task[R]) -> None:
        """There: tell the result."""
        _visits.discard(self)
        if not task.cancelled():
            task.exception()  # whoever asked knows of it, or does not want to
        try:
            self._here.call_soon_threadsafe(self._take, task)
        except RuntimeError:
            pass  # who waited has ended

    def _take(self, task: asyncio.Task[R]) -> None:
        """Here: hand the result to who waits."""
        if self._answer.done():
            return
        if task.cancelled():  # not by us, so by a loop that ends
            self._answer.set_exception(Disconnected(f"the event loop of the {self._whose} ends"))
        elif (error := task.exception()) is not None:
            self._answer.set_exception(error)
        else:
            self._answer.set_result(task.result())
