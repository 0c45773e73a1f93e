"""Clients that ask for large answers and want them compressed, again and again.

By long-polling, texts of 100 kB, two or three in an answer, and of 800 kB, each an answer. A client
asks while the last answers are under way.
"""

from __future__ import annotations

import asyncio
import gzip
import os
import random
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks.reliability.report import Figure, milliseconds, target
from tests.security.judge import MB

if TYPE_CHECKING:
    from tests.security.judge import Target
    from tests.support.fronts import Wire

CLIENTS: Final = 10
TOTAL: Final = 11_200_000
"""Bytes that each client asks for: fourteen large texts."""


def _text(size: int) -> str:
    return "".join(random.Random(1).choices("0123456789abcdef", k=size))


async def _poll_for(wire: Wire, size: int) -> None:
    peer = await wire.open_polling()
    await peer.connect()
    count, text = TOTAL // size, _text(size)

    async def ask() -> None:
        for _ in range(count):
            await peer.send(f'427["echo","{text}"]')

    asking = asyncio.ensure_future(ask())
    got = 0
    while got < count:
        reply = await peer.gets.get(peer.target, Accept_Encoding="gzip")
        if reply.header("content-encoding") == "gzip":
            reply = reply._replace(body=gzip.decompress(reply.body))
        got += reply.text.count("437[")
        if "2" in reply.text.split("\x1e"):
            await peer.send("3")
    await asking
    await peer.send("1")


def _processor_time(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def _attack(server: Target, size: int) -> list[Figure]:
    wire = server.wire()
    before, used = server.memory(), _processor_time(server.pid)
    server.forget_peak()
    await server.do("begin")
    server.ask_honest()
    began = time.monotonic()
    await asyncio.gather(*(_poll_for(wire, size) for _ in range(CLIENTS)))
    took = time.monotonic() - began
    honest: dict[str, Any] = server.ask_honest()
    outcome = await server.do("outcome")
    grew = server.memory("VmHWM") - before
    used = _processor_time(server.pid) - used
    await wire.aclose()
    who = f"{CLIENTS} clients, {TOTAL / MB:.0f} MB each in texts of {size // 1000} kB, gzip"
    worst = max(report["p99"] for report in honest.values())
    return [
        Figure(f"{who}: round trip of an honest client, p99", milliseconds(worst)),
        Figure(f"{who}: longest turn of the loop", milliseconds(outcome["stall"])),
        Figure(f"{who}: processor time of the server", f"{used:.1f} s in {took:.1f} s"),
        Figure(f"{who}: memory added at the peak", f"{grew / MB:.0f} MB"),
    ]


def measure() -> list[Figure]:
    """Both sizes."""
    figures = []
    for size in (100_000, 800_000):
        with target() as server:
            figures += asyncio.run(_attack(server, size))
    return figures
