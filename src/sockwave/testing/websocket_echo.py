"""A bare WebSocket echo on the native listener's framing, for conformance tools.

    python -m sockwave.testing.websocket_echo PORT

Any path; text and binary, permessage-deflate when it is offered, messages up to 32 MiB. No
Engine.IO: what comes in goes out, with the same kind.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from sockwave.codec.deflate import Deflate
from sockwave.engine.core.transport import SharedPacket
from sockwave.engine.server.engine import EngineServer
from sockwave.engine.server.fronts.listener import HttpConnection
from sockwave.engine.server.fronts.serving import Listener, run_coroutine
from sockwave.errors import TextEncodingError
from sockwave.platform import stopping_on_signals

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sockwave.engine.core.transport import Transport
    from sockwave.engine.server.exchange import UpgradeExchange
    from sockwave.types import DisconnectReason

__all__ = ["echo_server"]

MAX_MESSAGE: Final = 32 * 1024 * 1024


class _Echo:
    """Sends back what it gets; the receiver of one WebSocket."""

    transport: Transport

    def text_received(self, packet: bytes) -> None:
        """Check what a decoder above would check, and send it back."""
        try:
            packet.decode()
        except UnicodeDecodeError:
            raise TextEncodingError("invalid UTF-8") from None
        self._send(SharedPacket(packet))

    def binary_received(self, data: bytes) -> None:
        """Send it back."""
        self._send(SharedPacket(data, is_binary=True))

    def _send(self, packet: SharedPacket) -> None:
        self.transport.write([packet])
        if not self.transport.is_writable:
            self.transport.pause_reading()

    def transport_writable(self, transport: Transport) -> None:
        """The peer reads again: so do we."""
        transport.resume_reading()

    def transport_closed(
        self, transport: Transport, reason: DisconnectReason, description: str
    ) -> None:
        """Nothing to tidy up."""


class _EchoEngine(EngineServer):
    """An engine that takes every upgrade and makes no sessions."""

    def is_ours(self, path: str) -> bool:
        """Any path."""
        return True

    def handle_upgrade(self, upgrade: UpgradeExchange, *, is_asked: bool = False) -> None:
        """Accept, and echo."""
        echo = _Echo()
        transport = upgrade.accept(echo, [])
        if transport is not None:
            echo.transport = transport


@asynccontextmanager
async def echo_server(host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[Listener]:
    """Serve inside the running loop until the block ends."""
    engine = _EchoEngine(
        max_payload=MAX_MESSAGE, per_message_deflate=Deflate(threshold=0), close_timeout=2.0
    )
    loop = asyncio.get_running_loop()
    engine.driver.bind(loop)
    server = await loop.create_server(lambda: HttpConnection(engine), host, port)
    try:
        yield Listener(*server.sockets[0].getsockname()[:2])
    finally:
        server.close()
        await engine.close()
        await server.wait_closed()


async def _serve(port: int) -> None:
    stop = asyncio.Event()
    with stopping_on_signals(stop.set):
        async with echo_server(port=port) as listener:
            sys.stdout.write(f"{listener.url}\n")
            sys.stdout.flush()
            await stop.wait()


def main() -> None:
    """Run on the port given, until a signal."""
    try:
        port = int(sys.argv[1])
    except (IndexError, ValueError):
        raise SystemExit("usage: python -m sockwave.testing.websocket_echo PORT") from None
    run_coroutine(_serve(port))


if __name__ == "__main__":
    main()
