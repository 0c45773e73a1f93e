"""Litestar and Socket.IO on one port; sockets know the session of the login.

`pip install sockwave litestar`, `python examples/with_litestar.py`, then
`curl -X POST http://127.0.0.1:3000/orders/soup`.
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from litestar import Litestar, Request, Response, post
from litestar.background_tasks import BackgroundTask, BackgroundTasks
from litestar.middleware.session.server_side import ServerSideSessionConfig

from sockwave import Server, Socket

io = Server()
sessions = ServerSideSessionConfig()


@asynccontextmanager
async def lifespan(app: Litestar) -> AsyncIterator[None]:
    print("the kitchen opens")
    yield
    print("the kitchen closes")


@post("/login/{name:str}")
async def login(name: str, request: Request[Any, Any, Any]) -> None:
    request.session["name"] = name


@post("/orders/{dish:str}")
async def order(dish: str) -> Response[None]:
    io.emit("ordered", dish)  # from a route
    ready = BackgroundTask(io.emit, "ready", dish)  # from another thread: it is a plain `def`
    return Response(None, background=BackgroundTasks([BackgroundTask(cook, dish), ready]))


async def cook(dish: str) -> None:
    io.emit("cooking", dish)  # from a background task


app = Litestar([login, order], lifespan=[lifespan], middleware=[sessions.middleware])


@io.on("connection")
async def connection(socket: Socket) -> None:
    id_ = socket.handshake.cookies.get(sessions.key, "")
    session = json.loads(await sessions.get_store_from_app(app).get(id_) or "{}")
    socket.emit("welcome", session.get("name", "guest"))


if __name__ == "__main__":
    io.run(app=app)
