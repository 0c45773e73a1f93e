"""The page as it is handed out, and who hands it out."""

from __future__ import annotations

import gzip
import re
from importlib.resources import files
from typing import TYPE_CHECKING

import pytest

from sockwave import Server
from sockwave.engine.core.request import Request
from tests.admin.helpers import AUTH

if TYPE_CHECKING:
    from sockwave.admin.serving import Response

UI = files("sockwave.admin") / "ui_dist"


def get(io: Server, path: str, *, method: str = "GET", encoding: str = "") -> Response | None:
    """Ask the handler of files, as the front ends do."""
    assert io.engine.file_handler is not None
    return io.engine.file_handler(
        Request(method, path, {b"accept-encoding": encoding.encode()}, None)
    )


def served(**options: str) -> Server:
    io = Server(**options)  # type: ignore[arg-type] # a path
    io.instrument(auth=AUTH, serve=True)
    return io


def page(io: Server, path: str, **how: str) -> Response:
    response = get(io, path, **how)
    assert response is not None
    return response


@pytest.mark.parametrize("path", ["/socket.io", "/realtime/io"])
def test_page_and_all_that_it_asks_for_are_there(path: str) -> None:
    io = served(path=path)
    status, headers, body = page(io, f"{path}/admin/")
    assert (status, dict(headers)["Cache-Control"]) == (200, "no-cache")
    assert "script-src 'self'" in dict(headers)["Content-Security-Policy"]
    names = re.findall(r'(?:href|src)="?([^" >]+)', body.decode())
    names = [name for name in names if not name.startswith("https:")]
    assert len(names) >= 4
    for name in names:
        assert not name.startswith("/"), "it would be looked for elsewhere"
        status, headers, body = page(io, f"{path}/admin/{name}")
        assert (status, dict(headers)["X-Content-Type-Options"]) == (200, "nosniff")
        assert body == (UI / name).read_bytes()
        status, headers, packed = page(io, f"{path}/admin/{name}", encoding="gzip, br")
        assert dict(headers)["Content-Encoding"] == "gzip" and gzip.decompress(packed) == body


def test_address_without_the_slash_leads_there() -> None:
    status, headers, _ = page(served(), "/socket.io/admin")
    assert (status, dict(headers)["Location"]) == (308, "admin/")


@pytest.mark.parametrize(
    "name", ["nothing", "../__init__.py", "%2e%2e/__init__.py", "..%2f__init__.py", "js", "VERSION"]
)
def test_nothing_else_is_handed_out(name: str) -> None:
    assert page(served(), f"/socket.io/admin/{name}")[0] == 404


def test_it_is_only_read() -> None:
    status, headers, _ = page(served(), "/socket.io/admin/", method="POST")
    assert (status, dict(headers)["Allow"]) == (405, "GET, HEAD")


def test_other_files_are_handed_out_as_before() -> None:
    io = served()
    response = get(io, "/socket.io/socket.io.js")
    assert response is not None and response[0] == 200
    assert get(io, "/socket.io/administration") is None


def test_page_is_not_there_unless_it_is_asked_for() -> None:
    io = Server()
    io.instrument(auth=AUTH)
    assert get(io, "/socket.io/admin/") is None


def test_page_is_that_of_the_version_with_its_licence() -> None:
    assert (UI / "VERSION").read_text() == "0.5.1\n"
    assert "Permission is hereby granted, free of charge" in (UI / "LICENSE").read_text()
