"""Half heads for an application that shares our port: at 256 file descriptors, and of any size.

Honest clients have their connections; newcomers come every tenth of a second, to the application.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from benchmarks.reliability.report import (
    Figure,
    allow_many_descriptors,
    milliseconds,
    target,
)
from tests.security.judge import MB

if TYPE_CHECKING:
    from tests.security.judge import Target

DESCRIPTORS: Final = 256
HALF_HEADS: Final = 250
LARGE_HEADS: Final = 200
LARGE: Final = 300_000
"""Bytes that each of them would send of one header."""

HALF: Final = b"GET /x HTTP/1.1\r\nHost: a\r\nX-A: "
WHOLE: Final = b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n"


async def ask(port: int, data: bytes, timeout: float = 30.0) -> tuple[int, float]:
    """Send bytes on a new connection; status of the answer, 0 for none, and seconds until then."""
    began = time.monotonic()
    text = b""
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(timeout):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                with suppress(ConnectionError):
                    writer.write(data)
                    await writer.drain()
                text = await reader.readline()
            finally:
                writer.close()
    return (int(text.split()[1]) if text else 0), time.monotonic() - began


async def _half_heads(server: Target) -> list[Figure]:
    attack = [asyncio.create_task(ask(server.port, HALF)) for _ in range(HALF_HEADS)]
    await asyncio.sleep(1.0)
    newcomers: list[int] = []
    began = time.monotonic()
    while (last := await ask(server.port, WHOLE))[0] not in (200, 404):
        newcomers.append(last[0])
        await asyncio.sleep(0.1)
    free = time.monotonic() - began + 1.0
    ends = await asyncio.gather(*attack)
    who = f"{HALF_HEADS} half heads at {DESCRIPTORS} descriptors"
    late = [seconds for status, seconds in ends if status == 408]
    return [
        Figure(f"{who}: refused with 503 at once", str(sum(each[0] == 503 for each in ends))),
        Figure(f"{who}: answered with 408", f"{len(late)}, the last one after {max(late):.1f} s"),
        Figure(
            "newcomers meanwhile: told to come back (503), reset",
            f"{newcomers.count(503)}, {newcomers.count(0)}",
        ),
        Figure("newcomers are served again after", f"{free:.1f} s"),
    ]


async def _large_heads(server: Target) -> list[Figure]:
    for _ in range(20):  # what the first ones take is not theirs
        await ask(server.port, WHOLE)
    before = server.memory()
    server.forget_peak()
    asked = await asyncio.gather(
        *(ask(server.port, HALF + b"a" * LARGE) for _ in range(LARGE_HEADS))
    )
    grew = server.memory("VmHWM") - before
    honest = server.ask_honest()
    refused = sum(status == 431 for status, _ in asked)
    who = f"{LARGE_HEADS} heads of {LARGE // 1_000} kB"
    return [
        Figure(f"{who}: refused with 431", f"{refused}"),
        Figure(f"{who}: all of them within", milliseconds(max(seconds for _, seconds in asked))),
        Figure(f"{who}: memory added at the peak", f"{grew / MB:.1f} MB"),
        Figure(
            "round trip of an honest client meanwhile, worst",
            milliseconds(max(each["worst"] for each in honest.values())),
        ),
    ]


def measure() -> list[Figure]:
    """The two, each on a server of its own."""
    allow_many_descriptors()
    with target("hosted", process={"descriptors": DESCRIPTORS}) as server:
        figures = asyncio.run(_half_heads(server))
    with target("hosted") as server:
        server.ask_honest()
        return figures + asyncio.run(_large_heads(server))
