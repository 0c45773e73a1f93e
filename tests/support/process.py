"""A server in a process of its own."""

from __future__ import annotations

import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import TracebackType

__all__ = ["ServerProcess", "free_port"]

DEADLINE = 60.0
"""Seconds to start or stop: far more than it takes, for machines that do a lot at once."""


ENVIRONMENT: Final = {
    "COLUMNS": "200",
    # Programs that tests change within a second would be taken from the file compiled before.
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONUNBUFFERED": "1",
}

MOST_GIVEN: Final = 6_000
"""Ports, about half of them, after which they are given again."""

_given: Final[set[int]] = set()


def free_port(count: int = 1) -> int:
    """A port of 127.0.0.1 that was free a moment ago, as were the `count - 1` ports after it.

    Below 32768: Linux gives the higher ones to clients, at any moment. Not one that was given to a
    caller here before, who may not use it yet.
    """
    while True:
        first = random.randrange(20_000, 32_000)
        ports = range(first, first + count)
        if not _given.isdisjoint(ports):
            continue
        with ExitStack() as stack:
            try:
                for port in ports:
                    stack.enter_context(socket.create_server(("127.0.0.1", port)))
            except OSError:
                continue
        if len(_given) > MOST_GIVEN:
            _given.clear()
        _given.update(ports)
        return first


def _take_interrupts() -> None:
    """What runs in the background of a shell ignores Ctrl-C, and so do its children."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


class ServerProcess:
    """Python with arguments, from entering to leaving the context.

    Args:
        arguments: Of the interpreter.
        directory: Its output goes to a file there.
        port: Where it is going to listen.
        cwd: Where it runs; in `directory` when None.
        executable: Instead of the interpreter.
        env: Variables of it, on top of those of this process.
    """

    def __init__(
        self,
        *arguments: str,
        directory: Path,
        port: int,
        cwd: Path | None = None,
        executable: str = sys.executable,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.port = port
        self._log = directory / f"{port}.log"
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [executable, *arguments],
                cwd=cwd or directory,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **ENVIRONMENT, **(env or {})},
                start_new_session=True,  # so that its workers can be found
                preexec_fn=_take_interrupts,
            )

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    @property
    def output(self) -> str:
        """Everything printed so far, by earlier processes in this directory and port too."""
        return self._log.read_text()

    def wait_until_it_listens(self) -> None:
        """Return when the port accepts connections."""
        deadline = time.monotonic() + DEADLINE
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                time.sleep(0.05)
            else:
                return
        raise AssertionError(f"does not listen on {self.port}:\n{self.output}")

    def wait_for(self, pattern: str) -> re.Match[str]:
        """Return what `pattern` finds in the output, as soon as it is there."""
        deadline = time.monotonic() + DEADLINE
        while time.monotonic() < deadline:
            if found := re.search(pattern, self.output):
                return found
            time.sleep(0.05)
        raise AssertionError(f"no {pattern!r} in:\n{self.output}")

    def interrupt(self) -> int:
        """Press Ctrl-C; return the exit code."""
        self._process.send_signal(signal.SIGINT)
        return self.wait()

    def wait(self) -> int:
        """Wait for its end; return the exit code."""
        return self._process.wait(DEADLINE)

    def kill(self) -> None:
        """End it and its workers without a chance to say goodbye."""
        with suppress(ProcessLookupError):  # it has ended by itself
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(DEADLINE)

    def __enter__(self) -> Self:
        """Wait until it listens."""
        try:
            self.wait_until_it_listens()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        frames: TracebackType | None,
    ) -> None:
        """Make sure that it has ended."""
        if self._process.poll() is None:
            self.kill()
