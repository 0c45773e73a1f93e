"""One Engine.IO session, server side, without I/O (docs/protocol/heartbeat.md).

Theory. A session outlives the transport that it began on. It is called from three sides, and never
waits: by the transport that carries it (`text_received`, `binary_received`, `transport_writable`,
`transport_closed`), by the layer above (`send_packet`, `close`, `discard`, `pause_reading`), and by
its driver, which owns the clock, the wheel and the end of the tick (`flush`, `handle_timeout`). It
calls transport, sink and driver directly, and these may call back before they return: a method
changes what it has to change before such a call, and looks at `state` again after it.

It is one object in three parts, each on top of the one before: `SessionQueue` sends,
`SessionHeartbeat` watches over time, and here is what comes in, the move to another transport, and
the end. Three objects would cost every client their memory, and every message the way between.

What may be true at once:

- `state` alone says whether packets are taken, in both directions: OPEN and UPGRADING do.
- `transport` is the one whose word counts; what another one tells is too late, and dropped.
- `_probe` is who else has a say: an `UpgradeProbe` while a second transport is tried, a
  `ReturnWatch` when that has failed and the client may have left with it. Also while CLOSING: a
  client that has left its poll for a second transport would never hear the end otherwise.

What must never happen: a packet that goes out twice, or out of order (on a move the queue goes on
where it was, on the new transport only); anything told to the sink after `session_closed`, which
comes once: CLOSED has no way out, and `next_state` raises for a second end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final, Protocol

from sockwave.codec.engineio import check_utf8, decode_base64_packet, unknown_packet
from sockwave.engine.core.heartbeat import has_passed
from sockwave.engine.core.session_heartbeat import HeartbeatDriver, SessionHeartbeat
from sockwave.engine.core.states import Input, State, next_state
from sockwave.engine.core.upgrade import ReturnWatch, UpgradeProbe
from sockwave.types import DisconnectReason, SessionId

if TYPE_CHECKING:
    from sockwave.engine.core.transport import Outgoing, Transport

__all__ = ["Session", "SessionDriver", "SessionSink"]

# A member of an enumeration costs more to look up than the rest of a line on the hot path.
_OPEN: Final = State.OPEN
_UPGRADING: Final = State.UPGRADING
_MESSAGE: Final = ord("4")


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


class SessionDriver(HeartbeatDriver, Protocol):
    """What all sessions of an engine share: clock, deadlines, the flush, and who hears of ends."""

    def session_upgraded(self, session: Session) -> None:
        """The session has moved to another transport."""

    def session_ended(self, session: Session, reason: DisconnectReason, description: str) -> None:
        """Forget the session."""


class Session(SessionHeartbeat):
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

    __slots__ = ("_probe", "id", "sink", "upgraded")

    protocol: ClassVar[int] = 4

    state: State
    transport: Transport
    pending: list[Outgoing]
    backlog: int
    sink: SessionSink
    _driver: SessionDriver

    def __init__(self, id: SessionId, transport: Transport, driver: SessionDriver) -> None:
        super().__init__(transport, driver)
        self.id: SessionId = id
        self.upgraded: bool = False
        self._probe: UpgradeProbe | ReturnWatch | None = None

    # --- receiving: called by the transport that carries the session -----------------------------

    def text_received(self, packet: bytes) -> None:
        """Take a text packet (docs/protocol/engine-packets.md#types)."""
        if packet and packet[0] == _MESSAGE:
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
        kind = packet[:1]
        if self._awaits_pong and kind != b"3":
            self._restart_ping_timeout()
        match kind:
            case b"3":
                self._pong_received()
            case b"2":
                self._ping_received()
            case b"1":
                self.discard(DisconnectReason.TRANSPORT_CLOSE, "")
            case b"b":
                self.binary_received(decode_base64_packet(packet))
            case b"0" | b"5" | b"6":
                pass  # ignored by the reference
            case _:
                self.discard(DisconnectReason.PARSE_ERROR, str(unknown_packet(packet)))

    def transport_writable(self, transport: Transport) -> None:
        """The transport has room: write what waits."""
        if transport is not self.transport:
            return
        if self._in_transport:
            self.backlog = max(self.backlog - self._in_transport, 0) if self.pending else 0
            self._in_transport = 0
        self._flush_and_tell()

    def _flush_and_tell(self) -> None:
        """Write what waits, behind whatever it has waited for."""
        self.flush()
        if self.accounted or self._is_full:
            self._backlog_changed()
        if self._taking is not None:
            self._follow_ping(self._taking)
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

    # --- upgrade ----------------------------------------------------------------------------------

    @property
    def may_upgrade(self) -> bool:
        """Whether a second transport may be tried: one at a time, also while the session closes."""
        return not (self.upgraded or isinstance(self._probe, UpgradeProbe))

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
            if probe.is_probed and self.is_open and not self.transport.is_writable:
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
        self._in_transport = 0
        self.upgraded = True
        self._heartbeat_upgraded()
        self._driver.session_upgraded(self)
        self._flush_and_tell()

    # --- closing ----------------------------------------------------------------------------------

    def close(self, reason: DisconnectReason = DisconnectReason.FORCED_CLOSE) -> None:
        """Close in an orderly way: what is queued goes out first; new packets are dropped.

        A client in the middle of an upgrade gets it wherever it asks next: by a poll, or on the
        second transport.
        """
        if not self.is_open:
            return
        self.state = next_state(self.state, Input.CLOSE)
        if isinstance(self._probe, ReturnWatch):
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

    def is_over_by_now(self) -> bool:
        """Before a request: end what has ended by now, although the wheel has not said so."""
        now = self._driver.clock()
        if now < self._heartbeat_deadline and self._close_deadline is None and self._probe is None:
            return False
        if self._probe is not None:
            self._probe.look_at_deadline(now)
        deadline = self._heartbeat_deadline
        if self._close_deadline is not None:
            deadline = min(deadline, self._close_deadline)
        if has_passed(deadline, now):
            self.handle_timeout(now)
        return self.state is State.CLOSED

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
        self.pending = []
        self.backlog = 0
        self._driver.cancel(self)
        self._driver.session_ended(self, reason, description)
        self.sink.session_closed(reason, description)
