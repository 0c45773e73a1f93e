"""The public engine: rules and sessions, with the ways to put them on a port."""

from __future__ import annotations

from sockwave.engine.server.engine import EngineServer
from sockwave.engine.server.serving import Servable

__all__ = ["Engine"]


class Engine(EngineServer, Servable):
    """An Engine.IO 4 server.

    Options are those of `EngineOptions`; wrong ones raise ValueError or TypeError here.

    It can be run (`run`), opened inside an event loop (`listen`), and is an ASGI application.
    """

    @property
    def engine(self) -> EngineServer:
        """Itself."""
        return self
