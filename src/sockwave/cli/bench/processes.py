"""Runs the processes of a benchmark, in step, and adds up what they say."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from sockwave.cli.bench.figures import Figures
from sockwave.platform import stopping_on_signals

if TYPE_CHECKING:
    from collections.abc import Callable

    from sockwave.cli.bench.plan import Plan

__all__ = ["Outcome", "Second", "run"]

MOST_LINE: Final = 16 * 1024 * 1024
"""Bytes of one report: far more than its histograms can take."""

CLOSING: Final = 15.0
"""Seconds that a process has to close its connections, beyond the time-out of the plan."""

EXITING: Final = 5.0
"""Seconds from the last word of a process to its end."""


@dataclass(slots=True)
class Second:
    """What happened in one second of the benchmark, in all processes.

    Attributes:
        here: Connections at its end.
        figures: Of this second alone.
        is_load: Whether it belongs to the load, not to connecting or to the end.
    """

    here: int = 0
    figures: Figures = field(default_factory=Figures)
    is_load: bool = False


@dataclass(slots=True)
class Outcome:
    """What came of a benchmark; grows while it runs.

    Attributes:
        figures: All in all.
        seconds: One after the other, from the start.
        transports: Connections at the end, by transport.
        busy: Of each process, the parts of a core that it used in the seconds of the load.
        connecting_took: Seconds until all were there, or had failed.
        load_took: Seconds of load.
        interrupted: Whether it was ended from outside.
        failures: Processes that ended by themselves.
    """

    figures: Figures = field(default_factory=Figures)
    seconds: list[Second] = field(default_factory=list)
    transports: Counter[str] = field(default_factory=Counter)
    busy: dict[int, list[float]] = field(default_factory=dict)
    connecting_took: float = 0.0
    load_took: float = 0.0
    interrupted: bool = False
    failures: int = 0

    @property
    def here(self) -> int:
        """Connections in the latest second."""
        return self.seconds[-1].here if self.seconds else 0


async def run(plan: Plan, progress: Callable[[Outcome], object]) -> Outcome:
    """Carry out a plan; the first SIGINT or SIGTERM ends it early, with what there is.

    Args:
        plan: What to do.
        progress: Called each second.
    """
    return await _Run(plan, progress).run()


class _Run:
    """One benchmark."""

    def __init__(self, plan: Plan, progress: Callable[[Outcome], object]) -> None:
        self.outcome = Outcome()
        self._plan = plan
        self._progress = progress
        self._processes: list[Process] = []
        self._unsettled = plan.processes
        self._unready = plan.processes
        self._ready = asyncio.Event()
        self._settled = asyncio.Event()
        self._stopped = asyncio.Event()
        self._is_load = False
        self._here: Counter[int] = Counter()
        self._began = perf_counter()

    async def run(self) -> Outcome:
        with stopping_on_signals(self._interrupt):
            try:
                readers = [await self._start(number) for number in range(self._plan.processes)]
                await self._lead(readers)
            finally:
                await asyncio.gather(*map(_end, self._processes))
        return self.outcome

    async def _start(self, number: int) -> asyncio.Task[None]:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "sockwave.cli.bench.generator", str(number)),
            stdin=PIPE,
            stdout=PIPE,
            limit=MOST_LINE,
            start_new_session=True,  # Ctrl-C is for this process, which tells them
        )
        self._processes.append(process)
        return asyncio.ensure_future(self._listen(number, process))

    async def _lead(self, readers: list[asyncio.Task[None]]) -> None:
        """All connect, all bear the load, all stop."""
        try:
            await _either(self._ready, self._stopped)
            self._began = perf_counter()
            self._tell_all(self._plan.encode())
            await _either(self._settled, self._stopped)
            self.outcome.connecting_took = perf_counter() - self._began
            if self._here.total() and not self._stopped.is_set():
                self._tell_all("go")
                self._is_load = True
                begun = perf_counter()
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._plan.duration):
                        await self._stopped.wait()
                self.outcome.load_took = perf_counter() - begun
                self._is_load = False
            self._tell_all("abort" if self._stopped.is_set() else "stop")
            await asyncio.wait(readers, timeout=self._plan.timeout + CLOSING)
        finally:
            for reader in readers:
                reader.cancel()
            await asyncio.gather(*readers, return_exceptions=True)

    def _interrupt(self) -> None:
        self.outcome.interrupted = True
        self._stopped.set()

    def _tell_all(self, order: str) -> None:
        for process in self._processes:
            self._tell(process, order)

    def _tell(self, process: Process, line: str) -> None:
        assert process.stdin is not None
        with suppress(OSError, RuntimeError):  # it has ended; its reader says so
            process.stdin.write(f"{line}\n".encode())

    # --- what they say ----------------------------------------------------------------------------

    async def _listen(self, number: int, process: Process) -> None:
        assert process.stdout is not None
        is_settled = is_done = False
        async for line in process.stdout:
            message = json.loads(line)
            if "ready" in message:
                self._unready -= 1
                if not self._unready:
                    self._ready.set()
            elif "settled" in message:
                is_settled = True
                self._here[number] = message["settled"]
                self._one_settled()
            else:
                is_done = "done" in message
                self._add(number, message)
        if not is_done:
            self.outcome.failures += 1
            self._stopped.set()  # what the others would show is not what was asked for
        if not is_settled:
            self._one_settled()

    def _one_settled(self) -> None:
        self._unsettled -= 1
        if not self._unsettled:
            self._settled.set()

    def _add(self, number: int, message: dict[str, Any]) -> None:
        figures = Figures.decode(message["figures"])
        self.outcome.figures.merge(figures)
        second = self._second()
        second.figures.merge(figures)
        self._here[number] = message["here"]
        second.here = self._here.total()
        if "done" in message:
            self.outcome.transports.update(message["transports"])
            return
        if self._is_load:
            second.is_load = True
            self.outcome.busy.setdefault(number, []).append(message["busy"])
        self._progress(self.outcome)

    def _second(self) -> Second:
        """That of now."""
        seconds = self.outcome.seconds
        while len(seconds) <= int(perf_counter() - self._began):
            seconds.append(Second(here=self._here.total()))
        return seconds[-1]


async def _end(process: Process) -> None:
    """See that it is gone; most are."""
    try:
        async with asyncio.timeout(EXITING):
            await process.wait()
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _either(*events: asyncio.Event) -> None:
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
