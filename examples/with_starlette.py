"""Starlette with Socket.IO mounted at /ws, behind the middleware of the application.

`pip install sockwave starlette itsdangerous`, `python examples/with_starlette.py`, then
`curl -X POST http://127.0.0.1:3000/orders/soup`.

Clients give the path: `io("http://127.0.0.1:3000", {path: "/ws/"})`.
"""

import asyncio

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route

from sockwave import Server, Socket

io = Server()


async def login(request: Request) -> Response:
    request.session["name"] = request.path_params["name"]
    return Response()


async def order(request: Request) -> Response:
    dish = request.path_params["dish"]
    io.emit("ordered", dish)  # from a route
    return Response(background=BackgroundTask(cook, dish))


async def cook(dish: str) -> None:
    io.emit("cooking", dish)  # from a background task
    await asyncio.to_thread(io.emit, "ready", dish)  # from another thread


@io.on("connection")
def connection(socket: Socket) -> None:
    scope = socket.handshake.request.scope or {}  # as the middleware has filled it in
    socket.emit("welcome", scope.get("session", {}).get("name", "guest"))


app = Starlette(
    routes=[
        Route("/login/{name}", login, methods=["POST"]),
        Route("/orders/{dish}", order, methods=["POST"]),
        Mount("/ws", io),
    ]
)
app.add_middleware(SessionMiddleware, secret_key="change me")

if __name__ == "__main__":
    io.run(app=app)
