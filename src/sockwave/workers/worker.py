"""A worker process: serves on its part of the port, until a signal or its supervisor ends it.

It may get a signal twice: systemd, for one, sends SIGTERM to all processes of a service, and so
does its supervisor. So a second one means nothing here; who wants an end at once tells the
supervisor, which kills.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import os
import socket
from typing import TYPE_CHECKING, Any, Final

from sockwave.debug import known
from sockwave.engine.server.fronts.hosting import hosted_server
from sockwave.engine.server.fronts.listener import HttpConnection
from sockwave.engine.server.fronts.ports import ACCEPT_BACKLOG, Listener
from sockwave.engine.server.fronts.webtransport import open_webtransport
from sockwave.platform import new_event_loop, supervising_signals
from sockwave.workers.cluster import close_drivers, joined
from sockwave.workers.control import (
    ASK,
    HERE,
    READY,
    TAKES_UDP,
    connect_control,
    control_socket,
    drain_of,
    receive_socket,
)
from sockwave.workers.datagrams import Datagrams
from sockwave.workers.router import WorkerRouter

if TYPE_CHECKING:
    import ssl as ssl_module

    from sockwave.engine.server.fronts.asgi_scope import AsgiApp
    from sockwave.engine.server.fronts.quic.certificates import Certificates
    from sockwave.engine.server.fronts.serving import Servable
    from sockwave.engine.server.fronts.shared_port import Host
    from sockwave.workers.control import ControlLine
    from sockwave.workers.identity import Identity

__all__ = ["Worker"]

JOIN_TIMEOUT: Final = 5.0
"""Seconds that a worker waits for the others before it serves: one may be stopped."""

_logger: Final = logging.getLogger("sockwave.workers")


class Worker:
    """One process of several.

    Args:
        served: The user's server.
        identity: Of this process.
        drain_period: Seconds over which sessions end when a signal stops the worker; None stands
            for the server's option.
        shutdown_timeout: As of `EngineServer.close`.
    """

    def __init__(
        self,
        served: Servable,
        identity: Identity,
        *,
        drain_period: float | None,
        shutdown_timeout: float | None,
    ) -> None:
        self._served = served
        self._identity = identity
        options = served.engine.options
        self._drain_period = options.drain_period if drain_period is None else drain_period
        self._drain_when_stopped = self._drain_period
        self._shutdown_timeout = shutdown_timeout
        self._stop = asyncio.Event()
        self._router: WorkerRouter | None = None
        self._successor: int | None = None
        self._control: ControlLine | None = None
        self._control_socket: socket.socket
        self._closing: asyncio.Future[None] | None = None
        self._hastening: asyncio.Future[None] | None = None
        self._is_over = False
        self._certificates: Certificates | None = None
        self._datagrams: Datagrams | None = None

    def run(
        self,
        app: AsgiApp | None,
        ssl: ssl_module.SSLContext | None,
        uvicorn_options: dict[str, Any] | None,
        certificates: Certificates | None = None,
    ) -> None:
        """Serve until the end: blocks."""
        identity = self._identity
        self._control_socket = control_socket(identity.control)
        udp = receive_socket(self._control_socket) if identity.has_udp else None
        if udp is None and certificates is not None:
            text = "no WebTransport: the server was started without it, and is to be started again"
            _logger.warning(text, extra=self._about)
        elif udp is not None and certificates is None:
            udp.close()
        elif udp is not None:
            self._certificates = certificates
            key = bytes.fromhex(identity.key)
            self._datagrams = Datagrams(identity.directory, identity.number, udp, key)
        sock = socket.socket(fileno=self._identity.listening)
        os.set_inheritable(sock.fileno(), False)
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            if app is None:
                runner.run(self._serve(sock, ssl))
            else:
                runner.run(self._serve_hosted(sock, app, uvicorn_options or {}))

    # --- from the supervisor ----------------------------------------------------------------------

    def line_received(self, line: str) -> None:
        """The supervisor wants something."""
        if line == ASK:
            if self._control is not None:
                self._control.say(HERE)
            return
        drain = drain_of(line)
        if drain is not None:
            self._drain_period, self._successor = drain.seconds, drain.successor
            text = "%s is replaced, and ends with its sessions"
            _logger.info(text, self._name, extra=self._about)
            if self._router is not None:
                self._router.successor = self._successor
            if self._datagrams is not None and drain.takes_udp:
                self._datagrams.stop_taking()
            self._stop.set()

    def _signalled(self, *_: object) -> None:
        """All stop: if this one is being replaced it has less time now."""
        self._drain_period, self._successor = self._drain_when_stopped, None
        if self._router is not None:
            self._router.successor = None
        self._stop.set()
        if self._closing is not None and not self._closing.done():
            self._hastening = asyncio.ensure_future(self._served.engine.close(**self._how_long()))

    def _how_long(self) -> dict[str, float | None]:
        return {"drain_period": self._drain_period, "shutdown_timeout": self._shutdown_timeout}

    def other_gone(self) -> None:
        """There is no supervisor any more: a worker without one would be in nobody's hands."""
        if self._is_over:
            return
        _logger.error("the supervisor has ended: %s stops", self._name, extra=self._about)
        self._drain_period = 0.0
        if not self._stop.is_set():
            self._stop.set()
        elif self._closing is not None:
            self._closing.cancel()  # which cuts everything off

    @property
    def _name(self) -> str:
        """In the log: while a worker is replaced there are two with its number."""
        return f"worker {self._identity.index} (pid {os.getpid()})"

    @property
    def _about(self) -> dict[str, object]:
        """Fields of a record."""
        return known(worker=self._identity.index)

    # --- serving ----------------------------------------------------------------------------------

    async def _begin(self, host: Host | None) -> None:
        engine = self._served.engine
        engine.driver.bind(asyncio.get_running_loop())
        self._control = await connect_control(self._control_socket, self)
        identity = self._identity
        self._router = WorkerRouter(engine, identity.directory, identity.number, host)
        self._router.successor = self._successor
        self._router.start()
        if self._datagrams is not None:
            self._datagrams.start(engine.driver.loop)
        if engine.elsewhere is not None:
            await engine.elsewhere.wait_joined()
        if not await joined(self._served, JOIN_TIMEOUT):
            text = "%s serves, but not all others answer"
            _logger.warning(text, self._name, extra=self._about)

    def _is_serving(self) -> None:
        identity, pid = self._identity, os.getpid()
        text = "worker %d of %d serves (pid %d)"
        _logger.info(text, identity.index, identity.count, pid, extra=self._about)
        if self._control is not None:
            if self._datagrams is not None:
                self._control.say(TAKES_UDP)
            self._control.say(READY)

    async def _close(self) -> None:
        self._closing = asyncio.ensure_future(self._served.close(**self._how_long()))
        with contextlib.suppress(asyncio.CancelledError):
            await self._closing

    async def _end(self) -> None:
        self._is_over = True
        await close_drivers()
        if self._router is not None:
            self._router.close()
        if self._datagrams is not None:
            self._datagrams.close()
        if self._control is not None:
            self._control.close()

    async def _serve(self, sock: socket.socket, ssl: ssl_module.SSLContext | None) -> None:
        loop = asyncio.get_running_loop()
        engine = self._served.engine
        how: dict[str, Any] = {"backlog": ACCEPT_BACKLOG}
        if ssl is not None:
            how.update(ssl=ssl, ssl_handshake_timeout=engine.options.limits.head_timeout)
        with (
            supervising_signals(self._signalled, _nothing),
            self._served.stoppable(lambda: loop.call_soon_threadsafe(self._stop.set)),
            self._served.open_at(Listener.of(sock, is_secure=ssl is not None)),
        ):
            await self._begin(None)
            make = functools.partial(HttpConnection, engine, is_secure=ssl is not None)
            server = await loop.create_server(make, sock=sock, **how)
            udp = open_webtransport(
                engine,
                self._certificates,
                (),
                is_beside_tls=ssl is not None,
                shared=self._datagrams,
            )
            try:
                async with udp:
                    try:
                        self._is_serving()
                        await self._stop.wait()
                    finally:
                        server.close()
                        await self._close()
            finally:
                server.close()
                await self._end()

    async def _serve_hosted(
        self, sock: socket.socket, app: AsgiApp, uvicorn_options: dict[str, Any]
    ) -> None:
        loop = asyncio.get_running_loop()

        def signalled() -> None:
            loop.call_soon_threadsafe(self._signalled)

        server = hosted_server(
            self._served,
            app,
            sock,
            lambda listener: self._is_serving(),
            uvicorn_options,
            self._close,
            opening=self._begin,
            signalled=signalled,
            certificates=self._certificates,
            shared_udp=self._datagrams,
        )

        async def stop() -> None:
            await self._stop.wait()
            server.should_exit = True

        stopping = asyncio.create_task(stop())
        try:
            with (
                supervising_signals(self._signalled, _nothing),
                self._served.stoppable(self._stop.set),
                self._served.open_at(Listener.of(sock, is_secure=server.config.is_ssl)),
            ):
                await server.serve(sockets=[sock])
        finally:
            stopping.cancel()
            await self._end()
        if not server.started:
            raise SystemExit(3)


def _nothing() -> None:
    """At SIGHUP, which is for the supervisor, and must end nobody whom it reaches as well."""
