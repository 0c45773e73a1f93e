"""A client's session without a network or a clock: what it writes and tells is recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sockwave.engine.core.client_payload import packet_size
from sockwave.engine.core.client_session import ClientSession
from sockwave.engine.core.heartbeat import TimingWheel
from sockwave.engine.core.taking import Taken
from sockwave.engine.core.transport import NOBODY, SLICE, Outgoing, SharedPacket, TransportReceiver

if TYPE_CHECKING:
    from collections.abc import Callable

    from sockwave.engine.core.heartbeat import WheelEntry
    from sockwave.errors import SockwaveError
    from sockwave.types import DisconnectReason, TransportName

__all__ = ["OPEN", "FakeDriver", "FakeTransport", "RecordingSink", "open_session", "packet_size"]

OPEN = (
    b'0{"sid":"abc","upgrades":["websocket"],"pingInterval":1000,"pingTimeout":500,'
    b'"maxPayload":100}'
)


class FakeDriver:
    """Time that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0
        self.asleep = 0.0
        self._wheel = TimingWheel()
        self._soon: list[Callable[[], None]] = []

    def clock(self) -> float:
        return self.now

    def awake_clock(self) -> float:
        return self.now + self.asleep

    def schedule(self, entry: WheelEntry, deadline: float) -> None:
        self._wheel.schedule(entry, deadline)

    def cancel(self, entry: WheelEntry) -> None:
        self._wheel.cancel(entry)

    def call_soon(self, callback: Callable[[], None]) -> None:
        self._soon.append(callback)

    def tick(self) -> None:
        """The end of a turn of the loop."""
        soon, self._soon = self._soon, []
        for callback in soon:
            callback()

    def advance(self, seconds: float) -> None:
        self.now += seconds
        for entry in self._wheel.expire(self.now):
            entry.handle_timeout(self.now)
        self.tick()


class FakeTransport:
    """Records what is written; polling rests when it is told so."""

    slice = SLICE
    direct = None

    def __init__(self, name: TransportName, receiver: TransportReceiver = NOBODY) -> None:
        self.name: TransportName = name
        self.receiver = receiver
        self.is_writable = True
        self.failure: SockwaveError | None = None
        self.has_room = True
        self.in_message = 0
        self.written: list[list[bytes]] = []
        self.at_rest: Callable[[], None] | None = None
        self.calls: list[str] = []

    def write(self, packets: list[Outgoing]) -> None:
        self.written.append([p.data if isinstance(p, SharedPacket) else p for p in packets])
        if self.name == "polling" or not self.has_room:
            self.is_writable = False

    def post_done(self) -> None:
        """The POST was answered."""
        self.is_writable = True
        self.receiver.transport_writable(self)

    def lose(self, reason: DisconnectReason) -> None:
        receiver, self.receiver = self.receiver, NOBODY
        receiver.transport_closed(self, reason, "")

    def buffered(self) -> int:
        return 0

    def partial(self) -> int:
        return self.in_message

    def progress(self) -> Taken:
        return Taken(0, 0)

    def close(self) -> None:
        self.calls.append("close")

    def discard(self) -> None:
        self.calls.append("discard")

    def pause(self, at_rest: Callable[[], None]) -> None:
        self.at_rest = at_rest

    def resume(self) -> None:
        self.calls.append("resume")

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


class RecordingSink:
    """Notes what it is told, in order."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def session_opened(self) -> None:
        self.told.append("opened")

    def text_message(self, packet: bytes) -> None:
        self.told.append(packet)

    def binary_message(self, data: bytes) -> None:
        self.told.append(("binary", data))

    def ping_received(self) -> None:
        self.told.append("ping")

    def session_upgraded(self) -> None:
        self.told.append("upgraded")

    def session_drained(self) -> None:
        self.told.append("drained")

    def session_closed(self, reason: DisconnectReason, error: SockwaveError | None) -> None:
        self.told.append(("closed", str(reason)))


def open_session(
    name: TransportName = "polling",
) -> tuple[ClientSession, FakeTransport, FakeDriver, RecordingSink]:
    """A session whose handshake is done."""
    driver, sink = FakeDriver(), RecordingSink()
    session = ClientSession(driver, sink)
    transport = FakeTransport(name, session)
    session.transport = transport
    session.text_received(OPEN)
    sink.told.clear()
    return session, transport, driver, sink
