"""The chat as one of three servers; docs/from-one-process-to-three-machines.md makes it.

`pip install sockwave[redis] starlette`, start Redis, then `python examples/three_machines.py`, or
what the page starts.
"""

import os
import secrets
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse
from starlette.routing import Route

from sockwave import ConnectError, Server, Socket
from sockwave.adapters import RedisStreamsAdapter

PAGE = Path(__file__).with_name("chat.html")
SERVER = os.environ.get("SERVER", "a")
CARRIER = os.environ.get("CARRIER", "redis://127.0.0.1:6379")


def session_id(request: object) -> str:
    return f"{secrets.token_urlsafe(15)}-{SERVER}"


io = Server(
    adapter=RedisStreamsAdapter(CARRIER),
    connection_state_recovery=True,
    generate_id=session_id,
    trusted_proxies=["127.0.0.1"],
)


async def page(request: Request) -> FileResponse:
    return FileResponse(PAGE)


async def health(request: Request) -> JSONResponse:
    return JSONResponse(
        {
            "server": SERVER,
            "clients": len(io.sockets),
            "servers": len(io.cluster.nodes),
            "is_healthy": io.cluster.is_healthy,
            "errors": io.cluster.errors,
        }
    )


app = Starlette(routes=[Route("/", page), Route("/health", health)])


@io.use
async def ask_name(socket: Socket) -> None:
    name = str(socket.handshake.auth.get("name") or "").strip()
    if not name:
        raise ConnectError("Please give a name")
    socket.data["name"] = name[:30]


@io.on("connection")
async def connection(socket: Socket) -> None:
    word = "is back" if socket.recovered else "is here"
    socket.broadcast.emit("note", f"{socket.data['name']} {word}")


@io.event
async def disconnect(socket: Socket, reason: str) -> None:
    io.emit("note", f"{socket.data['name']} has left")


@io.event
async def say(socket: Socket, text: str) -> str:
    socket.broadcast.emit("said", socket.data["name"], text)
    return "delivered"


@io.event
async def who(socket: Socket) -> list[str]:
    everybody = await io.fetch_sockets()
    return sorted(each.data["name"] for each in everybody)


if __name__ == "__main__":
    io.run(app=app)
