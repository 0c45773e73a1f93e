"""An engine and an ASGI application on one port, under uvicorn.

The native listener takes each connection first. If its next request is under the engine's path, it
stays; otherwise uvicorn's own protocol object takes over when the head of the request is whole, and
our limits go on to hold. A kept-alive connection that went to uvicorn and then asks for the
engine's path is served by the ASGI front end of the same engine, so a browser may mix both as it
likes.

Whose word counts for where a request comes from, `trusted_proxies` says for the application too:
uvicorn would believe everybody on this machine, and take any text for an address.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import uvicorn
from uvicorn.config import STARTUP_FAILURE

from sockwave.engine.core.request import Request
from sockwave.engine.server.fronts.hosted_http import HostedHttp
from sockwave.engine.server.fronts.listener import HttpConnection
from sockwave.engine.server.fronts.ports import ACCEPT_BACKLOG, Listener, Served, exit_for
from sockwave.engine.server.fronts.webtransport import open_webtransport
from sockwave.platform import keep_port_after_restart, new_event_loop

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from types import FrameType

    from sockwave.engine.server.engine import EngineServer
    from sockwave.engine.server.fronts.asgi import AsgiApp, Receive, Scope, Send
    from sockwave.engine.server.fronts.quic.certificates import Certificates
    from sockwave.engine.server.fronts.shared_port import Host, SharedPort
    from sockwave.engine.server.routing import SharedUdp

__all__ = ["WithoutQuery", "bind", "hosted_server", "run_hosted"]


_OURS: Final = {
    "proxy_headers": "trusted_proxies says whose X-Forwarded-For counts, for the application too",
    "forwarded_allow_ips": "use trusted_proxies",
    "http": "the application is served by HTTP/1.1",
}
"""Options of uvicorn that stand against what the engine is told."""

_logger: Final = logging.getLogger("sockwave.engine")

_REQUEST_LOGS: Final = ("uvicorn.access", "uvicorn.error")


Opening: TypeAlias = "Callable[[Host], Coroutine[Any, Any, None]]"


class _UvicornHost:
    """Gives connections to uvicorn's HTTP protocol."""

    def __init__(self, engine: EngineServer, **arguments: Any) -> None:
        self._engine = engine
        self._arguments = arguments

    def take_over(self, transport: asyncio.Transport, old: SharedPort, data: bytes) -> None:
        """Serve this connection from here on."""
        protocol = HostedHttp(self._engine, **self._arguments)
        self._engine.driver.connection_lent(old, protocol)
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        protocol.data_received(data)


class WithoutQuery(logging.Filter):
    """Cuts queries off the lines that uvicorn logs for requests: session ids stand there, and
    tokens of the application."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Change a record; none is left out."""
        if isinstance(record.args, tuple):
            record.args = tuple(_without_query(each) for each in record.args)
        return True

    def begin(self) -> None:
        """Do so from now on."""
        for name in _REQUEST_LOGS:
            logging.getLogger(name).addFilter(self)

    def end(self) -> None:
        """Do so no more."""
        for name in _REQUEST_LOGS:
            logging.getLogger(name).removeFilter(self)


def _without_query(argument: object) -> object:
    if isinstance(argument, str) and argument.startswith("/") and "?" in argument:
        return argument.partition("?")[0] + "?..."
    return argument


