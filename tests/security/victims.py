"""How an attack on a client is judged: the points of the catalogue that apply to one.

The client is in a process of its own, so that its memory and processor time are its alone.
"""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pytest

from sockwave import SockwaveError, connect
from tests.security.hostile import ACCEPTED, Hostile
from tests.security.judge import COOL, KEPT, MB, STALL, check_stall

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

__all__ = ["CLIENT_PEAK", "FAST", "Client", "Ordeal", "failure"]

CLIENT_PEAK = 4 * MB
"""What an attack may add to the memory of a client at its worst, where the row says nothing."""

FAST: dict[str, Any] = {"reconnection_delay": 0.05, "randomization_factor": 0, "close_timeout": 0.2}
"""Options of a client that comes back soon."""

DEADLINE = 30.0
"""Seconds in which a client has to come on: work takes as long as it takes on a busy machine."""


async def failure(url: str, **options: Any) -> SockwaveError:
    """What the first attempt fails with."""
    with pytest.raises(SockwaveError) as caught:
        async with connect(url, **{**FAST, **options}):
            raise AssertionError("connected")
    return caught.value


@dataclass
class Ordeal:
    """One attack on a client while it lasts.

    Attributes:
        peak: Bytes that memory may grow by meanwhile.
        kept: Bytes that it may have grown by afterwards.
        stall: Seconds of processor time that a turn of the loop may take.
        logs_errors: Whether warnings in the log, or an exception of a handler, are part of it.
    """

    client: Client
    peak: int = CLIENT_PEAK
    kept: int = KEPT
    stall: float = STALL
    logs_errors: bool = False

    async def report(self) -> dict[str, Any]:
        """What the client has seen."""
        return await self.client.do("report")  # type: ignore[no-any-return]

    async def seen(self, condition: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        """Wait until a report says what is wanted, as long as the client comes on; return it."""
        loop = asyncio.get_running_loop()
        seen, since = None, loop.time()
        while not condition(report := await self.report()):
            if report["events"] != seen:
                seen, since = report["events"], loop.time()
            assert loop.time() - since < DEADLINE, f"the client has seen only {report}"
            await asyncio.sleep(0.01)
        return report


class Client:
    """The process of a client, from entering to leaving the context."""

    def __enter__(self) -> Self:
        """Start it."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.security.victim"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._is_warm = False
        return self

    def __exit__(self, *error: object) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()

    def _do(self, command: str, arguments: dict[str, Any]) -> Any:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps({"do": command, "arguments": arguments}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, f"the client is gone: {self._process.wait()}"
        return json.loads(line)

    async def do(self, command: str, **arguments: Any) -> Any:
        """Run a command in it; see `tests.security.victim`."""
        return await asyncio.to_thread(self._do, command, arguments)

    def memory(self, name: str = "VmRSS") -> int:
        """Bytes of resident memory: `VmRSS` now, `VmHWM` at its peak."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(re.search(rf"{name}:\s*(\d+) kB", status)[1]) * 1024  # type: ignore[index]

    def _forget_peak(self) -> None:
        """Let the peak of memory be the present from now on."""
        Path(f"/proc/{self._process.pid}/clear_refs").write_text("5")

    async def _warm_up(self) -> None:
        """Connect once over each transport, so that all modules are loaded."""
        for transport in ("polling", "websocket"):
            async with Hostile(transport, [ACCEPTED, b'42["hello"]', b"7"]).serve() as url:
                options = {**FAST, "transports": [transport]}
                await self.do("attack", url=url, handler="plain", options=options)
                ordeal = Ordeal(self)
                await ordeal.seen(lambda report: report["lost"])
                await self.do("end")
        await self.do("freeze")
        self._is_warm = True

    @asynccontextmanager
    async def attacked(
        self, url: str, *, handler: str = "plain", options: dict[str, Any], **bounds: Any
    ) -> AsyncIterator[Ordeal]:
        """Let it connect to a hostile server, and judge what became of it at the end.

        Args:
            handler: `plain`, or `waits` for the command `release`.
            options: Of the client.
            bounds: Fields of `Ordeal`.
        """
        if not self._is_warm:
            await self._warm_up()
        before = await self.do("counts")
        self._forget_peak()
        memory, in_use = self.memory(), await self.do("in_use")
        ordeal = Ordeal(self, **bounds)
        try:
            await self.do("attack", url=url, handler=handler, options={**FAST, **options})
            yield ordeal
        finally:
            await self.do("end")
        report = await ordeal.report()
        peak = self.memory("VmHWM") - memory
        print(f"{peak / MB:.1f} MB at the peak, a turn of {report['stall'] * 1000:.1f} ms at most")
        assert ordeal.logs_errors or not report["problems"], report["problems"]
        check_stall(report["stall"], ordeal.stall)
        assert peak <= ordeal.peak, f"memory grew by {peak / MB:.1f} MB at its peak"
        await self._settled(before)
        # What is not given back is free, and kept by an allocator for later.
        if self.memory() > memory + ordeal.kept:
            assert await self.do("in_use") <= in_use + ordeal.kept

    async def _settled(self, before: dict[str, int]) -> None:
        now: dict[str, int] = {}
        async with asyncio.timeout(COOL):
            while True:
                now = await self.do("counts")
                if all(now[name] <= before[name] for name in before):
                    return
                await asyncio.sleep(0.02)
