"""Whether a server is well: for balancers, for Kubernetes, and for whoever asks.

    io = Server(health="/health")       # answers /health/live and /health/ready on its port

    health = io.health()
    if not health.ready:
        print([reason.text for reason in health.reasons])

*Live* means that the process works: what is not live should be started anew. *Ready* means that it
should get new clients: what is not ready is left alone, keeps the clients that it has, and comes
back by itself.

Theory. Each look asks those who know: the engine whether it stops, the cluster whether it hears,
the driver how many connections there are. Only how late the event loop is needs watching from
before, by an observer of `LoopLag`; `watch` begins with it. Whoever asks in the event loop sees
that it turns; another thread sees when it has turned last.
"""

from __future__ import annotations

import json
import os
import time
from collections import deque
from contextlib import ExitStack
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from sockwave.observe import LoopLag
from sockwave.socketio.server.health_values import Health, HealthOptions, HealthReason

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    from sockwave.engine.core.request import Request
    from sockwave.engine.server.beside import FileHandler, Paths
    from sockwave.socketio.server.server import Server

__all__ = ["Health", "HealthApp", "HealthOptions", "HealthReason", "HealthWatch", "watch"]

LOOKS: Final = 3
"""So many times in a row the loop must be late."""

DESCRIPTORS_KEPT: Final = 1.0
"""Seconds for which it is known how many descriptors are free."""

HEADERS: Final = (
    ("Content-Type", "application/json"),
    ("Cache-Control", "no-store"),
    ("X-Content-Type-Options", "nosniff"),
)


def watch(server: Server, options: HealthOptions) -> HealthWatch:
    """Begin to watch a server."""
    return HealthWatch(server, options)


