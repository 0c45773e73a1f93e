"""A server of one or more processes, with the processor time and the memory of each."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.revisions import ROOT, environment
from benchmarks.run import SERVER_CORE, pin

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Program", "program", "programs"]

_CPU_CLOCK: Final = 2
"""`CPUCLOCK_SCHED` of Linux: what the scheduler has counted, in nanoseconds."""


class Program:
    """A server that runs.

    Attributes:
        port: Where.
        pid: Of the process that was started: the supervisor, where there are workers.
        workers: Process ids of those.
    """

    def __init__(self, pid: int, port: int) -> None:
        self.pid = pid
        self.port = port
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text()
        self.workers = [int(child) for child in children.split()]

    @property
    def pids(self) -> list[int]:
        """Of all processes."""
        return [self.pid, *self.workers]

    def cpu(self) -> float:
        """Seconds of processor time that all have used so far."""
        return sum(map(processor_time, self.pids))


def processor_time(pid: int) -> float:
    """Seconds that a process has used so far, all threads, by the kernel's clock of it.

    It is finer than /proc/PID/stat, which counts in hundredths. See `clock_getcpuclockid`(3), which
    Python has no name for: this is what it returns on Linux.
    """
    return time.clock_gettime(~pid << 3 | _CPU_CLOCK)


def proportional_kilobytes(pid: int) -> int:
    """Memory of a process, what it shares with others divided by their number."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


@contextmanager
def program(workers: int | None) -> Iterator[Program]:
    """Run `benchmarks.cluster_server`, with so many workers or without, until it is not used."""
    arguments = [] if workers is None else [str(workers)]
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.cluster_server", *arguments],
        cwd=ROOT,
        env=environment(ROOT),
        stdout=subprocess.PIPE,
    )
    with process:
        assert process.stdout is not None
        try:
            said = process.stdout.readline()
            if not said:
                raise SystemExit("the server did not start")
            running = Program(process.pid, int(said))
            for pid in running.pids:
                pin(pid, SERVER_CORE)
            yield running
        finally:
            process.terminate()


@contextmanager
def programs(kinds: Sequence[int | None]) -> Iterator[dict[int | None, Program]]:
    """Run several, which are there at the same time; by their number of workers."""
    with ExitStack() as stack:
        yield {workers: stack.enter_context(program(workers)) for workers in kinds}
