"""Ways to put an engine on a port: `listen`, `run`, and as an ASGI application."""

from __future__ import annotations

import asyncio
import functools
import logging
from abc import ABC, abstractmethod
from contextlib import ExitStack, asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, Final, Literal

from sockwave.debug import counted
from sockwave.engine.core.option_checks import MAX_TIMEOUT, check_integer, check_number
from sockwave.engine.core.option_names import strict_keywords
from sockwave.engine.server.fronts.asgi_apps import is_asgi, what_it_is
from sockwave.engine.server.fronts.listener import HttpConnection
from sockwave.engine.server.fronts.ports import (
    ACCEPT_BACKLOG,
    Listener,
    bound_unix_socket,
    exit_for,
)
from sockwave.engine.server.fronts.webtransport import (
    WebTransport,
    check_webtransport,
    loaded,
    open_webtransport,
)
from sockwave.engine.server.routing import is_worker
from sockwave.engine.server.shutdown import check_times
from sockwave.platform import (
    check_unix_sockets,
    keep_freed_memory,
    new_event_loop,
    stopping_on_signals,
)

if TYPE_CHECKING:
    import socket
    import ssl as ssl_module
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterator

    from sockwave.engine.server.engine import EngineServer
    from sockwave.engine.server.fronts.asgi import AsgiApp, Receive, Scope, Send

__all__ = ["Listener", "Servable"]

MAX_PORT: Final = 65_535
"""Of TCP."""

UNRESPONSIVE_TIMEOUT: Final = 60.0
"""Seconds after which a worker that does not answer is replaced. Others go on without it after ten
seconds; a program that is stopped for half a minute, or computes for so long, is left alone."""

_logger: Final = logging.getLogger("sockwave.engine")


