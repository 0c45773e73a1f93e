"""A session of Engine.IO 3: the heartbeat goes the other way (docs/protocol/heartbeat.md)."""

from __future__ import annotations

from typing import ClassVar, Final

from sockwave.engine.core.session import Session
from sockwave.types import DisconnectReason

__all__ = ["SessionV3"]

_PONG: Final = b"3"


class SessionV3(Session):
    """A session whose client pings; the server answers, and waits for the next ping only so long.

    Messages are no sign of life, as in the reference. Unlike there, the wait goes on after an
    upgrade, counted anew (docs/protocol/versions.md#flaws-of-the-server).
    """

    __slots__ = ()

    protocol: ClassVar[int] = 3

    def _start_heartbeat(self) -> None:
        options = self._driver.options
        self._awaits_pong = False  # here: it was watched taking what it was sent
        self._taking = None
        self._timeout_restarted = True
        self._set_heartbeat(options.ping_interval + options.ping_timeout)

    def _ping_received(self) -> None:
        self._start_heartbeat()
        self._send_heartbeat(_PONG)

    def _pong_received(self) -> None:
        self.discard(DisconnectReason.TRANSPORT_ERROR, "invalid heartbeat direction")

    def _heartbeat_due(self) -> None:
        """A client that waits for its pong, behind what it takes slowly, sends no ping."""
        if self._awaits_pong or (watch := self._watch_taking()) is None:
            self._answer_is_late()
        else:
            self._awaits_pong = True
            self._taking = watch
            self._await_answer()

    def _heartbeat_held(self) -> None:
        self._set_heartbeat(self._driver.options.ping_timeout)

    def _heartbeat_upgraded(self) -> None:
        self._start_heartbeat()
