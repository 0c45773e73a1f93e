"""`sockwave run --reload`: the command runs in a process of its own, anew when a file changes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from sockwave.cli.console import Failure, say

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["is_reloaded", "run_and_reload"]

INSIDE: Final = "SOCKWAVE_RELOADED"
"""A variable of the environment: this process is the one that is run anew."""

PATIENCE: Final = 5.0
"""Seconds that the old process may take to say goodbye to its clients."""

LOOK_MS: Final = 500
"""How often the process is looked at while no file changes."""


def is_reloaded() -> bool:
    """Whether somebody else watches the files for this process."""
    return INSIDE in os.environ


def run_and_reload(directories: tuple[str, ...], fd: int | None = None) -> int:
    """Run this command in another process, and again whenever a file of Python changes: blocks.

    A process that ends by itself, as one with a fault in its code, is not started again before the
    next change.

    Args:
        directories: Where files are watched; none: the current one.
        fd: Of a socket that each process listens on.

    Returns:
        The exit status: 0 when it was told to stop.

    Raises:
        Failure: There is no `watchfiles`, or no such directory.
    """
    try:
        import watchfiles
    except ModuleNotFoundError as error:
        raise Failure('--reload needs watchfiles: pip install "sockwave[reload]"') from error
    for directory in directories:
        if not os.path.isdir(directory):
            raise Failure(f"--reload-dir: there is no directory {directory}")
    stop = threading.Event()
    places = directories or (os.getcwd(),)
    with _stopping(stop), _Child(fd) as child:
        changes = watchfiles.watch(
            *places,
            watch_filter=watchfiles.PythonFilter(extra_extensions=(".env",)),
            stop_event=stop,
            rust_timeout=LOOK_MS,
            yield_on_timeout=True,
            raise_interrupt=False,
        )
        for changed in changes:
            if changed:
                names = sorted({os.path.relpath(path) for _, path in changed})
                more = f" and {len(names) - 1} more" if len(names) > 1 else ""
                say(f"[dim]{names[0]}{more} changed[/dim]")
                child.again()
            else:
                child.look()
    return 0


@contextmanager
def _stopping(stop: threading.Event) -> Iterator[None]:
    """SIGTERM and Ctrl-C end the watching; the process that is watched for is ended behind it."""
    wanted = (signal.SIGINT, signal.SIGTERM)
    before = {sign: signal.signal(sign, lambda *_: stop.set()) for sign in wanted}
    try:
        yield
    finally:
        for sign, handler in before.items():
            signal.signal(sign, handler)


class _Child:
    """The process that serves."""

    def __init__(self, fd: int | None) -> None:
        self._handed_over = () if fd is None else (fd,)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> _Child:
        self._start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def again(self) -> None:
        """End it, and start another one."""
        self._end()
        self._start()

    def look(self) -> None:
        """Say so, once, if it has ended by itself."""
        process = self._process
        if process is not None and (status := process.poll()) is not None:
            self._process = None
            say(f"[dim]It has ended with status {status}; the next change starts it again.[/dim]")

    def _start(self) -> None:
        command = (sys.executable, "-m", "sockwave", *sys.argv[1:])
        self._process = subprocess.Popen(
            command, env={**os.environ, INSIDE: "1"}, pass_fds=self._handed_over
        )

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
