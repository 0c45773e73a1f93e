"""Whether an ASGI application has a server in it, for the word of `sockwave run` about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.routing import Mount

from sockwave import Server
from sockwave.cli.inside import has_server, name_of_server

if TYPE_CHECKING:
    from sockwave.engine.server.fronts.asgi import AsgiApp

io = Server()


async def plain(scope: Any, receive: Any, send: Any) -> None: ...


async def calling(scope: Any, receive: Any, send: Any) -> None:
    await io(scope, receive, send)


class Application:
    def __init__(self, app: AsgiApp) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope, receive, send)

    async def other(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope, receive, send)


def fastapi(*, is_mounted: bool) -> FastAPI:
    app = FastAPI()

    @app.get("/say")
    def say() -> None:
        io.emit("said")

    if is_mounted:
        app.mount("/ws", io)
    return app


@pytest.mark.parametrize(
    ("app", "found"),
    [
        (plain, False),
        (calling, True),
        (io.wrap(plain), True),
        (Application(plain), False),
        (Application(io), True),
        (Application(io.wrap(plain)).other, True),
        (Starlette(), False),
        (Starlette(routes=[Mount("/ws", io)]), True),
        (Starlette(routes=[Mount("/", Starlette(routes=[Mount("/ws", io)]))]), True),
        (Starlette(routes=[Mount("/a", io)], middleware=[Middleware(GZipMiddleware)]), True),
        (fastapi(is_mounted=True), True),
        (fastapi(is_mounted=False), False),
    ],
)
def test_server_is_found_where_requests_reach_it(app: object, found: bool) -> None:
    assert has_server(app) is found


def test_server_of_a_module_has_a_name() -> None:
    import tests.cli.test_inside as module

    assert name_of_server(module) == "io"
    assert name_of_server(pytest) is None
