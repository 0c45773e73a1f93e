"""`sockwave demo` in a process of its own: page, client, port, Ctrl-C."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from sockwave import connect
from sockwave.cli import main
from tests.cli.process import DemoProcess, SockwaveProcess

if TYPE_CHECKING:
    from pathlib import Path


def fetch(url: str) -> tuple[str, bytes]:
    with urllib.request.urlopen(url, timeout=40) as answer:
        return answer.headers["Content-Type"], answer.read()


def status_of(request: urllib.request.Request) -> int:
    try:
        with urllib.request.urlopen(request, timeout=40) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_demo_serves_its_page_and_stops_on_interrupt(tmp_path: Path) -> None:
    with DemoProcess(tmp_path) as demo:
        assert demo.url == f"http://127.0.0.1:{demo.port}/"
        content_type, page = fetch(demo.url)
        assert content_type.startswith("text/html")
        linked = re.findall(r'(?:src|href)="/?([\w./-]+\.(?:js|css|svg))"', page.decode())
        assert "socket.io/socket.io.min.js" in linked
        for name in linked:
            assert len(fetch(demo.url + name)[1]) > 100
        assert demo.interrupt() == 0
    assert demo.output.endswith("Goodbye.\n")
    assert "Traceback" not in demo.output


def test_demo_knows_its_names_and_no_page_of_another(tmp_path: Path) -> None:
    with DemoProcess(tmp_path, "--allow-host", "tunnel.example") as demo:
        for host, status in (("tunnel.example", 200), ("localhost:1", 200), ("evil.example", 403)):
            url = f"{demo.url}socket.io/?EIO=4&transport=polling"
            request = urllib.request.Request(url, headers={"Host": host})
            assert status_of(request) == status


def test_demo_serves_webtransport_and_the_page_knows_its_certificate(tmp_path: Path) -> None:
    pytest.importorskip("aioquic")
    with DemoProcess(tmp_path, "--webtransport") as demo:
        page = fetch(demo.url)[1].decode()
        hash_ = re.search(r'<html data-certificate="([0-9a-f]{64})" lang="en">', page)
        assert hash_ is not None

        async def entered() -> Any:
            login = {"name": "Ann"}
            transports: Any = ["webtransport"]
            async with connect(
                demo.url, transports=transports, server_certificate_hashes=[hash_[1]], auth=login
            ) as socket_:
                return await socket_.emit_with_ack("join", "Lobby", timeout=40)

        assert asyncio.run(entered())["room"] == "Lobby"
        assert demo.interrupt() == 0
    assert "Traceback" not in demo.output


def test_page_says_nothing_of_certificates_without_that(tmp_path: Path) -> None:
    with DemoProcess(tmp_path) as demo:
        assert b'<html lang="en">' in fetch(demo.url)[1]
        polled = fetch(f"{demo.url}socket.io/?EIO=4&transport=polling")[1]
        assert b'"upgrades":["websocket"]' in polled


def test_host_that_is_none_is_one_line() -> None:
    result = CliRunner().invoke(main, ["demo", "--allow-host", "http://a"])
    assert result.exit_code == 2
    assert "--allow-host" in result.output and "is not a host" in result.output


def test_taken_port_that_was_asked_for_is_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        result = CliRunner().invoke(main, ["demo", "--port", port])
    assert result.exit_code == 1
    assert result.output == (
        f"Error: cannot listen on 127.0.0.1:{port}: "
        "the port is in use; choose another one with --port\n"
    )


def test_next_port_is_taken_when_the_default_is_in_use(tmp_path: Path) -> None:
    with socket.socket() as blocker:
        blocker.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # When somebody else has the port, that is just as good.
        with contextlib.suppress(OSError):
            blocker.bind(("127.0.0.1", 3000))
            blocker.listen()
        with SockwaveProcess("demo", directory=tmp_path, port=3000) as demo:
            found = demo.wait_for(r"Port 3000 is in use; taking (\d+) instead\.\n.*:(\d+)/")
            assert found[1] == found[2] != "3000"
