"""Step 1: the server is Sockwave, Flask is behind it; handlers are what they were.

`pip install sockwave[redis] flask flask-login a2wsgi`, `python step1.py`.

`in_flask` gives a handler what it had: a thread of its own, and Flask around it.
"""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from functools import wraps
from threading import Thread
from typing import Any

from a2wsgi import WSGIMiddleware
from flask import Blueprint, Flask
from flask.ctx import RequestContext
from flask_login import LoginManager, UserMixin, current_user, login_required, login_user

from sockwave import ConnectError, HandlerFailure, Server, Socket
from sockwave.adapters import PythonSocketIOAdapter

pages = Blueprint("pages", __name__)
login_manager = LoginManager()
redis = os.environ.get("REDIS_URL")  # with several processes
io = Server(adapter=PythonSocketIOAdapter(redis, channel="flask-socketio")) if redis else Server()
admin = io.of("/admin")


def flask_request(socket: Socket) -> RequestContext:
    """A request as that of the socket: its cookies, headers and address."""
    shake = socket.handshake
    return app.test_request_context(
        headers=dict(shake.headers), environ_base={"REMOTE_ADDR": shake.address}
    )


def in_flask(handler: Callable[..., Any]) -> Callable[..., Awaitable[Any]]:
    """Run a handler in a thread, where Flask is: `current_user`, `session`, `request`."""

    def run(socket: Socket, *args: Any) -> Any:
        with flask_request(socket):
            return handler(socket, *args)

    @wraps(handler)
    async def in_thread(socket: Socket, *args: Any) -> Any:
        return await asyncio.to_thread(run, socket, *args)

    return in_thread


class User(UserMixin):
    def __init__(self, name: str) -> None:
        self.id = name


@login_manager.user_loader
def load_user(name: str) -> User:
    return User(name)  # from the database, in a real application


@pages.post("/login/<name>")
def login(name: str) -> str:
    login_user(load_user(name))
    return ""


@pages.post("/announce/<text>")
@login_required
def announce(text: str) -> str:
    io.to("lobby").emit("announced", current_user.id, text)
    return ""


@io.use
@in_flask
def let_in(socket: Socket) -> None:
    if not current_user.is_authenticated:
        raise ConnectError("log in first")
    socket.data.update(name=current_user.id, said=0)


@io.on("connection")
def connect(socket: Socket) -> None:
    socket.join("lobby")
    socket.to("lobby").emit("joined", socket.data["name"])


@io.event
@in_flask
def say(socket: Socket, text: str) -> int:
    socket.data["said"] += 1
    socket.to("lobby").emit("said", current_user.id, text)
    return socket.data["said"]  # the acknowledgement


@io.event
@in_flask
def countdown(socket: Socket, start: int) -> None:
    Thread(target=count_down, args=[start, socket.id], daemon=True).start()


def count_down(start: int, sid: str) -> None:
    for left in range(start, 0, -1):
        io.to(sid).emit("left", left)
        time.sleep(0.1)


@io.event
@in_flask
def disconnect(socket: Socket, reason: str) -> None:
    io.to("lobby").emit("gone", current_user.id)


@io.on_error
def failed(error: BaseException, failure: HandlerFailure) -> None:
    failure.socket.emit("failed", type(error).__name__)


@admin.use
@in_flask
def root_only(socket: Socket) -> None:
    if current_user.get_id() != "root":
        raise ConnectError("for root only")


@admin.event
def close_lobby(socket: Socket) -> None:
    io.to("lobby").emit("closing")


def create_app() -> Flask:
    app = Flask(__name__)
    app.secret_key = os.environ.get("SECRET_KEY", "change me")
    app.register_blueprint(pages)
    login_manager.init_app(app)
    return app


app = create_app()

if __name__ == "__main__":
    io.run(app=WSGIMiddleware(app), port=int(os.environ.get("PORT", "3000")))
