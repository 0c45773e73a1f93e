"""Flask and Socket.IO on one port; sockets know the session of the login.

`pip install sockwave flask a2wsgi`, `python examples/with_flask.py`, then
`curl -X POST http://127.0.0.1:3000/orders/soup`.

Flask is WSGI, so an adapter makes it ASGI. a2wsgi runs ten requests at a time, each in a thread;
asgiref's WsgiToAsgi runs all of them in one thread, and knows no lifespan.
"""

from threading import Thread

from a2wsgi import WSGIMiddleware
from flask import Flask, session
from flask.sessions import SecureCookieSessionInterface
from itsdangerous import BadSignature

from sockwave import Server, Socket

io = Server()
app = Flask(__name__)
app.secret_key = "change me"


@app.post("/login/<name>")
def login(name: str) -> str:
    session["name"] = name
    return ""


@app.post("/orders/<dish>")
def order(dish: str) -> str:
    io.emit("ordered", dish)  # from a route, in a thread of the adapter
    Thread(target=cook, args=[dish]).start()
    return ""


def cook(dish: str) -> None:
    io.emit("cooking", dish)  # from another thread
    io.emit("ready", dish)


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
    io.run(app=WSGIMiddleware(app))
