"""What a supervisor leaves that was killed, and who removes it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING

import pytest

from sockwave.workers.directories import OwnDirectory, directories
from tests.support.process import DEADLINE, ServerProcess, free_port
from tests.workers.programs import Program, Visitor

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.unix


@pytest.fixture(autouse=True)
def top(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A directory for temporary files of these tests alone; paths of Unix sockets are short."""
    tmp_path_factory.getbasetemp()  # made on first use: not in here, where it would go with it
    directory = tempfile.mkdtemp()
    monkeypatch.setenv("TMPDIR", directory)
    monkeypatch.setattr("tempfile.tempdir", directory)
    yield directory
    shutil.rmtree(directory)


def dead_process() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait(DEADLINE)
    return process.pid


def left(top: str, pid: int, mode: int = 0o700, *, lock: bool = True) -> str:
    """A directory as a supervisor leaves it that was killed."""
    path = os.path.join(top, f"sockwave-{pid}-abcdefgh")
    os.mkdir(path)
    for name in ("supervisor", *(["lock"] if lock else [])):
        with open(os.path.join(path, name), "w"):
            pass
    os.chmod(path, mode)
    return path


def test_directory_is_closed_and_gone_with_its_supervisor(top: str) -> None:
    own = OwnDirectory()
    assert directories() == [(os.getpid(), own.path)]
    assert os.stat(own.path).st_mode & 0o777 == 0o700
    own.remove()
    assert os.listdir(top) == []
    own.remove()


def test_that_of_a_living_supervisor_is_left_alone() -> None:
    one, other = OwnDirectory(), OwnDirectory()
    assert {path for _, path in directories()} == {one.path, other.path}
    one.remove()
    other.remove()


@pytest.mark.parametrize("has_lock", [True, False])
def test_that_of_a_dead_one_is_removed(top: str, has_lock: bool) -> None:
    left(top, dead_process(), lock=has_lock)
    own = OwnDirectory()
    assert [path for _, path in directories()] == [own.path]
    own.remove()


def test_process_that_has_the_number_of_a_dead_one_does_not_keep_it(top: str) -> None:
    left(top, os.getpid())
    own = OwnDirectory()
    assert [path for _, path in directories()] == [own.path]
    own.remove()


def test_that_of_a_living_one_of_an_older_version_is_left_alone(top: str) -> None:
    path = left(top, os.getpid(), lock=False)
    OwnDirectory().remove()
    assert os.path.exists(path)


def test_what_others_may_look_into_is_none_of_ours(top: str) -> None:
    path = left(top, dead_process(), 0o755)
    OwnDirectory().remove()
    assert os.path.exists(path)


def test_what_belongs_to_another_user_is_left_alone(
    top: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = left(top, dead_process())
    own = os.getuid()
    with monkeypatch.context() as patch:
        patch.setattr("os.getuid", lambda: own + 1)
        OwnDirectory().remove()
    assert os.path.exists(path)


def test_link_of_such_a_name_is_not_followed(top: str, tmp_path: Path) -> None:
    (tmp_path / "precious").touch()
    os.chmod(tmp_path, 0o700)
    link = os.path.join(top, f"sockwave-{dead_process()}-abcdefgh")
    os.symlink(tmp_path, link)
    OwnDirectory().remove()
    assert os.path.lexists(link)
    assert (tmp_path / "precious").exists()


def test_next_server_removes_what_a_killed_one_has_left(tmp_path: Path) -> None:
    with Program(tmp_path, "2") as killed:
        workers = killed.workers()
        killed.signal(signal.SIGKILL)
        killed.wait()
        killed.wait_until_gone(*workers)
        assert [pid for pid, _ in directories()] == [killed.pid]
    with Program(tmp_path, "2") as program:
        assert [pid for pid, _ in directories()] == [program.pid]
        visitor = Visitor(program.port)
        visitor.open()
        program.signal(signal.SIGTERM)
        assert program.wait() == 0
    assert directories() == []


def test_file_with_the_id_of_a_dead_process_is_written_anew(tmp_path: Path) -> None:
    (tmp_path / "chat.py").write_text("from sockwave import Server\nio = Server()\n")
    file = tmp_path / "chat.pid"
    file.write_text(f"{dead_process()}\n")
    port = free_port()
    arguments = ["run", "chat:io", "--workers", "1", "--port", str(port), "--pid-file", "chat.pid"]
    with ServerProcess("-m", "sockwave", *arguments, directory=tmp_path, port=port) as process:
        process.wait_for(r"chat:io.* on .*http")
        assert file.read_text() == f"{process.pid}\n"
        assert "pid file" not in process.output
        assert process.interrupt() == 0
    assert not file.exists()
