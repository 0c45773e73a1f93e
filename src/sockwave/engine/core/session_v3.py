"""A session of Engine.IO 3: the heartbeat goes the other way (protocol.md section 12)."""

from __future__ import annotations

from typing import ClassVar, Final

from sockwave.engine.core.session import Session
from sockwave.types import DisconnectReason

__all__ = ["SessionV3"]

_PONG: Final = b"3"


class SessionV3(Session):
    """A session whose client pings; the server answers, and waits for the next ping only so long.

    Messages are no sign of life, as in the reference. Unlike there, the wait goes on after an
    upgrade, counted anew (server.md section 22).
    """

    __slots__ = ()

    protocol: ClassVar[int] = 3

    def _start_heartbeat(self) -> None:
        options = self._driver.options
        self._set_heartbeat(options.ping_interval + options.ping_timeout)

    def _ping_received(self) -> None:
        self._start_heartbeat()
        self.send_packet(_PONG, 1)

    def _pong_received(self) -> None:
        self.discard(DisconnectReason.TRANSPORT_ERROR, "invalid heartbeat direction")

    def _heartbeat_due(self) -> None:
        self.discard(DisconnectReason.PING_TIMEOUT)

    def _heartbeat_held(self) -> None:
        self._set_heartbeat(self._driver.options.ping_timeout)

    def _heartbeat_upgraded(self) -> None:
        self._start_heartbeat()
