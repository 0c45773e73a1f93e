"""FastAPI and Socket.IO with one login: the same token for requests and for sockets.

`pip install sockwave fastapi pyjwt`, `python examples/login/with_fastapi.py`, then
`curl -X POST http://127.0.0.1:3000/login/ada` gives a token. Requests bring it in a header,
`Authorization: Bearer ...`, and the client as `io({ auth: { token } })`.
"""

import os
import time
from typing import Annotated

import jwt
from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from sockwave import ConnectError, Server, Socket

KEY = os.environ.get("TOKEN_KEY", "for trying only, never in a server that others can reach")
io = Server()
app = FastAPI()


def user_of(token: str) -> str:
    """Whose token it is.

    Raises:
        jwt.InvalidTokenError: It is none of ours, or too old.
    """
    claims = jwt.decode(token, KEY, algorithms=["HS256"], options={"require": ["exp", "sub"]})
    return str(claims["sub"])


def current_user(bearer: Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())]) -> str:
    """The dependency of routes."""
    try:
        return user_of(bearer.credentials)
    except jwt.InvalidTokenError:
        raise HTTPException(401, "log in first") from None


User = Annotated[str, Depends(current_user)]


@io.use
def admit(socket: Socket) -> None:
    """The same for sockets."""
    try:
        socket.data["user"] = user_of(socket.handshake.auth.get("token", ""))
    except jwt.InvalidTokenError:
        raise ConnectError("log in first") from None


@app.post("/login/{name}")
async def login(name: str) -> str:  # here a password is checked, or a login elsewhere
    return jwt.encode({"sub": name, "exp": time.time() + 900}, KEY, algorithm="HS256")


@app.post("/say/{text}")
async def say(text: str, user: User) -> None:
    io.emit("said", user, text)


@app.post("/leave")
async def leave(user: User) -> None:
    io.in_(f"user:{user}").disconnect_sockets(close=True)  # on all devices, on all servers


@io.on("connection")
def connection(socket: Socket) -> None:
    socket.join(f"user:{socket.data['user']}")
    socket.emit("welcome", socket.data["user"])


if __name__ == "__main__":
    io.run(app=app)
