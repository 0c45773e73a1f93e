"""`docs/deployment.md` shows the files of `examples/deployment`, and what is in them is so.

`tests/live/test_deployment.py` runs those of systemd, nginx and HAProxy; the processes of gunicorn
are run by `tests/workers/test_other_hosts.py`.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Final

import pytest

from sockwave.cli.run import run
from sockwave.testing import LinkedClient
from tests.support.documents import blocks
from tests.support.examples import EXAMPLES
from tests.support.process import ServerProcess, free_port

if TYPE_CHECKING:
    from pathlib import Path

FILES: Final = EXAMPLES / "deployment"
SHOWN: Final = {
    "chat.service": "ini",
    "chat.socket": "ini",
    "Dockerfile": "dockerfile",
    "nginx.conf": "nginx",
    "haproxy.cfg": "text",
    "Caddyfile": "text",
}
"""Files, and the mark of the block that has each."""

CHAT, GUNICORN = blocks("deployment.md", "python")


def program(code: str) -> dict[str, Any]:
    """The names of a program of the page."""
    names: dict[str, Any] = {"__name__": "page"}
    exec(compile(code, "deployment.md", "exec"), names)
    return names


@pytest.mark.parametrize("name", SHOWN)
def test_page_shows_the_file(name: str) -> None:
    assert (FILES / name).read_text() in blocks("deployment.md", SHOWN[name])


def test_every_file_is_shown() -> None:
    assert {file.name for file in FILES.iterdir() if file.is_file()} == {*SHOWN, "chat.py"}
    _, docstring, code = (FILES / "chat.py").read_text().split('"""', 2)
    assert code.strip() == CHAT.strip()
    assert "docs/deployment.md" in docstring


async def test_program_of_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAGES", "https://one.example https://two.example")
    io = program(CHAT)["io"]
    headers = {"origin": "https://two.example"}
    async with (
        LinkedClient(io, headers=headers) as ada,
        LinkedClient(io, address=("192.0.2.1", 5)) as grace,
    ):
        assert await ada.emit_with_ack("where") == "127.0.0.1, without TLS"
        assert await grace.emit_with_ack("where") == "192.0.2.1, without TLS"
        assert await ada.emit_with_ack("say", "hello") == "delivered"
        name, args = await grace.received()
        assert (name, args[0]) == ("said", "hello")  # and its offset, for the recovery


@pytest.mark.unix
async def test_program_for_gunicorn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path / "run"))
    names = program(GUNICORN)
    assert names["app"] is names["io"]
    async with LinkedClient(names["io"]) as client:
        assert client.sid
    await names["io"].close()


def values(name: str, key: str) -> list[str]:
    """What a unit of systemd says of a key."""
    return re.findall(rf"^{key}=(.*)$", (FILES / name).read_text(), re.MULTILINE)


def started(command: list[str]) -> dict[str, Any]:
    """What the command line understands of a command."""
    assert command[:2] == ["sockwave", "run"]
    return run.make_context("run", command[2:]).params


def test_systemd_waits_longer_than_the_server_takes() -> None:
    (start,) = values("chat.service", "ExecStart")
    told = started(start.replace("/srv/chat/venv/bin/", "").split())
    (patience,) = values("chat.service", "TimeoutStopSec")
    assert int(patience) > told["drain_period"] + 5
    assert told["workers"] is not None, "else it takes no socket of systemd"
    directory, environment = (
        values("chat.service", key) for key in ("WorkingDirectory", "Environment")
    )
    assert environment == [f"PWD={directory[0]}"]


def test_systemd_understands_its_files(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("there is no systemd here")
    for name in ("chat.service", "chat.socket"):
        text = (FILES / name).read_text()
        (tmp_path / name).write_text(
            re.sub(r"/srv/chat/venv/bin/sockwave", shutil.which("true") or "", text)
        )
    units = [str(tmp_path / name) for name in ("chat.service", "chat.socket")]
    run = subprocess.run([analyze, "verify", *units], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (0, "")


def instruction(name: str) -> list[str]:
    """A command of the Dockerfile."""
    (line,) = re.findall(
        rf"^{name} (?:CMD )?(\[.*\])$", (FILES / "Dockerfile").read_text(), re.MULTILINE
    )
    command: list[str] = json.loads(line)
    return command


def test_commands_of_the_container(tmp_path: Path) -> None:
    command, check = instruction("CMD"), instruction("HEALTHCHECK")
    told = started(command)
    assert (told["host"], told["port"]) == ("0.0.0.0", 3000)
    page = "\n".join(blocks("deployment.md", "sh"))
    (patience,) = re.findall(r"--stop-timeout (\d+)", page)
    assert int(patience) > told["drain_period"] + 5

    port = free_port()
    shutil.copy(FILES / "chat.py", tmp_path)
    arguments = [word.replace("3000", str(port)) for word in command[1:]]
    is_well = [sys.executable, *(word.replace("3000", str(port)) for word in check[1:])]
    environment = {**os.environ, "no_proxy": "127.0.0.1"}
    with ServerProcess("-m", "sockwave", *arguments, directory=tmp_path, port=port) as process:
        subprocess.run(is_well, check=True, env=environment)
        assert process.interrupt() == 0
    ended = subprocess.run(is_well, check=False, env=environment, capture_output=True)
    assert ended.returncode != 0
