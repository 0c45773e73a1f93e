"""One Engine.IO session in the client's role, without I/O (docs/protocol/client-engine.md).

Theory. It begins before there is a transport, OPENING, and takes packets once the handshake of the
server has come. It queues them for the end of the tick, answers the server's pings, watches that
they come, and moves from polling to a WebSocket; what comes in goes to its sink by a direct call.
Whoever drives it owns the clocks, the timers and the call at the end of the tick.

What may be true at once. `state` says what is taken and written (`client_states.py`): while polling
comes to rest (SWITCHING) packets are queued and nothing is written, so that none goes out on both
transports. `_probe` is a transport on trial, from PROBING to the move or its failure. Only a ping
moves the deadline of the heartbeat, but for two cases in which the ping may be there unread: the
session is not read (`_is_held`), and then the server is told unasked that this side lives; or the
ping stands behind a message that is still coming (`_partial` grows).

What must never happen: an end without `session_closed`, or two of them, also when the session never
opened; a packet that is lost in the move, or goes out twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from sockwave.codec.engineio import check_utf8, decode_base64_packet, decode_handshake
from sockwave.engine.core.client_ends import closed_by_server, ping_timeout, too_large
from sockwave.engine.core.client_payload import count_for_payload, packet_size
from sockwave.engine.core.client_states import Input, State, next_state
from sockwave.engine.core.client_upgrade import UpgradeProbe
from sockwave.engine.core.taking import LOOKS
from sockwave.engine.core.transport import SLICE, cut
from sockwave.errors import PacketError
from sockwave.types import DisconnectReason, SessionId

if TYPE_CHECKING:
    from collections.abc import Callable

    from sockwave.codec.engineio import Handshake
    from sockwave.engine.core.client_transport import ClientTransport
    from sockwave.engine.core.heartbeat import WheelEntry
    from sockwave.engine.core.transport import Outgoing, Transport
    from sockwave.errors import SockwaveError

__all__ = ["ClientSession", "ClientSessionDriver", "ClientSessionSink"]

_UNLIMITED: Final = 2**63
_LOSSES: Final = (DisconnectReason.TRANSPORT_CLOSE, DisconnectReason.TRANSPORT_ERROR)
_PONG: Final = b"3"
_PROBE: Final = b"2probe"
_UPGRADE: Final = b"5"


class ClientSessionSink(Protocol):
    """The layer above a session."""

    def session_opened(self) -> None:
        """The server's handshake has come; nothing was received before it."""

    def text_message(self, packet: bytes) -> None:
        """A text message: a packet with its type digit `4`, UTF-8 not yet checked.

        Raises:
            TextEncodingError: It is not UTF-8.
        """

    def binary_message(self, data: bytes) -> None:
        """A binary message."""

    def ping_received(self) -> None:
        """The server's heartbeat; it was answered."""

    def session_upgraded(self) -> None:
        """The session has moved to another transport."""

    def session_drained(self) -> None:
        """Everything queued was taken."""

    def session_closed(self, reason: DisconnectReason, error: SockwaveError | None) -> None:
        """The session is over; called once, also when it never opened."""


class ClientSessionDriver(Protocol):
    """Clocks, deadlines and the end of the tick."""

    def clock(self) -> float:
        """Monotonic seconds, of the deadlines."""

    def awake_clock(self) -> float:
        """Seconds of a clock that also runs while the machine sleeps."""

    def schedule(self, entry: WheelEntry, deadline: float) -> None:
        """Set a deadline, or move it."""

    def cancel(self, entry: WheelEntry) -> None:
        """Take a deadline out."""

    def call_soon(self, callback: Callable[[], None]) -> None:
        """Call at the end of this tick."""


def _unsent(transport: ClientTransport) -> int:
    """What counts as waiting: nothing, while there is room for more."""
    return 0 if transport.is_writable else transport.buffered()


def _nothing() -> None: ...


