"""An engine and an ASGI application on one port, under uvicorn.

The native listener takes each connection first. If its next request is under the engine's path, it
stays; otherwise uvicorn's own protocol object takes over with the bytes already read. A kept-alive
connection that went to uvicorn and then asks for the engine's path is served by the ASGI front end
of the same engine, so a browser may mix both as it likes.
"""

from __future__ import annotations

import asyncio
import signal
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from sockwave.engine.server.listener import HttpConnection
from sockwave.engine.server.serving import Listener, exit_for, new_event_loop

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from types import FrameType

    from sockwave.engine.server.asgi import AsgiApp
    from sockwave.engine.server.serving import Servable

__all__ = ["hosted_server", "run_hosted"]


class _UvicornHost:
    """Gives connections to uvicorn's HTTP protocol."""

    def __init__(self, **arguments: Any) -> None:
        self._arguments = arguments

    def take_over(self, transport: asyncio.Transport, data: bytes) -> None:
        """Serve this connection from here on."""
        protocol = HttpToolsProtocol(**self._arguments)
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        protocol.data_received(data)


class _Server(uvicorn.Server):
    """uvicorn, ending our sessions first: a waiting poll would hold up its shutdown."""

    def __init__(
        self,
        config: uvicorn.Config,
        servable: Servable,
        opened: Callable[[], None],
        close: Callable[[], Coroutine[Any, Any, None]],
    ) -> None:
        super().__init__(config)
        self._engine = servable.engine
        self._opened = opened
        self._close = close

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Open the port."""
        self._engine.driver.bind(asyncio.get_running_loop())
        await super().startup(sockets)
        if self.started:
            self._opened()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop accepting, end sessions, then the rest."""
        for server in self.servers:
            server.close()
        for sock in sockets or ():
            sock.close()
        await self._close()
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to stop; a second signal has its default effect, at once."""
        if self._captured_signals:
            signal.signal(sig, signal.SIG_DFL)
            signal.raise_signal(sig)
        super().handle_exit(sig, frame)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take SIGINT and SIGTERM as a wish, not as a death to be repeated at the end."""
        with super().capture_signals():
            yield
            self._captured_signals.clear()


def hosted_server(
    servable: Servable,
    app: AsgiApp,
    sock: socket.socket,
    on_listening: Callable[[Listener], None] | None,
    uvicorn_options: dict[str, Any],
    close: Callable[[], Coroutine[Any, Any, None]] | None = None,
) -> uvicorn.Server:
    """Make a uvicorn that serves both on a bound socket."""
    secure = bool(uvicorn_options.get("ssl_certfile"))
    listener = Listener(*sock.getsockname()[:2])

    def protocol(**arguments: Any) -> HttpConnection:
        return HttpConnection(servable.engine, _UvicornHost(**arguments), is_secure=secure)

    def opened() -> None:
        if on_listening is not None:
            on_listening(listener)

    config = uvicorn.Config(
        servable.wrap(app),
        host=listener.host,
        port=listener.port,
        http=protocol,  # type: ignore[arg-type] # uvicorn calls it, no more
        **uvicorn_options,
    )
    return _Server(config, servable, opened, close or servable.close)


def run_hosted(
    servable: Servable,
    app: AsgiApp,
    host: str,
    port: int,
    on_listening: Callable[[Listener], None] | None,
    uvicorn_options: dict[str, Any],
    close: Callable[[], Coroutine[Any, Any, None]],
) -> None:
    """Serve both until a signal; see `Servable.run`."""
    try:
        sock = _bind(host, port)
    except OSError as error:
        exit_for(error, host, port)
    with sock:
        server = hosted_server(servable, app, sock, on_listening, uvicorn_options, close)
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            runner.run(server.serve(sockets=[sock]))
    if not server.started:
        raise SystemExit(3)


def _bind(host: str, port: int) -> socket.socket:
    """Bind the port ourselves, so that a failure is one line and port 0 is known."""
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
    except OSError:
        sock.close()
        raise
    return sock
