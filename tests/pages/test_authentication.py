"""The programs of `docs/authentication.md` run, and keep out whom they should.

`tests/live/test_lock_out.py` runs the last two over workers and Redis, `tests/test_logins.py` those
in `examples/login`.
"""

from __future__ import annotations

import asyncio
import base64
import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any, Final

import pytest

from sockwave import ConnectError, TransportError
from sockwave.testing import LinkedClient
from tests.support.documents import blocks
from tests.support.peers import package

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sockwave import Server

CODE: Final = blocks("authentication.md", "python")
SHAPE, COOKIE, TOKEN, REFRESHED, FASTAPI, DJANGO, NAMESPACES, EVENTS, END, EMITTER = CODE
SOON: Final = 900.0


def program(code: str) -> dict[str, Any]:
    """The names of a program of the page."""
    names: dict[str, Any] = {}
    exec(compile(code, "authentication.md", "exec"), names)
    return names


async def refused(io: Server, *, because: str, namespace: str = "/", **client: Any) -> None:
    with pytest.raises(ConnectError, match=because):
        await LinkedClient(io, namespace, **client).connect()


async def heard(client: LinkedClient, event: str) -> Any:
    name, args = await client.received()
    assert name == event
    return args[0]


async def test_shape_of_all() -> None:
    io = program(SHAPE)["io"]
    async with LinkedClient(io, auth={"token": "s3cret"}) as ada:
        assert await heard(ada, "welcome") == "ada"
    for auth in (None, {"token": "other"}):
        client = LinkedClient(io, auth=auth)
        with pytest.raises(ConnectError, match="log in first") as caught:
            await client.connect()
        assert caught.value.data == {"login": "/login"}


async def test_cookie_of_the_session() -> None:
    package("itsdangerous")
    names = program(COOKIE)
    io = names["io"]

    def cookie(session: dict[str, str]) -> dict[str, str]:
        value = base64.b64encode(json.dumps(session).encode())
        return {"cookie": f"session={names['signer'].sign(value).decode()}"}

    async with LinkedClient(io, headers=cookie({"user": "ada"})):
        ((_, socket),) = io.sockets.items()
        assert socket.data == {"user": "ada"}
    await refused(io, because="log in first", headers=cookie({}))
    await refused(io, because="log in first", headers={"cookie": "session=eyJ1c2VyIjoiYWRhIn0="})
    await refused(io, because="log in first")


def tokens_of(names: dict[str, Any]) -> Callable[..., str]:
    import jwt

    def make(sub: str, seconds: float = SOON, **more: Any) -> str:
        claims = {"sub": sub, "exp": time.time() + seconds, **more}
        return jwt.encode(claims, names["KEY"], algorithm="HS256")

    return make


async def test_signed_token() -> None:
    package("jwt")
    names = program(TOKEN)
    io, token = names["io"], tokens_of(names)
    async with LinkedClient(io, auth={"token": token("ada", aud="chat")}):
        ((_, socket),) = io.sockets.items()
        assert socket.data == {"user": "ada"}
    for wrong in (
        token("ada"),
        token("ada", aud="mail"),
        token("ada", -1, aud="chat"),
        "",
        5,
        None,
    ):
        await refused(io, because="log in first", auth={"token": wrong})
    await refused(io, because="log in first")


async def test_token_is_renewed_while_the_client_is_connected() -> None:
    package("jwt")
    names = program(REFRESHED)
    io, token = names["io"], tokens_of(names)
    names["EARLY"] = SOON - 1  # the server asks for the next one at once, and then has time
    async with LinkedClient(io, auth={"token": token("ada", 10)}) as ada:
        ada.on("token please", lambda: token("ada", 2 * SOON))
        while not (sockets := list(io.sockets.values())):
            await asyncio.sleep(0)
        while sockets[0].data["expires"] < time.time() + SOON:
            await asyncio.sleep(0)
        assert ada.sid


@pytest.mark.parametrize("kind", ["the same", "old", "of somebody else", "none"])
async def test_who_has_no_new_token_is_let_go(kind: str) -> None:
    package("jwt")
    names = program(REFRESHED)
    io, token = names["io"], tokens_of(names)
    names["EARLY"] = SOON
    first = token("ada", 10)
    answers = {
        "the same": first,
        "old": token("ada", -1),
        "of somebody else": token("grace", 2 * SOON),
        "none": None,
    }
    async with LinkedClient(io, auth={"token": first}) as ada:
        ada.on("token please", lambda: answers[kind])
        await ada.disconnected()
    await refused(io, because="log in first", auth={"token": answers["old"]})


