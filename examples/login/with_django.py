"""Django and Socket.IO with one login: sockets know the user of the session.

`pip install sockwave django`, `python examples/login/with_django.py`, then
`curl -c jar -X POST http://127.0.0.1:3000/login/ada`; a page of the same site connects with `io()`.

In a project the settings are where they always are, `asgi.py` makes `app`, and views of Django's
own log in and out.
"""

import asyncio
import functools
import os
from collections.abc import Callable
from importlib import import_module
from typing import Any

import django
from django.conf import settings
from django.contrib.auth import alogin, alogout, get_user, get_user_model
from django.contrib.auth.signals import user_logged_out
from django.core.asgi import get_asgi_application
from django.core.management import call_command
from django.db import close_old_connections
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse
from django.urls import path

from sockwave import ConnectError, Server, Socket

settings.configure(
    ALLOWED_HOSTS=["*"],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": os.environ.get("DATABASE", "login.sqlite3"),
        }
    },
    INSTALLED_APPS=[f"django.contrib.{name}" for name in ("auth", "contenttypes", "sessions")],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ],
    ROOT_URLCONF=__name__,
    SECRET_KEY="for trying only",
)
django.setup()
app = get_asgi_application()
io = Server()


def with_database(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let a function use the database in any thread: Django closes old connections around views,
    and nobody does so around what is none."""

    @functools.wraps(function)
    def run(*args: Any) -> Any:
        close_old_connections()
        try:
            return function(*args)
        finally:
            close_old_connections()

    return run


@with_database
def find_user(key: str | None) -> Any:
    """The user of a session, or an anonymous one; by the session engine of the settings."""
    request = HttpRequest()
    request.session = import_module(settings.SESSION_ENGINE).SessionStore(key)
    return get_user(request)  # also compares the password: who changed it is logged out elsewhere


@io.use
async def admit(socket: Socket) -> None:
    key = socket.handshake.cookies.get(settings.SESSION_COOKIE_NAME)
    user = await asyncio.to_thread(find_user, key)
    if not user.is_authenticated:
        raise ConnectError("log in first")
    socket.data.update(user=user.pk, name=user.get_username())


@io.on("connection")
def connection(socket: Socket) -> None:
    socket.join(f"user:{socket.data['user']}")
    socket.emit("welcome", socket.data["name"])


@io.event(thread=True)
@with_database
def rename(socket: Socket, name: str) -> str:
    """A handler with Django's ORM, in a thread."""
    user = get_user_model().objects.get(pk=socket.data["user"])
    user.first_name = name
    user.save(update_fields=["first_name"])
    return str(user.get_full_name())


@receiver(user_logged_out)
def end_sockets(sender: Any, user: Any, **_: Any) -> None:
    if user is not None:
        io.in_(f"user:{user.pk}").disconnect_sockets(close=True)  # on all devices


async def login(request: HttpRequest, name: str) -> HttpResponse:
    user, _ = await get_user_model().objects.aget_or_create(username=name)
    await alogin(request, user)  # here a password was checked
    return HttpResponse()


async def logout(request: HttpRequest) -> HttpResponse:
    await alogout(request)
    return HttpResponse()


urlpatterns = [path("login/<name>", login), path("logout", logout)]

if __name__ == "__main__":
    call_command("migrate", verbosity=0)
    io.run(app=app)
