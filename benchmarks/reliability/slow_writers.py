"""Slowloris: 2,000 connections that send their request a byte at a time.

Beside them honest clients ask all the time; their round trips are compared with those of the
minute before.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from benchmarks.reliability.report import Figure, allow_many_descriptors, milliseconds, target
from tests.security.judge import MB

if TYPE_CHECKING:
    from tests.security.judge import Target

CONNECTIONS: Final = 2_000
CALM: Final = 10.0
INTERVAL: Final = 1.0
"""Seconds between two bytes of one connection."""

HONEST_CONNECTIONS: Final = 3
"""One WebSocket, one connection for polls and one for posts."""


class Ending(NamedTuple):
    """How a slow connection ended: its status, 0 for none, and after how many seconds."""

    status: int
    after: float


async def drip(port: int) -> Ending:
    """Send a head without an end, byte by byte, until the server has enough."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answer = asyncio.ensure_future(reader.read())
    head = b"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: a\r\nX: "
    opened = time.monotonic()
    for number in range(1000):
        with suppress(ConnectionError):
            writer.write(head[number : number + 1] or b"x")
        done, _ = await asyncio.wait({answer}, timeout=INTERVAL)
        if done:
            break
    writer.close()
    text = b"" if answer.exception() else answer.result()
    return Ending(int(text.split()[1]) if text else 0, time.monotonic() - opened)


async def _attack(server: Target) -> list[Figure]:
    server.ask_honest()
    await asyncio.sleep(CALM)
    calm = server.ask_honest()
    before = server.memory()
    server.forget_peak()
    await server.do("begin")
    endings = await asyncio.gather(*(drip(server.port) for _ in range(CONNECTIONS)))
    attacked = server.ask_honest()
    outcome = await server.do("outcome")
    grew = server.memory("VmHWM") - before
    counts = await server.do("counts")

    def worst(reports: dict[str, Any], name: str) -> str:
        return milliseconds(max(report[name] for report in reports.values()))

    refused = sum(ending.status == 408 for ending in endings)
    last = max(ending.after for ending in endings)
    who = f"{CONNECTIONS:,} connections that drip"
    return [
        Figure(f"{who}: answered with 408", f"{refused:,}"),
        Figure(f"{who}: the last one after", f"{last:.1f} s"),
        Figure("round trip of an honest client before, p99", worst(calm, "p99")),
        Figure("round trip of an honest client meanwhile, p99", worst(attacked, "p99")),
        Figure("round trip of an honest client meanwhile, worst", worst(attacked, "worst")),
        Figure("longest turn of the loop", milliseconds(outcome["stall"])),
        Figure("memory added at the peak", f"{grew / MB:.1f} MB"),
        Figure("connections left", str(counts["connections"] - HONEST_CONNECTIONS)),
    ]


def measure() -> list[Figure]:
    """Compare calm and attack."""
    allow_many_descriptors()
    with target() as server:
        return asyncio.run(_attack(server))
