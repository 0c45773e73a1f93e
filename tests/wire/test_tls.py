"""Encrypted ports: of the native listener, and beside an application."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

import pytest

import sockwave
from tests.support.peers import package
from tests.support.process import ServerProcess, free_port

if TYPE_CHECKING:
    from sockwave.types import TransportName

ROOT: Final = Path(__file__).resolve().parent.parent.parent

NATIVE: Final = """
import ssl, sys
from tests.support.tls_app import io
context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
context.load_cert_chain(sys.argv[2])
io.run(port=int(sys.argv[1]), ssl=context)
"""
HOSTED: Final = """
import sys
from tests.support.fronts import hello
from tests.support.tls_app import io
io.run(port=int(sys.argv[1]), app=hello, uvicorn_options={"ssl_certfile": sys.argv[2]})
"""


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and its certificate for 127.0.0.1, signed by itself."""
    package("cryptography")
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    address = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(hours=1))
    builder = builder.not_valid_after(now + timedelta(hours=1))
    signed = builder.add_extension(address, critical=False).sign(key, hashes.SHA256())
    file = tmp_path_factory.mktemp("tls") / "both.pem"
    pem = serialization.Encoding.PEM
    file.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + signed.public_bytes(pem)
    )
    return file


@pytest.mark.parametrize("code", [NATIVE, HOSTED], ids=["native", "hosted"])
async def test_clients_connect_by_tls(
    code: str, transport: str, certificate: Path, tmp_path: Path
) -> None:
    port = free_port()
    arguments = ["-c", code, str(port), str(certificate)]
    context = ssl.create_default_context(cafile=certificate)
    transports = [cast("TransportName", transport)]
    with ServerProcess(*arguments, directory=tmp_path, port=port, cwd=ROOT) as process:
        url = f"https://127.0.0.1:{port}"
        async with sockwave.connect(url, transports=transports, ssl=context) as client:
            assert await client.emit_with_ack("is_secure", "grüße", timeout=5.0) == ("grüße", True)
        assert process.interrupt() == 0