class HealthWatch:
    """Looks after one server.

    Args:
        server: Which; it may begin later, and again.
        options: What its health takes.
        clock: Monotonic seconds, which go on while the event loop does not.
    """

    def __init__(
        self,
        server: Server,
        options: HealthOptions,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.options = options
        self._server = server
        self._clock = clock
        self._lags: deque[float] = deque(maxlen=LOOKS)
        self._loop: object = None
        self._turned = clock()
        self._nodes = 1
        self._descriptors: tuple[float, bool] | None = None
        server.observe(LoopLag)(self._loop_looked)

    def _loop_looked(self, seen: LoopLag) -> None:
        loop = self._server.engine.driver.loop
        if loop is not self._loop:
            self._loop = loop
            self._lags.clear()
        self._turned = self._clock()
        self._lags.append(seen.seconds)

    # --- the look ---------------------------------------------------------------------------------

    def look(self) -> Health:
        """Say how it is now; may be called from any thread, and never waits."""
        engine = self._server.engine
        driver = engine.driver
        stuck = self._stuck()
        reasons = [*stuck, *self._life(), *self._cluster(), *self._load()]
        return Health(
            live=not stuck,
            ready=not reasons,
            reasons=tuple(reasons),
            sessions=len(engine.sessions),
            connections=driver.open_connections,
            max_connections=driver.max_connections,
            backlog=driver.backlog,
            nodes=self._count_nodes(),
            loop_lag=self._lags[-1] if self._lags else None,
        )

    def _count_nodes(self) -> int:
        try:
            self._nodes = len(self._server.cluster.nodes)
        except RuntimeError:  # they change in the loop's thread, and this is another one
            pass
        return self._nodes

    def _stuck(self) -> list[HealthReason]:
        driver = self._server.engine.driver
        if not driver.has_begun or not driver.is_foreign_thread():
            return []
        passed = self._clock() - self._turned
        if not self._lags or passed <= self.options.stuck_after:
            return []
        return [
            HealthReason(name="stuck", text=f"the event loop has not turned for {passed:.0f} s")
        ]

    def _life(self) -> list[HealthReason]:
        engine = self._server.engine
        if engine.is_stopping or self._server.is_closing:
            return [HealthReason(name="draining", text="the server stops: it takes no new clients")]
        if not engine.driver.has_begun:
            return [HealthReason(name="starting", text="the server does not serve")]
        return []

    def _cluster(self) -> list[HealthReason]:
        if not self.options.needs_cluster or not self._server.cluster.is_deaf:
            return []
        text = "the other servers are not heard: the carrier between them is away, or deaf"
        return [HealthReason(name="cluster", text=text)]

    def _load(self) -> list[HealthReason]:
        options, driver = self.options, self._server.engine.driver
        reasons = []
        if len(self._lags) == LOOKS and (least := min(self._lags)) > options.max_loop_lag:
            text = f"the event loop is late by {least:.2f} s or more"
            reasons.append(HealthReason(name="loop_lag", text=text))
        if driver.open_connections > options.max_connections * driver.max_connections:
            text = f"{driver.open_connections} of {driver.max_connections} connections are open"
            reasons.append(HealthReason(name="connections", text=text))
        if not self._has_spare_descriptors():
            text = f"fewer than {options.spare_descriptors} file descriptors are free"
            reasons.append(HealthReason(name="descriptors", text=text))
        return reasons

    def _has_spare_descriptors(self) -> bool:
        now = self._clock()
        if self._descriptors is None or now - self._descriptors[0] >= DESCRIPTORS_KEPT:
            self._descriptors = now, has_spare_descriptors(self.options.spare_descriptors)
        return self._descriptors[1]

    # --- answers ----------------------------------------------------------------------------------

    def paths(self) -> Paths:
        """What answers at the paths of the options."""
        path = self.options.path
        return {} if path is None else {path + name: self._handler(name) for name in QUESTIONS}

    def _handler(self, name: str) -> FileHandler:
        return lambda request: self.respond(name, request)

    def respond(self, name: str, request: Request) -> tuple[int, list[tuple[str, str]], bytes]:
        """Answer a question of `QUESTIONS`; the body is there for HEAD, too."""
        return self.answer(name, request.method)

    def answer(self, name: str, method: str) -> tuple[int, list[tuple[str, str]], bytes]:
        """Status, headers and body: 200 or 503, and the reasons as JSON."""
        if method not in ("GET", "HEAD"):
            return 405, [*HEADERS, ("Allow", "GET, HEAD")], b'{"error":"method not allowed"}'
        health = self.look()
        is_well = health.live if name == "/live" else health.ready
        told = () if is_well else health.reasons
        if name == "/live":
            told = tuple(reason for reason in told if reason.name == "stuck")
        body = {
            "live" if name == "/live" else "ready": is_well,
            "reasons": [asdict(reason) for reason in told],
        }
        return 200 if is_well else 503, [*HEADERS], json.dumps(body).encode()


QUESTIONS: Final = ("", "/live", "/ready")
"""Behind the path; without one it is asked whether the server is ready."""


def has_spare_descriptors(wanted: int) -> bool:
    """Whether so many files could be opened now: they are, and closed again.

    How many are open cannot be asked everywhere, and takes long where they are many.
    """
    with ExitStack() as opened:
        try:
            if wanted:
                first = os.open(os.devnull, os.O_RDONLY)
                opened.callback(os.close, first)
            for _ in range(wanted - 1):
                opened.callback(os.close, os.dup(first))
        except OSError:
            return False
    return True


class HealthApp:
    """An ASGI application that answers about a server, for a port of its own or a mount.

    Paths that end in `/live` or `/ready` ask for that; the path of its own mount, or `/`, asks
    whether the server is ready.

    Args:
        watch: Of the server.
    """

    def __init__(self, watch: HealthWatch) -> None:
        self._watch = watch

    async def __call__(
        self,
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
        send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
    ) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1000})
        elif scope["type"] == "http":
            status, headers, body = self._answer(scope)
            raw = [(name.lower().encode(), value.encode()) for name, value in headers]
            raw.append((b"content-length", str(len(body)).encode()))
            await send({"type": "http.response.start", "status": status, "headers": raw})
            body = b"" if scope["method"] == "HEAD" else body
            await send({"type": "http.response.body", "body": body})

    def _answer(self, scope: MutableMapping[str, Any]) -> tuple[int, list[tuple[str, str]], bytes]:
        root = scope.get("root_path", "").rstrip("/")
        name = scope["path"].removeprefix(root).rstrip("/")
        own = self._watch.options.path
        if own is not None:
            name = name.removeprefix(own)
        if name not in QUESTIONS:
            return 404, [*HEADERS], b'{"error":"not found"}'
        return self._watch.answer(name, scope["method"])


async def _lifespan(
    receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
    send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