async def test_who_leaves_is_asked_for_no_token() -> None:
    package("jwt")
    names = program(REFRESHED)
    io, token = names["io"], tokens_of(names)
    others = asyncio.all_tasks()
    async with LinkedClient(io, auth={"token": token("ada")}):
        assert [task for task in asyncio.all_tasks() - others if "renew" in repr(task)]
    while [task for task in asyncio.all_tasks() - others if "renew" in repr(task)]:
        await asyncio.sleep(0)


async def test_dependency_of_fastapi() -> None:
    package("fastapi")
    package("jwt")
    names = program(FASTAPI)
    io, token = names["io"], tokens_of(names)
    import httpx

    async with LinkedClient(io, auth={"token": token("ada")}) as ada:
        transport = httpx.ASGITransport(names["app"])
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
            for wrong in (token("ada", -1), "none"):
                reply = await http.post("/say/no", headers={"Authorization": f"Bearer {wrong}"})
                assert reply.status_code == 401
            right = {"Authorization": f"Bearer {token('grace')}"}
            assert (await http.post("/say/hello", headers=right)).status_code == 200
        assert await ada.received() == ("said", ["grace", "hello"])
    await refused(io, because="log in first", auth={"token": token("ada", -1)})


DJANGO_SETTINGS: Final = """
import django
from django.conf import settings

settings.configure(
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "users.sqlite3"}},
    INSTALLED_APPS=["django.contrib." + name for name in ("auth", "contenttypes", "sessions")],
    SECRET_KEY="x",
)
django.setup()
"""

DJANGO_SCENARIO: Final = """
from django.contrib.auth import get_user_model, login
from django.contrib.sessions.backends.db import SessionStore
from django.core.management import call_command

from sockwave.testing import LinkedClient

call_command("migrate", verbosity=0)
user = get_user_model().objects.create_user("ada", password="first")
request = HttpRequest()
request.session = SessionStore()
login(request, user)
request.session.save()
headers = {"cookie": f"sessionid={request.session.session_key}"}


async def refused(headers):
    try:
        await LinkedClient(io, headers=headers).connect()
    except ConnectError as error:
        assert str(error) == "log in first", error
    else:
        raise AssertionError("let in")


async def scenario():
    async with LinkedClient(io, headers=headers):
        (socket,) = io.sockets.values()
        assert socket.data == {"user": user.pk, "name": "ada"}, socket.data
    await refused({"cookie": "sessionid=forged"})
    await refused({})
    user.set_password("second")
    await user.asave()
    await refused(headers)


asyncio.run(scenario())
"""


def test_user_of_django(tmp_path: Path) -> None:
    package("django")
    run = subprocess.run(
        [sys.executable, "-c", "\n".join([DJANGO_SETTINGS, DJANGO, DJANGO_SCENARIO])],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr


async def test_rights_of_each_namespace() -> None:
    io = program(NAMESPACES)["io"]
    for namespace in ("/", "/admin", "/team-red"):
        await refused(io, namespace=namespace, because="log in first", auth={"user": "eve"})
    for namespace in ("/admin", "/team-blue"):
        await refused(io, namespace=namespace, because="not for you", auth={"user": "grace"})
    async with (
        LinkedClient(io, auth={"user": "grace"}) as grace,
        LinkedClient(io, "/admin", auth={"user": "ada"}) as ada,
        LinkedClient(io, "/team-red", auth={"user": "grace"}) as red,
    ):
        assert red.sid
        ((_, socket),) = io.sockets.items()
        socket.join("hall")
        assert await ada.emit_with_ack("shut", "hall") == "hall is closed"
        assert await grace.received() == ("closed", [])


async def test_rights_of_each_event() -> None:
    io = program(EVENTS)["io"]
    async with (
        LinkedClient(io, auth={"role": "writer"}) as writer,
        LinkedClient(io, auth={"role": "reader"}) as reader,
    ):
        assert await writer.emit_with_ack("save", "text") == "saved"
        reader.emit("save", "text")
        assert await heard(reader, "refused") == "save is not for you"


async def test_connections_of_a_user_end() -> None:
    names = program(END)
    io = names["io"]
    async with (
        LinkedClient(io, auth={"user": "ada"}) as phone,
        LinkedClient(io, auth={"user": "ada"}, transport="polling") as laptop,
        LinkedClient(io, auth={"user": "grace"}) as grace,
    ):
        names["lock_out"]("ada")
        await phone.disconnected()
        await laptop.disconnected()
        assert grace.sid
    with pytest.raises(TransportError, match="io server disconnect"):  # what `connection` finds
        await LinkedClient(io, auth={"user": "ada"}).connect()


def test_programs_of_other_pages_are_tried_elsewhere() -> None:
    assert "RedisEmitter" in EMITTER
    compile(EMITTER, "authentication.md", "exec")
