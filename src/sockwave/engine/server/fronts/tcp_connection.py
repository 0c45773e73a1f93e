"""The TCP side of a connection that speaks HTTP: how long it may wait, and how it ends.

A connection has one deadline at a time, that of its phase. Most deadlines move with each request
and never come, so they stand in a field, and the wheel gets an entry only when the one that it has
would come too late; `handle_timeout` then sees whether the deadline has moved on.

It ends in one of three ways. It is cut (`abort`); it is closed when nothing is owed to the peer
(`close_if_idle`); or a last answer is written, and what still comes is read and dropped for a
moment (`_finish`): closing with bytes unread would reset the connection, and the peer would lose
the answer. Once `_is_closing` is set nothing that comes is looked at any more.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from sockwave.engine.core.heartbeat import GRANULARITY
from sockwave.engine.io.tcp import close_once, end_writing
from sockwave.engine.server.invalid_request import InvalidRequest, body_too_late, head_too_late
from sockwave.platform import tcp_progress

if TYPE_CHECKING:
    from sockwave.engine.server.engine import EngineServer

__all__ = ["LINGER", "LINGER_BYTES", "Phase", "TcpConnection"]

LINGER: Final = 0.9
"""Seconds that a connection which was refused may take to go."""

LINGER_BYTES: Final = 512 * 1024
"""Bytes that are read from it, and dropped, meanwhile: what a client may have sent before it could
know; one that never ends is not read on."""


class Phase(Enum):
    """What a connection waits for, and so which deadline it has."""

    HEAD = auto()
    BODY = auto()
    IDLE = auto()
    WAITING = auto()
    """For an answer of ours: no deadline."""


_HEAD: Final = Phase.HEAD


class TcpConnection(asyncio.Protocol, ABC):
    """Deadlines, bytes that the peer has not taken, and the end of one TCP connection.

    Attributes:
        wheel_slot: Of its deadline.
    """

    __slots__ = (
        "_can_write",
        "_deadline",
        "_dropped",
        "_engine",
        "_is_closing",
        "_is_reading",
        "_limits",
        "_phase",
        "_taken",
        "_tcp",
        "_written",
        "wheel_slot",
    )

    _tcp: asyncio.Transport

    def __init__(self, engine: EngineServer) -> None:
        self._engine = engine
        self._limits = engine.options.limits
        self._can_write = True
        self._is_reading = True
        self._is_closing = False
        self._phase = _HEAD
        self._deadline: float | None = None
        self._dropped = 0
        self._written = 0
        self._taken: int | None = None
        self.wheel_slot: int = 0

    @abstractmethod
    def _fail(self, invalid: InvalidRequest) -> None:
        """End with the answer to a request that cannot be served."""

    @abstractmethod
    def _lose_requests(self) -> None:
        """Tell those who wait for requests that these will have no answer."""

    # --- what the peer has not taken --------------------------------------------------------------

    @property
    def held(self) -> int:
        """Bytes of answers that the peer takes too slowly, as the account of the process has it."""
        return 0 if self._can_write else self._tcp.get_write_buffer_size()

    def unsent(self, position: int, *, by_machine: bool) -> int:
        """How many of the bytes written before a position are not taken yet."""
        if self._tcp.is_closing():
            return 0
        waiting = self._tcp.get_write_buffer_size()
        if by_machine and (state := tcp_progress(self._tcp.get_extra_info("socket"))) is not None:
            waiting += state[1]
        return max(position - (self._written - waiting), 0)

    def _write(self, data: bytes) -> None:
        self._written += len(data)
        self._tcp.write(data)

    def _is_taking(self) -> bool:
        """Whether the peer has taken some more of what it is still owed, since the last look."""
        waiting = self._tcp.get_write_buffer_size()
        if not waiting:
            return False
        state = tcp_progress(self._tcp.get_extra_info("socket"))
        before, self._taken = self._taken, -waiting if state is None else state[0]
        return self._taken != before

    # --- deadlines --------------------------------------------------------------------------------

    def _enter(self, phase: Phase, timeout: float | None) -> None:
        """Begin a phase with its own deadline; going on in one does not move it."""
        self._phase = phase
        if timeout is None:
            self._deadline = None
            return
        self._deadline = deadline = self._engine.driver.clock() + timeout
        if not self.wheel_slot or self.wheel_slot > deadline / GRANULARITY + 1:
            self._engine.driver.schedule(self, deadline)

    def handle_timeout(self, now: float) -> None:
        """A deadline has come, or has moved or gone meanwhile."""
        if self._is_closing:
            self._lingered(now)
        elif self._deadline is None:
            pass
        elif now < self._deadline:
            self._engine.driver.schedule(self, self._deadline)
        elif self._phase is Phase.IDLE:
            self._idle_too_long()
        elif self._phase is Phase.BODY:
            self._fail(body_too_late(self._limits))
        else:
            self._fail(head_too_late(self._limits))

    def _lingered(self, now: float) -> None:
        """Go, unless the peer is still busy taking its last answer."""
        if self._is_taking():
            self._engine.driver.schedule(self, now + self._limits.body_timeout)
        else:
            self._tcp.abort()

    def _idle_too_long(self) -> None:
        """No request has followed: the peer may be reading the last answer still."""
        if self._engine.keeps_idle_connections:
            self._enter(Phase.IDLE, self._limits.keep_alive_timeout)
        elif self._is_taking():
            self._enter(Phase.IDLE, self._limits.body_timeout)
        elif self._tcp.get_write_buffer_size():
            self.abort()
        else:
            close_once(self._tcp)

    # --- reading and ending -----------------------------------------------------------------------

    def _pause(self) -> None:
        if self._is_reading and not self._tcp.is_closing():
            self._is_reading = False
            self._tcp.pause_reading()

    def _drop(self, size: int) -> None:
        """Count what came after the end, of which nothing is kept."""
        self._dropped += size
        if self._dropped > LINGER_BYTES:
            self._pause()

    def abort(self) -> None:
        """Cut the connection."""
        self._is_closing = True
        self._tcp.abort()

    def _end_with(self, answer: bytes) -> None:
        self._write(answer)
        self._finish()

    def _finish(self) -> None:
        """Close after what was written, and linger."""
        self._is_closing = True
        self._lose_requests()
        if end_writing(self._tcp):
            self._engine.driver.schedule(self, self._engine.driver.clock() + LINGER)
        else:
            close_once(self._tcp)
