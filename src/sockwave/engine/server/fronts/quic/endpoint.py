"""A UDP port on which clients connect by QUIC.

Each datagram names a connection by an id that this side has given, so a client whose address
changes, or whose packets come by another way, is the same as before. A first packet costs us the
work of a TLS handshake, though its sender may have any address: past a number of handshakes that
are not done, senders have to show first that they get what is sent to them (a Retry, RFC 9000
section 8.1.2), and past another one their packets are dropped.

Several processes may share a port. The kernel deals datagrams out by the addresses on them, so the
first packets of a client come to one process, which has the connection from then on: its ids say
so (`ids.py`), and where the client's address has changed, whoever gets its packets passes them on.
The owner answers by its own socket, which is of the same port. For a connection that nobody has any
more, as its process is dead, any of them tells the client so.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from aioquic._buffer import Buffer
from aioquic.quic.configuration import SMALLEST_MAX_DATAGRAM_SIZE
from aioquic.quic.packet import (
    QuicPacketType,
    encode_quic_retry,
    encode_quic_version_negotiation,
    pull_quic_header,
)
from aioquic.quic.retry import QuicRetryTokenHandler

from sockwave.engine.io.quic.library import WindowedConnection
from sockwave.engine.server.fronts.quic.connection import QuicFront
from sockwave.engine.server.fronts.quic.ids import LENGTH, ConnectionIds, stateless_reset
from sockwave.engine.server.routing import HandOver

if TYPE_CHECKING:
    import socket

    from aioquic.quic.packet import QuicHeader

    from sockwave.engine.server.engine import EngineServer
    from sockwave.engine.server.fronts.quic.certificates import Certificates
    from sockwave.engine.server.fronts.quic.packets import QuicPackets
    from sockwave.engine.server.routing import SharedUdp

__all__ = ["QuicEndpoint"]

RETRY_ABOVE: Final = 64
"""Handshakes under way, above which a new client has to show its address first."""

MOST_HANDSHAKES: Final = 1_024
"""Handshakes under way, above which nobody can begin one."""

IDLE_TIMEOUT: Final = 60.0
"""Seconds, at least: our pings come sooner, unless options say otherwise."""

_logger: Final = logging.getLogger("sockwave.engine")


class QuicEndpoint(asyncio.DatagramProtocol):
    """Gives each datagram to its connection, and begins new ones.

    Args:
        engine: Gets the sessions.
        certificates: Of the port.
        is_beside_tls: Whether the TCP port of the same number is encrypted.
        shared: This process's part of the port, where it has no more than that.

    Attributes:
        engine: The same.
        handshakes: Connections whose handshake is not done.
        passed_datagrams: How many were passed on to other processes.
    """

    def __init__(
        self,
        engine: EngineServer,
        certificates: Certificates,
        *,
        is_beside_tls: bool,
        shared: SharedUdp | None = None,
    ) -> None:
        self.engine: EngineServer = engine
        self.handshakes: int = 0
        self.is_beside_tls: bool = is_beside_tls
        self._certificates = certificates
        self._connections: dict[bytes, QuicPackets] = {}
        self.passed_datagrams: int = 0
        self._shared = shared
        self._ids = ConnectionIds() if shared is None else ConnectionIds(shared.number, shared.key)
        self._sending: socket.socket | None = None
        self._retry = QuicRetryTokenHandler()
        self._udp: asyncio.DatagramTransport | None = None
        options = engine.options
        self._idle_timeout = max(IDLE_TIMEOUT, options.ping_interval + options.ping_timeout + 10)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The port is open."""
        self._udp = transport  # type: ignore[assignment] # uvloop's is no asyncio.DatagramTransport

    def error_received(self, exc: Exception) -> None:
        """A datagram could not be delivered: QUIC finds that out itself."""

    def close(self) -> None:
        """Close the port, and cut what is left."""
        for connection in set(self._connections.values()):
            connection.abort()
        self._connections.clear()
        if self._udp is not None:
            self._udp.close()
        if self._sending is not None:
            self._sending.close()
            self._sending = None

    def stop_taking(self) -> None:
        """Read nothing more from the port: another process does, and passes on what is for here."""
        if self._sending is None and self._shared is not None and self._udp is not None:
            self._sending = self._shared.copy()
            self._udp.close()

    def send(self, data: bytes, address: Any) -> None:
        """Send a datagram."""
        if self._sending is not None:
            with suppress(OSError):  # it is lost, as any may be on its way
                self._sending.sendto(data, address)
        elif self._udp is not None and not self._udp.is_closing():
            self._udp.sendto(data, address)

    def name(self, id_: bytes, connection: QuicPackets) -> None:
        """A connection has one more id."""
        self._connections[id_] = connection

    def forget(self, id_: bytes) -> None:
        """An id is used no more."""
        self._connections.pop(id_, None)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        """A datagram from anybody."""
        header = self._header(data)
        if header is None:
            return
        connection = self._connections.get(header.destination_cid)
        if connection is None:
            number = self._ids.number_in(header.destination_cid)
            if number is None or number == self._ids.number:
                connection = self._take(header, data, addr, is_ours=number is not None)
            else:
                self._pass_on(number, header, data, addr)
        if connection is not None:
            connection.datagram_received(data, addr)

    def passed_on(self, data: bytes, address: Any) -> None:
        """A datagram that has come to another process; it goes no further."""
        header = self._header(data)
        if header is None:
            return
        connection = self._connections.get(header.destination_cid)
        if connection is None:
            connection = self._take(header, data, address, is_ours=True)
        if connection is not None:
            connection.datagram_received(data, address)

    def _header(self, data: bytes) -> QuicHeader | None:
        try:
            return pull_quic_header(Buffer(data=data), host_cid_length=LENGTH)
        except ValueError:
            return None

    # --- packets of no connection -----------------------------------------------------------------

    def _take(
        self, header: QuicHeader, data: bytes, address: Any, *, is_ours: bool
    ) -> QuicPackets | None:
        """Begin a connection, or say that there is none any more.

        Args:
            is_ours: Whether the packet names a connection that this process has had, or one that
                was asked to come again.
        """
        if header.version is None and is_ours:
            self._tell_gone(header, len(data), address)
            return None
        return self._begin(header, len(data), address)

    def _pass_on(self, number: int, header: QuicHeader, data: bytes, address: Any) -> None:
        """Give a packet to the process that has its connection, or say that it is dead."""
        outcome = HandOver.GONE
        if self._shared is not None:
            outcome = self._shared.pass_on(number, data, address)
        if outcome is HandOver.DONE:
            self.passed_datagrams += 1
        elif outcome is HandOver.GONE and header.version is None:
            self._tell_gone(header, len(data), address)

    def _tell_gone(self, header: QuicHeader, size: int, address: Any) -> None:
        reset = stateless_reset(self._ids.token(header.destination_cid), size)
        if reset is not None:
            self.send(reset, address)

    def _begin(self, header: QuicHeader, size: int, address: Any) -> QuicPackets | None:
        is_initial = header.packet_type == QuicPacketType.INITIAL
        if size < SMALLEST_MAX_DATAGRAM_SIZE or header.version is None:
            return None
        configuration = self._certificates.configuration(self._idle_timeout)
        is_known = header.version in configuration.supported_versions
        if not is_known and header.packet_type != QuicPacketType.VERSION_NEGOTIATION:
            self._offer_versions(header, configuration.supported_versions, address)
            return None
        if not is_initial or self.handshakes >= MOST_HANDSHAKES:
            return None
        original, retried = header.destination_cid, None
        if header.token:
            with suppress(ValueError):  # another server's: as if there were none
                original, retried = self._original(header, address), header.destination_cid
        if retried is None and self.handshakes >= RETRY_ABOVE:
            self._ask_again(header, address)
            return None
        if not self._has_room(address):
            return None
        quic = WindowedConnection(
            self._ids,
            configuration=configuration,
            original_destination_connection_id=original,
            retry_source_connection_id=retried,
        )
        connection = QuicFront(self, quic, address)
        connection.has_ids(header.destination_cid, quic.host_cid)
        return connection

    def _offer_versions(self, header: QuicHeader, versions: list[int], address: Any) -> None:
        self.send(
            encode_quic_version_negotiation(
                source_cid=header.destination_cid,
                destination_cid=header.source_cid,
                supported_versions=versions,
            ),
            address,
        )

    def _ask_again(self, header: QuicHeader, address: Any) -> None:
        assert header.version is not None  # whoever calls has looked
        source = self._ids.new()
        token = self._retry.create_token(
            address=address,
            original_destination_connection_id=header.destination_cid,
            retry_source_connection_id=source,
            now=self.engine.driver.clock(),
        )
        self.send(
            encode_quic_retry(
                version=header.version,
                source_cid=source,
                destination_cid=header.source_cid,
                original_destination_cid=header.destination_cid,
                retry_token=token,
            ),
            address,
        )

    def _original(self, header: QuicHeader, address: Any) -> bytes:
        """The id that a client has chosen before it was asked to come again."""
        return self._retry.validate_token(
            address=address,
            destination_cid=header.destination_cid,
            token=header.token,
            now=self.engine.driver.clock(),
        )

    def _has_room(self, address: Any) -> bool:
        driver = self.engine.driver
        if driver.open_connections < driver.max_connections:
            return True
        most = f"this process takes limits.connections={driver.max_connections}"
        self.engine.peer_log.info(address[:2], "refused: too many connections:", most)
        return False
