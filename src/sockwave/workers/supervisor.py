"""The process that starts the workers, watches them, and ends with them.

Theory. Each place has a listening socket, which is the supervisor's, and a worker: a new
interpreter that runs the command of this one, and is told by its environment that it is a worker.
So new code is new with each worker, and nothing of the supervisor's own state is in it.

A worker that dies is replaced, after a delay that doubles while its successors die young. One that
has never served, when none has, is the end of it all: the program cannot start. A reload starts the
next worker of a place, waits until that serves, and only then tells the one before to go; the port
of the place is open all the time. One that serves and does not answer any more, since its event
loop is blocked or its process is stopped, is killed, and replaced as if it had died.

Who ends what: a worker ends by itself when it was told to, within its own time-outs, and is killed
`GRACE` after these. It ends when the supervisor does, however that died, since their line breaks.
The supervisor serves nobody and holds nothing but processes: there is little that can fail.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import signal
import socket
import tempfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar

from sockwave.debug import known
from sockwave.engine.server.fronts.quic.ids import KEY
from sockwave.platform import reason_of, supervising_signals
from sockwave.workers.command import directory_of_this_process
from sockwave.workers.control import (
    ASK,
    HERE,
    READY,
    TAKES_UDP,
    Drain,
    connect_control,
    drain_line,
    send_socket,
)
from sockwave.workers.directories import OwnDirectory
from sockwave.workers.identity import MAX_NUMBER, Identity
from sockwave.workers.notify import keep_watchdog, notify
from sockwave.workers.numbers import datagram_path, handover_path
from sockwave.workers.orders import OrderTaker
from sockwave.workers.ports import end_port
from sockwave.workers.pulse import until_silent

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from sockwave.workers.control import ControlLine

__all__ = ["RELOAD_DRAIN", "Supervisor"]

_logger: Final = logging.getLogger("sockwave.workers")

Result = TypeVar("Result")

RELOAD_DRAIN: Final = 30.0
"""Seconds over which the sessions of a worker end that is replaced; at once they would all come
back in one moment."""

FIRST_DELAY: Final = 0.1
LAST_DELAY: Final = 30.0
"""Seconds before a worker that has died is replaced."""

YOUNG: Final = 10.0
"""Seconds within which the death of a worker makes the next delay longer."""

START_TIMEOUT: Final = 60.0
"""Seconds until a worker has to serve: programs may load much."""

GRACE: Final = 5.0
"""Seconds beyond its own time-outs after which a worker is killed."""

DEATH_THROES: Final = 1.0
"""Seconds that a worker gets which is told to die, to say where it was: `PYTHONFAULTHANDLER`."""


@dataclass(slots=True, eq=False)
class _Process:
    """A worker."""

    number: int
    index: int
    process: asyncio.subprocess.Process
    line: ControlLine | None = None
    has_answered: bool = False
    takes_udp: bool = False
    is_ready: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    since: float = 0.0

    def line_received(self, line: str) -> None:
        """The worker says something."""
        if line == READY:
            self.is_ready.set()
        elif line == HERE:
            self.has_answered = True
        elif line == TAKES_UDP:
            self.takes_udp = True

    def other_gone(self) -> None:
        """It has ended, or is about to."""
        self.line = None

    def ask(self) -> None:
        """Let it say whether it is there."""
        if self.line is not None:
            self.line.say(ASK)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, if it is there still."""
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)


