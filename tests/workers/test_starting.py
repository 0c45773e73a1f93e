"""How workers begin: where their command was started, and on the port that there is."""

from __future__ import annotations

import os
import re
import signal
import socket
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.process import ServerProcess, free_port
from tests.workers.programs import Visitor

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.unix

PROGRAM = """
import os
{before}
from sockwave import Server
{after}
io = Server(shutdown_timeout=0.5)
io.on("connection")(lambda socket: socket.on("here", lambda: [os.getcwd(), {version}]))
if __name__ == "__main__":
    io.run(port={port}, workers=2)
"""
ASIDE = "os.chdir('/')"
HOME = "os.chdir(os.path.dirname(os.path.abspath(__file__)))"


def program(port: int, *, before: str = "", after: str = "", version: int = 1) -> str:
    return PROGRAM.format(port=port, before=before, after=after, version=version)


def here(port: int) -> object:
    """Where a worker is, and of which version."""
    visitor = Visitor(port)
    visitor.open()
    return visitor.ask("here")


@pytest.mark.parametrize(
    ("before", "after", "place"),
    [("", ASIDE, "/"), (ASIDE, "", "/"), (HOME, "", "sub"), ("", HOME, "sub"), ("", "", "")],
)
def test_script_may_go_elsewhere(tmp_path: Path, before: str, after: str, place: str) -> None:
    port = free_port()
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "chat.py").write_text(program(port, before=before, after=after))
    with ServerProcess("sub/chat.py", directory=tmp_path, port=port) as process:
        assert here(port) == [str(tmp_path / place), 1]
        assert process.interrupt() == 0


def test_program_of_the_command_may_go_elsewhere(tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / "chat.py").write_text(program(port, before=ASIDE))
    arguments = ("-m", "sockwave", "run", "chat:io", "--workers", "2", "--port", str(port))
    with ServerProcess(*arguments, directory=tmp_path, port=port) as process:
        assert here(port) == ["/", 1]
        assert process.interrupt() == 0


def test_reload_follows_the_link_to_a_release(tmp_path: Path) -> None:
    port = free_port()
    for version in (1, 2):
        (tmp_path / str(version)).mkdir()
        (tmp_path / str(version) / "chat.py").write_text(program(port, version=version))
    current = tmp_path / "current"
    current.symlink_to("1")
    command = f"cd {current} && exec {sys.executable} -m sockwave run chat:io --workers 1"
    arguments = ("-c", f"{command} --port {port}")
    with ServerProcess(*arguments, directory=tmp_path, port=port, executable="/bin/sh") as process:
        assert here(port) == [str(tmp_path / "1"), 1]
        current.unlink()
        current.symlink_to("2")
        os.kill(process.pid, signal.SIGHUP)
        process.wait_for("reload: all workers are new")
        assert here(port) == [str(tmp_path / "2"), 2]
        assert process.interrupt() == 0


INHERITING = """
import os, socket, sys
sock = socket.create_server(("127.0.0.1", {port}))
os.dup2(sock.fileno(), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1")
command = [sys.executable, "-m", "sockwave", "run", "chat:io", "--workers", "2"]
os.execv(sys.executable, [*command, "--port", "{port}"])
"""


def test_socket_of_systemd_may_be_of_the_port_that_is_named(tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / "chat.py").write_text(program(port))
    with ServerProcess(
        "-c", INHERITING.format(port=port), directory=tmp_path, port=port
    ) as process:
        process.wait_for("listening on .*, with 2 workers")
        assert here(port) == [str(tmp_path), 1]
        assert process.interrupt() == 0


FORKING = """
import time
if "SOCKWAVE_WORKER" in os.environ and not os.fork():
    print("child", os.getpid(), flush=True)
    time.sleep(600)
    os._exit(0)
"""


def test_port_is_free_at_the_end_whatever_workers_have_forked(tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / "chat.py").write_text(program(port, before=FORKING))
    with ServerProcess("chat.py", directory=tmp_path, port=port) as process:
        process.wait_for(r"child \d+[\s\S]*child \d+")
        here(port)
        assert process.interrupt() == 0
        children = [int(pid) for pid in re.findall(r"child (\d+)", process.output)]
        assert len(children) == 2
        try:
            socket.create_server(("127.0.0.1", port)).close()
        finally:
            for pid in children:
                os.kill(pid, signal.SIGKILL)
