"""10,000 clients of ours whose server is killed and started again, twice in five seconds.

They share one process, whose work on 10,000 losses and 10,000 connections is most of the time.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from benchmarks.reliability.report import Figure, allow_many_descriptors

if TYPE_CHECKING:
    from collections.abc import Iterator

CLIENTS: Final = 10_000
BETWEEN: Final = 4.0
"""Seconds from the first restart to the second."""


@contextmanager
def _server(port: int) -> Iterator[None]:
    """Run a server that is killed in the end."""
    command = (sys.executable, "-m", "benchmarks.server", str(port))
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            yield
        finally:
            process.kill()


def _returns(port: int) -> list[float]:
    """When each client was back, in seconds from the second kill."""
    command = (sys.executable, "-m", "benchmarks.reliability.returning", str(port), str(CLIENTS))
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as clients:
        assert clients.stdin is not None and clients.stdout is not None
        with _server(port):
            assert clients.stdout.readline() == "ready\n"
        with _server(port):
            time.sleep(BETWEEN)
            killed = time.monotonic()
        with _server(port):
            clients.stdin.write(f"{killed}\n")
            clients.stdin.flush()
            times: list[float] = json.loads(clients.stdout.readline())
            clients.stdin.close()
            clients.kill()
    return [moment - killed for moment in times]


def measure() -> list[Figure]:
    """Restart it, and see who is back when."""
    allow_many_descriptors()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    times = _returns(port)
    return [
        Figure(f"clients back, of {CLIENTS:,}", f"{len(times):,}"),
        Figure("the first of them after the second kill", f"{times[0]:.1f} s"),
        Figure("half of them", f"{times[len(times) // 2]:.1f} s"),
        Figure("the last one", f"{times[-1]:.1f} s"),
    ]