class Supervisor:
    """Runs a command as several workers.

    Args:
        command: Which starts a worker, with what `Identity` puts into its environment.
        sockets: Of the port, one for each place; they belong to the supervisor.
        udp: Of the UDP port of the same number, one for each place, too; empty where there is none.
        is_port_ours: Whether the port ends with the supervisor; not one that systemd keeps.
        patience: Seconds that a worker may take to end when it is told to.
        on_ready: Called once, when all serve.
        reload_drain: Seconds, see `RELOAD_DRAIN`.
        unresponsive_timeout: Seconds without an answer after which a worker is replaced; 0 for
            never.
    """

    def __init__(
        self,
        command: Sequence[str],
        sockets: Sequence[socket.socket],
        *,
        udp: Sequence[socket.socket] = (),
        patience: float,
        on_ready: Callable[[], None],
        is_port_ours: bool = True,
        reload_drain: float = RELOAD_DRAIN,
        unresponsive_timeout: float = 0.0,
    ) -> None:
        self._command = command
        self._sockets = sockets
        self._udp = udp
        self._key = secrets.token_hex(KEY)
        self._patience = patience
        self._on_ready = on_ready
        self._is_port_ours = is_port_ours
        self._reload_drain = reload_drain
        self._unresponsive_timeout = unresponsive_timeout
        self._directory: OwnDirectory | None = None
        self._next_number = secrets.randbelow(MAX_NUMBER + 1)
        self._workers: list[_Process | None] = [None] * len(sockets)
        self._all: set[_Process] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._stopping = asyncio.Event()
        self._has_served = False
        self._reloading: asyncio.Task[str] | None = None
        self._status = 0

    async def run(self) -> int:
        """Serve until a signal.

        Returns:
            The exit code: 0 unless no worker could start.
        """
        orders = await self._open_directory()
        if orders is None:
            return 1
        try:
            with supervising_signals(self._stop_asked, self._reload_asked):
                for index in range(len(self._sockets)):
                    self._keep(self._occupy(index))
                self._keep(self._announce())
                self._keep(keep_watchdog())
                await self._stopping.wait()
                await self._end_all()
        finally:
            orders.close()
            for worker in self._all:
                worker.signal(signal.SIGKILL)
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            self._close()
        return self._status

    async def _open_directory(self) -> OrderTaker | None:
        """Have a place for the workers' sockets; None where there is none."""
        try:
            self._directory = OwnDirectory()
            orders = OrderTaker(self._directory.path, self.reload)
            await orders.start()
        except OSError as error:
            what = "workers: no place for their sockets in %s: %s (TMPDIR names another one)"
            why = reason_of(error)
            _logger.error(what, tempfile.gettempdir(), why, extra=known(reason=why))
            self._close()
            return None
        return orders

    def _close(self) -> None:
        for sock in self._sockets:
            if self._is_port_ours:
                end_port(sock)
            sock.close()
        for sock in self._udp:
            sock.close()
        if self._directory is not None:
            self._directory.remove()

    # --- signals ----------------------------------------------------------------------------------

    def _stop_asked(self, number: signal.Signals) -> None:
        if self._stopping.is_set():  # the second time: at once
            for worker in self._all:
                worker.signal(signal.SIGKILL)
            if self._directory is not None:
                self._directory.remove()
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        _logger.info("%s: all workers stop", number.name)
        notify("STOPPING=1")
        self._stopping.set()

    def _reload_asked(self) -> None:
        self._keep(self.reload())

    def _keep(self, work: Coroutine[Any, Any, Result]) -> asyncio.Task[Result]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    # --- workers ----------------------------------------------------------------------------------

    async def _announce(self) -> None:
        """Say once that all serve."""
        for index in range(len(self._sockets)):
            while (worker := self._workers[index]) is None or not worker.is_ready.is_set():
                await asyncio.sleep(0.02)
        notify("READY=1")
        self._on_ready()

    async def _occupy(self, index: int) -> None:
        """Have a worker in a place, and another one when it dies."""
        delay = FIRST_DELAY
        loop = asyncio.get_running_loop()
        while not self._stopping.is_set():
            worker = self._workers[index]
            if worker is None:
                worker = await self._start(index)
                if worker is None:
                    if not self._has_served:
                        self._status = 1
                        self._stopping.set()
                        return
                    delay = min(delay * 2, LAST_DELAY)
                    await self._pause(delay)
                    continue
                self._keep(self._until_ready(worker))
                first = self._workers[index]
                if first is not None:  # a reload was quicker
                    self._retire(worker, first)
                    continue
                self._workers[index] = worker
            await worker.ended.wait()
            if self._workers[index] is not worker:
                continue  # a reload has put another one there
            self._workers[index] = None
            how = _how(worker.process.returncode)
            if self._stopping.is_set():
                return
            if not self._has_served:
                what = "worker %d has ended before it served (%s): the program cannot start"
                _logger.error(what, index, how, extra=known(worker=index, reason=how))
                self._status = 1
                self._stopping.set()
                return
            is_young = loop.time() - worker.since < YOUNG
            delay = min(delay * 2, LAST_DELAY) if is_young else FIRST_DELAY
            what = "worker %d (pid %d) has died: %s; the next one starts in %g s"
            fields = known(worker=index, reason=how)
            _logger.error(what, index, worker.process.pid, how, delay, extra=fields)
            await self._pause(delay)

    async def _pause(self, seconds: float) -> None:
        """Wait, but not beyond the end."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)

    async def _start(self, index: int) -> _Process | None:
        """Start a worker for a place; None where the system has no process left for it."""
        assert self._directory is not None
        number = self._new_number()
        ours, theirs = socket.socketpair()
        listening = self._sockets[index].fileno()
        identity = Identity(
            number=number,
            index=index,
            count=len(self._sockets),
            directory=self._directory.path,
            listening=listening,
            control=theirs.fileno(),
            has_udp=bool(self._udp),
            key=self._key if self._udp else "",
        )
        try:
            if self._udp:
                send_socket(ours, self._udp[index])
            process = await asyncio.create_subprocess_exec(
                *self._command,
                env={**os.environ, **identity.environment()},
                pass_fds=(listening, theirs.fileno()),
                start_new_session=True,  # Ctrl-C is for the supervisor alone
                cwd=directory_of_this_process(),
            )
        except OSError as error:
            ours.close()
            why = reason_of(error)
            fields = known(worker=index, reason=why)
            _logger.error("worker %d cannot be started: %s", index, why, extra=fields)
            return None
        finally:
            theirs.close()
        worker = _Process(number, index, process, since=asyncio.get_running_loop().time())
        self._all.add(worker)
        worker.line = await connect_control(ours, worker)
        self._keep(self._watch(worker))
        _logger.debug("worker %d begins (pid %d)", index, process.pid, extra=known(worker=index))
        return worker

    def _new_number(self) -> int:
        taken = {worker.number for worker in self._all}
        while self._next_number in taken:
            self._next_number = (self._next_number + 1) % (MAX_NUMBER + 1)
        number = self._next_number
        self._next_number = (number + 1) % (MAX_NUMBER + 1)
        return number

    async def _watch(self, worker: _Process) -> None:
        await worker.process.wait()
        self._all.discard(worker)
        worker.ended.set()
        if worker.line is not None:
            worker.line.close()
        if self._directory is not None:
            for path in (handover_path, datagram_path):
                with contextlib.suppress(OSError):
                    os.unlink(path(self._directory.path, worker.number))

    async def _until_ready(self, worker: _Process) -> None:
        await self._wait_ready(worker)

    async def _wait_ready(self, worker: _Process) -> bool:
        """Whether it comes to serve; one that takes too long is ended."""
        waits = [
            asyncio.ensure_future(worker.is_ready.wait()),
            asyncio.ensure_future(worker.ended.wait()),
        ]
        try:
            await asyncio.wait(waits, timeout=START_TIMEOUT, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        if worker.is_ready.is_set():
            self._has_served = True
            if self._unresponsive_timeout:
                self._keep(self._watch_pulse(worker))
            return True
        if not worker.ended.is_set():
            text, fields = "worker %d does not serve after %g s", known(worker=worker.index)
            _logger.error(text, worker.index, START_TIMEOUT, extra=fields)
            worker.signal(signal.SIGKILL)
            await worker.ended.wait()
        return False

    async def _watch_pulse(self, worker: _Process) -> None:
        """End a worker that stands still; whoever waits for its end replaces it."""
        await until_silent(worker, self._unresponsive_timeout)
        if worker.ended.is_set() or self._stopping.is_set():
            return
        what = "worker %d (pid %d) has not answered for %g s, and is killed"
        pid, fields = worker.process.pid, known(worker=worker.index)
        _logger.error(what, worker.index, pid, self._unresponsive_timeout, extra=fields)
        worker.signal(signal.SIGABRT)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(worker.ended.wait(), DEATH_THROES)
        worker.signal(signal.SIGKILL)

    # --- reload -----------------------------------------------------------------------------------

    async def reload(self) -> str:
        """Replace all workers, one after the other, and wait until the new ones serve.

        Returns:
            What has failed; empty when all are new.

        Cancelling ends the wait, not the reload.
        """
        if self._stopping.is_set():
            return "the server is being stopped"
        if self._reloading is not None and not self._reloading.done():
            _logger.warning("reload: one is under way already")
            return "a reload is under way already"
        self._reloading = self._keep(self._reload())
        return await asyncio.shield(self._reloading)

    async def _reload(self) -> str:
        _logger.info("reload: workers are replaced, one after the other")
        notify("RELOADING=1")
        failure = ""
        for index in range(len(self._sockets)):
            failure = await self._replace(index)
            if failure:
                text, fields = "reload: %s: the others stay as they are", known(reason=failure)
                _logger.error(text, failure, extra=fields)
                break
        else:
            _logger.info("reload: all workers are new")
        notify("READY=1")
        return failure

    async def _replace(self, index: int) -> str:
        """Have a new worker in a place; what has failed, or nothing."""
        worker = await self._start(index)
        if worker is None:
            return f"the new worker {index} cannot be started"
        if self._stopping.is_set():
            return "the server is being stopped"
        if not await self._wait_ready(worker):
            how = _how(worker.process.returncode)
            return f"the new worker {index} does not serve ({how})"
        old, self._workers[index] = self._workers[index], worker
        if old is not None and not old.ended.is_set():
            self._retire(old, worker)
        return ""

    def _retire(self, worker: _Process, successor: _Process) -> None:
        if worker.line is not None:
            drain = Drain(self._reload_drain, successor.number, successor.takes_udp)
            worker.line.say(drain_line(drain))
        self._keep(self._kill_later(worker, self._reload_drain + self._patience))

    async def _kill_later(self, worker: _Process, seconds: float) -> None:
        """End a worker that does not end."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(worker.ended.wait(), seconds + GRACE)
        if not worker.ended.is_set():
            text, fields = "worker %d (pid %d) is killed", known(worker=worker.index)
            _logger.error(text, worker.index, worker.process.pid, extra=fields)
            worker.signal(signal.SIGKILL)
            await worker.ended.wait()

    async def _end_all(self) -> None:
        """Stop all, those too that are being replaced."""
        workers = list(self._all)
        for worker in workers:
            worker.signal(signal.SIGTERM)
        await asyncio.gather(*(self._kill_later(worker, self._patience) for worker in workers))


def _how(code: int | None) -> str:
    """How a process has ended, in words."""
    if code is None:
        return "it runs"
    if code < 0:
        try:
            return f"killed by {signal.Signals(-code).name}"
        except ValueError:
            return f"killed by signal {-code}"
    return f"exit code {code}"
