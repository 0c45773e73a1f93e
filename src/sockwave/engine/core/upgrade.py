"""The move of a session from one transport to another, and what may go wrong with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from sockwave.codec.engineio import PacketType, check_utf8
from sockwave.engine.core.heartbeat import has_passed
from sockwave.engine.core.transport import TransportReceiver
from sockwave.types import DisconnectReason

if TYPE_CHECKING:
    from sockwave.engine.core.heartbeat import WheelEntry
    from sockwave.engine.core.options import EngineOptions
    from sockwave.engine.core.transport import Transport

__all__ = ["ReturnWatch", "UpgradeProbe"]

NOOP_INTERVAL: Final = 0.1
"""Seconds between two noops while an upgrade waits for the client to leave polling. One would not
do: it is lost when the client's next poll is not open yet."""

MAX_PROBES: Final = 8
"""Times that a client may ask whether the second transport works. The reference answers each time;
clients ask once, and who asks without end does not read the answers, which would pile up."""

_NOOP: Final = b"6"


class UpgradeDriver(Protocol):
    """Clock and deadlines, of the session's driver."""

    options: EngineOptions

    def clock(self) -> float:
        """Monotonic seconds."""

    def schedule(self, entry: WheelEntry, deadline: float) -> None:
        """Put a deadline into the wheel, or move it."""

    def cancel(self, entry: WheelEntry) -> None:
        """Take a deadline out."""


class Upgrading(TransportReceiver, Protocol):
    """The session that is to move, and that goes on where it is if it cannot."""

    transport: Transport

    @property
    def is_writable(self) -> bool:
        """Whether its first transport can take a packet now, and nothing waits."""

    def is_tried_by(self, probe: UpgradeProbe) -> bool:
        """Whether this is the trial that is under way."""

    def probed(self, transport: Transport) -> None:
        """The client talks on a second transport."""

    def take_over(self, transport: Transport) -> None:
        """Move there."""

    def probe_failed(self, probe: UpgradeProbe) -> None:
        """Stay."""

    def returned(self) -> None:
        """The client is there, on the first transport."""

    def discard(self, reason: DisconnectReason, description: str) -> None:
        """End: the client has gone."""


class UpgradeProbe:
    """A second transport on trial (docs/protocol/upgrade.md); if it fails nothing has changed."""

    __slots__ = ("_deadline", "_driver", "_probes", "_session", "_transport", "wheel_slot")

    def __init__(self, session: Upgrading, transport: Transport, driver: UpgradeDriver) -> None:
        self.wheel_slot: int = 0
        self._probes = 0
        self._session = session
        self._transport = transport
        self._driver = driver
        self._deadline = driver.clock() + driver.options.upgrade_timeout
        driver.schedule(self, self._deadline)

    @property
    def transport_name(self) -> str:
        """Which transport is tried."""
        return self._transport.name

    @property
    def is_probed(self) -> bool:
        """Whether the client has asked, and got its answer."""
        return self._probes > 0

    def look_at_deadline(self, now: float) -> None:
        """Give up if the time is over, although the wheel has not said so."""
        if has_passed(self._deadline, now):
            self._fail()

    def text_received(self, packet: bytes) -> None:
        """`2probe`, then `5`; anything else ends the trial."""
        self.look_at_deadline(self._driver.clock())
        if not self._session.is_tried_by(self):
            return
        check_utf8(packet)
        if packet == b"2probe" and self._probes < MAX_PROBES:
            self._probes += 1
            self._transport.write([b"3probe"])
            self._free_poll()
            self._session.probed(self._transport)
        elif packet[:1] == b"%c" % PacketType.UPGRADE:
            self._driver.cancel(self)
            self._session.take_over(self._transport)
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
        self._session.probe_failed(self)

    def handle_timeout(self, now: float) -> None:
        """Free the client's poll once more, or give up."""
        if now >= self._deadline:
            self._fail()
        elif self.is_probed:
            self._free_poll()

    def _free_poll(self) -> None:
        """Answer a waiting poll, so that the client can stop polling and send its `5`."""
        first = self._session.transport
        if self._session.is_writable:
            first.write([_NOOP])
        self._driver.schedule(self, min(self._deadline, self._driver.clock() + NOOP_INTERVAL))

    def _fail(self) -> None:
        self._session.probe_failed(self)
        self.drop()

    def drop(self) -> None:
        """Close the transport on trial."""
        self._driver.cancel(self)
        self._transport.discard()


class ReturnWatch:
    """Waits for a client that was told to stop polling, and did not move to the second transport.

    A browser that leaves the page at this moment has nothing open that could break off: no poll,
    and maybe a WebSocket that it keeps for the way back. Others would see it until the ping
    time-out. Whoever is there polls again at once; who has not done so within the time for an
    upgrade has gone.
    """

    __slots__ = ("_deadline", "_driver", "_session", "_transport", "wheel_slot")

    def __init__(self, session: Upgrading, driver: UpgradeDriver) -> None:
        self.wheel_slot: int = 0
        self._session = session
        self._driver = driver
        self._transport = session.transport
        self._transport.receiver = self
        self._deadline = driver.clock() + driver.options.upgrade_timeout
        driver.schedule(self, self._deadline)

    def look_at_deadline(self, now: float) -> None:
        """It has gone if the time is over, although the wheel has not said so."""
        if has_passed(self._deadline, now):
            self.handle_timeout(now)

    def text_received(self, packet: bytes) -> None:
        """It is there."""
        self.drop()
        self._session.text_received(packet)

    def binary_received(self, data: bytes) -> None:
        """The same."""
        self.drop()
        self._session.binary_received(data)

    def transport_writable(self, transport: Transport) -> None:
        """It polls."""
        self.drop()
        self._session.transport_writable(transport)

    def transport_closed(
        self, transport: Transport, reason: DisconnectReason, description: str
    ) -> None:
        """It has gone, and that was seen."""
        self.drop()
        self._session.transport_closed(transport, reason, description)

    def handle_timeout(self, now: float) -> None:
        """It has gone."""
        self.drop()
        self._session.discard(DisconnectReason.TRANSPORT_CLOSE, "gone in the middle of an upgrade")

    def drop(self) -> None:
        """Let the session have its transport again."""
        self._driver.cancel(self)
        if self._transport.receiver is self:
            self._transport.receiver = self._session
        self._session.returned()
