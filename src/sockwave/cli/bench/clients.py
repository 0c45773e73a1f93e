"""The clients of one process: they connect at a rate, wait for each other, and emit."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections import Counter
from time import perf_counter, perf_counter_ns
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import sockwave
from sockwave import AckTimeout, ClientSocket, ConnectError, Disconnected, TransportError
from sockwave.cli.bench.figures import Figures
from sockwave.cli.bench.plan import Plan, fill, has

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Clients"]

MOST_OUTSTANDING: Final = 100
"""Acknowledgements that a client may wait for; past it a slow server would only fill memory here,
and the times would be those of the queue."""

LAST_WORDS: Final = 0.5
"""Seconds after the last event in which others may still hear it: who hears is the server's
affair, so nobody can know that all have."""

MOST_TEXT: Final = 120
"""Characters of an error's text that tell its kind."""


class Clients:
    """Those of one process.

    Theory: every client is a task. It connects, sends what comes first, and waits for `go`, which
    comes when those of the other processes are there too. It emits until `end`, and closes.
    Connections that are lost stay lost: they are counted, since a client that comes back would hide
    it.

    Args:
        plan: Of the whole benchmark.
        number: Of this process, from 0.
    """

    def __init__(self, plan: Plan, number: int) -> None:
        self.figures: Figures = Figures()
        self.transports: Counter[str] = Counter()
        self.here: int = 0
        self._plan = plan
        self._numbers = range(number, plan.connections, plan.processes)
        self._offset = number / plan.rate
        self._options = _shared_options(plan)
        self._stamp = re.compile(rf"{plan.run}:(\d+)")
        self._has_stamp = has(plan.args, "stamp")
        self._sockets: set[ClientSocket] = set()
        self._going = asyncio.Event()
        self._ended = asyncio.Event()
        self._closing = asyncio.Event()
        self._settled = asyncio.Event()
        self._outstanding = 0
        self._answered_all = asyncio.Event()
        self._answered_all.set()
        self._began = 0.0
        self._aborted = False
        self._entering = 0
        self._tasks: set[asyncio.Task[None]] = set()

    # --- told by the process ----------------------------------------------------------------------

    async def run(self) -> None:
        """Be all of them, to the end."""
        async with asyncio.TaskGroup() as tasks:
            await self._connect_all(tasks)
            await self._ended.wait()
            await self._wait_for_the_rest()
            self._count_transports()
            self._closing.set()
            if self._aborted:
                for client in self._tasks:  # each closes its connection
                    client.cancel()

    async def settled(self) -> None:
        """Wait until each has connected and sent what comes first, or failed to."""
        await self._settled.wait()

    def go(self) -> None:
        """Let the load begin."""
        self._began = perf_counter()
        self._going.set()

    def end(self) -> None:
        """Let nobody emit or connect any more."""
        self._ended.set()
        self._going.set()

    def abort(self) -> None:
        """The same, and wait for nothing: neither connections nor acknowledgements."""
        self._aborted = True
        self.end()
        self._answered_all.set()
        self._settled.set()

    def take(self) -> Figures:
        """What has been counted since the last call."""
        taken, self.figures = self.figures, Figures()
        return taken

    # --- connecting -------------------------------------------------------------------------------

    async def _connect_all(self, tasks: asyncio.TaskGroup) -> None:
        """Start each at its time; a process that is late starts them as fast as it can."""
        begun = perf_counter() + self._offset
        self._entering = len(self._numbers)
        for index, number in enumerate(self._numbers):
            due = begun + index * self._plan.processes / self._plan.rate
            if await self._ended_before(due):
                return
            task = tasks.create_task(self._client(number))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        if not self._numbers:
            self._settled.set()
        await self._settled.wait()

    async def _client(self, number: int) -> None:
        places = {"client": str(number), "room": str(number % self._plan.rooms)}
        socket = self._socket(places)
        try:
            if not await self._enter(socket, places):
                return
            await self._going.wait()
            if number < self._plan.senders and self._plan.event is not None:
                await self._emit(socket, number, places)
            await self._closing.wait()
        finally:
            self._sockets.discard(socket)
            await socket.aclose()

    def _socket(self, places: dict[str, str]) -> ClientSocket:
        options = {**self._options}
        if "auth" in options:
            options["auth"] = fill(options["auth"], places)
        socket = sockwave.connect(self._plan.url, **options)
        socket.on("disconnect", lambda reason: self._lost(socket, reason))
        if self._plan.hear is not None:
            socket.on(self._plan.hear, self._heard)
        return socket

    async def _enter(self, socket: ClientSocket, places: dict[str, str]) -> bool:
        """Connect and send what comes first; False when it does not connect."""
        begun = perf_counter()
        try:
            async with asyncio.timeout(self._plan.timeout):
                await socket.__aenter__()
            self.figures.connected += 1
            self.figures.connecting.add(perf_counter() - begun)
            self.here += 1
            self._sockets.add(socket)
            await self._send_first(socket, places)
        except (sockwave.SockwaveError, TimeoutError, OSError) as error:
            self.figures.failed(f"connecting: {_kind(error)}")
            return False
        finally:
            self._entering -= 1
            if not self._entering:
                self._settled.set()
        return True

    def _lost(self, socket: ClientSocket, reason: str) -> None:
        if socket not in self._sockets:
            return  # it is closed from here
        self._sockets.discard(socket)
        self.here -= 1
        self.figures.lost += 1
        self.figures.failed(f"lost: {reason}")

    async def _send_first(self, socket: ClientSocket, places: dict[str, str]) -> None:
        for first in self._plan.first:
            args = fill(first.args, places)
            try:
                if first.wants_ack:
                    await socket.emit_with_ack(first.event, *args, timeout=self._plan.timeout)
                else:
                    socket.emit(first.event, *args)
            except (sockwave.SockwaveError, TimeoutError) as error:
                self.figures.failed(f"{first.event}: {_kind(error)}")

    def _count_transports(self) -> None:
        for socket in self._sockets:
            self.transports[socket.manager.transport or "none"] += 1

    # --- the load ---------------------------------------------------------------------------------

    async def _emit(self, socket: ClientSocket, number: int, places: dict[str, str]) -> None:
        args = fill(self._plan.args, places)
        if self._plan.every:
            await self._emit_in_time(socket, number, args)
        else:
            await self._emit_in_turn(socket, args)

    async def _emit_in_time(self, socket: ClientSocket, number: int, args: list[Any]) -> None:
        """Emit at each time of the plan, whether or not there was an answer to the one before."""
        every = self._plan.every
        due = self._began + every * number / self._plan.senders
        waiting = [0]
        while not await self._ended_before(due) and socket.connected:
            late = perf_counter() - due
            self.figures.late.add(max(late, 0.0))
            if waiting[0] >= MOST_OUTSTANDING:
                self.figures.skipped += 1
            else:
                self._emit_one(socket, args, waiting)
            missed = int(late // every) if late > every else 0
            self.figures.skipped += missed
            due += every * (missed + 1)

    def _emit_one(self, socket: ClientSocket, args: list[Any], waiting: list[int]) -> None:
        event = self._event()
        answer: Callable[..., None] | None = None
        begun = perf_counter()
        if self._plan.ack:
            waiting[0] += 1
            self._waits_for_answer(1)

            def answer(error: Exception | None, *values: Any) -> None:
                waiting[0] -= 1
                self._waits_for_answer(-1)
                if error is None:
                    self._answered(begun)
                else:
                    self.figures.failed(f"{event}: {_kind(error)}")

        try:
            socket.emit(event, *self._stamped(args), ack=answer)
        except sockwave.SockwaveError as error:
            self.figures.failed(f"{event}: {_kind(error)}")
            if answer is not None:
                waiting[0] -= 1
                self._waits_for_answer(-1)
        else:
            self.figures.emitted += 1

    async def _emit_in_turn(self, socket: ClientSocket, args: list[Any]) -> None:
        """Emit the next one when the one before is acknowledged."""
        event = self._event()
        while not self._ended.is_set() and socket.connected:
            begun = perf_counter()
            self.figures.emitted += 1
            self._waits_for_answer(1)
            try:
                await socket.emit_with_ack(event, *self._stamped(args), timeout=self._plan.timeout)
            except sockwave.SockwaveError as error:
                self.figures.failed(f"{event}: {_kind(error)}")
            else:
                self._answered(begun)
            finally:
                self._waits_for_answer(-1)

    def _event(self) -> str:
        assert self._plan.event is not None
        return self._plan.event

    def _answered(self, begun: float) -> None:
        self.figures.answered += 1
        self.figures.round_trip.add(perf_counter() - begun)

    def _waits_for_answer(self, change: int) -> None:
        self._outstanding += change
        if self._outstanding and not self._aborted:
            self._answered_all.clear()
        else:
            self._answered_all.set()

    async def _wait_for_the_rest(self) -> None:
        """Answers come, or their time is over, which is what bounds it."""
        await self._answered_all.wait()
        if self._plan.hear is not None and self.here and not self._aborted:
            await asyncio.sleep(LAST_WORDS)

    def _stamped(self, args: list[Any]) -> list[Any]:
        if not self._has_stamp:
            return args
        stamp = f"{self._plan.run}:{perf_counter_ns()}"
        filled: list[Any] = fill(args, {"stamp": stamp})
        return filled

    def _heard(self, *args: Any) -> None:
        now = perf_counter_ns()
        if not self._going.is_set():
            return  # it belongs to what comes first
        stamp = self._find(args)
        if stamp is None:
            self.figures.unknown += 1
        else:
            self.figures.heard += 1
            self.figures.delivery.add((now - stamp) / 1e9)

    def _find(self, value: Any) -> int | None:
        """When an event was sent that has come back, in nanoseconds of a clock of this machine."""
        if isinstance(value, str):
            found = self._stamp.search(value)
            return int(found[1]) if found else None
        inner = value.values() if isinstance(value, dict) else value
        if isinstance(inner, bytes) or not hasattr(inner, "__iter__"):
            return None
        return next((stamp for each in inner if (stamp := self._find(each)) is not None), None)

    async def _ended_before(self, due: float) -> bool:
        """Wait until then; True when the end comes first."""
        if self._ended.is_set():
            return True
        delay = due - perf_counter()
        if delay <= 0:
            await asyncio.sleep(0)
            return self._ended.is_set()
        try:
            async with asyncio.timeout(delay):
                await self._ended.wait()
        except TimeoutError:
            return self._ended.is_set()  # both in one turn of the loop
        return True


def _shared_options(plan: Plan) -> dict[str, Any]:
    """Keywords of each connection; what is dear to make is made once."""
    options = {
        "reconnection": False,
        "ack_timeout": plan.timeout,
        "timeout": plan.timeout,
        "close_timeout": 2.0,
        **plan.options,
    }
    if urlsplit(plan.url).scheme in ("https", "wss") and options.get("ssl", True) is True:
        options["ssl"] = ssl.create_default_context()
    return options


def _kind(error: Exception) -> str:
    """What errors of one kind have in common."""
    match error:
        case ConnectError():
            text = f"refused by the server: {error}"
        case TransportError(status=int() as status):
            text = f"HTTP status {status}"
        case AckTimeout():
            text = "not acknowledged in time"
        case TransportError():
            text = f"{error.cause}: {error}"
        case TimeoutError():
            text = "timeout"
        case Disconnected():
            text = "the connection was lost first"
        case _:
            text = f"{type(error).__name__}: {error}"
    return text if len(text) <= MOST_TEXT else f"{text[:MOST_TEXT]}..."
