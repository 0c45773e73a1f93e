"""Memory of a connection that does nothing: WebSocket, polling, and a WebSocket under TLS."""

from __future__ import annotations

import asyncio
import resource
import ssl
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.load import PollingClient, WebSocketClient
from benchmarks.reliability.report import Figure, target

if TYPE_CHECKING:
    from tests.security.judge import Target

CONNECTIONS: Final = 3_000
WARM: Final = 200
"""Connections before the first look: what the first ones take is not theirs."""


async def _grown(server: Target, kind: str, certificate: str) -> float:
    """Bytes that each connection takes."""
    open_ = WebSocketClient.connect if kind != "polling" else PollingClient.connect
    port, options = server.port, {}
    if kind == "websocket, TLS":
        port = await server.do("tests.security.scenarios.tls.listen", certificate=certificate)
        options["ssl"] = ssl._create_unverified_context()
    kept = [await open_(port, **options) for _ in range(WARM)]
    before = server.memory()
    kept += [await open_(port, **options) for _ in range(CONNECTIONS)]
    grown = (server.memory() - before) / CONNECTIONS
    del kept
    return grown


def measure() -> list[Figure]:
    """A server of its own for each kind."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    figures = []
    with tempfile.TemporaryDirectory() as directory:
        certificate = str(Path(directory) / "certificate.pem")
        subprocess.run(
            [
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "rsa:2048",
                "-nodes",
                "-subj",
                "/CN=localhost",
                "-keyout",
                certificate,
                "-out",
                f"{certificate}.crt",
                "-days",
                "1",
            ],
            check=True,
            capture_output=True,
        )
        with open(certificate, "a") as both:
            both.write(Path(f"{certificate}.crt").read_text())
        for kind in ("websocket", "polling", "websocket, TLS"):
            with target() as server:
                grown = asyncio.run(_grown(server, kind, certificate))
            figures.append(Figure(f"idle connection, {kind}", f"{grown / 1024:.1f} kB"))
    return figures
