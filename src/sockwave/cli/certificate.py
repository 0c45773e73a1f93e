"""A certificate that browsers take by its hash, for trying WebTransport."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cryptography import x509

__all__ = ["OWN_NAMES", "DevCertificate", "make_certificate", "write_private"]

OWN_NAMES: Final = ("localhost", "127.0.0.1", "::1")
"""What this machine calls itself."""

DAYS: Final = 13
"""Browsers take no certificate by its hash that is valid for more than 14 days."""

_EARLY: Final = timedelta(hours=1)
"""It began so long ago: not every clock is right."""


@dataclass(frozen=True, slots=True)
class DevCertificate:
    """A certificate, signed by itself.

    Attributes:
        certificate: In PEM.
        key: Its key in PEM, not encrypted.
        hash: SHA-256 of the certificate in DER, which is what browsers ask for.
        until: When it ends.
    """

    certificate: bytes
    key: bytes
    hash: bytes
    until: datetime


def make_certificate(names: Sequence[str]) -> DevCertificate:
    """Make one of ECDSA, which browsers ask for, valid for 13 days.

    Args:
        names: Of hosts, and their addresses; at least one.

    Raises:
        ImportError: The extra is not installed.
        ValueError: A name is none that a host may have.
    """
    try:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec
    except ModuleNotFoundError as error:
        raise ImportError(
            'certificates need cryptography: pip install "sockwave[webtransport]"'
        ) from error
    who = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "sockwave dev-cert")])
    alternatives = x509.SubjectAlternativeName([_general_name(name) for name in names])
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC).replace(microsecond=0)
    until = now + timedelta(days=DAYS)
    builder = x509.CertificateBuilder(who, who, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - _EARLY).not_valid_after(until)
    signed = builder.add_extension(alternatives, critical=False).sign(key, hashes.SHA256())
    encoding = serialization.Encoding
    return DevCertificate(
        signed.public_bytes(encoding.PEM),
        key.private_bytes(
            encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
        hashlib.sha256(signed.public_bytes(encoding.DER)).digest(),
        until,
    )


def _general_name(name: str) -> x509.GeneralName:
    from cryptography import x509

    with suppress(ValueError):
        return x509.IPAddress(ip_address(name.removeprefix("[").removesuffix("]")))
    try:
        ascii_name = name.removeprefix("*.").encode("idna").decode()
    except UnicodeError:
        ascii_name = ""
    if not ascii_name or not all(c.isalnum() or c in "-._" for c in ascii_name):
        raise ValueError(f"{name!r} is neither the name of a host nor an address")
    return x509.DNSName("*." + ascii_name if name.startswith("*.") else ascii_name)


def write_private(path: Path, data: bytes, *, replace: bool) -> None:
    """Write a file that only its owner reads.

    Raises:
        FileExistsError: There is one, and it is not to be replaced.
        OSError: It cannot be written.
    """
    if replace:
        path.unlink(missing_ok=True)  # its rights would stay
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "wb") as file:
        file.write(data)
