"""`sockwave run --webtransport`, alone and beside an application."""

from __future__ import annotations

import asyncio
import sys
import textwrap
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("aioquic")

from click.testing import CliRunner

from sockwave.cli import main
from tests.cli.process import SockwaveProcess, free_port
from tests.support.certificate import write_certificate
from tests.support.raw import within
from tests.support.webtransport import client

if TYPE_CHECKING:
    from pathlib import Path

APP = """
    from sockwave import Server

    io = Server(transports=["polling", "websocket", "webtransport"])
    plain = Server()

    async def web(scope, receive, send):
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"web"})
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "sw_quic.py").write_text(textwrap.dedent(APP))
    write_certificate(tmp_path / "c.pem")
    return tmp_path


async def talk(port: int) -> None:
    """Open a session, and see that it is one."""
    async with client(port) as peer:
        assert await peer.begin() == 200
        peer.send("0", "40")
        assert str(await peer.receive()).startswith('0{"sid"')
        assert str(await peer.receive()).startswith('40{"sid"')


@pytest.mark.parametrize(
    "app",
    [
        [],
        ["--app", "sw_quic:web"],
        pytest.param(["--workers", "2"], marks=pytest.mark.unix),
        pytest.param(["--workers", "2", "--app", "sw_quic:web"], marks=pytest.mark.unix),
    ],
    ids=["alone", "with-app", "workers", "workers-with-app"],
)
def test_webtransport_is_served_on_the_port_of_the_same_number(
    project: Path, app: list[str]
) -> None:
    port = free_port()
    options = ["--webtransport", "--certfile", "c.pem", "--port", str(port)]
    with SockwaveProcess(
        "run", "sw_quic:io", *app, *options, directory=project, port=port
    ) as process:
        process.wait_for("Ctrl-C stops it")
        asyncio.run(within(talk(port), 40))


@pytest.mark.parametrize(
    ("target", "arguments", "code", "error"),
    [
        ("io", [], 2, "--webtransport needs a port, and --certfile"),
        ("io", ["--certfile", "c.pem", "--unix-path", "s"], 2, "--webtransport needs a port"),
        ("plain", ["--certfile", "c.pem"], 1, "webtransport is not among the transports"),
        ("web", ["--certfile", "c.pem"], 1, "is not a sockwave.Server, as --webtransport needs"),
    ],
)
def test_what_cannot_be_served_is_one_line(
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    target: str,
    arguments: list[str],
    code: int,
    error: str,
) -> None:
    monkeypatch.chdir(project)
    monkeypatch.setattr(sys, "path", sys.path.copy())
    command = ["run", f"sw_quic:{target}", "--webtransport", "--port", str(free_port())]
    result = CliRunner().invoke(main, [*command, *arguments])
    sys.modules.pop("sw_quic", None)
    assert (result.exit_code, result.exception.__class__) == (code, SystemExit)
    assert error in result.stderr
