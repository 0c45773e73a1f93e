"""The move of a session from one transport to another, and what may go wrong with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sockwave.codec.engineio import PacketType
from sockwave.types import DisconnectReason

if TYPE_CHECKING:
    from sockwave.engine.core.session import Session, SessionDriver
    from sockwave.engine.core.transport import Transport

__all__ = ["ReturnWatch", "UpgradeProbe"]

NOOP_INTERVAL: Final = 0.1
"""Seconds between two noops while an upgrade waits for the client to leave polling. One would not
do: it is lost when the client's next poll is not open yet."""

_NOOP: Final = b"6"


class UpgradeProbe:
    """A second transport on trial (protocol.md section 11); if it fails nothing has changed."""

    __slots__ = ("_deadline", "_driver", "_session", "_transport", "is_probed", "wheel_slot")

    def __init__(self, session: Session, transport: Transport, driver: SessionDriver) -> None:
        self.wheel_slot = 0
        self.is_probed = False
        self._session = session
        self._transport = transport
        self._driver = driver
        self._deadline = driver.clock() + driver.options.upgrade_timeout
        driver.schedule(self, self._deadline)

    def text_received(self, packet: bytes) -> None:
        """`2probe`, then `5`; anything else ends the trial."""
        if not self._session.is_tried_by(self):
            return
        if packet == b"2probe" and not self.is_probed:
            self.is_probed = True
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

    __slots__ = ("_driver", "_session", "_transport", "wheel_slot")

    def __init__(self, session: Session, driver: SessionDriver) -> None:
        self.wheel_slot = 0
        self._session = session
        self._driver = driver
        self._transport = session.transport
        self._transport.receiver = self
        driver.schedule(self, driver.clock() + driver.options.upgrade_timeout)

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
