"""The servers that the client is tested against; all behave as `interop/servers/behaviour.cjs`."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from contextlib import asynccontextmanager, contextmanager
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from sockwave import ConnectError, Listener, Server, Socket, WebTransport
from sockwave.cli.certificate import OWN_NAMES, make_certificate
from tests.support.peers import INTEROP, node, unavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from sockwave.types import TransportName

__all__ = [
    "CERTIFICATE",
    "HASH",
    "PEERS",
    "TRANSPORTS",
    "listening",
    "native_server",
    "serving",
    "start_process",
]

PEERS = ("sockwave", "node", "node-2x", "python-socketio")
"""`node-2x` is socket.io with its mode for clients of 2.x switched on."""


CERTIFICATE = make_certificate(OWN_NAMES) if find_spec("aioquic") is not None else None

HASH: str | None = None if CERTIFICATE is None else CERTIFICATE.hash.hex()
"""Of the certificate that our own server has for WebTransport, where that can be had."""


TRANSPORTS: list[TransportName] = ["polling", "websocket"]
if HASH is not None:
    TRANSPORTS.append("webtransport")


@contextmanager
def start_process(peer: str, **env: str) -> Iterator[str]:
    """Run a peer in a process; gives its URL."""
    if peer == "python-socketio":
        if find_spec("socketio") is None:
            unavailable("python-socketio is not installed")
        command = [sys.executable, str(INTEROP / "servers" / "python_socketio.py")]
        environment = dict(os.environ)
    else:
        found = node()
        command = [str(found.executable), str(INTEROP / "servers" / "behaviour.cjs")]
        environment = {**found.env, **env}
        if peer == "node-2x":
            environment["EIO3"] = "1"
    process = subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.kill()


@asynccontextmanager
async def serving(peer: str, url: str | None) -> AsyncIterator[str]:
    """Give the URL of a running peer, or run our own server in this loop."""
    if url is not None:
        yield url
        return
    async with listening(native_server()) as listener:
        yield listener.url


@asynccontextmanager
async def listening(io: Server, **options: Any) -> AsyncIterator[Listener]:
    """Serve on all transports that the server has."""
    if CERTIFICATE is None:
        async with io.listen(**options) as listener:
            yield listener
        return
    with TemporaryDirectory() as folder:
        file = Path(folder) / "both.pem"
        file.write_bytes(CERTIFICATE.key + CERTIFICATE.certificate)
        async with io.listen(webtransport=WebTransport(file), **options) as listener:
            yield listener


def native_server(**options: Any) -> Server:
    """Our own server."""
    io = Server(**{"ping_interval": 0.2, "transports": TRANSPORTS, **options})
    io.on("connection", _serve)
    io.of("/chat").on("connection", _serve)
    private = io.of("/private")
    private.on("connection", _serve)

    @private.use
    async def check(socket: Socket) -> None:
        if socket.handshake.auth.get("token") != "s3cret":
            raise ConnectError("unauthorized", data={"code": 7})

    return io


def _serve(socket: Socket) -> None:
    log: list[Any] = []
    socket.on("echo", lambda *args: socket.emit("echo", *args))
    socket.on("ack", lambda *args: args)
    socket.on("log", log.append)
    socket.on("get_log", lambda: log)
    socket.on("who", lambda: socket.handshake.auth)
    socket.on("leave", lambda: socket.disconnect())
    socket.on("drop", lambda: socket.conn.close())

    @socket.on("silent")
    async def silent() -> None:
        await asyncio.sleep(30)

    @socket.on("burst")
    def burst(count: int) -> None:
        for number in range(count):
            socket.emit("tick", number)

    @socket.on("ask")
    def ask(question: Any) -> None:
        socket.emit("question", question, ack=lambda *args: socket.emit("answered", list(args)))

    @socket.on("handshake")
    def handshake() -> dict[str, Any]:
        request = socket.handshake
        return {"query": request.query.get("room"), "header": request.headers.get("x-test")}
