"""Whom a client takes for the server that it wants, by the certificate that this shows.

It is checked by us once QUIC's handshake is done, before anything is asked: by its hash, as
browsers do, or by its authorities as the library does.
"""

from __future__ import annotations

import hashlib
import os
import ssl as ssl_module
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from aioquic.tls import Alert, verify_certificate
from cryptography.hazmat.primitives.serialization import Encoding

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptography import x509

    from sockwave.engine.client.options import ClientEngineOptions

__all__ = ["NotTrusted", "Trust"]


class NotTrusted(Exception):
    """The text says why."""


class Trust:
    """What the options say about certificates.

    Args:
        options: Those of the client.

    Raises:
        OSError: The file of authorities cannot be read.
    """

    def __init__(self, options: ClientEngineOptions) -> None:
        self._hashes: Final = frozenset(options.server_certificate_hashes)
        self._checks = True
        self._checks_name = True
        self._authorities: dict[str, Any] = {}
        if self._hashes:
            return
        if options.webtransport_cafile is not None:
            with open(options.webtransport_cafile, "rb") as file:
                self._authorities = {"cadata": file.read()}
        elif isinstance(options.ssl, ssl_module.SSLContext):
            self._checks = options.ssl.verify_mode is not ssl_module.CERT_NONE
            self._checks_name = options.ssl.check_hostname
            self._authorities = {"cadata": _authorities_of(options.ssl)}
        else:
            self._checks = options.ssl
            self._authorities = _authorities_of_system()

    def check(self, certificates: Sequence[x509.Certificate], host: str) -> None:
        """See whether this is the server.

        Args:
            certificates: What it has shown, its own first.
            host: Name or address in the URL.

        Raises:
            NotTrusted: It is not.
        """
        if not self._checks:
            return
        if not certificates:
            raise NotTrusted("the server shows no certificate")
        if self._hashes:
            self._check_hash(certificates[0])
            return
        try:
            verify_certificate(
                certificates[0],
                list(certificates[1:]),
                host if self._checks_name else None,
                **self._authorities,
            )
        except (Alert, ValueError) as error:
            raise NotTrusted(str(error) or type(error).__name__) from error

    def _check_hash(self, certificate: x509.Certificate) -> None:
        digest = hashlib.sha256(certificate.public_bytes(Encoding.DER)).digest()
        if digest not in self._hashes:
            raise NotTrusted(f"the hash of the certificate is {digest.hex()}")
        now = datetime.now(UTC)
        if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
            until = f"{certificate.not_valid_after_utc:%Y-%m-%d %H:%M}"
            raise NotTrusted(f"the certificate is not valid now, but until {until} UTC")


def _authorities_of(context: ssl_module.SSLContext) -> bytes:
    """Those that a context knows by heart; it does not tell those of a folder."""
    return "".join(map(ssl_module.DER_cert_to_PEM_cert, context.get_ca_certs(True))).encode()


def _authorities_of_system() -> dict[str, Any]:
    """Where they are, or themselves where that is no file; else those of the library."""
    paths = ssl_module.get_default_verify_paths()
    if paths.cafile:
        return {"cafile": paths.cafile}
    if paths.capath and os.listdir(paths.capath):
        return {"capath": paths.capath}
    found = _authorities_of(ssl_module.create_default_context())
    return {"cadata": found} if found else {}