class ClientSession:
    """A session in the client's role.

    Attributes:
        id: A credential; empty until the handshake.
        state: See `client_states.py`.
        transport: What carries it now.
        handshake: What the server told; None until then.
        backlog: Bytes queued, with what the transport could not send yet.
        upgraded: Whether it has left the transport it began on.
    """

    __slots__ = (
        "_alive_until",
        "_driver",
        "_in_transport",
        "_is_held",
        "_max_payload",
        "_partial",
        "_pending",
        "_probe",
        "_sink",
        "_too_large",
        "_upgrade_failed",
        "backlog",
        "handshake",
        "id",
        "state",
        "transport",
        "upgraded",
        "wheel_slot",
    )

    def __init__(self, driver: ClientSessionDriver, sink: ClientSessionSink) -> None:
        self.id: SessionId = SessionId("")
        self.state: State = State.OPENING
        self.transport: ClientTransport | None = None
        self.handshake: Handshake | None = None
        self.backlog: int = 0
        self.upgraded: bool = False
        self.wheel_slot: int = 0
        self._driver = driver
        self._sink = sink
        self._pending: list[Outgoing] = []
        self._probe: UpgradeProbe | None = None
        self._alive_until = float("inf")
        self._is_held = False
        self._max_payload = _UNLIMITED
        self._too_large = 0  # bytes of a message that the server is not going to take
        self._in_transport = 0
        self._partial = 0
        self._upgrade_failed: Callable[[], None] = _nothing

    # --- sending ----------------------------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        """Whether packets are accepted."""
        state = self.state
        return state is State.OPEN or state is State.PROBING or state is State.SWITCHING

    @property
    def is_closing(self) -> bool:
        """Whether an orderly close is under way."""
        return self.state is State.CLOSING or self.state is State.SWITCHING_TO_CLOSE

    @property
    def is_writable(self) -> bool:
        """Whether a packet sent now would go out with this tick; the test for volatile packets."""
        transport = self.transport
        return (
            transport is not None
            and transport.is_writable
            and not self._pending
            and (self.state is State.OPEN or self.state is State.PROBING)
        )

    def is_overdue(self) -> bool:
        """Whether the server's ping is so late that the connection must be dead.

        The timer tells the same, but not when the machine slept: then the first packet sent would
        be lost on a connection that is long gone.
        """
        return self._driver.awake_clock() > self._alive_until

    def send_packet(self, packet: Outgoing, size: int) -> None:
        """Queue a packet for the end of this tick; dropped unless the session is open."""
        state = self.state
        if state is not State.OPEN and not self.is_open:
            return
        pending = self._pending
        if not pending:
            self._driver.call_soon(self.flush)
        pending.append(packet)
        self.backlog += size
        if size > self._max_payload:
            self._too_large = size

    def _send_pong(self) -> None:
        """Queue it before what waits, which a slow way to the server may hold up for long."""
        if self._pending and (self.backlog > SLICE or self._is_polling):
            self._pending.insert(0, _PONG)
            self.backlog += 1
        else:
            self.send_packet(_PONG, 1)

    @property
    def _is_polling(self) -> bool:
        return self.transport is not None and self.transport.name == "polling"

    def flush(self) -> None:
        """Hand what is queued to the transport, if that can take it now."""
        transport = self.transport
        state = self.state
        if transport is None or not transport.is_writable:
            return
        if state is State.SWITCHING or state is State.SWITCHING_TO_CLOSE or state is State.CLOSED:
            return
        pending = self._pending
        if pending:
            if transport.name == "polling":
                self._flush_payload(transport)
            elif self.backlog > SLICE:
                self._flush_slices(transport)
            else:
                self._pending = []
                transport.write(pending)
                self.backlog = self._in_transport = _unsent(transport)
        if state is State.CLOSING and not self._pending:
            self._close_when_sent(transport)

    @staticmethod
    def _close_when_sent(transport: ClientTransport) -> None:
        if transport.is_writable:
            transport.close()

    def _flush_slices(self, transport: ClientTransport) -> None:
        """Write as long as the transport has room, so that a pong can overtake what has not."""
        while transport.is_writable and (pending := self._pending):
            count, size = cut(pending, transport.slice)
            self._pending = pending[count:]
            self.backlog -= size
            transport.write(pending[:count])
        if not self._pending:
            self.backlog = 0
        self._in_transport = _unsent(transport)
        self.backlog += self._in_transport

    def _flush_payload(self, transport: ClientTransport) -> None:
        """One POST: as much as the server takes in one."""
        pending = self._pending
        max_payload = self.handshake.max_payload if self.handshake is not None else 0
        count = count_for_payload(pending, max_payload)
        self._pending = pending[count:]
        self.backlog = sum(map(packet_size, self._pending))
        transport.write(pending[:count])

    # --- receiving: called by the transport that carries the session ------------------------------

    def text_received(self, packet: bytes) -> None:
        """Take a text packet (docs/protocol/engine-packets.md#types)."""
        if packet[:1] == b"4":
            if self.state is State.OPEN or self.is_open:
                self._sink.text_message(packet)
            return
        check_utf8(packet)
        match packet[:1]:
            case b"2":
                self._ping_received()
            case b"0":
                self._handshake_received(packet)
            case b"1":
                self.end(DisconnectReason.TRANSPORT_CLOSE, closed_by_server())
            case b"b":
                self.binary_received(decode_base64_packet(packet))
            case b"3" | b"5" | b"6":
                pass
            case _:
                self.end(DisconnectReason.TRANSPORT_ERROR, PacketError("parser error"))

    def binary_received(self, data: bytes) -> None:
        """Take a binary message."""
        if self.is_open:
            self._sink.binary_message(data)

    def _handshake_received(self, packet: bytes) -> None:
        if self.state is not State.OPENING:
            return
        try:
            self.handshake = handshake = decode_handshake(packet)
        except PacketError as error:
            self.end(DisconnectReason.TRANSPORT_ERROR, error)
            return
        self.id = handshake.sid
        self._max_payload = handshake.max_payload or _UNLIMITED
        self.state = next_state(self.state, Input.HANDSHAKE)
        self._expect_ping()
        self._sink.session_opened()

    def _ping_received(self) -> None:
        if self.is_open:
            self._expect_ping()
            self._too_large = 0  # it was taken after all
            self._send_pong()
            self._sink.ping_received()

    def transport_writable(self, transport: Transport) -> None:
        """The transport has room: write what waits."""
        if transport is not self.transport:
            return
        self.backlog = max(self.backlog - self._in_transport, 0) if self._pending else 0
        self._in_transport = 0
        self._flush_and_tell()

    def _flush_and_tell(self) -> None:
        """Write what waits, behind whatever it has waited for."""
        self.flush()
        if self.is_writable:
            self._sink.session_drained()

    def transport_closed(
        self, transport: Transport, reason: DisconnectReason, description: str
    ) -> None:
        """The transport has ended, and with it the session."""
        if transport is not self.transport or self.state is State.CLOSED:
            return
        error = self.transport.failure
        if self.state is State.CLOSING:
            reason, error = DisconnectReason.FORCED_CLOSE, None
        self._closed(reason, error)

    def pause_reading(self) -> None:
        """Take nothing from the server until `resume_reading`.

        Its pings stay unread as well: it is told unasked that this side lives, and not judged for
        its silence.
        """
        if self.transport is not None and self.is_open:
            self._is_held = True
            self._alive_until = float("inf")
            self.transport.pause_reading()
            self._schedule_pong()

    def resume_reading(self) -> None:
        """Go on; the server has its whole time from now."""
        if self._is_held and self.transport is not None:
            self._is_held = False
            self.transport.resume_reading()
            if self.is_open:
                self._expect_ping()

    # --- heartbeat --------------------------------------------------------------------------------

    def _schedule_pong(self) -> None:
        """Twice in the time that the server waits for one."""
        assert self.handshake is not None
        wait = min(self.handshake.ping_interval, self.handshake.ping_timeout) / 2
        self._driver.schedule(self, self._driver.clock() + wait)

    def _expect_ping(self) -> None:
        """Only a ping moves the deadline: nothing is done for a message."""
        assert self.handshake is not None
        self._partial = 0
        self._wait_for_ping(self.handshake.ping_interval + self.handshake.ping_timeout)

    def _wait_for_ping(self, wait: float) -> None:
        self._alive_until = self._driver.awake_clock() + wait
        self._driver.schedule(self, self._driver.clock() + wait)

    def handle_timeout(self, now: float) -> None:
        """No ping came in time, or an orderly close took too long."""
        if self.state is State.CLOSED:
            return
        if self._is_held and self.is_open:
            self._send_pong()
            self._schedule_pong()
            return
        if self._is_in_message():
            return
        transport = self.transport
        closing = self.is_closing
        reason = DisconnectReason.FORCED_CLOSE if closing else DisconnectReason.PING_TIMEOUT
        error = None if closing else ping_timeout(self.handshake)
        self._closed(reason, error)
        if transport is not None:
            transport.discard()

    def _is_in_message(self) -> bool:
        """Whether the ping may stand behind a message that is on its way: if so, wait for that."""
        if self.transport is None or self.handshake is None or not self.is_open:
            return False
        before, self._partial = self._partial, self.transport.partial()
        if self._partial in (0, before):
            return False
        self._wait_for_ping(self.handshake.ping_timeout / LOOKS)
        return True

    # --- upgrade ----------------------------------------------------------------------------------

    def begin_upgrade(
        self, transport: ClientTransport, timeout: float | None, failed: Callable[[], None]
    ) -> None:
        """Try a transport that is open; `failed` is called when the session stays where it is
        (docs/protocol/upgrade.md#probe)."""
        if self.state is not State.OPEN:
            transport.discard()
            return
        self._upgrade_failed = failed
        self.state = next_state(self.state, Input.PROBE)
        self._probe = probe = UpgradeProbe(self, transport, self._driver)
        transport.receiver = probe
        if timeout is not None:
            probe.deadline = self._driver.clock() + timeout
            self._driver.schedule(probe, probe.deadline)
        transport.write([_PROBE])

    def probe_answered(self) -> None:
        """Let polling come to rest, then move; meanwhile nothing is written."""
        self.state = next_state(self.state, Input.PROBED)
        assert self.transport is not None
        self.transport.pause(self._polling_at_rest)

    def _polling_at_rest(self) -> None:
        probe = self._probe
        if probe is None or self.state not in (State.SWITCHING, State.SWITCHING_TO_CLOSE):
            return
        self._probe = None
        self._driver.cancel(probe)
        old, self.transport = self.transport, probe.transport
        self.transport.receiver = self
        if self._is_held:
            self.transport.pause_reading()
        self.transport.write([_UPGRADE])
        if old is not None:
            old.discard()
        self.upgraded = True
        self.state = next_state(self.state, Input.SWITCHED)
        self._sink.session_upgraded()
        self._flush_and_tell()

    def probe_failed(self) -> None:
        """Stay on polling."""
        self._probe = None
        was, self.state = self.state, next_state(self.state, Input.PROBE_FAILED)
        if was is not State.PROBING and self.transport is not None:
            self.transport.resume()
        self.flush()
        self._upgrade_failed()

    # --- closing ----------------------------------------------------------------------------------

    def close(self, timeout: float) -> None:
        """Close in an orderly way: what is queued goes out first; new packets are dropped.

        Args:
            timeout: Seconds after which the transport is cut.
        """
        if self.state is State.OPENING:
            transport = self.transport
            self._closed(DisconnectReason.FORCED_CLOSE, None)
            if transport is not None:
                transport.discard()
        elif self.is_open:
            if self.state is State.PROBING:
                self._drop_probe()
            self.state = next_state(self.state, Input.CLOSE)
            self._driver.schedule(self, self._driver.clock() + timeout)
            self.flush()

    def end(self, reason: DisconnectReason, error: SockwaveError | None) -> None:
        """End now: what is queued is lost."""
        if self.state is State.CLOSED:
            return
        transport = self.transport
        self._closed(reason, error)
        if transport is not None:
            transport.discard()

    def _drop_probe(self) -> None:
        if self._probe is not None:
            probe, self._probe = self._probe, None
            probe.drop()

    def _closed(self, reason: DisconnectReason, error: SockwaveError | None) -> None:
        self.state = next_state(self.state, Input.LOST)
        self._drop_probe()
        if self._too_large and reason in _LOSSES:
            error = too_large(error, self._too_large, self._max_payload)
        self._pending = []
        self.backlog = 0
        self._alive_until = float("-inf")
        self._driver.cancel(self)
        self._sink.session_closed(reason, error)
