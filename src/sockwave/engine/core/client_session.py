"""One Engine.IO session in the client's role, without I/O (client.md section 7).

It queues packets, answers the server's pings, watches that they come, and moves from polling to a
WebSocket; what comes in goes to its sink by a direct call. Whoever drives it owns the clocks, the
timers and the call at the end of the tick.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from sockwave.codec.engineio import check_utf8, decode_base64_packet, decode_handshake
from sockwave.engine.core.client_states import Input, State, next_state
from sockwave.engine.core.transport import Outgoing, Transport
from sockwave.errors import PacketError, SockwaveError, TransportError
from sockwave.types import DisconnectReason, SessionId

if TYPE_CHECKING:
    from collections.abc import Callable

    from sockwave.codec.engineio import Handshake
    from sockwave.engine.core.heartbeat import WheelEntry

__all__ = [
    "ClientSession",
    "ClientSessionDriver",
    "ClientSessionSink",
    "ClientTransport",
    "count_for_payload",
]

_PONG: Final = b"3"
_PROBE: Final = b"2probe"
_PROBE_ANSWER: Final = b"3probe"
_UPGRADE: Final = b"5"


class ClientTransport(Transport, Protocol):
    """What carries a client's session.

    Attributes:
        failure: Why it ended, where that was an error; read after `transport_closed`.
    """

    failure: SockwaveError | None

    def pause(self, at_rest: Callable[[], None]) -> None:
        """Begin nothing new; call back when nothing is under way. Only for polling."""

    def resume(self) -> None:
        """Go on after a pause."""


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
        """The session has moved to a WebSocket."""

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


def packet_size(packet: Outgoing) -> int:
    """Bytes that a packet takes in a polling payload."""
    if isinstance(packet, bytes):
        return len(packet)
    if packet.is_binary:
        return 1 + 4 * -(-len(packet.data) // 3)
    return len(packet.data)


MAX_PACKETS: Final = 16
"""Packets in one POST: python-socketio's server closes the session on a seventeenth."""


def count_for_payload(packets: list[Outgoing], max_payload: int) -> int:
    """How many packets fit into one POST; at least one, which may be too large (client.md 7.7).

    Args:
        max_payload: Bytes that the server takes; 0 when it has not told.
    """
    size = 0
    for count, packet in enumerate(packets[:MAX_PACKETS]):
        size += packet_size(packet) + (1 if count else 0)
        if count and 0 < max_payload < size:
            return count
    return min(len(packets), MAX_PACKETS)


