"""A UDP port on which clients connect by QUIC.

Each datagram names a connection by an id that this side has given, so a client whose address
changes, or whose packets come by another way, is the same as before. A first packet costs us the
work of a TLS handshake, though its sender may have any address: past a number of handshakes that
are not done, senders have to show first that they get what is sent to them (a Retry, RFC 9000
section 8.1.2), and past another one their packets are dropped.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket as socket_module
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

if TYPE_CHECKING:
    from aioquic.quic.packet import QuicHeader

    from sockwave.engine.server.engine import EngineServer
    from sockwave.engine.server.fronts.quic.certificates import Certificates
    from sockwave.engine.server.fronts.quic.packets import QuicPackets

__all__ = ["QuicEndpoint", "udp_socket"]

RETRY_ABOVE: Final = 64
"""Handshakes under way, above which a new client has to show its address first."""

MOST_HANDSHAKES: Final = 1_024
"""Handshakes under way, above which nobody can begin one."""

IDLE_TIMEOUT: Final = 60.0
"""Seconds, at least: our pings come sooner, unless options say otherwise."""

_BUFFER: Final = 2 * 1024 * 1024
"""Bytes that the system should hold for us, of all clients of the port together."""

_logger: Final = logging.getLogger("sockwave.engine")


def udp_socket(family: int, address: Any) -> socket_module.socket:
    """Bind a UDP port.

    Raises:
        OSError: It is in use, or not allowed.
    """
    sock = socket_module.socket(family, socket_module.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        if family == socket_module.AF_INET6:
            sock.setsockopt(socket_module.IPPROTO_IPV6, socket_module.IPV6_V6ONLY, 1)
        for option in (socket_module.SO_RCVBUF, socket_module.SO_SNDBUF):
            with suppress(OSError):
                sock.setsockopt(socket_module.SOL_SOCKET, option, _BUFFER)
        sock.bind(address)
    except OSError:
        sock.close()
        raise
    return sock


class QuicEndpoint(asyncio.DatagramProtocol):
    """Gives each datagram to its connection, and begins new ones.

    Args:
        engine: Gets the sessions.
        certificates: Of the port.
        is_beside_tls: Whether the TCP port of the same number is encrypted.

    Attributes:
        engine: The same.
        handshakes: Connections whose handshake is not done.
    """

    def __init__(
        self, engine: EngineServer, certificates: Certificates, *, is_beside_tls: bool
    ) -> None:
        self.engine: EngineServer = engine
        self.handshakes: int = 0
        self.is_beside_tls: bool = is_beside_tls
        self._certificates = certificates
        self._connections: dict[bytes, QuicPackets] = {}
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

    def send(self, data: bytes, address: Any) -> None:
        """Send a datagram."""
        if self._udp is not None and not self._udp.is_closing():
            self._udp.sendto(data, address)

    def name(self, id_: bytes, connection: QuicPackets) -> None:
        """A connection has one more id."""
        self._connections[id_] = connection

    def forget(self, id_: bytes) -> None:
        """An id is used no more."""
        self._connections.pop(id_, None)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        """A datagram from anybody."""
        try:
            header = pull_quic_header(Buffer(data=data), host_cid_length=8)
        except ValueError:
            return
        connection = self._connections.get(header.destination_cid)
        if connection is None:
            connection = self._begin(header, len(data), addr)
        if connection is not None:
            connection.datagram_received(data, addr)

    # --- new connections --------------------------------------------------------------------------

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
        source = os.urandom(8)
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
