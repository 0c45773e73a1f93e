"""Step 2: Flask is asked once for each socket; then handlers are plain asyncio.

`pip install sockwave[redis] flask flask-login a2wsgi`, `python step2.py`.
"""

import asyncio
import os

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
countdowns: set[asyncio.Task[None]] = set()


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


def flask_request(socket: Socket) -> RequestContext:
    """A request as that of the socket: its cookies, headers and address."""
    shake = socket.handshake
    return app.test_request_context(
        headers=dict(shake.headers), environ_base={"REMOTE_ADDR": shake.address}
    )


def user_of(socket: Socket) -> str | None:
    """Who is logged in: what Flask says about the headers that the socket came with."""
    with flask_request(socket):
        return current_user.get_id()


@io.use
async def let_in(socket: Socket) -> None:
    name = await asyncio.to_thread(user_of, socket)  # it may ask the database
    if name is None:
        raise ConnectError("log in first")
    socket.data.update(name=name, said=0)


@io.on("connection")
def connect(socket: Socket) -> None:
    socket.join("lobby")
    socket.to("lobby").emit("joined", socket.data["name"])


@io.event
async def say(socket: Socket, text: str) -> int:
    socket.data["said"] += 1
    socket.to("lobby").emit("said", socket.data["name"], text)
    return socket.data["said"]  # the acknowledgement


@io.event
async def countdown(socket: Socket, start: int) -> None:
    task = asyncio.create_task(count_down(start, socket))
    countdowns.add(task)  # asyncio itself does not keep tasks
    task.add_done_callback(countdowns.discard)


async def count_down(start: int, socket: Socket) -> None:
    for left in range(start, 0, -1):
        socket.emit("left", left)
        await asyncio.sleep(0.1)


@io.event
async def disconnect(socket: Socket, reason: str) -> None:
    io.to("lobby").emit("gone", socket.data["name"])


@io.on_error
def failed(error: BaseException, failure: HandlerFailure) -> None:
    failure.socket.emit("failed", type(error).__name__)


@admin.use
async def root_only(socket: Socket) -> None:
    if await asyncio.to_thread(user_of, socket) != "root":
        raise ConnectError("for root only")


@admin.event
async def close_lobby(socket: Socket) -> None:
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
