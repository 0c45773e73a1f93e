"""FastAPI and Socket.IO on one port; sockets know the session of the login.

`pip install sockwave fastapi itsdangerous`, `python examples/with_fastapi.py`, then
`curl -X POST http://127.0.0.1:3000/orders/soup`.
"""

import json
from base64 import b64decode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import BackgroundTasks, FastAPI, Request
from itsdangerous import TimestampSigner
from starlette.middleware.sessions import SessionMiddleware

from sockwave import Server, Socket

io = Server()
signer = TimestampSigner("change me")


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    print("the kitchen opens")
    yield
    print("the kitchen closes")


app = FastAPI(lifespan=lifespan)
app.add_middleware(SessionMiddleware, secret_key="change me", max_age=86_400)


@app.post("/login/{name}")
async def login(name: str, request: Request) -> None:
    request.session["name"] = name


@app.post("/orders/{dish}")
async def order(dish: str, tasks: BackgroundTasks) -> None:
    io.emit("ordered", dish)  # from a route
    tasks.add_task(cook, dish)
    tasks.add_task(io.emit, "ready", dish)  # from another thread: FastAPI runs a plain `def` in one


async def cook(dish: str) -> None:
    io.emit("cooking", dish)  # from a background task


@io.on("connection")
def connection(socket: Socket) -> None:
    cookie = socket.handshake.cookies.get("session", "")  # signed by SessionMiddleware
    is_valid = signer.validate(cookie, max_age=86_400)
    session = json.loads(b64decode(signer.unsign(cookie))) if is_valid else {}
    socket.emit("welcome", session.get("name", "guest"))


if __name__ == "__main__":
    io.run(app=app)
