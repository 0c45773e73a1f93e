"""The part of a session that watches over time: whether the peer lives, and how long it may take.

Theory. A session has two deadlines, that of the heartbeat and that of an orderly close, and one
entry in the wheel, for the earlier one (`_schedule`). The wheel may be late by a slot or two, and
the deadline may have moved since, so `handle_timeout` asks which of the two has come.

In Engine.IO 4 this side pings and the client answers; `SessionV3` has the other direction. Between
a ping and its answer:

- `_awaits_pong` is True. The first packet of any kind shows life, and gives the answer its full
  time once more (`_timeout_restarted`).
- Where a ping may take long to leave, behind what the peer takes slowly, `_taking` follows it. As
  long as the peer takes some of that it is alive; the time for its answer begins when the ping is
  out (`taking.py`).
- While the session is not read from, the answer may lie unread. Nobody is judged for silence then:
  it is asked again instead (`_heartbeat_held`), which shows at least who takes no ping any more.

What must never happen: a peer that is ended for a time in which this process did not look, and one
that has gone and is kept for ever.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from sockwave.engine.core.heartbeat import GRANULARITY
from sockwave.engine.core.session_queue import QueueDriver, SessionQueue
from sockwave.engine.core.states import State
from sockwave.engine.core.taking import LOOKS, PROMPT, TakingWatch
from sockwave.engine.core.transport import SLICE
from sockwave.types import DisconnectReason

if TYPE_CHECKING:
    from sockwave.engine.core.heartbeat import WheelEntry
    from sockwave.engine.core.transport import Transport

__all__ = ["HeartbeatDriver", "SessionHeartbeat"]

_PING: Final = b"2"


class HeartbeatDriver(QueueDriver, Protocol):
    """Clock and deadlines."""

    def clock(self) -> float:
        """Monotonic seconds. Asked only where a deadline depends on it, not for every message."""

    def schedule(self, entry: WheelEntry, deadline: float) -> None:
        """Put a deadline into the wheel, or move it."""

    def cancel(self, entry: WheelEntry) -> None:
        """Take a deadline out."""


class SessionHeartbeat(SessionQueue):
    """What a session waits for, and until when.

    Attributes:
        wheel_slot: Of its next deadline.
    """

    __slots__ = (
        "_awaits_pong",
        "_close_deadline",
        "_close_reason",
        "_heartbeat_deadline",
        "_taking",
        "_timeout_restarted",
        "wheel_slot",
    )

    backlog: int
    _driver: HeartbeatDriver
    _close_reason: DisconnectReason
    """Of an orderly close; there is one when `_close_deadline` is set."""

    def __init__(self, transport: Transport, driver: HeartbeatDriver) -> None:
        super().__init__(transport, driver)
        self.wheel_slot: int = 0
        self._awaits_pong = False
        self._taking: TakingWatch | None = None
        self._timeout_restarted = False
        self._close_deadline: float | None = None
        self._start_heartbeat()

    def _start_heartbeat(self) -> None:
        self._set_heartbeat(self._driver.options.ping_interval)

    def _ping_received(self) -> None:
        self.discard(DisconnectReason.TRANSPORT_ERROR, "invalid heartbeat direction")

    def _pong_received(self) -> None:
        if self._awaits_pong:
            self._awaits_pong = False
            self._taking = None
            self._set_heartbeat(self._driver.options.ping_interval)

    def _heartbeat_due(self) -> None:
        if self._awaits_pong:
            self._answer_is_late()
            return
        self._awaits_pong = True
        self._timeout_restarted = False
        self._send_heartbeat(_PING)
        self._taking = self._watch_taking()
        self._await_answer()

    def _send_heartbeat(self, packet: bytes) -> None:
        """Queue a packet, before a long queue."""
        if self.backlog > SLICE and self.pending and self.is_open:
            self._send_first(packet)
        else:
            self.send_packet(packet, len(packet))

    def _send_first(self, packet: bytes) -> None:
        self.pending.insert(0, packet)
        self.backlog += len(packet)

    def _watch_taking(self) -> TakingWatch | None:
        """Where a ping may take long to leave: something to follow it with."""
        transport = self.transport
        state = transport.progress()
        if transport.is_writable and self.backlog <= SLICE and state.waiting <= PROMPT:
            return None
        return TakingWatch(self.pending, state, self._due())

    def _await_answer(self) -> None:
        timeout = self._driver.options.ping_timeout
        self._set_next_heartbeat(timeout if self._taking is None else timeout / LOOKS)

    def _answer_is_late(self) -> None:
        """The time for an answer is over: if the peer could give one."""
        if self._taking is None:
            self.discard(DisconnectReason.PING_TIMEOUT)
            return
        watch = self._follow_ping(self._taking)
        if watch is None:
            return
        timeout = self._driver.options.ping_timeout
        if (quiet := watch.quiet(self._driver.clock())) >= timeout:
            self.discard(DisconnectReason.PING_TIMEOUT)
        else:
            self._set_next_heartbeat(min(timeout / LOOKS, timeout - quiet))

    def _follow_ping(self, watch: TakingWatch) -> TakingWatch | None:
        """Look where the ping is; once it is out the time for the answer begins."""
        watch.look(self.pending, self.transport.progress(), self._driver.clock())
        if not watch.is_out or self._is_full:
            return watch
        self._taking = None
        self._await_answer()
        return None

    def _heartbeat_held(self) -> None:
        """A deadline while nothing is read: what shows that the peer lives may lie unread.

        Ask again: the peer waits for pings itself, and writing shows if it has gone. One who does
        not even take the ping, as when nobody polls any more, has gone.
        """
        if self._awaits_pong and self._taking is not None:
            self._answer_is_late()
            return
        self._awaits_pong = False
        self._heartbeat_due()

    def _heartbeat_upgraded(self) -> None:
        self._pong_received()  # the reference drops an armed pong time-out here

    def _set_heartbeat(self, delay: float) -> None:
        self._heartbeat_deadline = self._driver.clock() + delay
        self._schedule()

    def _set_next_heartbeat(self, delay: float) -> None:
        """Count from the deadline that has come, not from when the wheel got to it."""
        self._heartbeat_deadline = self._due() + delay
        self._schedule()

    def _due(self) -> float:
        """When the deadline was that has come just now; else the time."""
        now, due = self._driver.clock(), self._heartbeat_deadline
        return due if 0 <= now - due <= 2 * GRANULARITY else now

    def _schedule(self) -> None:
        deadline = self._heartbeat_deadline
        if self._close_deadline is not None:
            deadline = min(deadline, self._close_deadline)
        self._driver.schedule(self, deadline)

    def _restart_ping_timeout(self) -> None:
        """The first packet after a ping shows life: wait the full time once more (eio 6.6.11)."""
        if not self._timeout_restarted:
            self._timeout_restarted = True
            self._set_heartbeat(self._driver.options.ping_timeout)

    def handle_timeout(self, now: float) -> None:
        """A deadline has come: the heartbeat's, or that of an orderly close."""
        if self.state is State.CLOSED:
            return
        if self._close_deadline is not None and now >= self._close_deadline:
            self.discard(self._close_reason)
        elif now < self._heartbeat_deadline:
            self._schedule()
        elif self._holds > self._is_full:
            self._heartbeat_held()
        else:
            self._heartbeat_due()

    def resume_reading(self) -> None:
        """Go on, if nobody else holds the session; a peer that was asked may answer only now."""
        super().resume_reading()
        if not self._holds and self._awaits_pong and self._taking is None and self.is_open:
            self._set_heartbeat(self._driver.options.ping_timeout)  # it may lie unread
