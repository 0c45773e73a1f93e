"""Encrypted ports: of the native listener, and beside an application."""

from __future__ import annotations

import asyncio
import socket
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

import pytest

import sockwave
from tests.support.certificate import write_certificate
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
    """For 127.0.0.1."""
    return write_certificate(tmp_path_factory.mktemp("tls") / "both.pem")


async def test_server_stops_on_the_standard_loop_while_a_peer_does_not_end_tls(
    certificate: Path,
) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    trusting = ssl.create_default_context(cafile=certificate)

    def ask(port: int) -> ssl.SSLSocket:
        """A client that reads an answer and then no more, not even the end."""
        client = trusting.wrap_socket(
            socket.create_connection(("127.0.0.1", port)), server_hostname="127.0.0.1"
        )
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.recv(1_000).startswith(b"HTTP/1.1 404")
        return client

    async with sockwave.Server().listen(ssl=context) as listener:
        client = await asyncio.to_thread(ask, listener.port)
    client.close()


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
            assert await client.emit_with_ack("is_secure", "grüße", timeout=40) == ("grüße", True)
        assert process.interrupt() == 0
