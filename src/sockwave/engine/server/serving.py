"""Ways to put an engine on a port: `listen`, `run`, and as an ASGI application."""

from __future__ import annotations

import asyncio
import functools
import logging
import os
import signal
import sys
from abc import ABC, abstractmethod
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NoReturn

from sockwave.engine.server.listener import HttpConnection
from sockwave.engine.server.shutdown import check_times

if TYPE_CHECKING:
    import socket
    import ssl as ssl_module
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterator

    from sockwave.engine.server.asgi import AsgiApp, Receive, Scope, Send
    from sockwave.engine.server.engine import EngineServer

__all__ = ["STOP_SIGNALS", "Listener", "Servable", "new_event_loop"]

ACCEPT_BACKLOG: Final = 4_096
"""Connections the kernel holds for us: after a restart all clients come at once."""

STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)

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
    async def close(
        self, *, drain_period: float | None = None, shutdown_timeout: float | None = None
    ) -> None:
        """End all sessions; see `EngineServer.close`."""

    @asynccontextmanager
    async def listen(
        self,
        host: str | None = "127.0.0.1",
        port: int = 0,
        *,
        ssl: ssl_module.SSLContext | None = None,
        unix_path: str | None = None,
        sock: socket.socket | None = None,
        drain_period: float | None = None,
        shutdown_timeout: float | None = None,
    ) -> AsyncIterator[Listener]:
        """Serve inside the running event loop, until the block ends.

        Then the port closes at once, and all sessions as `close` does it. Requests outside the path
        are answered with 404.

        Args:
            host: Address or name to bind; None binds all interfaces.
            port: 0 picks a free one, told by the listener.
            ssl: Encrypts the port.
            unix_path: Listen on a Unix socket instead.
            sock: Listen on a socket that is bound already.
            drain_period, shutdown_timeout: See `EngineServer.close`.

        Raises:
            OSError: The port is in use or not allowed.
        """
        check_times(drain_period, shutdown_timeout)
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
            await self.close(drain_period=drain_period, shutdown_timeout=shutdown_timeout)
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
        drain_period: float | None = None,
        shutdown_timeout: float | None = None,
    ) -> None:
        """Serve until SIGINT or SIGTERM: blocks.

        Then the port closes at once and the sessions as `close` does it, and this returns: the exit
        code is 0. A second signal has its default effect, at once: the process dies of it. When the
        port cannot be had, one line on standard error says so, and the exit code is 1.

        Args:
            host, port: Where to listen.
            app: An ASGI application that gets all other requests on the same port; uvicorn hosts
                it, and shuts it down when our sessions have ended.
            ssl: Encrypts the port; with `app` use `uvicorn_options` (`ssl_certfile=...`).
            on_listening: Called once the port is open.
            uvicorn_options: More keywords for `uvicorn.Config`; only with `app`.
            drain_period, shutdown_timeout: See `EngineServer.close`.
        """
        check_times(drain_period, shutdown_timeout)
        if app is not None:
            from sockwave.engine.server.hosting import run_hosted

            close = functools.partial(
                self.close, drain_period=drain_period, shutdown_timeout=shutdown_timeout
            )
            run_hosted(self, app, host, port, on_listening, uvicorn_options or {}, close)
            return
        if uvicorn_options:
            raise ValueError("uvicorn_options go with app")
        try:
            run_coroutine(
                self._serve(host, port, ssl, on_listening, drain_period, shutdown_timeout)
            )
        except OSError as error:
            exit_for(error, host, port)

    async def _serve(
        self,
        host: str,
        port: int,
        ssl: ssl_module.SSLContext | None,
        on_listening: Callable[[Listener], None] | None,
        drain_period: float | None,
        shutdown_timeout: float | None,
    ) -> None:
        stop = asyncio.Event()
        with _stop_signals(stop):
            async with self.listen(
                host, port, ssl=ssl, drain_period=drain_period, shutdown_timeout=shutdown_timeout
            ) as listener:
                if on_listening is not None:
                    on_listening(listener)
                await stop.wait()

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


@contextmanager
def _stop_signals(stop: asyncio.Event) -> Iterator[None]:
    """Take the first SIGINT or SIGTERM as a wish; the next one has its default effect."""
    loop = asyncio.get_running_loop()
    before = [(number, signal.getsignal(number)) for number in STOP_SIGNALS]

    def stopping() -> None:
        for number in STOP_SIGNALS:
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)
        stop.set()

    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, stopping)
    try:
        yield
    finally:
        for number, handler in before:
            loop.remove_signal_handler(number)
            signal.signal(number, handler)
