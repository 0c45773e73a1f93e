"""Applications of frameworks with an echo server mounted at /ws, as docs/hosting.md says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.support.apps import echo_server

if TYPE_CHECKING:
    from sockwave.engine.server.fronts.asgi import AsgiApp

io, _ = echo_server()


def starlette() -> AsgiApp:
    """Make a Starlette application."""
    from starlette.applications import Starlette
    from starlette.routing import Mount

    return Starlette(routes=[Mount("/ws", io)])


def fastapi() -> AsgiApp:
    """Make a FastAPI application."""
    from fastapi import FastAPI

    app = FastAPI()
    app.mount("/ws", io)
    return app


def litestar() -> AsgiApp:
    """Make a Litestar application."""
    from litestar import Litestar, asgi

    @asgi("/ws", is_mount=True, copy_scope=True)
    async def realtime(scope: Any, receive: Any, send: Any) -> None:
        await io(scope, receive, send)

    return Litestar([realtime])
