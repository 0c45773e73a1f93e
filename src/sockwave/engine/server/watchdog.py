"""Names the function of an application that keeps the event loop from serving anybody else.

Theory. Nothing is noted when a handler begins or ends: events would pay for it. A thread looks from
time to time what the loop's thread is doing. If that is a function of the application, it asks the
loop for a sign of life; if there has been none by the next look, and it is still such a function,
then this function has run all the time, and the log tells its name. A process that was stopped as a
whole finds that its watchdog is late, too, and nobody is blamed.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import sys
import threading
import time
from collections import deque
from contextlib import suppress
from itertools import accumulate, chain, islice, repeat, takewhile
from operator import call, methodcaller
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType, FrameType

__all__ = ["Watchdog"]


def _folder(code: CodeType, levels: int) -> str:
    """A folder above a module, as its code names it: in a frozen program it is no real place."""
    folders = Path(code.co_filename).parents
    return str(folders[min(levels, len(folders) - 1)]) + os.sep


_OURS: Final = _folder(_folder.__code__, 2)
_ASYNCIO: Final = _folder(asyncio.run.__code__, 0)
_LOOP: Final = frozenset({"run", "run_forever", "run_until_complete", "_run", "_run_once"})
"""Functions of asyncio from which a loop calls what is its turn."""

_INTERVAL: Final = 1.0
"""Seconds between two warnings at least."""

_logger: Final = logging.getLogger("sockwave.engine")


class Watchdog:
    """Watches one event loop while there is something to serve.

    Args:
        seconds: How long a function may keep the loop; one is named after once to twice of it.
        is_needed: Asked in the thread of the watchdog, which ends when it says no.
    """

    def __init__(self, seconds: float, is_needed: Callable[[], bool]) -> None:
        self._seconds = seconds
        self._is_needed = is_needed
        self._lock = threading.Lock()
        self._is_watching = False
        self._awaits_sign = False
        self._has_told = False
        self._told_at = -_INTERVAL

    def watch(self, loop: asyncio.AbstractEventLoop, thread_id: int) -> None:
        """Begin, unless it is watching already."""
        with self._lock:
            if self._is_watching:
                return
            self._is_watching = True
        thread = threading.Thread(
            target=self._run, args=(loop, thread_id), name="sockwave watchdog", daemon=True
        )
        try:
            thread.start()
        except RuntimeError:  # no more threads can be had: it is not worth the connection
            self._is_watching = False

    def _run(self, loop: asyncio.AbstractEventLoop, thread_id: int) -> None:
        self._awaits_sign = False
        while self._goes_on(loop):
            before = time.monotonic()
            time.sleep(self._seconds)
            if time.monotonic() - before < 2 * self._seconds:
                self._look(loop, thread_id)
            else:
                self._awaits_sign = False

    def _goes_on(self, loop: asyncio.AbstractEventLoop) -> bool:
        with self._lock:
            self._is_watching = self._is_needed() and not loop.is_closed()
            return self._is_watching

    def _look(self, loop: asyncio.AbstractEventLoop, thread_id: int) -> None:
        found = _application(thread_id)
        if found is None:
            return
        if not self._awaits_sign:
            self._awaits_sign = True
            self._has_told = False
            with suppress(RuntimeError):  # closed meanwhile
                loop.call_soon_threadsafe(self._sign_of_life)
        elif not self._has_told and time.monotonic() - self._told_at >= _INTERVAL:
            self._has_told = True
            self._told_at = time.monotonic()
            _logger.warning(
                "%s.%s keeps the event loop busy for more than %g s: nobody is served meanwhile",
                found.f_globals.get("__name__"),
                found.f_code.co_qualname,
                self._seconds,
            )

    def _sign_of_life(self) -> None:
        self._awaits_sign = False


def _application(thread_id: int) -> FrameType | None:
    """The function that our code has called and that is not ours, if the thread is in one."""
    frames = list(takewhile(lambda frame: not _is_loop(frame), _stack(thread_id)))
    is_called = False
    for frame in reversed(frames):
        is_ours = frame.f_code.co_filename.startswith(_OURS)
        if is_called and not is_ours:
            return frame
        is_called = is_called or is_ours
    return None


def _stack(thread_id: int) -> list[FrameType]:
    """The frames of a thread, the innermost first.

    They are taken in one go: iterators of C call each other from the first step to the last, so
    that no other thread has its turn in between. A frame that returns while somebody walks over it
    may lead anywhere (seen with CPython 3.11: to a dictionary).

    CPython 3.11 (gh-106883) may stop for ever when a garbage collection begins in the midst of
    this: it holds a lock that a thread which ends waits for, and the collection lets that thread
    run. So there is none.
    """
    collects = gc.isenabled()
    steps = (gc.disable, sys._current_frames) if collects else (sys._current_frames,)
    threads = islice(map(call, steps), len(steps) - 1, None)
    innermost = map(methodcaller("get", thread_id), threads)
    found: deque[FrameType | None] = deque()
    try:
        with suppress(AttributeError):  # None, behind the last one, has no frame before it
            found.extend(accumulate(chain(innermost, repeat("f_back")), getattr))
    finally:
        if collects:
            gc.enable()
    return [frame for frame in found if frame is not None]


def _is_loop(frame: FrameType) -> bool:
    code = frame.f_code
    return code.co_name in _LOOP and code.co_filename.startswith(_ASYNCIO)