class _Server(uvicorn.Server):
    """uvicorn, ending our sessions first: a waiting poll would hold up its shutdown."""

    def __init__(
        self,
        config: uvicorn.Config,
        served: Served,
        opened: Callable[[], None],
        close: Callable[[], Coroutine[Any, Any, None]],
        opening: Opening | None,
        signalled: Callable[[], None] | None,
        certificates: Certificates | None,
        shared_udp: SharedUdp | None,
    ) -> None:
        super().__init__(config)
        self._signalled = signalled
        self._engine = served.engine
        self._opened = opened
        self._opening = opening
        self._without_query = WithoutQuery()
        self._close = close
        self._ending = contextlib.AsyncExitStack()
        self._certificates = certificates
        self._shared_udp = shared_udp

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Open the port; as uvicorn does it on a socket that is bound, within our limits."""
        loop = asyncio.get_running_loop()
        engine, config = self._engine, self.config
        engine.driver.bind(loop)
        if engine.elsewhere is not None:
            await engine.elsewhere.wait_joined()
        await self.lifespan.startup()
        if self.lifespan.should_exit:
            sys.exit(STARTUP_FAILURE)
        how: dict[str, Any] = {"backlog": max(config.backlog, ACCEPT_BACKLOG)}
        if config.ssl is not None:
            how.update(ssl=config.ssl, ssl_handshake_timeout=engine.options.limits.head_timeout)
        host = _UvicornHost(
            engine,
            config=config,
            server_state=self.server_state,
            app_state=self.lifespan.state,
        )
        if engine.router is not None:
            engine.router.host = host
        if self._opening is not None:
            await self._opening(host)
        self.servers = [
            await loop.create_server(
                lambda: HttpConnection(engine, host, is_secure=config.ssl is not None),
                sock=sock,
                **how,
            )
            for sock in sockets or ()
        ]
        try:
            udp = open_webtransport(
                engine,
                self._certificates,
                sockets or (),
                is_beside_tls=config.ssl is not None,
                shared=self._shared_udp,
            )
            await self._ending.enter_async_context(udp)
        except OSError as error:
            exit_for(error, f"{config.host}:{config.port} for WebTransport")
        self._without_query.begin()
        self.started = True
        self._opened()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop accepting, end sessions, then the rest."""
        for server in self.servers:
            server.close()
        for sock in sockets or ():
            sock.close()
        await self._close()
        await self._ending.aclose()
        await super().shutdown(sockets)
        self._without_query.end()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to stop; a second signal has its default effect, at once.

        Where somebody else decides, they are told of each.
        """
        if self._signalled is not None:
            self._signalled()
            return
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


_FORWARDED: Final = (b"x-forwarded-for", b"x-forwarded-proto")
_SCHEMES: Final = {
    ("http", False): "http",
    ("http", True): "https",
    ("websocket", False): "ws",
    ("websocket", True): "wss",
}


def _forwarded(engine: EngineServer, app: AsgiApp) -> AsgiApp:
    """Let an application see where requests come from by `trusted_proxies`, as the engine does."""
    if engine.trusted_proxies is None:
        return app

    async def seen(scope: Scope, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if kind != "lifespan":
            fields: dict[bytes, bytes] = {}
            for name, value in scope["headers"]:
                if name in _FORWARDED:
                    fields[name] = fields[name] + b", " + value if name in fields else value
            is_secure = scope["scheme"] in ("https", "wss")
            trusted = engine.trusted_proxies
            request = Request("", "", fields, scope["client"], is_secure, trusted_proxies=trusted)
            scope["client"] = request.client
            scope["scheme"] = _SCHEMES[kind, request.is_secure]
        await app(scope, receive, send)

    return seen


def hosted_server(
    served: Served,
    app: AsgiApp,
    sock: socket.socket,
    on_listening: Callable[[Listener], None] | None,
    uvicorn_options: dict[str, Any],
    close: Callable[[], Coroutine[Any, Any, None]] | None = None,
    *,
    opening: Opening | None = None,
    signalled: Callable[[], None] | None = None,
    certificates: Certificates | None = None,
    shared_udp: SharedUdp | None = None,
) -> uvicorn.Server:
    """Make a uvicorn that serves both on a bound socket.

    Args:
        close: Ends the sessions; by default `served.close`.
        opening: Awaited before the port is open, with what serves the application's connections.
        signalled: Called at each SIGINT and SIGTERM, which do nothing else then: by the
            interpreter, between any two instructions.
        certificates: For WebTransport beside it; None serves none.
        shared_udp: This process's part of the UDP port, where several share one.

    Raises:
        ValueError: An option of uvicorn that the engine decides.
    """
    for option, instead in _OURS.items():
        if uvicorn_options.get(option):
            raise ValueError(f"uvicorn_options: {option} has no effect here: {instead}")
    where = Listener.of(sock, is_secure=False)
    config = uvicorn.Config(
        _forwarded(served.engine, served.wrap(app)),
        host=where.host,
        port=where.port,
        **{**uvicorn_options, "proxy_headers": False},
    )

    def opened() -> None:
        listener = Listener.of(sock, is_secure=config.is_ssl)
        # Of several workers the supervisor says so, once.
        level = logging.INFO if opening is None else logging.DEBUG
        _logger.log(level, "listening on %s", listener.url)
        listener.announce(on_listening)

    return _Server(
        config,
        served,
        opened,
        close or served.close,
        opening,
        signalled,
        certificates,
        shared_udp,
    )


def run_hosted(
    served: Served,
    app: AsgiApp,
    sock: socket.socket,
    on_listening: Callable[[Listener], None] | None,
    uvicorn_options: dict[str, Any],
    close: Callable[[], Coroutine[Any, Any, None]],
    certificates: Certificates | None,
) -> None:
    """Serve both on a bound socket until a signal; see `run` of the server."""
    with sock:
        server = hosted_server(
            served, app, sock, on_listening, uvicorn_options, close, certificates=certificates
        )

        def stop() -> None:
            server.should_exit = True

        with (
            served.stoppable(stop),
            served.open_at(Listener.of(sock, is_secure=server.config.is_ssl)),
            asyncio.Runner(loop_factory=new_event_loop) as runner,
        ):
            runner.run(server.serve(sockets=[sock]))
    if not server.started:
        raise SystemExit(3)


def bind(host: str, port: int) -> socket.socket:
    """Bind the port ourselves, so that a failure is one line and port 0 is known.

    Raises:
        OSError: It is in use, or not allowed.
    """
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    sock = socket.socket(family, kind, protocol)
    try:
        keep_port_after_restart(sock)
        sock.bind(address)
    except OSError:
        sock.close()
        raise
    return sock
