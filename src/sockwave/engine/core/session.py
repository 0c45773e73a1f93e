"""One Engine.IO session, server side, without I/O (protocol.md sections 5, 11, 12).

A session outlives the transport that it began on. It queues packets, keeps the heartbeat, and moves
to a better transport; what comes in goes to its sink by a direct call. Whoever drives it owns the
clock, the wheel and the flush at the end of the tick.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final, Protocol, TypeAlias

from sockwave.codec.engineio import check_utf8
from sockwave.engine.core.states import Input, State, next_state
from sockwave.engine.core.upgrade import ReturnWatch, UpgradeProbe
from sockwave.types import DisconnectReason, SessionId

if TYPE_CHECKING:
    from sockwave.engine.core.heartbeat import WheelEntry
    from sockwave.engine.core.options import EngineOptions
    from sockwave.engine.core.transport import Outgoing, Transport

__all__ = ["Session", "SessionDriver", "SessionSink"]

# A member of an enumeration costs more to look up than the rest of a line on the hot path.
_OPEN: Final = State.OPEN
_UPGRADING: Final = State.UPGRADING
_CLOSING: Final = State.CLOSING

_WORTH_COUNTING: Final = 4_096
"""Bytes up to which the backlog of a session is left out of the account of the process: a client
that polls has one for a moment after every message."""

_BACKLOG_STEP: Final = 65_536
"""Bytes that a backlog grows by until it is counted again."""

_PING: Final = b"2"

QueueMark: TypeAlias = "tuple[list[Outgoing], int, int]"


class SessionSink(Protocol):
    """The layer above a session."""

    def text_message(self, packet: bytes) -> None:
        """A text message: a packet with its type digit `4`, UTF-8 not yet checked.

        Raises:
            TextEncodingError: It is not UTF-8.
        """

    def binary_message(self, data: bytes) -> None:
        """A binary message."""

    def session_drained(self) -> None:
        """The queue was handed to a transport that can take more."""

    def session_closed(self, reason: DisconnectReason, description: str) -> None:
        """The session is over; called once."""


class SessionDriver(Protocol):
    """Clock, deadlines and the flush, shared by all sessions of an engine."""

    options: EngineOptions

    def clock(self) -> float:
        """Monotonic seconds. Asked only where a deadline depends on it, not for every message."""

    def schedule(self, entry: WheelEntry, deadline: float) -> None:
        """Put a deadline into the wheel, or move it."""

    def cancel(self, entry: WheelEntry) -> None:
        """Take a deadline out."""

    def flush_later(self, session: Session) -> None:
        """Call the session's `flush` at the end of this tick."""

    def backlog_grew(self, session: Session) -> None:
        """The session cannot be written to and its backlog has changed."""

    def session_upgraded(self, session: Session) -> None:
        """The session has moved to another transport."""

    def session_ended(self, session: Session, reason: DisconnectReason, description: str) -> None:
        """Forget the session."""


