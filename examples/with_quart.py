"""Quart and Socket.IO on one port; sockets know the session of the login.

`pip install sockwave quart`, `python examples/with_quart.py`, then
`curl -X POST http://127.0.0.1:3000/orders/soup`.
"""

from collections.abc import AsyncGenerator

from itsdangerous import BadSignature
from quart import Quart, session
from quart.sessions import SecureCookieSessionInterface

from sockwave import Server, Socket

io = Server()
app = Quart(__name__)
app.secret_key = "change me"


@app.while_serving
async def kitchen() -> AsyncGenerator[None, None]:
    print("the kitchen opens")
    yield
    print("the kitchen closes")


@app.post("/login/<name>")
async def login(name: str) -> str:
    session["name"] = name
    return ""


@app.post("/orders/<dish>")
async def order(dish: str) -> str:
    io.emit("ordered", dish)  # from a route
    app.add_background_task(cook, dish)
    app.add_background_task(io.emit, "ready", dish)  # from another thread: it is a plain `def`
    return ""


async def cook(dish: str) -> None:
    io.emit("cooking", dish)  # from a background task


@io.on("connection")
def connection(socket: Socket) -> None:
    serializer = SecureCookieSessionInterface().get_signing_serializer(app)
    assert serializer is not None  # there is a secret key
    try:
        known = serializer.loads(socket.handshake.cookies.get("session", ""))
    except BadSignature:
        known = {}
    socket.emit("welcome", known.get("name", "guest"))


if __name__ == "__main__":
    io.run(app=app)
