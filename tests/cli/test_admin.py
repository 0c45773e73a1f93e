"""`sockwave run --admin`: what it prints, and what is there then."""

from __future__ import annotations

import asyncio
import textwrap
import urllib.request
from typing import TYPE_CHECKING

import pytest

import sockwave
from sockwave import ConnectError
from tests.admin.helpers import HASH
from tests.cli.process import SockwaveProcess, free_port

if TYPE_CHECKING:
    from pathlib import Path

APP = """
    from sockwave import Server

    io = Server()

    async def web(scope, receive, send):
        pass
"""
LINE = r"Admin UI at (/\S+): (\w+), (\S+)"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "sw_admin.py").write_text(textwrap.dedent(APP))
    return tmp_path


def log_in(port: int, password: str) -> bool:
    """Whether a viewer is let in."""

    async def try_it() -> bool:
        auth = {"username": "admin", "password": password}
        url = f"http://127.0.0.1:{port}/admin"
        try:
            async with sockwave.connect(url, auth=auth, reconnection=False):
                return True
        except ConnectError:
            return False

    return asyncio.run(try_it())


def test_password_is_made_up_printed_and_asked_for(project: Path) -> None:
    port = free_port()
    options = ("sw_admin:io", "--admin", "--port", str(port))
    with SockwaveProcess("run", *options, directory=project, port=port) as server:
        path, name, password = server.wait_for(LINE).groups()
        assert (path, name, len(password)) == ("/socket.io/admin/", "admin", 16)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as page:
            assert b"Socket.IO Admin UI" in page.read()
        assert not log_in(port, "wrong")
        assert log_in(port, password)


@pytest.mark.unix
def test_workers_have_one_password(project: Path) -> None:
    port = free_port()
    options = ("sw_admin:io", "--admin", "--workers", "2", "--port", str(port))
    with SockwaveProcess("run", *options, directory=project, port=port) as server:
        password = server.wait_for(LINE)[3]
        server.wait_for("with 2 workers")
        assert all(log_in(port, password) for _ in range(4))
        assert server.output.count("Admin UI at") == 1


def test_password_of_the_environment_is_not_printed(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOCKWAVE_ADMIN_HASH", HASH)
    port = free_port()
    options = ("sw_admin:io", "--admin", "--port", str(port))
    with SockwaveProcess("run", *options, directory=project, port=port) as server:
        assert log_in(port, "open sesame")
        assert "open sesame" not in server.output and HASH not in server.output


@pytest.mark.parametrize(
    ("target", "hash_", "line"),
    [
        ("sw_admin:web", HASH, "sw_admin:web is not a sockwave.Server, as --admin needs"),
        ("sw_admin:io", "open sesame", "--admin: auth of instrument: the password must be a"),
    ],
)
def test_mistake_is_one_line(
    project: Path, monkeypatch: pytest.MonkeyPatch, target: str, hash_: str, line: str
) -> None:
    monkeypatch.setenv("SOCKWAVE_ADMIN_HASH", hash_)
    port = free_port()
    process = SockwaveProcess("run", target, "--admin", directory=project, port=port)
    assert process.wait() == 1
    assert line in " ".join(process.output.split()) and "Traceback" not in process.output
