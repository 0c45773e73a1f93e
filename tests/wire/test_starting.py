"""Mistakes of whoever starts a server are told at the call, in words that say what is wanted."""

from __future__ import annotations

from typing import Any

import pytest

from sockwave import Engine, Server, connect
from tests.support.fronts import hello

hosting = pytest.mark.parametrize("app", [None, hello], ids=["native", "hosted"])


def wsgi(environ: Any, start_response: Any) -> list[bytes]:
    start_response("200 OK", [])
    return [b"hello"]


class Wsgi:
    def __call__(self, environ: Any, start_response: Any) -> list[bytes]:
        return wsgi(environ, start_response)


PORTS: list[tuple[Any, str]] = [
    (70_000, "port must be between 0 and 65535, not 70000"),
    (-1, "port must be between 0 and 65535, not -1"),
    ("3000", "port must be an integer, not str"),
    (None, "port must be an integer, not NoneType"),
]


@hosting
@pytest.mark.parametrize(("port", "words"), PORTS)
async def test_run_refuses_what_is_no_port(port: Any, words: str, app: Any) -> None:
    with pytest.raises((ValueError, TypeError), match=f"^{words}$"):
        Server().run(port=port, app=app)


@pytest.mark.parametrize(("port", "words"), PORTS)
async def test_listen_refuses_what_is_no_port(port: Any, words: str) -> None:
    with pytest.raises((ValueError, TypeError), match=f"^{words}$"):
        async with Server().listen(port=port):
            pass


@pytest.mark.parametrize("make", [Server, Engine])
async def test_run_inside_an_event_loop_names_listen(make: Any) -> None:
    with pytest.raises(RuntimeError, match=r"async with io\.listen\(host, port\)"):
        make().run(port=0)


async def test_run_with_an_application_inside_an_event_loop_names_uvicorn() -> None:
    with pytest.raises(RuntimeError, match=r"uvicorn\.Config\(io\.wrap\(app\)\)"):
        Server().run(port=0, app=hello)


@pytest.mark.parametrize(
    ("app", "kind"), [(wsgi, "function"), (Wsgi(), "Wsgi")], ids=["function", "object"]
)
def test_run_refuses_a_wsgi_application_and_says_how_it_gets_in(app: Any, kind: str) -> None:
    with pytest.raises(TypeError, match=rf"not {kind}; .* goes into a2wsgi\.WSGIMiddleware"):
        Server().run(port=0, app=app)


@pytest.mark.parametrize("app", [42, "chat:app", Wsgi, lambda: None])
def test_run_refuses_what_is_no_application(app: Any) -> None:
    with pytest.raises(TypeError, match=r"^app must be an ASGI application, not "):
        Server().run(port=0, app=app)


@pytest.mark.parametrize("make", [Server, lambda **options: connect("http://x", **options)])
@pytest.mark.parametrize("name", ["polling", "websocket"])
def test_one_transport_is_given_as_a_list(make: Any, name: str) -> None:
    words = rf"^transports must be a list of names, \['{name}'\], not text$"
    with pytest.raises((TypeError, ValueError), match=words):
        make(transports=name)
