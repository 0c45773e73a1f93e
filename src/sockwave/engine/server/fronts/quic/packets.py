"""Packets of one QUIC connection: to the library, and from it to the port.

What the port gives is fed to the library, whose events are worked off at once; what there is to
send goes out once in a turn of the loop, behind what sessions have written meanwhile. The library
has a timer, which is set for the earliest moment only: as it is moved with nearly every packet, it
looks again when it fires too early.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final, Protocol

from aioquic.quic import events

if TYPE_CHECKING:
    import asyncio

    from sockwave.engine.io.quic.library import WindowedConnection
    from sockwave.engine.server.engine import EngineServer

__all__ = ["QuicPackets", "QuicPort"]

_logger: Final = logging.getLogger("sockwave.engine")


class QuicPort(Protocol):
    """Where packets come from and go to."""

    engine: EngineServer
    handshakes: int
    """Connections whose handshake is not done."""
    is_beside_tls: bool
    """Whether the TCP port of the same number is encrypted."""

    def send(self, data: bytes, address: Any) -> None:
        """Send a datagram."""

    def name(self, id_: bytes, connection: QuicPackets) -> None:
        """A connection has one more id."""

    def forget(self, id_: bytes) -> None:
        """An id is used no more."""


class QuicPackets:
    """A connection as the port sees it.

    Args:
        port: The port.
        quic: The library's connection.
    """

    __slots__ = ("_driver", "_ids", "_is_transmitting", "_port", "_quic", "_timer", "_timer_at")

    def __init__(self, port: QuicPort, quic: WindowedConnection) -> None:
        self._port = port
        self._quic = quic
        self._driver = port.engine.driver
        self._ids: set[bytes] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._is_transmitting = False

    # --- what differs -----------------------------------------------------------------------------

    def _event(self, event: events.QuicEvent) -> None:
        """The library tells something."""
        raise NotImplementedError

    def _worked(self) -> None:
        """Everything was told for now; the peer may have confirmed something."""
        raise NotImplementedError

    def abort(self) -> None:
        """End the connection now."""
        raise NotImplementedError

    # --- the port ---------------------------------------------------------------------------------

    def has_ids(self, *ids: bytes) -> None:
        """These name the connection, too."""
        for id_ in ids:
            self._ids.add(id_)
            self._port.name(id_, self)

    def datagram_received(self, data: bytes, address: Any) -> None:
        """A datagram for this connection."""
        try:
            self._quic.receive_datagram(data, address, now=self._driver.clock())
            self._work()
        except Exception:
            self._failed()

    def _failed(self) -> None:
        """Something raised that must not: the connection ends, and the others go on."""
        _logger.exception("internal error in a QUIC connection")
        self.abort()

    def _work(self) -> None:
        while (event := self._quic.next_event()) is not None:
            match event:
                case events.ConnectionIdIssued():
                    self.has_ids(event.connection_id)
                case events.ConnectionIdRetired():
                    self._ids.discard(event.connection_id)
                    self._port.forget(event.connection_id)
                case events.ConnectionTerminated():
                    self._event(event)
                    self._forget()
                case _:
                    self._event(event)
        self._worked()
        self._transmit_soon()

    def _forget(self) -> None:
        for id_ in self._ids:
            self._port.forget(id_)
        self._ids.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # --- sending ----------------------------------------------------------------------------------

    def _transmit_soon(self) -> None:
        if not self._is_transmitting:
            self._is_transmitting = True
            self._driver.call_soon(self._transmit)

    def _transmit(self) -> None:
        self._is_transmitting = False
        for data, address in self._quic.datagrams_to_send(now=self._driver.clock()):
            self._port.send(data, address)
        self._set_timer()

    def _set_timer(self) -> None:
        """Be called when the library wants it, or earlier."""
        when = self._quic.get_timer()
        timer = self._timer
        if when is None:
            if timer is not None:
                timer.cancel()
                self._timer = None
        elif timer is None or self._timer_at > when:
            if timer is not None:
                timer.cancel()
            self._timer_at = when  # uvloop's handle does not tell, where that is past already
            self._timer = self._driver.loop.call_at(when, self._timer_came)

    def _timer_came(self) -> None:
        self._timer = None
        now = self._driver.clock()
        when = self._quic.get_timer()
        if when is not None and when <= now:
            try:
                self._quic.handle_timer(now=now)
                self._work()
            except Exception:
                self._failed()
        else:
            self._set_timer()
