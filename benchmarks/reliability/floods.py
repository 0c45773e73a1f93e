"""200 clients that send events of 10 kB to a handler that sends them back, and never read.

On WebSockets, and by long-polling with a POST after the other.
"""

from __future__ import annotations

import subprocess
import sys
from typing import Any, Final

from benchmarks.reliability.report import Figure, milliseconds, target
from tests.security.judge import MB

CLIENTS: Final = 200
SECONDS: Final = 10.0
PING: Final[dict[str, Any]] = {"ping_interval": 2.0, "ping_timeout": 2.0}
"""So that the end of those who take nothing is part of it."""


def one_run(transport: str, front: str = "native") -> list[Figure]:
    """Let them flood a server, with two honest clients beside them."""
    command = (sys.executable, "-m", "benchmarks.reliability.flooders")
    with (
        target(front, **PING) as server,
        subprocess.Popen(
            [*command, str(server.port), transport, str(CLIENTS), str(SECONDS)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as flooders,
    ):
        assert flooders.stdin is not None and flooders.stdout is not None
        assert flooders.stdout.readline() == "ready\n"
        before = server.memory()
        server.forget_peak()
        server.call("begin")
        server.ask_honest()
        flooders.stdin.write("\n")
        flooders.stdin.flush()
        sent, ended = map(int, flooders.stdout.readline().split())
        honest = server.ask_honest()
        outcome = server.call("outcome")
        grew = server.memory("VmHWM") - before
        flooders.stdin.close()
    p99 = max(report["p99"] for report in honest.values())
    worst = max(report["worst"] for report in honest.values())
    who = f"{CLIENTS} that flood by {transport}, {front}"
    return [
        Figure(f"{who}: round trip of an honest client, p99", milliseconds(p99)),
        Figure(f"{who}: round trip of an honest client, worst", milliseconds(worst)),
        Figure(f"{who}: longest turn of the loop", milliseconds(outcome["stall"])),
        Figure(f"{who}: memory added at the peak", f"{grew / MB:.0f} MB"),
        Figure(f"{who}: bytes that the server took", f"{sent / MB:.0f} MB"),
        Figure(f"{who}: connections that it has ended", str(ended)),
    ]


def measure() -> list[Figure]:
    """Both transports, on both front ends."""
    return [
        figure
        for front in ("native", "asgi")
        for transport in ("websocket", "polling")
        for figure in one_run(transport, front)
    ]
