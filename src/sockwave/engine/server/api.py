"""The public engine: rules and sessions, with the ways to put them on a port."""

from __future__ import annotations

from sockwave.engine.server.engine import EngineServer
from sockwave.engine.server.fronts.serving import Servable

__all__ = ["Engine"]


class Engine(EngineServer, Servable):
    """An Engine.IO 4 server.

    Options are those of `EngineOptions`; wrong ones raise ValueError or TypeError here.

    It can be run (`run`), opened inside an event loop (`listen`), and is an ASGI application.

    Events: `connection` (session); `connection_error` (HandshakeFailure); `initial_headers` and
    `headers` (headers, request), for the first answer of a session and for all, whose name and
    value pairs plain functions may change; `closing` (nothing), when `close` begins. The
    description of `EngineServer` has them at length.
    """

    @property
    def engine(self) -> EngineServer:
        """The engine that takes the requests: itself."""
        return self
