"""Packets of a client's QUIC connection: from its socket to the library, and back.

What comes is fed to the library, whose events are worked off at once; what there is to send goes
out once in a turn of the loop, behind what was written meanwhile. The library has a timer, which is
set for the earliest moment only: as it is moved with nearly every packet, it looks again when it
fires too early.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final

from aioquic.h3.connection import H3_ALPN
from aioquic.quic.configuration import QuicConfiguration

from sockwave.engine.io.quic.library import WindowedConnection
from sockwave.engine.io.quic.windows import CONNECTION_WINDOW, MAX_DATAGRAM_FRAME, WINDOW

if TYPE_CHECKING:
    from aioquic.quic import events

    from sockwave.engine.client.runtime import Runtime

__all__ = ["QuicPackets"]

IDLE_TIMEOUT: Final = 3_600.0
"""Seconds without a packet: heartbeats judge the server, which has a time of its own."""

_logger: Final = logging.getLogger("sockwave.engine")


class QuicPackets(asyncio.DatagramProtocol):
    """A connection on a socket of its own.

    Args:
        runtime: Of the client.
        host: Name or address in the URL.
        address: Where its UDP port is.
    """

    def __init__(self, runtime: Runtime, host: str, address: Any) -> None:
        self._runtime = runtime
        self._address = address
        self._udp: asyncio.DatagramTransport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._is_transmitting = False
        self._quic = WindowedConnection(
            configuration=QuicConfiguration(
                is_client=True,
                alpn_protocols=H3_ALPN,
                max_datagram_frame_size=MAX_DATAGRAM_FRAME,
                max_data=CONNECTION_WINDOW,
                max_stream_data=WINDOW,
                idle_timeout=IDLE_TIMEOUT,
                server_name=host,
                verify_mode=0,  # see `trust.py`
            )
        )

    # --- what differs -----------------------------------------------------------------------------

    def _event(self, event: events.QuicEvent) -> None:
        """The library tells something."""
        raise NotImplementedError

    def _worked(self) -> None:
        """Everything was told for now; the server may have confirmed something."""
        raise NotImplementedError

    def _failed(self) -> None:
        """Something raised that must not, and is in the log."""
        raise NotImplementedError

    @property
    def _is_over(self) -> bool:
        """Whether what there is to send now is the last."""
        raise NotImplementedError

    # --- receiving --------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is there: begin."""
        self._udp = transport  # type: ignore[assignment] # uvloop's is no asyncio.DatagramTransport
        self._quic.connect(self._address, now=self._runtime.clock())
        self._transmit()

    def datagram_received(self, data: bytes, addr: Any) -> None:
        """A datagram of the server."""
        try:
            self._quic.receive_datagram(data, self._address, now=self._runtime.clock())
            self._work()
        except Exception:
            self._raised()

    def _raised(self) -> None:
        _logger.exception("internal error in a QUIC connection")
        self._failed()

    def _work(self) -> None:
        while (event := self._quic.next_event()) is not None:
            self._event(event)
        self._worked()
        self._transmit_soon()

    # --- sending ----------------------------------------------------------------------------------

    def _transmit_soon(self) -> None:
        if not self._is_transmitting:
            self._is_transmitting = True
            self._runtime.call_soon(self._transmit)

    def _transmit(self) -> None:
        self._is_transmitting = False
        udp = self._udp
        if udp is None:
            return
        for data, _ in self._quic.datagrams_to_send(now=self._runtime.clock()):
            udp.sendto(data)
        if self._is_over:
            self._shut()
        else:
            self._set_timer()

    def _shut(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._udp is not None:
            self._udp.close()

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
            self._timer = self._runtime.loop.call_at(when, self._timer_came)

    def _timer_came(self) -> None:
        self._timer = None
        now = self._runtime.clock()
        when = self._quic.get_timer()
        if when is None or when > now:
            self._set_timer()
            return
        try:
            self._quic.handle_timer(now=now)
            self._work()
        except Exception:
            self._raised()