def _unsent(transport: ClientTransport) -> int:
    """What counts as waiting: nothing, while there is room for more."""
    return 0 if transport.is_writable else transport.buffered()


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
        "_pending",
        "_probe",
        "_sink",
        "backlog",
        "handshake",
        "id",
        "state",
        "transport",
        "upgraded",
        "wheel_slot",
    )

    def __init__(self, driver: ClientSessionDriver, sink: ClientSessionSink) -> None:
        self.id = SessionId("")
        self.state = State.OPENING
        self.transport: ClientTransport | None = None
        self.handshake: Handshake | None = None
        self.backlog = 0
        self.upgraded = False
        self.wheel_slot = 0
        self._driver = driver
        self._sink = sink
        self._pending: list[Outgoing] = []
        self._probe: UpgradeProbe | None = None
        self._alive_until = float("inf")

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
            else:
                self._pending = []
                transport.write(pending)
                self.backlog = _unsent(transport)
        if state is State.CLOSING and not self._pending:
            self._close_when_sent(transport)

    @staticmethod
    def _close_when_sent(transport: ClientTransport) -> None:
        if transport.is_writable:
            transport.close()

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
        """Take a text packet (protocol.md section 5)."""
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
                self.end(DisconnectReason.TRANSPORT_CLOSE, _closed_by_server())
            case b"b":
                self._base64_received(packet)
            case b"3" | b"5" | b"6":
                pass
            case _:
                self.end(DisconnectReason.TRANSPORT_ERROR, PacketError("parser error"))

    def binary_received(self, data: bytes) -> None:
        """Take a binary message."""
        if self.is_open:
            self._sink.binary_message(data)

    def _base64_received(self, packet: bytes) -> None:
        try:
            data = decode_base64_packet(packet)
        except PacketError as error:
            self.end(DisconnectReason.TRANSPORT_ERROR, error)
        else:
            self.binary_received(data)

    def _handshake_received(self, packet: bytes) -> None:
        if self.state is not State.OPENING:
            return
        try:
            self.handshake = handshake = decode_handshake(packet)
        except PacketError as error:
            self.end(DisconnectReason.TRANSPORT_ERROR, error)
            return
        self.id = handshake.sid
        self.state = next_state(self.state, Input.HANDSHAKE)
        self._expect_ping()
        self._sink.session_opened()

    def _ping_received(self) -> None:
        if self.is_open:
            self._expect_ping()
            self.send_packet(_PONG, 1)
            self._sink.ping_received()

    def transport_writable(self, transport: Transport) -> None:
        """The transport has room: write what waits."""
        if transport is not self.transport:
            return
        if not self._pending:
            self.backlog = 0
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

    # --- heartbeat --------------------------------------------------------------------------------

    def _expect_ping(self) -> None:
        """Only a ping moves the deadline: nothing is done for a message."""
        assert self.handshake is not None
        wait = self.handshake.ping_interval + self.handshake.ping_timeout
        self._alive_until = self._driver.awake_clock() + wait
        self._driver.schedule(self, self._driver.clock() + wait)

    def handle_timeout(self, now: float) -> None:
        """No ping came in time, or an orderly close took too long."""
        if self.state is State.CLOSED:
            return
        transport = self.transport
        closing = self.is_closing
        reason = DisconnectReason.FORCED_CLOSE if closing else DisconnectReason.PING_TIMEOUT
        error = None if closing else TransportError("ping timeout")
        self._closed(reason, error)
        if transport is not None:
            transport.discard()

    # --- upgrade ----------------------------------------------------------------------------------

    def begin_upgrade(self, transport: ClientTransport, timeout: float | None) -> None:
        """Try a WebSocket that is open (protocol.md section 11)."""
        if self.state is not State.OPEN:
            transport.discard()
            return
        self.state = next_state(self.state, Input.PROBE)
        self._probe = probe = UpgradeProbe(self, transport, self._driver)
        transport.receiver = probe
        if timeout is not None:
            self._driver.schedule(probe, self._driver.clock() + timeout)
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
        self.transport.write([_UPGRADE])
        if old is not None:
            old.discard()
        self.upgraded = True
        self.state = next_state(self.state, Input.SWITCHED)
        self._sink.session_upgraded()
        self.flush()

    def probe_failed(self) -> None:
        """Stay on polling."""
        self._probe = None
        was, self.state = self.state, next_state(self.state, Input.PROBE_FAILED)
        if was is not State.PROBING and self.transport is not None:
            self.transport.resume()
        self.flush()

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
        self._pending = []
        self.backlog = 0
        self._driver.cancel(self)
        self._sink.session_closed(reason, error)


def _closed_by_server() -> TransportError:
    return TransportError("transport closed by the server")


class UpgradeProbe:
    """A WebSocket on trial; if it fails nothing has changed."""

    __slots__ = ("_driver", "_session", "transport", "wheel_slot")

    def __init__(
        self, session: ClientSession, transport: ClientTransport, driver: ClientSessionDriver
    ) -> None:
        self.wheel_slot = 0
        self.transport = transport
        self._session = session
        self._driver = driver

    def text_received(self, packet: bytes) -> None:
        """`3probe`, once; anything else ends the trial."""
        if packet == _PROBE_ANSWER and self._session.state is State.PROBING:
            self._session.probe_answered()
        else:
            self._fail()

    def binary_received(self, data: bytes) -> None:
        """Not before the upgrade."""
        self._fail()

    def transport_writable(self, transport: Transport) -> None:
        """Nothing waits here."""

    def transport_closed(
        self, transport: Transport, reason: DisconnectReason, description: str
    ) -> None:
        """The trial is over; the session goes on."""
        self._driver.cancel(self)
        self._session.probe_failed()

    def handle_timeout(self, now: float) -> None:
        """Too slow."""
        self._fail()

    def _fail(self) -> None:
        self.drop()
        self._session.probe_failed()

    def drop(self) -> None:
        """Close the transport on trial."""
        self._driver.cancel(self)
        self.transport.discard()
