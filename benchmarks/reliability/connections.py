"""Memory of a connection that does nothing: WebSocket, waiting poll, WebSocket under TLS."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Final

from benchmarks.load import PollingClient, WebSocketClient
from benchmarks.reliability.report import Figure, allow_many_descriptors
from benchmarks.run import server

CONNECTIONS: Final = 3_000
WARM: Final = 200
"""Connections before the first look: what the first ones take is not theirs."""


async def _poll(port: int, **options: Any) -> PollingClient:
    client = await PollingClient.connect(port, **options)
    client.begin_poll()
    return client


async def _grown(kind: str, *arguments: str) -> float:
    """Bytes that each connection takes."""
    options: dict[str, Any] = {}
    if arguments:
        options["ssl"] = ssl._create_unverified_context()
    with server(*arguments) as port:
        open_ = _poll if kind == "polling" else WebSocketClient.connect
        control = await WebSocketClient.connect(port, **options)
        kept: list[Any] = [await open_(port, **options) for _ in range(WARM)]
        before = await control.ask("memory")
        kept += [await open_(port, **options) for _ in range(CONNECTIONS)]
        grown = await control.ask("memory") - before
    return float(grown / CONNECTIONS)


def _certificate(path: Path) -> str:
    """Make a file with a key and a certificate of its own."""
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"]
    files = ["-subj", "/CN=localhost", "-keyout", str(path), "-out", f"{path}.crt"]
    subprocess.run([*command, *files], check=True, capture_output=True)
    path.write_text(path.read_text() + Path(f"{path}.crt").read_text())
    return str(path)


def measure() -> list[Figure]:
    """A server of its own for each kind."""
    allow_many_descriptors()
    with tempfile.TemporaryDirectory() as directory:
        certificate = _certificate(Path(directory) / "certificate.pem")
        kinds = {
            "websocket": (),
            "polling": (),
            "websocket, TLS": ("tls", certificate),
        }
        return [
            Figure(f"idle connection, {kind}", f"{asyncio.run(_grown(kind, *arguments)):.1f} kB")
            for kind, arguments in kinds.items()
        ]
