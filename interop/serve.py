"""A server in a process of its own, to be killed: `python -m interop.serve FRONT PORT`."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvicorn

from interop.fronts import plain_app
from sockwave import Server, Socket

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["ServerProcess"]

ROOT = Path(__file__).resolve().parent.parent
DEADLINE = 20.0


class ServerProcess:
    """`main` in a process: it can be killed and started again on the same port."""

    def __init__(self, front: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self._front = front
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """Of the running process."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Return when it listens."""
        command = [sys.executable, "-m", "interop.serve", self._front, str(self.port)]
        self._process = subprocess.Popen(command, cwd=ROOT)
        deadline = time.monotonic() + DEADLINE
        while not self._is_listening():
            assert time.monotonic() < deadline and self._process.poll() is None
            time.sleep(0.02)

    def end(self, number: signal.Signals) -> int:
        """Send a signal, and wait for the end; returns the exit code."""
        assert self._process is not None
        self._process.send_signal(number)
        code = self._process.wait(DEADLINE)
        deadline = time.monotonic() + DEADLINE
        while self._is_listening():  # workers, until they see that they have no supervisor
            assert time.monotonic() < deadline
            time.sleep(0.02)
        return code

    def _is_listening(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True

    def __enter__(self) -> ServerProcess:
        """Start it."""
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        frames: TracebackType | None,
    ) -> None:
        """Make sure that it has ended."""
        if self._process is not None and self._process.poll() is None:
            self.end(signal.SIGKILL)


def echo_server() -> Server:
    """A server that tells which process was started, and sends back what comes."""
    io = Server()
    io.event("pid")(lambda socket: os.getpid() if io.worker.count == 1 else os.getppid())

    @io.event
    def echo(socket: Socket, *args: Any) -> Any:
        socket.emit("echoed", *args)
        return args

    return io


def main(front: str, port: int) -> None:
    """Serve until a signal."""
    io = echo_server()
    if front == "native":
        io.run(port=port)
    elif front == "workers":
        io.run(port=port, workers=3)
    elif front == "hosted":
        io.run(port=port, app=plain_app, uvicorn_options={"log_level": "warning"})
    else:
        # uvicorn tells an application that it ends only when no request is left, and a poll may
        # wait for 25 seconds.
        uvicorn.run(io, port=port, log_level="warning", timeout_graceful_shutdown=1)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
