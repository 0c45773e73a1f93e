"""How an attack is judged: the six points that docs/security.md lists.

The server is in a process of its own, and so are two honest clients, who never stop asking: a row
of the catalogue is attacked between two looks at them. What is asserted of time is processor time
of the server, which a machine that others use does not change much; round trips are what
`benchmarks.reliability` measures.
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
import subprocess
import sys
import time
from collections import Counter
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from tests.security.honest import INTERVAL
from tests.support.fronts import Wire
from tests.support.process import ServerProcess, free_port
from tests.support.yardstick import is_quick

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ["MB", "Attack", "Target", "check_stall", "left_behind"]

MB: Final = 1024 * 1024

STALL: Final = 0.1
"""Seconds of processor time that one turn of the loop may take (OK1), on the first machine; where
all work takes longer than there, a turn may, too."""

PEAK: Final = 16 * MB
"""What an attack may add to the memory of the process at its worst (OK2)."""

KEPT: Final = 8 * MB
"""What it may have added for good (OK2)."""

SETTLE: Final = 60.0
"""Seconds from the attacker's leaving until nothing is left of him (OK3); it takes less than 3
where nobody else uses the machine."""

ANSWERS: Final = 3
"""Answers that each honest client must have got by the end of a row (OK1)."""

HURRIED: Final = 0.002
"""Seconds between the events of an honest client once the attacker has left, when answers are only
counted."""

COOL: Final = 60.0
"""Seconds until memory is back (OK2)."""

PATIENCE: Final = 60.0
"""Seconds for an answer of the server to a command."""

_OURS: Final = re.compile(r"^(INFO|WARNING|ERROR|CRITICAL) sockwave\S* (.*)$", re.MULTILINE)
_BAD: Final = re.compile(
    "Traceback|never retrieved|was destroyed|^(ERROR|CRITICAL)",
    re.MULTILINE,
)


@dataclass
class Attack:
    """One row of the catalogue while it is run.

    Attributes:
        wire: Connections of the attacker; all close when the attack ends.
        runs: How often handlers may run, by event; none otherwise (OK6).
        peak: Bytes that memory may grow by meanwhile.
        kept: Bytes that it may have grown by afterwards.
        stall: Seconds of processor time that a turn of the loop may take.
        settle: Seconds until all counts are what they were.
        logs_errors: Whether errors in the log are part of the row.
        reports: Answers and worst round trip, in seconds, of each honest client, once it is over.
    """

    wire: Wire
    runs: Counter[str] = field(default_factory=Counter)
    peak: int = PEAK
    kept: int = KEPT
    stall: float = STALL
    settle: float = SETTLE
    logs_errors: bool = False
    reports: dict[str, Any] = field(default_factory=dict)


class Target:
    """A server under attack with its two honest clients, from entering to leaving the context.

    Args:
        front: `native` or `asgi`.
        directory: The server's log goes there.
        python: Arguments of the interpreter.
        options: Of the server, literals only.
    """

    def __init__(
        self, front: str, directory: Path, *, python: tuple[str, ...] = (), **options: Any
    ) -> None:
        self.front = front
        self._python = python
        self._directory = directory
        self._options = options
        self._resources = ExitStack()

    def __enter__(self) -> Self:
        """Start all three."""
        try:
            self._start()
        except BaseException:
            self._resources.close()
            raise
        return self

    def _start(self) -> None:
        port = free_port(2)
        command = (*self._python, "-m", "tests.security.app", self.front, str(port), str(port + 1))
        self._server = self._resources.enter_context(
            ServerProcess(
                *command, repr(self._options), directory=self._directory, port=port, cwd=Path.cwd()
            )
        )
        self.port = port
        self._honest = self._resources.enter_context(
            subprocess.Popen(
                [sys.executable, "-m", "tests.security.honest", str(port)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        )
        self._resources.callback(self._honest.kill)
        assert self._honest.stdout is not None
        assert self._honest.stdout.readline() == "ready\n", self._server.output

    def __exit__(self, *error: object) -> None:
        """End all three."""
        self._resources.close()

    @property
    def output(self) -> str:
        """What the server has logged."""
        return self._server.output

    @property
    def pid(self) -> int:
        """Of the server."""
        return self._server.pid

    def call(self, command: str, timeout: float = PATIENCE, **arguments: Any) -> Any:
        """Run a command, or `module.function(io, **arguments)`, inside the server: blocks."""
        address = ("127.0.0.1", self.port + 1)
        with socket.create_connection(address, timeout) as connection:
            line = json.dumps({"command": command, "arguments": arguments})
            connection.sendall(line.encode() + b"\n")
            with connection.makefile() as lines:
                answer = json.loads(lines.readline())
        assert "error" not in answer, answer["error"]
        return answer["result"]

    async def do(self, command: str, timeout: float = PATIENCE, **arguments: Any) -> Any:
        """Do the same without blocking."""
        return await asyncio.to_thread(self.call, command, timeout, **arguments)

    def ask_honest(self, interval: float | None = None) -> dict[str, Any]:
        """What the honest clients saw since the last call.

        Args:
            interval: Seconds between two events of a client from now on.
        """
        assert self._honest.stdin is not None and self._honest.stdout is not None
        self._honest.stdin.write("\n" if interval is None else f"{interval}\n")
        self._honest.stdin.flush()
        reports: dict[str, Any] = json.loads(self._honest.stdout.readline())
        return reports

    def memory(self, name: str = "VmRSS") -> int:
        """Bytes of the server's resident memory: `VmRSS` now, `VmHWM` at its peak."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(rf"{name}:\s*(\d+) kB", status)[1]) * 1024  # type: ignore[index]

    def forget_peak(self) -> None:
        """Let the peak of memory be the present from now on."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    def wire(self) -> Wire:
        """A way in."""
        return Wire("127.0.0.1", self.port, "/socket.io/")

    @asynccontextmanager
    async def attack(self, **bounds: Any) -> AsyncIterator[Attack]:
        """Judge what happens in the block: OK1 to OK6.

        Args:
            bounds: Fields of `Attack` where the row of the catalogue says otherwise.
        """
        self.ask_honest(INTERVAL)  # a row that failed may have left them in a hurry
        in_use = await self.do("tests.security.scenarios.memory.in_use")
        before = await self.do("begin")
        log = len(self.output)
        self.forget_peak()
        memory = self.memory()
        self.ask_honest()
        began = time.monotonic()
        attack = Attack(self.wire(), **bounds)
        try:
            yield attack
        finally:
            await attack.wire.aclose()
        await self._settled(before, attack.settle)
        outcome = await self.do("outcome")
        peak = self.memory("VmHWM") - memory
        await self._honest_answered(attack)
        sys.stdout.write(
            f"peak {peak / MB:.1f} of {attack.peak / MB:g} MB,"
            f" turn {outcome['stall'] * 1000:.1f} of {attack.stall * 1000:g} ms\n"
        )
        self._check_log(self.output[log:], time.monotonic() - began, attack.logs_errors)
        runs, expected = outcome["runs"], dict(attack.runs)
        assert runs == expected, f"handlers ran {runs}, not {expected}"
        check_stall(outcome["stall"], attack.stall)
        assert peak <= attack.peak, f"memory grew by {peak / MB:.1f} MB at its peak"
        await self._cooled(memory, in_use, max(attack.kept, memory // 10))

    async def _cooled(self, memory: int, in_use: int, kept: int) -> None:
        """OK2: memory is given back, or what is not is free, and kept by an allocator for later."""
        deadline = time.monotonic() + COOL
        while (grown := self.memory() - memory) > kept:
            await self.do("tests.security.scenarios.memory.trim")
            used = await self.do("tests.security.scenarios.memory.in_use") - in_use
            if used <= kept:
                return
            held = f"{grown / MB:.1f} MB are held, {used / MB:.1f} of them in use"
            assert time.monotonic() < deadline, held
            await asyncio.sleep(0.1)

    async def _settled(self, before: dict[str, int], seconds: float) -> None:
        """OK3: wait until the counts are what they were; the polls of the honest come and go."""
        deadline = time.monotonic() + seconds
        while left := left_behind(before, await self.do("counts")):
            assert time.monotonic() < deadline, left
            await asyncio.sleep(0.05)

    async def _honest_answered(self, attack: Attack) -> None:
        """OK1: both go on, and miss nothing; an attack may be over sooner than a round trip."""
        deadline = time.monotonic() + SETTLE
        while True:
            for name, report in self.ask_honest(HURRIED).items():
                log = self.output[-2_000:]
                assert not report["fault"], f"honest client on {name}: {report['fault']}\n{log}"
                seen = attack.reports.setdefault(name, {"answers": 0, "worst": 0.0})
                seen["answers"] += report["answers"]
                seen["worst"] = max(seen["worst"], report["worst"])
            if min(seen["answers"] for seen in attack.reports.values()) >= ANSWERS:
                self.ask_honest(INTERVAL)
                return
            assert time.monotonic() < deadline, f"too few answers: {attack.reports}"
            await asyncio.sleep(0.005)

    @staticmethod
    def _check_log(text: str, seconds: float, logs_errors: bool) -> None:
        """OK5: nothing that looks like a bug, no flood, nothing a peer could forge."""
        assert logs_errors or not _BAD.search(text), text
        lines = Counter(line for _, line in _OURS.findall(text))
        for line, times in lines.items():
            assert times <= seconds + 2, f"{times} times: {line}"
            assert line.isprintable() and len(line) <= 256, line


def check_stall(took: float, most: float) -> None:
    """Judge the longest turn in processor time, by what work takes on this machine just now."""
    assert is_quick(took, most), f"a turn took {took:.3f} s"


_BREATHING: Final = {"timers": 2, "tasks": 6}
"""What the honest clients' own traffic makes a count vary by."""


def left_behind(before: dict[str, int], now: dict[str, int]) -> dict[str, tuple[int, int]]:
    """Counts that have grown, with both values."""
    return {
        name: (was, now[name])
        for name, was in before.items()
        if now[name] > was + _BREATHING.get(name, 0)
    }