class Servable(ABC):
    """What can be put on a port."""

    _stop: Callable[[], object] | None = None
    _places: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._whereabouts()}: {self._who_is_there()}>"

    def _whereabouts(self) -> str:
        """Where it listens, and at which path."""
        driver = self.engine.driver
        if self._places:
            where = f"on {', '.join(self._places)}"
        elif driver.is_bound and not driver.has_ended:
            where = "without a port of its own"  # that is an ASGI server's, or there is none
        else:
            where = "not serving"
        return f"{where}, path {self.engine.options.path or '/'}"

    def _who_is_there(self) -> str:
        """How many clients it has."""
        return counted(len(self.engine.sessions), "client")

    @property
    @abstractmethod
    def engine(self) -> EngineServer:
        """The engine that takes the requests."""

    @abstractmethod
    async def close(
        self, *, drain_period: float | None = None, shutdown_timeout: float | None = None
    ) -> None:
        """End all sessions; see `EngineServer.close`."""

    @strict_keywords
    @asynccontextmanager
    async def listen(
        self,
        host: str | None = "127.0.0.1",
        port: int = 0,
        *,
        ssl: ssl_module.SSLContext | None = None,
        webtransport: WebTransport | None = None,
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
            webtransport: Serves WebTransport with this certificate on the UDP port of the same
                number; `transports` must name it.
            unix_path: Listen on a Unix socket instead, where there are such.
            sock: Listen on a socket that is bound already.
            drain_period: As the option of this name; None takes that one.
            shutdown_timeout: As the option of this name; None takes that one.

        Raises:
            OSError: The port is in use or not allowed, or a file of the certificate is not there.
            TypeError, ValueError: No such port, or there are no Unix sockets here; or what is no
                certificate.
            ImportError: WebTransport needs `sockwave[webtransport]`.
        """
        if unix_path is not None:
            check_unix_sockets("unix_path")
            _check_port_for(webtransport)
        check_webtransport(self.engine, webtransport)
        check_integer("port", port, 0, MAX_PORT)
        check_times(drain_period, shutdown_timeout)
        certificates = None if webtransport is None else loaded(webtransport)
        loop = asyncio.get_running_loop()
        engine = self.engine
        engine.driver.bind(loop)
        if engine.elsewhere is not None:
            await engine.elsewhere.wait_joined()

        def connection() -> HttpConnection:
            return HttpConnection(engine, is_secure=ssl is not None)

        how: dict[str, Any] = {"backlog": ACCEPT_BACKLOG}
        if ssl is not None:
            how.update(ssl=ssl, ssl_handshake_timeout=engine.options.limits.head_timeout)
        if unix_path is not None:
            server = await loop.create_unix_server(connection, unix_path, **how)
            listener = Listener(unix_path, 0, ssl is not None)
        else:
            where: dict[str, Any] = {"sock": sock} if sock else {"host": host, "port": port}
            server = await loop.create_server(connection, **how, **where)
            listener = Listener.of(server.sockets[0], is_secure=ssl is not None)
        _logger.info("listening on %s", listener.place)
        try:
            async with open_webtransport(
                engine, certificates, server.sockets, is_beside_tls=ssl is not None
            ):
                try:
                    with self.open_at(listener):
                        yield listener
                finally:
                    server.close()
                    await self.close(drain_period=drain_period, shutdown_timeout=shutdown_timeout)
        finally:
            server.close()
            await server.wait_closed()

    @strict_keywords
    def run(
        self,
        host: str = "127.0.0.1",
        port: int = 3000,
        *,
        app: AsgiApp | None = None,
        ssl: ssl_module.SSLContext | None = None,
        webtransport: WebTransport | None = None,
        unix_path: str | None = None,
        sock: socket.socket | None = None,
        on_listening: Callable[[Listener], None] | None = None,
        uvicorn_options: dict[str, Any] | None = None,
        workers: int | Literal["auto"] | None = None,
        drain_period: float | None = None,
        shutdown_timeout: float | None = None,
        unresponsive_timeout: float = UNRESPONSIVE_TIMEOUT,
    ) -> None:
        """Serve until SIGINT or SIGTERM: blocks.

        Then the port closes at once and the sessions as `close` does it, and this returns: the exit
        code is 0. A second signal has its default effect, at once: the process dies of it. When the
        port cannot be had, one line on standard error says so, and the exit code is 1. Signals go
        to the main thread only: in another one `stop` ends it.

        Args:
            host: Address or name to bind.
            port: TCP port; 0 picks a free one.
            app: An ASGI application that gets all other requests on the same port; uvicorn hosts
                it, and shuts it down when our sessions have ended.
            ssl: Encrypts the port; with `app` use `uvicorn_options` (`ssl_certfile=...`).
            webtransport: Serves WebTransport with this certificate on the UDP port of the same
                number; `transports` must name it.
            unix_path: Listen on a Unix socket instead, where there are such. It replaces one that
                was left there, and is taken away at the end; who may connect, the umask says.
            sock: Listen on a socket that is bound already. Neither goes with `workers`.
            on_listening: Called once the port is open; without it a line on the terminal says
                where, and in the log at INFO.
            uvicorn_options: More keywords for `uvicorn.Config`; only with `app`.
            workers: Serve by so many processes on this one port, each of which runs the command
                that has started this one; "auto" for one on each core. None serves in this process.
            drain_period: As the option of this name; None takes that one.
            shutdown_timeout: As the option of this name; None takes that one.
            unresponsive_timeout: Seconds without an answer after which a worker is killed and
                replaced: its event loop is blocked, or its process stopped. 0 stands for never.

        Raises:
            RuntimeError: An event loop runs in this thread: there use `listen`. With workers also:
                the program has another server with them, or this is not its main thread, or it
                came from standard input.
            TypeError, ValueError: No such port, or what is no ASGI application or no certificate.
            ImportError: WebTransport needs `sockwave[webtransport]`.
        """
        check_integer("port", port, 0, MAX_PORT)
        check_times(drain_period, shutdown_timeout)
        check_number("unresponsive_timeout", unresponsive_timeout, 0, MAX_TIMEOUT)
        if app is not None:
            if not is_asgi(app):
                raise TypeError(f"app must be an ASGI application, not {what_it_is(app)}")
            if ssl is not None:
                raise ValueError(
                    "ssl does not go with app: give uvicorn_options ssl_certfile and ssl_keyfile"
                )
        elif uvicorn_options:
            raise ValueError("uvicorn_options go with app")
        if unix_path is not None:
            check_unix_sockets("unix_path")
            _check_port_for(webtransport)
        check_webtransport(self.engine, webtransport)
        _check_no_loop(app)
        if workers is not None or is_worker():
            if unix_path is not None or sock is not None:
                raise ValueError("workers have a port of their own: no unix_path, no sock")
            self._run_workers(
                workers,
                host,
                port,
                app=app,
                ssl=ssl,
                webtransport=webtransport,
                on_listening=on_listening,
                uvicorn_options=uvicorn_options,
                drain_period=drain_period,
                shutdown_timeout=shutdown_timeout,
                unresponsive_timeout=unresponsive_timeout,
            )
            return
        certificates = None if webtransport is None else loaded(webtransport)
        keep_freed_memory()
        place = unix_path or f"{host}:{port}"
        with ExitStack() as ending:
            try:
                if unix_path is not None:
                    sock = ending.enter_context(bound_unix_socket(unix_path))
                if app is not None:
                    from sockwave.engine.server.fronts.hosting import bind, run_hosted

                    sock = sock or bind(host, port)
            except OSError as error:
                exit_for(error, place)
            if app is not None:
                assert sock is not None
                close = functools.partial(
                    self.close, drain_period=drain_period, shutdown_timeout=shutdown_timeout
                )
                run_hosted(
                    self, app, sock, on_listening, uvicorn_options or {}, close, certificates
                )
                return
            serving = self._serve(
                host, port, ssl, webtransport, sock, on_listening, drain_period, shutdown_timeout
            )
            try:
                run_coroutine(serving)
            except OSError as error:
                exit_for(error, place)

    def _run_workers(
        self, workers: int | Literal["auto"] | None, host: str, port: int, **how: Any
    ) -> None:
        """Be a supervisor of workers, or one of them."""
        if workers is None:
            raise RuntimeError("this process is a worker of another server, and serves only that")
        raise ValueError("workers: this needs a sockwave.Server")

    async def _serve(
        self,
        host: str,
        port: int,
        ssl: ssl_module.SSLContext | None,
        webtransport: WebTransport | None,
        sock: socket.socket | None,
        on_listening: Callable[[Listener], None] | None,
        drain_period: float | None,
        shutdown_timeout: float | None,
    ) -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        with (
            stopping_on_signals(stop.set),
            self.stoppable(lambda: loop.call_soon_threadsafe(stop.set)),
        ):
            async with self.listen(
                host,
                port,
                ssl=ssl,
                webtransport=webtransport,
                sock=sock,
                drain_period=drain_period,
                shutdown_timeout=shutdown_timeout,
            ) as listener:
                listener.announce(on_listening)
                await stop.wait()

    def stop(self) -> None:
        """Let `run` return, as a signal does. May be called from any thread.

        Nothing happens while it does not run: wait for `on_listening` first.
        """
        if self._stop is not None:
            self._stop()

    @contextmanager
    def stoppable(self, stop: Callable[[], object]) -> Iterator[None]:
        """What runs it tells here how `stop` does it, from any thread."""
        self._stop = stop
        try:
            yield
        finally:
            self._stop = None

    @contextmanager
    def open_at(self, listener: Listener) -> Iterator[None]:
        """Name an open port in the `repr`, as long as the block lasts."""
        place = listener.place
        self._places = (*self._places, place)
        try:
            yield
        finally:
            places = list(self._places)
            places.remove(place)
            self._places = tuple(places)

    def wrap(self, app: AsgiApp) -> AsgiApp:
        """Put this in front of an ASGI application: requests under the path come here."""
        from sockwave.engine.server.fronts.asgi import wrap

        return wrap(self, app)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve as an ASGI application, alone or mounted."""
        from sockwave.engine.server.fronts.asgi import serve

        await serve(self, scope, receive, send)


def _check_port_for(webtransport: WebTransport | None) -> None:
    if webtransport is not None:
        raise ValueError("webtransport needs a port: it does not go with unix_path")


def _check_no_loop(app: AsgiApp | None) -> None:
    """Send whoever has an event loop to what serves inside it."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    instead = (
        "use `async with io.listen(host, port):`"
        if app is None
        else "await uvicorn.Server(uvicorn.Config(io.wrap(app))).serve()"
    )
    raise RuntimeError(f"run() blocks, and an event loop runs here already: {instead}")


def run_coroutine(coroutine: Coroutine[Any, Any, None]) -> None:
    """Run to the end in a new event loop of the fastest kind."""
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(coroutine)
