"""Programs of others in processes of their own, which tests stop, pause and start again."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final, Self

from tests.support.process import DEADLINE, free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from types import TracebackType

__all__ = ["Program", "family", "is_there", "until"]

LOOK: Final = 0.01
"""Seconds between two looks whether something is so."""

GUARD: Final = 'read -r _; kill -9 "$0"; rm -rf "$1"'
"""A shell that waits for the end of its input, which is the end of the tests, however they end."""


class Program(ABC):
    """A server program on a free port, in a temporary directory; both are its own.

    Entering the context starts it, leaving it stops it and removes the directory. All of it blocks:
    a test that runs an event loop calls `restart` and the like by `asyncio.to_thread`.

    Args:
        user: Whose processes they are; None is this process' own user.

    Attributes:
        goodbye: The signal that ends it soon, with its clients connected.
        port: On 127.0.0.1; the same after `restart`.
        directory: For its files, gone with it.
    """

    goodbye: ClassVar[signal.Signals] = signal.SIGTERM

    def __init__(self, *, user: str | None = None) -> None:
        self.port = free_port()
        self.directory = Path(tempfile.mkdtemp(prefix=f"{type(self).__name__.lower()}-"))
        self._user = user
        self._group = None if user is None else pwd.getpwnam(user).pw_gid
        self._process: subprocess.Popen[bytes] | None = None
        self._guard: subprocess.Popen[bytes] | None = None
        if user is not None:
            shutil.chown(self.directory, user)

    @abstractmethod
    def command(self) -> Sequence[str | Path]:
        """Program and arguments that run it in the foreground."""

    @abstractmethod
    def is_ready(self) -> bool:
        """Whether it answers; an `OSError` means that it does not."""

    # --- life -------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        frames: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """Of its first process."""
        assert self._process is not None, "it does not run"
        return self._process.pid

    @property
    def output(self) -> str:
        """All that it has printed, since its first start."""
        return (self.directory / "output").read_text(errors="replace")

    def start(self) -> None:
        """Start it, and wait until it answers."""
        assert self._process is None, "it runs already"
        with (self.directory / "output").open("ab") as output:
            self._process = self._spawn(self.command(), output.fileno())
        self._guard = subprocess.Popen(
            ["sh", "-c", GUARD, str(self.pid), self.directory],
            stdin=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # whoever ends the tests does not end it
        )
        until(self._answers, lambda: f"{type(self).__name__} does not answer:\n{self.output}")

    def _answers(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise AssertionError(f"{type(self).__name__} has ended:\n{self.output}")
        try:
            return self.is_ready()
        except OSError:
            return False

    def _spawn(self, command: Sequence[str | Path], output: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command,
            cwd=self.directory,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            user=self._user,
            group=self._group,
            extra_groups=None if self._user is None else [],
            start_new_session=True,  # Ctrl-C is for the tests
        )

    def run(self, *command: str | Path) -> str:
        """Run a program to its end, as the same user; return what it prints.

        Raises:
            AssertionError: It failed; with all that it printed.
        """
        done = subprocess.run(
            command,
            cwd=self.directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=DEADLINE,
            user=self._user,
            group=self._group,
            extra_groups=None if self._user is None else [],
            check=False,
        )
        text = done.stdout.decode(errors="replace")
        assert done.returncode == 0, f"{command[0]} has failed:\n{text}"
        return text.strip()

    def stop(self) -> None:
        """End it as it wants to be ended, and wait for that; without one running do nothing."""
        self._end(self.goodbye)

    def kill(self) -> None:
        """End it without a chance to say goodbye."""
        self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        self._dismiss_guard()
        if process.poll() is not None:  # it has ended itself, and its id may be another one's now
            return
        processes = family(process.pid)
        _signal(processes, signal.SIGCONT)  # who is paused hears nothing else
        _signal(processes if how == signal.SIGKILL else processes[:1], how)
        try:
            process.wait(DEADLINE / 4)
        except subprocess.TimeoutExpired:
            _signal(processes, signal.SIGKILL)
            process.wait(DEADLINE)
        until(lambda: not any(map(is_there, processes)), lambda: "some of it does not end")

    def _dismiss_guard(self) -> None:
        guard, self._guard = self._guard, None
        if guard is not None:
            guard.kill()
            guard.communicate()

    def restart(self) -> None:
        """Stop it, and start it again on the same port."""
        self.stop()
        self.start()

    def close(self) -> None:
        """Stop it for good."""
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    # --- pauses -----------------------------------------------------------------------------------

    def pause(self) -> None:
        """Let it go on no longer: its connections stay, and nothing is answered."""
        until(self._has_stopped, lambda: "it goes on")

    def _has_stopped(self) -> bool:
        processes = family(self.pid)  # anew: it may have started one meanwhile
        _signal(processes, signal.SIGSTOP)
        # One that has ended stays as it is: whoever would look after it stands still.
        return all(_state(pid)[:1] == ["T"] or not is_there(pid) for pid in processes)

    def resume(self) -> None:
        """Let it go on."""
        _signal(reversed(family(self.pid)), signal.SIGCONT)

    # --- for those that are ready when they answer ------------------------------------------------

    def ask(self, question: bytes, size: int = 1024) -> bytes:
        """Connect, say something, and return the beginning of the answer.

        Raises:
            OSError: There is no answer.
        """
        with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
            if question:
                connection.sendall(question)
            return connection.recv(size)


def _signal(processes: Iterable[int], number: signal.Signals) -> None:
    for pid in processes:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def family(pid: int) -> list[int]:
    """A process and all that come from it, parents first."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):  # there is none everywhere
        if state := _state(int(folder.name)):
            children.setdefault(int(state[1]), []).append(int(folder.name))
    found = [pid]
    for each in found:
        found += children.get(each, ())
    return found


def _state(pid: int) -> list[str]:
    """State of a process, the id of its parent, and more; nothing when there is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return []
    return text.rpartition(")")[2].split()  # before that its name, with anything in it


def is_there(pid: int) -> bool:
    """Whether a process runs, or stands still."""
    return _state(pid)[:1] not in ([], ["Z"], ["X"])


def until(is_so: Callable[[], object], why_not: Callable[[], str]) -> None:
    """Wait for something, and fail when it takes too long."""
    deadline = time.monotonic() + DEADLINE
    while not is_so():
        assert time.monotonic() < deadline, why_not()
        time.sleep(LOOK)
