"""The certificate of a QUIC port, read anew when its files change."""

from __future__ import annotations

import logging
import os
import time
from typing import TYPE_CHECKING, Any, Final

from aioquic.h3.connection import H3_ALPN
from aioquic.quic.configuration import QuicConfiguration
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from sockwave.engine.io.quic.windows import CONNECTION_WINDOW, MAX_DATAGRAM_FRAME, WINDOW

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Certificates"]

LOOK_INTERVAL: Final = 1.0
"""Seconds between two looks at the files."""

_logger: Final = logging.getLogger("sockwave.engine")


class Certificates:
    """Gives the configuration of each new connection.

    Args:
        certfile: Certificates in PEM, that of the server first.
        keyfile: Its key in PEM; None where that stands in `certfile`, too.

    Raises:
        OSError: A file cannot be read.
        ValueError: There is no certificate in it, or no key that fits.
    """

    def __init__(
        self, certfile: str | os.PathLike[str], keyfile: str | os.PathLike[str] | None
    ) -> None:
        self._certfile = os.fspath(certfile)
        self._keyfile = self._certfile if keyfile is None else os.fspath(keyfile)
        self._state = self._stat()
        self._looked_at = time.monotonic()
        self._loaded = self._load()

    def configuration(self, idle_timeout: float) -> QuicConfiguration:
        """Give the configuration of a connection that begins now.

        Args:
            idle_timeout: Seconds without a sign of life after which it ends.
        """
        self._look()
        certificate, chain, key = self._loaded
        return QuicConfiguration(
            is_client=False,
            alpn_protocols=H3_ALPN,
            max_datagram_frame_size=MAX_DATAGRAM_FRAME,
            max_data=CONNECTION_WINDOW,
            max_stream_data=WINDOW,
            idle_timeout=idle_timeout,
            certificate=certificate,
            certificate_chain=chain,
            private_key=key,
        )

    def _look(self) -> None:
        """Read the files again if they have changed; what makes no sense is left for later."""
        now = time.monotonic()
        if now - self._looked_at < LOOK_INTERVAL:
            return
        self._looked_at = now
        try:
            state = self._stat()
            if state == self._state:
                return
            self._loaded = self._load()
            self._state = state
        except (OSError, ValueError) as error:
            _logger.error("the new certificate for WebTransport is not used: %s", error)
            return
        _logger.info("there is a new certificate for WebTransport: %s", self._certfile)

    def _stat(self) -> Sequence[tuple[int, int, int]]:
        found = [os.stat(name) for name in (self._certfile, self._keyfile)]
        return [(each.st_mtime_ns, each.st_size, each.st_ino) for each in found]

    def _load(self) -> tuple[x509.Certificate, list[x509.Certificate], Any]:
        with open(self._certfile, "rb") as file:
            data = file.read()
        try:
            certificates = x509.load_pem_x509_certificates(data)
        except ValueError as error:
            raise ValueError(f"{self._certfile} has no certificate in PEM: {error}") from None
        if self._keyfile != self._certfile:
            with open(self._keyfile, "rb") as file:
                data = file.read()
        try:
            key = load_pem_private_key(data, None)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{self._keyfile} has no key in PEM: {error}") from None
        if key.public_key() != certificates[0].public_key():
            raise ValueError(f"the key in {self._keyfile} is not that of {self._certfile}")
        return certificates[0], certificates[1:], key