class Session:
    """A session in the server's role.

    Attributes:
        id: A credential.
        state: See `states.py`.
        transport: What carries it now.
        upgraded: Whether it has left the transport it began on.
        backlog: Bytes queued, with what the transport could not send yet.
        protocol: Revision of Engine.IO, 4 or 3.
        accounted: The part of `backlog` that the driver counts for the whole process.
        sink: The layer above.
    """

    __slots__ = (
        "_awaits_pong",
        "_close_deadline",
        "_close_reason",
        "_driver",
        "_heartbeat_deadline",
        "_holds",
        "_look_at",
        "_pending",
        "_probe",
        "_timeout_restarted",
        "accounted",
        "backlog",
        "id",
        "sink",
        "state",
        "transport",
        "upgraded",
        "wheel_slot",
    )

    protocol: ClassVar[int] = 4

    sink: SessionSink

    def __init__(self, id: SessionId, transport: Transport, driver: SessionDriver) -> None:
        self.id = id
        self.transport = transport
        self.state = State.OPEN
        self.upgraded = False
        self.backlog = 0
        self.accounted = 0
        self.wheel_slot = 0
        self._driver = driver
        self._look_at = driver.options.max_backlog
        self._pending: list[Outgoing] = []
        self._probe: UpgradeProbe | ReturnWatch | None = None
        self._holds = 0
        self._awaits_pong = False
        self._timeout_restarted = False
        self._close_deadline: float | None = None
        self._close_reason = DisconnectReason.FORCED_CLOSE
        self._start_heartbeat()

    # --- sending ----------------------------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        """Whether packets are accepted."""
        return self.state is _OPEN or self.state is _UPGRADING

    @property
    def is_writable(self) -> bool:
        """Whether a packet sent now would go out with this tick; the test for volatile packets."""
        return self.transport.is_writable and not self._pending and self.is_open

    def send_packet(self, packet: Outgoing, size: int) -> None:
        """Queue a packet for the end of this tick; dropped unless the session is open.

        Args:
            size: Bytes of the packet, which the caller knows once for all receivers.
        """
        if self.state is not _OPEN and self.state is not _UPGRADING:
            return
        pending = self._pending
        if not pending:
            self._driver.flush_later(self)
        pending.append(packet)
        self.backlog += size
        if self.backlog > self._look_at:
            self._look_at_backlog()

    def flush(self) -> None:
        """Hand what is queued to the transport, if that can take it now."""
        pending, transport = self._pending, self.transport
        if pending:
            if not self.transport.is_writable:
                self._look_at = 0  # no flush sees what is queued until there is room
                if self.backlog > _WORTH_COUNTING:
                    self._driver.backlog_grew(self)
                return
            self._pending = []
            self.backlog = 0
            transport.write(pending)
            if not transport.is_writable:
                self.backlog = transport.buffered()
            if self.backlog > _WORTH_COUNTING or self.accounted:
                self._driver.backlog_grew(self)
        if self.state is _CLOSING and not self._pending:
            transport.close()

    def mark_queue(self) -> QueueMark:
        """Where the queue ends now, for `withdraw`."""
        return self._pending, len(self._pending), self.backlog

    def withdraw(self, mark: QueueMark) -> bool:
        """Take back what was queued since `mark_queue`; False when some of it has gone out."""
        queue, length, backlog = mark
        if queue is not self._pending:
            return False
        del queue[length:]
        self.backlog = backlog
        return True

    def _look_at_backlog(self) -> None:
        """Keep the backlog in its bound, and in the account of the process, in steps."""
        most = self._driver.options.max_backlog
        if self.backlog > most:
            self.flush()
            if self.backlog > most:
                self.discard(DisconnectReason.BACKLOG_EXCEEDED, "the peer does not read")
                return
        elif not self.transport.is_writable and self.backlog > _WORTH_COUNTING:
            self._driver.backlog_grew(self)
        self._look_at = min(self.backlog + _BACKLOG_STEP, most)

    def pause_reading(self) -> None:
        """Take nothing from the peer until `resume_reading` was called as often."""
        self._holds += 1
        if self._holds == 1:
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        """Go on, if nobody else holds the session."""
        self._holds -= 1
        if not self._holds:
            self.transport.resume_reading()

    # --- receiving: called by the transport that carries the session -----------------------------

    def text_received(self, packet: bytes) -> None:
        """Take a text packet (protocol.md section 5)."""
        if packet[:1] == b"4":
            if self.state is _OPEN or self.state is _UPGRADING:
                if self._awaits_pong:
                    self._restart_ping_timeout()
                self.sink.text_message(packet)
            return
        if self.is_open:
            self._control_received(packet)

    def binary_received(self, data: bytes) -> None:
        """Take a binary message."""
        if self.is_open:
            if self._awaits_pong:
                self._restart_ping_timeout()
            self.sink.binary_message(data)

    def _control_received(self, packet: bytes) -> None:
        check_utf8(packet)
        match packet[:1]:
            case b"3":
                self._pong_received()
            case b"2":
                self._ping_received()
            case b"1":
                self.discard(DisconnectReason.TRANSPORT_CLOSE, "")
            case b"0" | b"5" | b"6":
                pass  # ignored by the reference
            case _:
                self.discard(DisconnectReason.PARSE_ERROR, "parser error")

    def transport_writable(self, transport: Transport) -> None:
        """The transport has room: write what waits."""
        if transport is not self.transport:
            return
        if not self._pending:
            self.backlog = 0
        self.flush()
        if self.accounted:
            self._driver.backlog_grew(self)
        if self.is_writable:
            self.sink.session_drained()

    def transport_closed(
        self, transport: Transport, reason: DisconnectReason, description: str
    ) -> None:
        """The transport has ended, and with it the session."""
        if transport is self.transport and self.state is not State.CLOSED:
            if self.state is State.CLOSING and reason is DisconnectReason.TRANSPORT_CLOSE:
                reason = self._close_reason
            self._closed(reason, description)

    # --- heartbeat --------------------------------------------------------------------------------

    # `SessionV3` has the other direction.

    def _start_heartbeat(self) -> None:
        self._set_heartbeat(self._driver.options.ping_interval)

    def _ping_received(self) -> None:
        self.discard(DisconnectReason.TRANSPORT_ERROR, "invalid heartbeat direction")

    def _pong_received(self) -> None:
        if self._awaits_pong:
            self._awaits_pong = False
            self._set_heartbeat(self._driver.options.ping_interval)

    def _heartbeat_due(self) -> None:
        if self._awaits_pong:
            self.discard(DisconnectReason.PING_TIMEOUT)
        else:
            self._awaits_pong = True
            self._timeout_restarted = False
            self.send_packet(_PING, 1)
            self._set_heartbeat(self._driver.options.ping_timeout)

    def _heartbeat_held(self) -> None:
        """A deadline while nothing is read: what shows that the peer lives may lie unread.

        Ask again: the peer waits for pings itself, and writing shows if it has gone.
        """
        self._awaits_pong = False
        self._heartbeat_due()

    def _heartbeat_upgraded(self) -> None:
        self._pong_received()  # the reference drops an armed pong time-out here

    def _set_heartbeat(self, delay: float) -> None:
        self._heartbeat_deadline = self._driver.clock() + delay
        self._schedule()

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
        elif self._holds:
            self._heartbeat_held()
        else:
            self._heartbeat_due()

    # --- upgrade ----------------------------------------------------------------------------------

    def begin_upgrade(self, transport: Transport) -> UpgradeProbe:
        """Try a second transport, which reports to the probe returned."""
        self._drop_probe()
        self.state = next_state(self.state, Input.PROBE)
        self._probe = probe = UpgradeProbe(self, transport, self._driver)
        transport.receiver = probe
        return probe

    def probe_failed(self, probe: UpgradeProbe) -> None:
        """Stay on the first transport; nothing happens when another probe has begun since."""
        if self._probe is probe:
            self._probe = None
            self.state = next_state(self.state, Input.PROBE_FAILED)
            if probe.is_probed and not self.transport.is_writable:
                self._probe = ReturnWatch(self, self._driver)

    def returned(self) -> None:
        """A peer that might have gone with a probe is there."""
        self._probe = None

    def probed(self, transport: Transport) -> None:
        """The client talks on a second transport; for those above who want to know."""

    def is_tried_by(self, probe: UpgradeProbe) -> bool:
        """Whether this is the trial that is under way."""
        return self._probe is probe

    def take_over(self, transport: Transport) -> None:
        """Move to the probed transport: what is queued goes out there, in order, once."""
        self._probe = None
        self.state = next_state(self.state, Input.UPGRADE)
        old, self.transport = self.transport, transport
        transport.receiver = self
        if self._holds:
            transport.pause_reading()
        old.discard()
        self.upgraded = True
        self._heartbeat_upgraded()
        self._driver.session_upgraded(self)
        self.flush()

    # --- closing ----------------------------------------------------------------------------------

    def close(self, reason: DisconnectReason = DisconnectReason.FORCED_CLOSE) -> None:
        """Close in an orderly way: what is queued goes out first; new packets are dropped."""
        if not self.is_open:
            return
        self.state = next_state(self.state, Input.CLOSE)
        self._drop_probe()
        self._close_reason = reason
        self._close_deadline = self._driver.clock() + self._driver.options.close_timeout
        self._schedule()
        self.flush()

    def discard(
        self, reason: DisconnectReason = DisconnectReason.FORCED_CLOSE, description: str = ""
    ) -> None:
        """End now: what is queued is lost, and no close handshake is waited for."""
        if self.state is State.CLOSED:
            return
        transport = self.transport
        self._closed(reason, description)
        transport.discard()

    def lose(self) -> None:
        """End without a word: the event loop of the transport has ended."""
        if self.state is not State.CLOSED:
            self._probe = None
            self._closed(DisconnectReason.TRANSPORT_CLOSE, "the event loop has ended")

    def _drop_probe(self) -> None:
        if self._probe is not None:
            probe, self._probe = self._probe, None
            probe.drop()

    def _closed(self, reason: DisconnectReason, description: str) -> None:
        self.state = next_state(self.state, Input.LOST)
        self._drop_probe()
        self._pending = []
        self.backlog = 0
        self._driver.cancel(self)
        self._driver.session_ended(self, reason, description)
        self.sink.session_closed(reason, description)
