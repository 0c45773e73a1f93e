"""The move of a client's session to a WebSocket, as long as it may fail.

`2probe` goes out on the WebSocket, and the server answers `3probe` there. Then polling comes to
rest, `5` goes out, and the session has moved; see docs/protocol/upgrade.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from sockwave.codec.engineio import check_utf8
from sockwave.engine.core.client_states import State
from sockwave.engine.core.heartbeat import has_passed

if TYPE_CHECKING:
    from sockwave.engine.core.client_transport import ClientTransport
    from sockwave.engine.core.heartbeat import WheelEntry
    from sockwave.engine.core.transport import Transport
    from sockwave.types import DisconnectReason

__all__ = ["UpgradeProbe"]

_PROBE_ANSWER: Final = b"3probe"


class ClientUpgradeDriver(Protocol):
    """Clock and deadlines, of the session's driver."""

    def clock(self) -> float:
        """Monotonic seconds."""

    def cancel(self, entry: WheelEntry) -> None:
        """Take a deadline out."""


class ClientUpgrading(Protocol):
    """The session that is to move, and that goes on where it is if it cannot."""

    state: State

    def probe_answered(self) -> None:
        """The server talks on the WebSocket: go there."""

    def probe_failed(self) -> None:
        """Stay."""


class UpgradeProbe:
    """A WebSocket on trial; if it fails nothing has changed."""

    __slots__ = ("_driver", "_session", "deadline", "transport", "wheel_slot")

    def __init__(
        self, session: ClientUpgrading, transport: ClientTransport, driver: ClientUpgradeDriver
    ) -> None:
        self.wheel_slot: int = 0
        self.deadline: float = float("inf")
        self.transport: ClientTransport = transport
        self._session = session
        self._driver = driver

    def text_received(self, packet: bytes) -> None:
        """`3probe`, once and in time; anything else ends the trial."""
        check_utf8(packet)
        is_late = has_passed(self.deadline, self._driver.clock())
        if packet == _PROBE_ANSWER and self._session.state is State.PROBING and not is_late:
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
