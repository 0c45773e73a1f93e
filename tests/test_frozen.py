"""Programs frozen by PyInstaller: what users build from the wheel, with nothing said about us."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest
from hatchling.build import build_wheel

from tests.support.process import DEADLINE, ServerProcess, free_port

ROOT = Path(__file__).resolve().parent.parent
SECONDS = 20 * DEADLINE
"""For a build: far more than it takes, for machines that do a lot at once."""

OF_OTHERS = ["cryptography", "django", "h2", "hypothesis", "IPython", "mypy", "numpy", "pydantic"]
OF_OTHERS += ["pytest", "requests", "selenium", "trio", "twisted", "werkzeug"]
"""What is in our environment of tests, and what some library takes along if it is there."""

pytestmark = pytest.mark.timeout(2 * SECONDS)


def build(folder: Path) -> Path:
    """Freeze the program as somebody would who has installed the wheel; return its folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        wheel = build_wheel(str(folder))
    with zipfile.ZipFile(folder / wheel) as archive:
        archive.extractall(folder / "installed")
    excluded = [argument for name in OF_OTHERS for argument in ("--exclude-module", name)]
    command = [sys.executable, "-m", "PyInstaller", "--log-level", "WARN", "--noconfirm"]
    result = subprocess.run(
        [*command, *excluded, "--specpath", "build", str(ROOT / "tests/frozen/program.py")],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder / "installed")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS,
    )
    assert result.returncode == 0, result.stdout[-5_000:]
    return folder / "dist" / "program"


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("frozen"))


class FrozenProcess(ServerProcess):
    """A frozen program that serves."""

    def __init__(self, program: Path, *arguments: str, directory: Path, port: int) -> None:
        super().__init__(
            *arguments, directory=directory, port=port, executable=str(program / "program")
        )


def run(program: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(program / "program"), *arguments],
        capture_output=True,
        text=True,
        timeout=3 * DEADLINE,
        env={"PATH": os.defpath},  # nothing of this Python
    )


def get(url: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(url, timeout=DEADLINE) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def test_server_clients_and_the_client_file_work(program: Path) -> None:
    result = run(program, "talk")
    assert result.stdout.splitlines() == [
        *("uvloop", "('polling', b'\\x01')", "('websocket', b'\\x01')", "blocking"),
        *("typed 42", "client file 200 True", "page 200 True", "contract 200 True"),
    ], result.stderr
    assert result.returncode == 0


def test_command_tells_its_version(program: Path) -> None:
    assert run(program, "--version").stdout == f"sockwave, version {version('sockwave')}\n"


def test_demo_serves_its_page(program: Path, tmp_path: Path) -> None:
    port = free_port()
    arguments = ("demo", "--port", str(port))
    with FrozenProcess(program, *arguments, directory=tmp_path, port=port) as demo:
        status, page = get(f"http://127.0.0.1:{port}/")
        assert (status, page[:15]) == (200, b"<!doctype html>")
        assert get(f"http://127.0.0.1:{port}/app.js")[0] == 200
        assert get(f"http://127.0.0.1:{port}/socket.io/socket.io.esm.min.js")[0] == 200
        assert demo.interrupt() == 0
    assert "Traceback" not in demo.output


def test_missing_data_file_is_a_404_and_a_line_in_the_log(program: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(program, broken, symlinks=True)
    package = broken / "_internal" / "sockwave"
    shutil.rmtree(package / "socketio" / "server" / "client_dist")
    shutil.rmtree(package / "cli" / "demo" / "static")
    port = free_port()
    arguments = ("demo", "--port", str(port))
    with FrozenProcess(broken, *arguments, directory=tmp_path, port=port) as demo:
        for _ in range(2):
            assert get(f"http://127.0.0.1:{port}/socket.io/socket.io.js")[0] == 404
        assert get(f"http://127.0.0.1:{port}/")[0] == 404
        assert get(f"http://127.0.0.1:{port}/socket.io/?EIO=4&transport=polling")[0] == 200
        assert demo.interrupt() == 0
    assert "Traceback" not in demo.output
    assert demo.output.count("the client file socket.io.js cannot be served: No such file") == 1
    assert demo.output.count("the files of the demo's page are not all there") == 1
