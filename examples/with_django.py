"""Django (ASGI) and Socket.IO on one port; sockets know the session of the login.

`pip install sockwave django`, `python examples/with_django.py`, then
`curl -X POST http://127.0.0.1:3000/orders/soup`.

In a project, `asgi.py` makes `app`, and the settings are where they always are.
"""

import asyncio

from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import path

from sockwave import Server, Socket

settings.configure(
    ALLOWED_HOSTS=["*"],
    MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="change me",
    SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
)
app = get_asgi_application()
io = Server()
running: set[asyncio.Task[None]] = set()


def login(request: HttpRequest, name: str) -> HttpResponse:
    request.session["name"] = name
    return HttpResponse()


async def order(request: HttpRequest, dish: str) -> HttpResponse:
    io.emit("ordered", dish)  # from a view; a plain `def` may emit too
    running.add(task := asyncio.create_task(cook(dish)))
    task.add_done_callback(running.discard)
    return HttpResponse()


async def cook(dish: str) -> None:
    io.emit("cooking", dish)  # from a background task
    await asyncio.to_thread(io.emit, "ready", dish)  # from another thread


@io.on("connection")
async def connection(socket: Socket) -> None:
    from django.contrib.sessions.backends.signed_cookies import SessionStore  # needs the settings

    session = SessionStore(socket.handshake.cookies.get(settings.SESSION_COOKIE_NAME))
    socket.emit("welcome", await session.aget("name", "guest"))


urlpatterns = [path("login/<name>", login), path("orders/<dish>", order)]

if __name__ == "__main__":
    io.run(app=app)
