"""What a server is told to serve WebTransport with, and the front that does it beside a TCP port.

The QUIC library is imported when a port is opened, so that nobody else needs it.
"""

from __future__ import annotations

import asyncio
import logging
import os
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncIterator, Callable, Sequence

    from sockwave.engine.server.engine import EngineServer
    from sockwave.engine.server.fronts.quic.certificates import Certificates
    from sockwave.engine.server.routing import SharedUdp

__all__ = ["WebTransport", "check_webtransport", "loaded", "open_webtransport"]

_logger: Final = logging.getLogger("sockwave.engine")

_Path: TypeAlias = "str | os.PathLike[str]"


@dataclass(frozen=True, slots=True)
class WebTransport:
    """A certificate for WebTransport, which is always encrypted: for `run` and `listen`.

    An `SSLContext` gives no key out, so the files are named here once more. They are read again
    when they change, for who connects from then on.

    Attributes:
        certfile: Certificates in PEM, that of the server first.
        keyfile: Its key in PEM; None where that stands in `certfile`, too.
    """

    certfile: _Path
    keyfile: _Path | None = None

    def __post_init__(self) -> None:
        for name in ("certfile", "keyfile"):
            value = getattr(self, name)
            if not isinstance(value, (str, os.PathLike)) and not (
                value is None and name == "keyfile"
            ):
                raise TypeError(f"WebTransport {name} must be a path, not {value!r}")


def check_webtransport(engine: EngineServer, webtransport: WebTransport | None) -> None:
    """Refuse what cannot be served.

    Raises:
        TypeError, ValueError: It is no `WebTransport`, or the options do not name the transport.
    """
    if webtransport is None:
        return
    if not isinstance(webtransport, WebTransport):
        raise TypeError(f"webtransport must be a WebTransport(certfile, keyfile): {webtransport!r}")
    if "webtransport" not in engine.options.transports:
        raise ValueError(
            "webtransport is not among the transports of this server: give it "
            'transports=["polling", "websocket", "webtransport"]'
        )


def loaded(webtransport: WebTransport) -> Certificates:
    """Read the certificate, before a port is opened.

    Raises:
        ImportError: The extra is not installed.
        OSError: A file cannot be read.
        ValueError: There is no certificate in it, or no key that fits.
    """
    try:
        from sockwave.engine.server.fronts.quic.certificates import Certificates
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in _EXTRA:
            raise
        raise ImportError(
            'WebTransport needs aioquic: pip install "sockwave[webtransport]"'
        ) from error
    return Certificates(webtransport.certfile, webtransport.keyfile)


_EXTRA: Final = frozenset({"aioquic", "cryptography", "pylsqpack"})


@asynccontextmanager
async def open_webtransport(
    engine: EngineServer,
    certificates: Certificates | None,
    beside: Sequence[socket.socket],
    *,
    is_beside_tls: bool,
    shared: SharedUdp | None = None,
) -> AsyncIterator[None]:
    """Serve WebTransport on UDP ports of the same addresses as these TCP ports, for a block.

    Args:
        certificates: None where there is nothing to serve.
        is_beside_tls: Whether the TCP ports are encrypted.
        shared: This process's part of the UDP port, where several share one; it is bound.

    Raises:
        OSError: A port is in use or not allowed.
    """
    if certificates is None:
        yield
        return
    from sockwave.engine.server.fronts.quic.endpoint import QuicEndpoint
    from sockwave.engine.server.fronts.quic.udp import udp_socket

    loop = asyncio.get_running_loop()
    opened: list[QuicEndpoint] = []
    binding: list[Callable[[], socket.socket]]
    try:
        if shared is None:
            binding = [partial(udp_socket, tcp.family, tcp.getsockname()) for tcp in beside]
        else:
            binding = [shared.copy]
        for bound in binding:
            sock = bound()
            _, endpoint = await loop.create_datagram_endpoint(
                lambda: QuicEndpoint(
                    engine, certificates, is_beside_tls=is_beside_tls, shared=shared
                ),
                sock=sock,
            )
            opened.append(endpoint)
            if shared is None:
                _logger.info("WebTransport on UDP port %d", sock.getsockname()[1])
            else:
                shared.begin(endpoint)
        engine.webtransport_fronts += 1
        try:
            yield
        finally:
            engine.webtransport_fronts -= 1
    finally:
        for endpoint in opened:
            endpoint.close()
