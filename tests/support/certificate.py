"""A certificate for servers of tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING

from tests.support.peers import package

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["write_certificate"]


def write_certificate(
    file: Path,
    *,
    address: str = "127.0.0.1",
    begin: timedelta = timedelta(hours=-1),
    end: timedelta = timedelta(hours=1),
) -> Path:
    """Write a key and its certificate for an address, signed by itself; return the file.

    Args:
        begin: When it begins to be valid, from now.
        end: When that ends.
    """
    package("cryptography")
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, address)])
    names = x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now + begin)
    builder = builder.not_valid_after(now + end)
    signed = builder.add_extension(names, critical=False).sign(key, hashes.SHA256())
    pem = serialization.Encoding.PEM
    file.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + signed.public_bytes(pem)
    )
    return file
