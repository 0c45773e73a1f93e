"""`sockwave reload`, beside a program that serves by workers."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from sockwave.cli import main
from tests.support.process import DEADLINE, ServerProcess, free_port
from tests.workers.programs import Program, Visitor

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from click.testing import Result

pytestmark = pytest.mark.unix

NEW_CODE = 'io.on("connection")(lambda socket: socket.on("new", lambda: "code"))'


@pytest.fixture(autouse=True)
def alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Other programs of this user with workers are elsewhere; paths of Unix sockets are short."""
    tmp_path_factory.getbasetemp()  # made on first use: not in here, where it would go with it
    directory = tempfile.mkdtemp()
    monkeypatch.setenv("TMPDIR", directory)
    monkeypatch.setattr("tempfile.tempdir", directory)
    yield directory
    shutil.rmtree(directory)


def reload(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["reload", *arguments])


def test_ends_when_all_workers_are_new(tmp_path: Path) -> None:
    with Program(tmp_path) as program:
        before = set(program.workers())
        program.write(more=NEW_CODE)
        result = reload("--pid", str(program.pid))
        assert result.output == f"All workers of process {program.pid} are new.\n"
        assert result.exit_code == 0
        visitor = Visitor(program.port)
        visitor.open()
        assert visitor.ask("new") == "code"
        assert visitor.ask("pid") not in before


def test_only_server_of_a_user_needs_no_number(tmp_path: Path) -> None:
    with Program(tmp_path, "2") as program:
        assert reload().output == f"All workers of process {program.pid} are new.\n"


def test_one_of_several_servers_has_to_be_named(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
    with Program(tmp_path / "a", "1") as one, Program(tmp_path / "b", "1") as other:
        first, second = sorted([one.pid, other.pid])
        assert reload().output == (
            f"Error: several serve with workers here: say which one, of {first}, {second}\n"
        )
        assert reload("--pid", str(other.pid)).exit_code == 0
        assert "reload" not in one.output


def test_new_code_that_does_not_start_is_told(tmp_path: Path) -> None:
    with Program(tmp_path) as program:
        before = set(program.workers())
        program.write(more="raise ZeroDivisionError")
        result = reload("--pid", str(program.pid))
        assert (result.exit_code, result.output) == (
            1,
            "Error: the new worker 0 does not serve (exit code 1)\n",
        )
        assert set(program.workers()) == before


def test_second_reload_at_a_time_is_refused(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    waiting = f"import time\nwhile os.path.exists({str(gate)!r}): time.sleep(0.01)"
    with Program(tmp_path, "1", more=waiting) as program:
        gate.touch()
        program.signal(signal.SIGHUP)
        program.wait_for("workers are replaced")
        result = reload("--pid", str(program.pid))
        assert (result.exit_code, result.output) == (
            1,
            "Error: a reload is under way already\n",
        )
        gate.unlink()
        program.wait_for("all workers are new")


def test_server_that_stops_meanwhile_is_told(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    waiting = f"import time\nwhile os.path.exists({str(gate)!r}): time.sleep(0.01)"
    with Program(tmp_path, "1", more=waiting) as program:
        gate.touch()
        with subprocess.Popen(
            [sys.executable, "-m", "sockwave", "reload"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        ) as command:
            program.wait_for("workers are replaced")
            program.signal(signal.SIGKILL)
            _, told = command.communicate(timeout=DEADLINE)
        assert (command.returncode, told) == (
            1,
            f"Error: process {program.pid} has ended meanwhile\n",
        )
        gate.unlink()


def test_process_without_workers_gets_no_signal() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as stranger:
        result = reload("--pid", str(stranger.pid))
        assert result.output == (
            f"Error: process {stranger.pid} serves with no workers of Sockwave, or not yet\n"
        )
        stranger.communicate(b"\n", timeout=DEADLINE)
    assert stranger.returncode == 0, "SIGHUP would have killed it"


def test_process_that_is_not_there_is_told() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait(DEADLINE)
    assert reload("--pid", str(ended.pid)).output == f"Error: there is no process {ended.pid}\n"


def test_what_a_killed_server_has_left_is_nobody(alone: str) -> None:
    directory = os.path.join(alone, f"sockwave-{os.getpid()}-abcdefgh")
    os.mkdir(directory)
    with open(os.path.join(directory, "supervisor"), "w"):
        pass
    assert reload().output == "Error: nobody of this user serves with workers here\n"
    assert "serves with no workers" in reload("--pid", str(os.getpid())).output


@pytest.mark.parametrize("text", ["", "soon", "-3", "0", "1 2", "\x00"])
def test_file_without_a_process_id_is_told(tmp_path: Path, text: str) -> None:
    file = tmp_path / "pid"
    file.write_text(text)
    result = reload("--pid-file", str(file))
    assert (result.exit_code, result.output) == (1, f"Error: {file} holds no process id\n")


def test_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    result = reload("--pid-file", str(tmp_path / "pid"))
    assert result.output == f"Error: {tmp_path / 'pid'} cannot be read: No such file or directory\n"


def test_both_options_are_one_too_many(tmp_path: Path) -> None:
    result = reload("--pid", "1", "--pid-file", "file")
    assert result.exit_code == 2
    assert "not both" in result.output


def test_file_of_run_leads_to_its_workers_and_is_gone_with_it(tmp_path: Path) -> None:
    (tmp_path / "chat.py").write_text("from sockwave import Server\nio = Server()\n")
    port = free_port()
    arguments = ["run", "chat:io", "--workers", "2", "--port", str(port), "--pid-file", "chat.pid"]
    file = tmp_path / "chat.pid"
    with ServerProcess("-m", "sockwave", *arguments, directory=tmp_path, port=port) as process:
        process.wait_for(r"chat:io.* on .*http")
        assert file.read_text() == f"{process.pid}\n"
        result = reload("--pid-file", str(file))
        assert result.output == f"All workers of process {process.pid} are new.\n"
        assert file.read_text() == f"{process.pid}\n", "workers leave it alone"
        assert process.interrupt() == 0
    assert not file.exists()


def test_file_that_another_process_has_taken_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "chat.py").write_text("from sockwave import Server\nio = Server()\n")
    port = free_port()
    arguments = ["run", "chat:io", "--port", str(port), "--pid-file", "chat.pid"]
    with ServerProcess("-m", "sockwave", *arguments, directory=tmp_path, port=port) as process:
        (tmp_path / "chat.pid").write_text("1\n")
        assert process.interrupt() == 0
    assert (tmp_path / "chat.pid").read_text() == "1\n"


def test_file_that_cannot_be_written_is_told_before_anything_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sw_reloaded.py").write_text("from sockwave import Server\nio = Server()\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path.copy())
    name = str(tmp_path / "nowhere" / "pid")
    result = CliRunner().invoke(main, ["run", "sw_reloaded:io", "--port", "0", "--pid-file", name])
    assert (result.exit_code, result.output) == (
        1,
        f"Error: {name} cannot be written: No such file or directory\n",
    )
