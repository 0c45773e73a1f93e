"""Commands of examples and of pages, as somebody types them into a terminal.

    with Command("sockwave run chat:io --port 3000", folder, port=3000) as chat:
        ...

Programs of Python are those of this environment.
"""

from __future__ import annotations

import os
import shlex
import signal
import socket
import sys
from typing import TYPE_CHECKING, Final

from tests.live.programs import Program
from tests.support.process import DEADLINE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

__all__ = ["Command", "ours"]

MODULES: Final = ("sockwave", "celery")
"""Programs that come with a package of the same name."""


def ours(line: str) -> str:
    """A line of a shell in which programs of Python are those of this environment."""
    words = shlex.split(line)
    place = next(n for n, word in enumerate(words) if "=" not in word)  # behind what is set for it
    name = words[place].rpartition("/")[2]
    if name in MODULES:
        words[place : place + 1] = [sys.executable, "-m", name]
    elif name == "python":
        words[place] = sys.executable
    return " ".join(word if "=" in word else shlex.quote(word) for word in words)


class Command(Program):
    """What a line starts, until it is stopped.

    Args:
        line: As it is typed.
        folder: Where.
        port: It is there when somebody answers here; None is when it has printed `sign`.
        sign: What it prints.
        env: For it.
    """

    goodbye = signal.SIGINT  # somebody presses Ctrl-C

    def __init__(
        self,
        line: str,
        folder: Path,
        *,
        port: int | None = None,
        sign: str = "",
        env: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__()
        self.line = line
        self._folder = folder
        self._sign = sign
        self._env = env or {}
        if port is not None:
            self.port = port
        self._has_port = port is not None
        self._printed: str | None = None

    def command(self) -> Sequence[str | Path]:
        settings = [f"{name}={value}" for name, value in self._env.items()]
        # Those of a shell in the background ignore Ctrl-C; Python and nginx take it as they like.
        return (
            *("/usr/bin/env", "--default-signal=INT", "-C", self._folder, "PYTHONUNBUFFERED=1"),
            *(*settings, "sh", "-c", f"exec {_exported(ours(self.line))}"),
        )

    def is_ready(self) -> bool:
        if not self._has_port:
            return self._sign in self.output
        socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        return True

    @property
    def output(self) -> str:
        """All that it has printed, since its first start; afterwards, too."""
        return super().output if self._printed is None else self._printed

    def close(self) -> None:
        """Stop it for good."""
        self.stop()
        self._printed = self.output
        super().close()

    def end(self, how: signal.Signals = signal.SIGINT, patience: float = DEADLINE) -> int:
        """Press Ctrl-C, or give another signal, and return the exit code.

        Raises:
            subprocess.TimeoutExpired: It takes longer than so many seconds.
        """
        assert self._process is not None
        process = self._process
        os.kill(self.pid, how)
        code = process.wait(patience)
        self.stop()
        return code


def _exported(line: str) -> str:
    """`exec` takes no settings in front of a command: `env` does."""
    return f"env {line}" if "=" in line.split()[0] else line
