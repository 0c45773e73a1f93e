"""Ways to put an engine on a port: `listen`, `run`, and as an ASGI application."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from abc import ABC, abstractmethod
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NoReturn

from sockwave.engine.server.listener import HttpConnection

if TYPE_CHECKING:
    import socket
    import ssl as ssl_module
    from collections.abc import AsyncIterator, Callable, Coroutine

    from sockwave.engine.server.asgi import AsgiApp, Receive, Scope, Send
    from sockwave.engine.server.engine import EngineServer

__all__ = ["Listener", "Servable", "new_event_loop"]

ACCEPT_BACKLOG: Final = 4_096
"""Connections the kernel holds for us: after a restart all clients come at once."""

_logger: Final = logging.getLogger("sockwave.engine")


@dataclass(frozen=True, slots=True)
class Listener:
    """An open port.

    Attributes:
        host: As bound; the path for a Unix socket.
        port: As bound, also when 0 was asked for; 0 for a Unix socket.
    """

    host: str
    port: int

    @property
    def url(self) -> str:
        """Where clients connect to."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"


def new_event_loop() -> asyncio.AbstractEventLoop:
    """Make the fastest event loop there is on this platform."""
    if sys.platform == "win32":
        return asyncio.new_event_loop()
    import uvloop

    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


class Servable(ABC):
    """What can be put on a port."""

    @property
    @abstractmethod
    def engine(self) -> EngineServer:
        """The engine that takes the requests."""

    @abstractmethod
    async def close(self) -> None:
        """End all sessions."""

    @asynccontextmanager
    async def listen(
        self,
        host: str | None = "127.0.0.1",
        port: int = 0,
        *,
        ssl: ssl_module.SSLContext | None = None,
        unix_path: str | None = None,
        sock: socket.socket | None = None,
    ) -> AsyncIterator[Listener]:
        """Serve inside the running event loop, until the block ends; then all sessions close.

        Requests outside the path are answered with 404.

        Args:
            host: Address or name to bind; None binds all interfaces.
            port: 0 picks a free one, told by the listener.
            ssl: Encrypts the port.
            unix_path: Listen on a Unix socket instead.
            sock: Listen on a socket that is bound already.

        Raises:
            OSError: The port is in use or not allowed.
        """
        loop = asyncio.get_running_loop()
        engine = self.engine
        engine.driver.bind(loop)

        def connection() -> HttpConnection:
            return HttpConnection(engine, is_secure=ssl is not None)

        how: dict[str, Any] = {"backlog": ACCEPT_BACKLOG}
        if ssl is not None:
            how.update(ssl=ssl, ssl_handshake_timeout=engine.options.limits.head_timeout)
        if unix_path is not None:
            server = await loop.create_unix_server(connection, unix_path, **how)
            listener = Listener(unix_path, 0)
        else:
            where: dict[str, Any] = {"sock": sock} if sock else {"host": host, "port": port}
            server = await loop.create_server(connection, **how, **where)
            listener = Listener(*server.sockets[0].getsockname()[:2])
        _logger.info("listening on %s", listener.url if unix_path is None else unix_path)
        try:
            yield listener
        finally:
            server.close()
            await self.close()
            await server.wait_closed()

    def run(
        self,
        host: str = "127.0.0.1",
        port: int = 3000,
        *,
        app: AsgiApp | None = None,
        ssl: ssl_module.SSLContext | None = None,
        on_listening: Callable[[Listener], None] | None = None,
        uvicorn_options: dict[str, Any] | None = None,
    ) -> None:
        """Serve until SIGINT or SIGTERM: blocks.

        A second signal ends at once. When the port cannot be had, one line on standard error says
        so, and the exit code is 1.

        Args:
            host, port: Where to listen.
            app: An ASGI application that gets all other requests on the same port; uvicorn hosts
                it: lifespan, signals and graceful shutdown are uvicorn's then.
            ssl: Encrypts the port; with `app` use `uvicorn_options` (`ssl_certfile=...`).
            on_listening: Called once the port is open.
            uvicorn_options: More keywords for `uvicorn.Config`; only with `app`.
        """
        if app is not None:
            from sockwave.engine.server.hosting import run_hosted

            run_hosted(self, app, host, port, on_listening, uvicorn_options or {})
            return
        if uvicorn_options:
            raise ValueError("uvicorn_options go with app")
        try:
            run_coroutine(self._serve(host, port, ssl, on_listening))
        except OSError as error:
            exit_for(error, host, port)

    async def _serve(
        self,
        host: str,
        port: int,
        ssl: ssl_module.SSLContext | None,
        on_listening: Callable[[Listener], None] | None,
    ) -> None:
        async with self.listen(host, port, ssl=ssl) as listener:
            if on_listening is not None:
                on_listening(listener)
            await _stop_signal()

    def wrap(self, app: AsgiApp) -> AsgiApp:
        """Put this in front of an ASGI application: requests under the path come here."""
        from sockwave.engine.server.asgi import wrap

        return wrap(self, app)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve as an ASGI application, alone or mounted."""
        from sockwave.engine.server.asgi import serve

        await serve(self, scope, receive, send)


def run_coroutine(coroutine: Coroutine[Any, Any, None]) -> None:
    """Run to the end in a new event loop of the fastest kind."""
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(coroutine)


def exit_for(error: OSError, host: str, port: int) -> NoReturn:
    """End the process with one line that says why the port cannot be had."""
    reason = os.strerror(error.errno).lower() if error.errno else str(error)
    sys.stderr.write(f"sockwave: cannot listen on {host}:{port}: {reason}\n")
    raise SystemExit(1)


async def _stop_signal() -> None:
    """Wait for SIGINT or SIGTERM; the next one has its usual, immediate effect."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    signals = (signal.SIGINT, signal.SIGTERM)

    def stopping() -> None:
        for number in signals:
            loop.remove_signal_handler(number)
        stop.set()

    for number in signals:
        loop.add_signal_handler(number, stopping)
    await stop.wait()
