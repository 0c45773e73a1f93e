"""Where a server says that it listens: the listener's URL, the terminal and the log."""

from __future__ import annotations

import os
import re
import signal
import socket
import ssl
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sockwave import Listener, Server, connect
from tests.support.certificate import write_certificate
from tests.support.raw import DEADLINE

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]

SERVER = """
import logging, sys
from sockwave import Server
from tests.support.fronts import hello

if "log" in sys.argv:
    logging.basicConfig(level="INFO", format="%(name)s: %(message)s")
Server().run(
    port=0,
    app=hello if "hosted" in sys.argv else None,
    on_listening=(lambda listener: print("mine", listener.url)) if "mine" in sys.argv else None,
    uvicorn_options={"log_config": None} if "hosted" in sys.argv else None,
)
"""

kinds = pytest.mark.parametrize("kind", ["native", "hosted"])


@pytest.mark.parametrize(
    ("listener", "url"),
    [
        (Listener("127.0.0.1", 80), "http://127.0.0.1:80"),
        (Listener("127.0.0.1", 443, is_secure=True), "https://127.0.0.1:443"),
        (Listener("192.0.2.1", 80), "http://192.0.2.1:80"),
        (Listener("0.0.0.0", 80), "http://127.0.0.1:80"),
        (Listener("::", 80), "http://[::1]:80"),
        (Listener("::1", 80), "http://[::1]:80"),
        (Listener("fe80::1%eth0", 80), "http://[fe80::1%25eth0]:80"),
        (Listener("/run/chat.sock", 0), "http://localhost"),
    ],
)
def test_url_names_an_address_that_can_be_dialled(listener: Listener, url: str) -> None:
    assert listener.url == url


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0", None])
async def test_client_reaches_the_url_of_a_listener(host: str | None) -> None:
    async with Server().listen(host) as listener, connect(listener.url) as client:
        assert client.connected


async def test_url_says_https_where_the_listener_speaks_tls(tmp_path: Path) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(write_certificate(tmp_path / "key.pem"))
    async with Server().listen(ssl=context) as listener:
        assert listener.url == f"https://127.0.0.1:{listener.port}"
        async with connect(listener.url, ssl=False) as client:
            assert client.connected


@pytest.mark.unix
async def test_unix_socket_that_was_bound_before_is_named_by_its_path(tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(path)
        async with Server().listen(sock=bound) as listener:
            assert (listener.host, listener.port) == (path, 0)
            async with connect(listener.url, unix_path=listener.host) as client:
                assert client.connected


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """Both ends of one: where a person reads, and what a program has for standard error."""
    ends = os.openpty()
    yield ends
    for end in ends:
        os.close(end)


def start(*arguments: str, stderr: int = subprocess.PIPE) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", SERVER, *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )


def stop(process: subprocess.Popen[str]) -> tuple[str, str]:
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=4 * DEADLINE)
    assert process.returncode == 0, err
    return out, err


@kinds
@pytest.mark.unix
def test_run_tells_a_terminal_where_it_listens(kind: str, terminal: tuple[int, int]) -> None:
    person, program = terminal
    with start(kind, stderr=program) as process:
        text = os.read(person, 1_000).decode()
        stop(process)
    assert re.fullmatch(r"Sockwave on http://127\.0\.0\.1:\d+ \(Ctrl-C stops it\)\r\n", text)


@kinds
def test_run_tells_the_log_where_there_is_no_terminal(kind: str) -> None:
    with start(kind, "log") as process:
        assert process.stderr is not None
        lines = iter(process.stderr.readline, "")
        line = next(each for each in lines if each.startswith("sockwave.engine: listening"))
        out, rest = stop(process)
    assert re.fullmatch(r"sockwave\.engine: listening on http://127\.0\.0\.1:\d+\n", line)
    assert "Ctrl-C stops it" not in rest and out == ""


@kinds
def test_run_leaves_it_to_a_function_of_the_caller(kind: str) -> None:
    with start(kind, "mine") as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert stop(process) == ("", "")
    assert re.fullmatch(r"mine http://127\.0\.0\.1:\d+\n", line)
