"""aiohttp's server and Socket.IO in one event loop, each on a port of its own.

`pip install sockwave aiohttp`, `python examples/with_aiohttp.py`, then
`curl -X POST http://127.0.0.1:3000/orders/soup`.

aiohttp is no ASGI application, so both cannot share a port. For a browser another port is another
origin: `cors` names the page's. Cookies know no ports, they reach both.
"""

import asyncio
import os
from collections.abc import AsyncIterator

from aiohttp import web

from sockwave import Cors, Server, Socket

PORT = int(os.environ.get("PORT", "3000"))
io = Server(cors=Cors(origin=f"http://127.0.0.1:{PORT}", credentials=True))
routes = web.RouteTableDef()
running: set[asyncio.Task[None]] = set()


@routes.post("/login/{name}")
async def login(request: web.Request) -> web.Response:
    response = web.Response()
    response.set_cookie("name", request.match_info["name"], httponly=True, samesite="Lax")
    return response


@routes.post("/orders/{dish}")
async def order(request: web.Request) -> web.Response:
    io.emit("ordered", dish := request.match_info["dish"])  # from a route
    running.add(task := asyncio.create_task(cook(dish)))
    task.add_done_callback(running.discard)
    return web.Response()


async def cook(dish: str) -> None:
    io.emit("cooking", dish)  # from a background task
    await asyncio.to_thread(io.emit, "ready", dish)  # from another thread


@io.on("connection")
def connection(socket: Socket) -> None:
    socket.emit("welcome", socket.handshake.cookies.get("name", "guest"))


async def socketio(app: web.Application) -> AsyncIterator[None]:
    async with io.listen("127.0.0.1", PORT + 1):
        yield


app = web.Application()
app.add_routes(routes)
app.cleanup_ctx.append(socketio)

if __name__ == "__main__":
    web.run_app(app, host="127.0.0.1", port=PORT)
