"""A chat in a browser page, made step by step in docs/tutorial.md.

`pip install sockwave starlette`, then `python examples/chat.py`.
"""

from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse
from starlette.routing import Route

from sockwave import ConnectError, Server, Socket

PAGE = Path(__file__).with_name("chat.html")
io = Server()


async def page(request: Request) -> FileResponse:
    return FileResponse(PAGE)


app = Starlette(routes=[Route("/", page)])


@io.use
async def ask_name(socket: Socket) -> None:
    name = str(socket.handshake.auth.get("name") or "").strip()
    if not name:
        raise ConnectError("Please give a name")
    socket.data["name"] = name[:30]


@io.on("connection")
async def connection(socket: Socket) -> None:
    socket.broadcast.emit("note", f"{socket.data['name']} is here")


@io.event
async def disconnect(socket: Socket, reason: str) -> None:
    io.emit("note", f"{socket.data['name']} has left")


@io.event
async def say(socket: Socket, text: str) -> str:
    socket.broadcast.emit("said", socket.data["name"], text)
    return "delivered"


if __name__ == "__main__":
    io.run(app=app)
