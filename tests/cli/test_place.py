"""Where `sockwave run` serves, and how it starts anew: sockets of other kinds, TLS, files."""

from __future__ import annotations

import re
import signal
import socket
import ssl
import subprocess
import sys
import textwrap
import time
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from sockwave import Server
from sockwave.cli import main
from tests.cli.process import SockwaveProcess, free_port
from tests.support.certificate import write_certificate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

APP = """
    import os
    from sockwave import Server

    io = Server()

    async def web(scope, receive, send):
        if scope["type"] == "http":
            body = f"{scope.get('root_path')} {os.environ.get('SW_WORD')}".encode()
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": body})
"""
TARGETS = {"server": ["sw_place:io"], "both": ["sw_place:io", "--app", "sw_place:web"]}
HANDSHAKE = (
    b"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "sw_place.py").write_text(textwrap.dedent(APP))
    return tmp_path


def handshake(sock: socket.socket) -> bytes:
    sock.settimeout(40)
    sock.sendall(HANDSHAKE)
    return b"".join(iter(lambda: sock.recv(4096), b""))


@contextmanager
def running(project: Path, *arguments: str) -> Iterator[SockwaveProcess]:
    """A process that listens on no port: it is there when it says so."""
    process = SockwaveProcess("run", *arguments, directory=project, port=0)
    try:
        process.wait_for("Ctrl-C stops it")
        yield process
        assert process.interrupt() == 0
    finally:
        process.__exit__(None, None, None)


@pytest.mark.unix
@pytest.mark.parametrize("target", TARGETS)
def test_unix_socket_is_served_and_taken_away(project: Path, target: str) -> None:
    path = project / "s.sock"
    with socket.socket(socket.AF_UNIX) as left_over:
        left_over.bind(str(path))
    with (
        running(project, *TARGETS[target], "--unix-path", str(path)) as process,
        socket.socket(socket.AF_UNIX) as client,
    ):
        client.connect(str(path))
        assert b'0{"sid":' in handshake(client)
        assert f"on {path}" in process.output.replace("\n", "")
    assert not path.exists()


@pytest.mark.unix
@pytest.mark.parametrize("target", ["sw_place:io", "sw_place:web"])
def test_file_that_is_no_socket_is_left_alone(project: Path, target: str) -> None:
    path = project / "precious"
    path.write_text("data")
    command = [sys.executable, "-m", "sockwave", "run", target, "--unix-path", str(path)]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=100)
    assert done.returncode == 1
    assert f": cannot listen on {path}: address already in use\n" in done.stderr
    assert "Traceback" not in done.stderr
    assert path.read_text() == "data"


