"""Step 0: a chat with logins, as it is today, on Flask-SocketIO.

`pip install flask-socketio flask-login simple-websocket redis`, `python step0.py`, then
`curl -c jar -X POST http://127.0.0.1:3000/login/ada` gives you the cookie of somebody logged in.
"""

import os

from flask import Blueprint, Flask, request, session
from flask_login import LoginManager, UserMixin, current_user, login_required, login_user
from flask_socketio import ConnectionRefusedError, Namespace, SocketIO, emit, join_room

pages = Blueprint("pages", __name__)
login_manager = LoginManager()
socketio = SocketIO()


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
    socketio.emit("announced", (current_user.id, text), to="lobby")
    return ""


@socketio.on("connect")
def connect() -> None:
    if not current_user.is_authenticated:
        raise ConnectionRefusedError("log in first")
    session["said"] = 0
    join_room("lobby")
    emit("joined", current_user.id, to="lobby", include_self=False)


@socketio.event
def say(text: str) -> int:
    session["said"] += 1
    emit("said", (current_user.id, text), to="lobby", include_self=False)
    return session["said"]  # the acknowledgement


@socketio.event
def countdown(start: int) -> None:
    socketio.start_background_task(count_down, start, request.sid)


def count_down(start: int, sid: str) -> None:
    for left in range(start, 0, -1):
        socketio.emit("left", left, to=sid)
        socketio.sleep(0.1)


@socketio.on("disconnect")
def disconnect(reason: str) -> None:
    emit("gone", current_user.id, to="lobby")


@socketio.on_error_default
def failed(error: Exception) -> None:
    emit("failed", type(error).__name__)


class Admin(Namespace):
    def on_connect(self) -> None:
        if current_user.get_id() != "root":
            raise ConnectionRefusedError("for root only")

    def on_close_lobby(self) -> None:
        socketio.emit("closing", to="lobby")


socketio.on_namespace(Admin("/admin"))


def create_app() -> Flask:
    app = Flask(__name__)
    app.secret_key = os.environ.get("SECRET_KEY", "change me")
    app.register_blueprint(pages)
    login_manager.init_app(app)
    socketio.init_app(app, message_queue=os.environ.get("REDIS_URL"))  # with several processes
    return app


if __name__ == "__main__":
    port = int(os.environ.get("PORT", "3000"))
    socketio.run(create_app(), port=port, allow_unsafe_werkzeug=True)
