"""What all sessions of an engine share in one event loop: the flush, tasks, accounts."""

from __future__ import annotations

import asyncio
import logging
import os
import resource
from typing import TYPE_CHECKING, Any, Final, Protocol

from sockwave.debug import is_debugging
from sockwave.engine.io.loop import LoopDriver
from sockwave.engine.server.departures import Departures
from sockwave.types import DisconnectReason

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from sockwave.engine.core.options import EngineOptions
    from sockwave.engine.core.session import Session
    from sockwave.engine.server.rates import RateLimiter

__all__ = ["Connection", "Driver"]

FLUSHES_PER_LOOK: Final = 32
"""Sessions flushed between two looks at the clock."""

FLUSH_SECONDS: Final = 0.004
"""Time spent on flushing before others get their turn: a huge broadcast, or one of large messages,
does not stall everybody."""

SPARE_DESCRIPTORS: Final = 64
"""File descriptors left to the rest of the process."""

_DEFAULT_PROCESS_BACKLOG: Final = 512 * 1024 * 1024

_logger: Final = logging.getLogger("sockwave.engine")


class Flushable(Protocol):
    """What has bytes to write at the end of a tick."""

    def flush(self) -> None:
        """Write them."""


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
        departures: What is to be done for clients that are gone.
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
        self.debug = False
        self.connections: set[Connection] = set()
        self.rates: RateLimiter | None = None
        self.max_connections = options.limits.connections or max(
            resource.getrlimit(resource.RLIMIT_NOFILE)[0] - SPARE_DESCRIPTORS, 1
        )
        self.backlog = 0
        self._max_backlog = options.limits.process_backlog or _memory_limit()
        self._lagging: set[Session] = set()
        self._dirty: list[Flushable] = []
        self.departures = Departures(self.turn_clock, self.call_soon)

    # --- the loop ---------------------------------------------------------------------------------

    def _is_in_use(self) -> bool:
        return bool(self.connections)

    def _loop_changed(self, is_first: bool) -> None:
        self.debug = is_debugging()
        if not is_first:
            self._rebound()
            self.connections.clear()
        self._dirty = []
        self.departures = Departures(self.turn_clock, self.call_soon)

    # --- tasks ------------------------------------------------------------------------------------

    def start(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        """Run a coroutine, at once where Python can (3.12), else from the next turn on.

        It is owned until it calls `finished`, which must be its last act.
        """
        self._start_eagerly(coroutine)

    def finished(self) -> None:
        """The running task is done."""
        self._tasks.discard(asyncio.current_task())

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
        dirty = self._dirty
        if not dirty:
            self.loop.call_soon(self._flush)
        dirty.append(what)

    def _flush(self) -> None:
        """Write what this tick has queued; a session that polls adds its connection to the list.

        Writing everything here, and not where it arises, gives the clients' machines and our own
        one burst to work on instead of one wake-up each.
        """
        dirty = self._dirty
        flushed = 0
        end = None
        for what in dirty:  # and what is added meanwhile
            try:
                what.flush()
            except Exception:
                _logger.exception("internal error while sending")
            flushed += 1
            if not flushed % FLUSHES_PER_LOOK:
                now = self.turn_clock()
                if end is None:
                    end = now + FLUSH_SECONDS
                elif now >= end:
                    break
        # Only now, so that what was added meanwhile found the list in use.
        del dirty[:flushed]
        if dirty:
            self.loop.call_soon(self._flush)

    def backlog_grew(self, session: Session) -> None:
        """Count what a session that cannot be written to holds back.

        Past the bound of the process the session with the most ends: one slow reader is not worth
        the others.
        """
        self.backlog += session.backlog - session.accounted
        session.accounted = session.backlog
        if session.backlog:
            self._lagging.add(session)
        else:
            self._lagging.discard(session)
        while self.backlog > self._max_backlog and self._lagging:
            largest = max(self._lagging, key=lambda lagging: lagging.backlog)
            self.forget_backlog(largest)
            largest.discard(DisconnectReason.BACKLOG_EXCEEDED, "the process holds too much unsent")

    def forget_backlog(self, session: Session) -> None:
        """Take a session that is over out of the account."""
        self.backlog -= session.accounted
        session.accounted = 0
        self._lagging.discard(session)

    # --- connections ------------------------------------------------------------------------------

    def connection_lost(self, connection: Connection) -> None:
        """A TCP connection has ended."""
        self.connections.discard(connection)
        if self.rates is not None:
            self.rates.connection_lost(connection)

    def connection_moved(self, old: Connection, new: Connection) -> None:
        """Another object has taken over a TCP connection."""
        self.connections.discard(old)
        self.connections.add(new)
        if self.rates is not None:
            self.rates.connection_moved(old, new)


def _memory_limit() -> int:
    """A quarter of what the process may use, if that is limited (cgroup, address space)."""
    limits: list[int] = []
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        if os.path.exists(path):
            with open(path) as file:
                text = file.read().strip()
            if text.isdigit() and int(text) < 2**50:
                limits.append(int(text))
    soft = resource.getrlimit(resource.RLIMIT_AS)[0]
    if soft != resource.RLIM_INFINITY:  # of which libraries and threads have taken much already
        limits.append(max(soft - _mapped(), 0))
    return min(limits) // 4 if limits else _DEFAULT_PROCESS_BACKLOG


def _mapped() -> int:
    """Bytes of address space that the process has; 0 where nobody tells."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[0]) * resource.getpagesize()
    except OSError:
        return 0
