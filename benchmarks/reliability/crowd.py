"""10,000 clients on WebSockets that are cut in one moment, beside honest ones that stay."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import TYPE_CHECKING, Final

from benchmarks.reliability.report import Figure, allow_many_descriptors, milliseconds, target

if TYPE_CHECKING:
    from tests.security.judge import Target

CLIENTS: Final = 10_000
CALM: Final = 5.0
UNTIL_GONE: Final = "benchmarks.reliability.scenario.until_gone"


async def _cut(server: Target, members: subprocess.Popen[str]) -> list[Figure]:
    server.ask_honest()
    await asyncio.sleep(CALM)
    calm = server.ask_honest()
    before = (await server.do("begin"))["sessions"]
    waiting = asyncio.ensure_future(server.do(UNTIL_GONE, left=before - CLIENTS))
    await asyncio.sleep(CALM / 10)  # until it waits
    members.kill()
    gone = await waiting
    outcome = await server.do("outcome")
    await asyncio.sleep(CALM)
    cut = server.ask_honest()
    honest = "round trip of an honest client"
    return [
        Figure(f"{honest}, {CALM:g} s before, worst", milliseconds(_worst(calm))),
        Figure(f"{honest} from the cut on, worst", milliseconds(_worst(cut))),
        Figure("longest turn of the loop", milliseconds(outcome["stall"])),
        Figure("all sessions gone after", f"{gone:.2f} s"),
    ]


def _worst(reports: dict[str, dict[str, float]]) -> float:
    return max(report["worst"] for report in reports.values())


def measure() -> list[Figure]:
    """Let them come, and cut them."""
    allow_many_descriptors()
    command = (sys.executable, "-m", "benchmarks.reliability.members")
    with (
        target() as server,
        subprocess.Popen(
            [*command, str(server.port), str(CLIENTS)], stdout=subprocess.PIPE, text=True
        ) as members,
    ):
        assert members.stdout is not None
        assert members.stdout.readline() == "ready\n"
        return asyncio.run(_cut(server, members))
