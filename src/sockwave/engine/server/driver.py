"""What all sessions of an engine share in one event loop: the flush, tasks, accounts.

Theory. An engine is made outside of any loop, and bound to the one in which it is first used
(`LoopDriver`). From then on everything happens in that loop's thread; whoever calls from another
one is handed over (`call_from_thread`), and when that loop has ended the next one takes over with
nothing of what was (`_loop_changed`).

One turn of the loop. What peers have sent is read, within the credit of `turns`, and what it causes
is queued by the sessions. The first to queue calls `flush_later`, which asks the loop for one
`_flush`; the others only add themselves. The flush writes for all of them. So a message that is the
answer to another goes out before the loop waits again, and a thousand of them are one flush. The
list is emptied only at the end of the flush, so that who is added meanwhile is flushed with it.

Who owns what. A task that is started here stands in `tasks()` until it has called `finished`; the
end of the server cancels what is left. Every TCP connection is in one of two sets until it is lost:
`connections`, which the end of the server closes, or `_lent`, those that somebody else serves on
our port: they only count. `backlog` is the sum of what is `accounted` for everybody slow, each in
`_lagging`; past its bound the one with the most ends, which is what keeps one client, or a few,
from taking the memory of all.

What must never happen: a coroutine that nobody owns; two calls of `_flush` asked for at a time; a
peer in the account that is gone (whoever ends calls `forget_backlog`).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Any, Final, Protocol

from sockwave import platform
from sockwave.debug import is_debugging
from sockwave.engine.core.broadcast_write import BroadcastWrite
from sockwave.engine.core.in_turn import InTurn
from sockwave.engine.io.loop import LoopDriver
from sockwave.engine.server.lag import LagMeter
from sockwave.engine.server.sessions.departures import Departures
from sockwave.engine.server.transports.compression import Compressions
from sockwave.errors import Disconnected
from sockwave.observe import BacklogGrew, Observers
from sockwave.types import DisconnectReason

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from sockwave.engine.core.options import EngineOptions
    from sockwave.engine.core.session import Session
    from sockwave.engine.server.rules.rates import RateLimiter

__all__ = ["Connection", "Driver", "memory_share"]

FLUSHES_PER_LOOK: Final = 32
"""Sessions flushed between two looks at the clock."""

FLUSH_SECONDS: Final = 0.004
"""Time spent on flushing before others get their turn: a huge broadcast, or one of large messages,
does not stall everybody."""

SPARE_DESCRIPTORS: Final = 64
"""File descriptors left to the rest of the process."""

_DEFAULT_CONNECTIONS: Final = 65_536
"""Where the system has no limit, as Windows: a bound all the same, as each takes memory."""

_DEFAULT_PROCESS_BACKLOG: Final = 512 * 1024 * 1024

_logger: Final = logging.getLogger("sockwave.engine")


class Flushable(Protocol):
    """What has bytes to write at the end of a tick."""

    def flush(self) -> None:
        """Write them."""


class Lagging(Protocol):
    """Who may be slow to take what it is sent: a session, or a connection with answers."""

    accounted: int
    """Bytes that the process counts for it."""

    @property
    def held(self) -> int:
        """Bytes that are held back for it now."""

    def discard(self, reason: DisconnectReason, description: str) -> None:
        """End it."""


class Connection(Protocol):
    """A TCP connection of a front end."""

    def abort(self) -> None:
        """Cut it."""

    def close_if_idle(self) -> None:
        """Close it if nothing is owed to the peer: the server stops."""

    @property
    def is_sending(self) -> bool:
        """Whether something is owed to the peer, or has not left this process yet."""


class Driver(LoopDriver):
    """Binds sessions to one event loop.

    Args:
        options: Of the engine.
        ended: Called with each session that is over.
        upgraded: Called with each session that moved to another transport.
        rebound: Called when another loop takes over from one that has ended.

    Attributes:
        observers: Who is told what happens.
        departures: What is to be done for clients that are gone.
        compressions: Answers that are compressed in slices.
        broadcast_write: The broadcast that goes past the sessions in this turn.
        ends: Of sessions and sockets, whose handlers may cause others.
    """

    _side = "server"
    _not_bound = "the server is not running"

    def __init__(
        self,
        options: EngineOptions,
        *,
        ended: Callable[[Session, DisconnectReason, str], None],
        upgraded: Callable[[Session], None],
        rebound: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__()
        self.options = options
        self.session_ended = ended
        self.session_upgraded = upgraded
        self._rebound = rebound
        self.debug: bool = False
        self.observers: Observers = Observers(self.application_failed)
        self._lag = LagMeter(self, self.observers)
        self.connections: set[Connection] = set()
        self._lent: set[object] = set()
        self.rates: RateLimiter | None = None
        self.max_connections: int = options.limits.connections or _connections_limit()
        self.backlog: int = 0
        self._max_backlog = options.limits.process_backlog or memory_share()
        self.ends: InTurn = InTurn()
        self.is_short_of_room: bool = False
        self._lagging: set[Lagging] = set()
        self.dirty: list[Flushable] = []
        self._starting: list[Callable[[], None]] = []
        self.departures: Departures = Departures(self.turn_clock, self.call_soon)
        self.compressions: Compressions = Compressions(self.turns, self.turn_clock)
        self.broadcast_write: BroadcastWrite = BroadcastWrite(self.flush_later)

    # --- the loop ---------------------------------------------------------------------------------

    def _is_in_use(self) -> bool:
        return bool(self.connections or self._lent)

    def _loop_changed(self, is_first: bool) -> None:
        self.debug = is_debugging()
        if not is_first:
            self._rebound()
            self.connections.clear()
            self._lent.clear()
        starting, self._starting = self._starting, []
        for callback in starting:
            self.call_soon(callback)
        self._lag.loop_changed()
        self.dirty = []
        self.broadcast_write = BroadcastWrite(self.flush_later)
        self.departures = Departures(self.turn_clock, self.call_soon)
        self.compressions = Compressions(self.turns, self.turn_clock)

    def when_bound(self, callback: Callable[[], None]) -> None:
        """Call back once, in the loop and its thread: in its next turn, if there is one already."""
        if not self.is_bound:
            self._starting.append(callback)
        elif self.is_foreign_thread():
            self.call_from_thread(callback)
        else:
            self.call_soon(callback)

    async def closes_elsewhere(self, close: Callable[[], Coroutine[Any, Any, None]]) -> bool:
        """Whether the caller runs in another loop: then closing is done here, in the bound one.

        When that one is closed, all has ended with it, and the caller's loop takes over.
        """
        if not self.is_elsewhere():
            return False
        if self.has_ended:
            self.bind()
            return False
        with contextlib.suppress(Disconnected):  # its loop ends first, and everything with it
            await self.visit(close())
        return True

    def call_from_thread(self, callback: Callable[..., object], *args: Any) -> None:
        """Hand a call to the loop; when that has ended there is nobody to be reached."""
        with contextlib.suppress(Disconnected):
            super().call_from_thread(callback, *args)

    # --- tasks ------------------------------------------------------------------------------------

    def start(self, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any] | None:
        """Run a coroutine, at once where Python can (3.12), else from the next turn on.

        It is owned until it calls `finished`, which must be its last act.

        Returns:
            Its task; None when it is done already.
        """
        task = self._start_eagerly(coroutine)
        return None if task.done() else task

    def finished(self) -> asyncio.Task[Any] | None:
        """The running task is done."""
        task = asyncio.current_task()
        self._tasks.discard(task)
        return task

    def spawn(self, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run any coroutine and own it until it ends; it must not raise."""
        return self._start_eagerly(self._owned(coroutine))

    async def _owned(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        try:
            await coroutine
        finally:
            self.finished()

    # --- output -----------------------------------------------------------------------------------

    def flush_later(self, what: Flushable) -> None:
        """Flush a session or an HTTP connection at the end of this tick."""
        dirty = self.dirty
        if not dirty:
            try:
                self.call_soon(self._flush)
            except RuntimeError:
                if not self.loop.is_closed():
                    raise
                self.thread_id = 0  # another thread has got the number of the loop's
                return
        dirty.append(what)

    def _flush(self) -> None:
        """Write what this tick has queued; a session that polls adds its connection to the list.

        Writing everything here, and not where it arises, gives the clients' machines and our own
        one burst to work on instead of one wake-up each.
        """
        turns = self.turns
        turns.credit = turns.refill
        dirty = self.dirty
        flushed = 0
        end = None
        for flushed, what in enumerate(dirty, 1):  # and what is added meanwhile
            try:
                what.flush()
            except Exception:
                _logger.exception("internal error while sending")
            if turns.must_look or not flushed % FLUSHES_PER_LOOK:
                turns.must_look = False
                now = self.turn_clock()
                if end is None:
                    end = now + FLUSH_SECONDS
                elif now >= end:
                    break
        # Only now, so that what was added meanwhile found the list in use.
        del dirty[:flushed]
        if dirty:
            self.loop.call_soon(self._flush)

    def backlog_grew(self, lagging: Lagging) -> None:
        """Count what is held back for a peer that cannot be written to.

        Past the bound of the process the one with the most ends: one slow reader is not worth the
        others.
        """
        held = lagging.held
        has_grown = held > lagging.accounted
        self.backlog += held - lagging.accounted
        lagging.accounted = held
        if has_grown and (functions := self.observers.backlog_grew):
            self.observers.tell(
                functions, BacklogGrew(getattr(lagging, "id", ""), held, self.backlog)
            )
        if held:
            self._lagging.add(lagging)
        else:
            self._lagging.discard(lagging)
        while self.backlog > self._max_backlog and self._lagging:
            largest = max(self._lagging, key=lambda lagging: lagging.accounted)
            self.forget_backlog(largest)
            largest.discard(DisconnectReason.BACKLOG_EXCEEDED, "the process holds too much unsent")
        self.is_short_of_room = self.backlog > self._max_backlog // 2

    def share_memory(self, processes: int) -> None:
        """Be one of so many that share the memory: what may be held back by default is a part."""
        if not self.options.limits.process_backlog:
            self._max_backlog //= processes

    def forget_backlog(self, lagging: Lagging) -> None:
        """Take what is over out of the account."""
        self.backlog -= lagging.accounted
        lagging.accounted = 0
        self._lagging.discard(lagging)

    # --- connections ------------------------------------------------------------------------------

    @property
    def open_connections(self) -> int:
        """How many TCP connections the process holds on our ports, whoever serves them."""
        return len(self.connections) + len(self._lent)

    def connection_lost(self, connection: object) -> None:
        """A TCP connection has ended."""
        self.connections.discard(connection)
        self._lent.discard(connection)
        if self.rates is not None:
            self.rates.connection_lost(connection)

    def connection_lent(self, old: Connection, new: object) -> None:
        """Somebody else serves a TCP connection from here on: it counts, but is not ours to end."""
        self.connections.discard(old)
        self._lent.add(new)
        if self.rates is not None:
            self.rates.connection_moved(old, new)

    def connection_moved(self, old: Connection, new: Connection) -> None:
        """Another object of ours has taken over a TCP connection."""
        self.connections.discard(old)
        self.connections.add(new)
        if self.rates is not None:
            self.rates.connection_moved(old, new)

    def lent_connection_moved(self, old: object, new: object) -> None:
        """Another object of theirs has taken over a TCP connection."""
        self._lent.discard(old)
        self._lent.add(new)
        if self.rates is not None:
            self.rates.connection_moved(old, new)


def _connections_limit() -> int:
    descriptors = platform.open_files_limit()
    return _DEFAULT_CONNECTIONS if descriptors is None else max(descriptors - SPARE_DESCRIPTORS, 1)


def memory_share() -> int:
    """A quarter of what the process may use, if that is limited."""
    memory = platform.memory_limit()
    return _DEFAULT_PROCESS_BACKLOG if memory is None else memory // 4