@pytest.mark.unix
@pytest.mark.parametrize("more", [[], ["--reload"]], ids=["once", "reloaded"])
@pytest.mark.parametrize("target", TARGETS)
def test_socket_of_whoever_starts_it_is_served(project: Path, target: str, more: list[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        fd = sock.fileno()
        command = [sys.executable, "-m", "sockwave", "run", *TARGETS[target], "--fd", str(fd)]
        command += more
        process = subprocess.Popen(
            command,
            cwd=project,
            pass_fds=[fd],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            with socket.create_connection(sock.getsockname()) as client:
                assert b'0{"sid":' in handshake(client)
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0


@pytest.mark.parametrize("target", TARGETS)
def test_certificate_encrypts_the_port(project: Path, target: str) -> None:
    certificate = write_certificate(project / "c.pem")
    port = free_port()
    options = ["--port", str(port), "--certfile", str(certificate)]
    context = ssl.create_default_context(cafile=str(certificate))
    with (
        SockwaveProcess("run", *TARGETS[target], *options, directory=project, port=port) as process,
        socket.create_connection(("127.0.0.1", port)) as client,
        context.wrap_socket(client, server_hostname="127.0.0.1") as encrypted,
    ):
        assert b'0{"sid":' in handshake(encrypted)
        process.wait_for(f"on https://127.0.0.1:{port}/")


def test_application_learns_its_root_path_and_variables_of_a_file(project: Path) -> None:
    (project / "settings.env").write_text('SW_WORD="from the file"\n')
    port = free_port()
    options = ["--port", str(port), "--root-path", "/shop", "--env-file", "settings.env"]
    with SockwaveProcess("run", *TARGETS["both"], *options, directory=project, port=port):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=40) as answer:
            assert answer.read() == b"/shop from the file"


@pytest.mark.parametrize(
    ("arguments", "code", "error"),
    [
        (["--unix-path", "a", "--fd", "3"], 2, "give --unix-path or --fd, not both"),
        (["--keyfile", "k"], 2, "--keyfile goes with --certfile"),
        (["--workers", "2", "--fd", "3"], 2, "--workers open their own port"),
        (["--workers", "2", "--reload"], 2, "--reload is for one process"),
        (["--certfile", "none.pem"], 1, "none.pem cannot be read: No such file or directory"),
        (["--certfile", "sw_place.py"], 1, "no certificate with its key in PEM: sw_place.py"),
        (["--env-file", "none"], 1, "--env-file: there is no file none"),
        (["--root-path", "/x"], 1, "--root-path is for an application: give sw_place:io"),
        (["--fd", "999999"], 1, "--fd 999999 is no socket of this process"),
        (["--reload", "--reload-dir", "none"], 1, "--reload-dir: there is no directory none"),
        (["--reload", "--fd", "999999"], 1, "--fd 999999 is no socket of this process"),
        (["--reload-dir", "."], 2, "--reload-dir goes with --reload"),
        (["--unresponsive-timeout", "9"], 2, "--unresponsive-timeout goes with --workers"),
        (["--env-file", "binary"], 1, "--env-file: binary holds no variables"),
    ],
)
def test_what_cannot_be_served_is_one_line(
    project: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int, error: str
) -> None:
    monkeypatch.chdir(project)
    monkeypatch.setattr(sys, "path", sys.path.copy())
    (project / "binary").write_bytes(b"SW_WORD=\xff\n")
    port = ["--port", str(free_port())]
    result = CliRunner().invoke(main, ["run", "sw_place:io", *port, *arguments])
    sys.modules.pop("sw_place", None)
    assert (result.exit_code, result.exception.__class__) == (code, SystemExit)
    assert error in result.stderr


def test_descriptor_that_is_no_socket_is_one_line_for_an_application_too(project: Path) -> None:
    command = [sys.executable, "-m", "sockwave", "run", "sw_place:web", "--fd", "0"]
    done = subprocess.run(
        command, cwd=project, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 1
    assert "Error: --fd 0 is no socket of this process" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("option", ["--reload", "--env-file"])
def test_extra_that_is_missing_is_named(
    project: Path, monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    monkeypatch.chdir(project)
    for name in ("watchfiles", "dotenv"):
        monkeypatch.setitem(sys.modules, name, None)
    arguments = {"--reload": ["--reload"], "--env-file": ["--env-file", "x"]}[option]
    port = ["--port", str(free_port())]
    result = CliRunner().invoke(main, ["run", "sw_place:io", *port, *arguments])
    assert result.exit_code == 1
    assert 'pip install "sockwave[reload]"' in result.stderr


@pytest.mark.parametrize("arguments", [[], ["--reload"]])
def test_results_are_checked_while_files_are_watched(
    project: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.chdir(project)
    monkeypatch.setattr(sys, "path", sys.path.copy())
    monkeypatch.setenv("SOCKWAVE_RELOADED", "1")  # as in the process that is started anew
    served: list[bool] = []
    monkeypatch.setattr(Server, "run", lambda io, *_, **how: served.append(io.checks.development))
    port = ["--port", str(free_port())]
    result = CliRunner().invoke(main, ["run", "sw_place:io", *port, *arguments])
    sys.modules.pop("sw_place", None)
    assert result.exit_code == 0
    assert served == [bool(arguments)]


def answer_of(port: int) -> str:
    """What the application says now; between two processes nobody listens."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=40) as answer:
                return str(answer.read().decode())
        except OSError:
            time.sleep(0.05)
    raise AssertionError("nobody listens")


def test_change_of_a_file_starts_it_anew_and_a_fault_in_it_waits_for_the_next(
    project: Path,
) -> None:
    module, port = project / "sw_place.py", free_port()
    options = ["--port", str(port), "--reload"]
    with SockwaveProcess(
        "run", *TARGETS["both"], *options, directory=project, port=port
    ) as process:
        assert answer_of(port) == " None"
        first = re.escape("sw_place.py changed")
        module.write_text(textwrap.dedent(APP).replace("os.environ.get('SW_WORD')", "2"))
        process.wait_for(first)
        process.wait_for(rf"(?s){first}.*Ctrl-C stops it")
        assert answer_of(port) == " 2"
        module.write_text("1 / 0\n")
        process.wait_for("ZeroDivisionError")
        process.wait_for("the next change starts it again")
        module.write_text(textwrap.dedent(APP).replace("os.environ.get('SW_WORD')", "3"))
        assert answer_of(port) == " 3"
        assert process.interrupt() == 0
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
