"""A folder of somebody who has nothing but the wheel, and terminals in it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from scripts.engines import ADMIN_FOLDERS
from tests.support.process import ServerProcess, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from scripts.stranger.ledger import Block

__all__ = ["Desk", "Failed", "Place"]

CLIENTS: Final = Path(__file__).resolve().parent / "clients"
PATIENCE: Final = 120.0
"""Seconds for a command that comes to an end: far more than it takes."""

PORTS: Final = re.compile(r"(?<![\d.])(?:300[0-3]|6379|8000)(?!\d)")
"""Those that pages name: the server, the three, Redis, nginx."""


class Failed(Exception):
    """A command has failed; its output is the message."""


class Place:
    """Where all of it happens: a folder outside the repository, and what a shell finds there.

    Args:
        folder: Empty.
        wheel: What `sockwave` is for pip.
        constraints: The versions of all else.
    """

    def __init__(self, folder: Path, wheel: Path, constraints: Path) -> None:
        self.folder = folder
        self.wheel = wheel
        self.client_python = folder / "first" / ".venv" / "bin" / "python"
        tools = folder / "tools"
        tools.mkdir()
        program = f"python{sys.version_info.major}.{sys.version_info.minor}"
        python = tools / "python"  # Debian has no program of this name
        python.write_text(f'#!/bin/sh\nexec {Path(sys.base_prefix) / "bin" / program} "$@"\n')
        python.chmod(0o755)
        pins = folder / "constraints.txt"
        name, version, *_ = wheel.name.split("-")
        own = f"--find-links {wheel.parent}\n{name}=={version}\n"
        pins.write_text(f"{constraints.read_text()}\n{own}")
        ours = str(Path(sys.prefix) / "bin")
        path = [each for each in os.environ["PATH"].split(os.pathsep) if each != ours]
        self.path = os.pathsep.join((str(tools), *path, *ADMIN_FOLDERS))
        self.env = {
            "PYTHONPATH": "",
            "VIRTUAL_ENV": "",
            "PIP_CONSTRAINT": str(pins),
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIP_NO_COMPILE": "1",  # what is never imported
            "PIP_NO_INPUT": "1",
            "PIP_PROGRESS_BAR": "off",
            "PIP_ROOT_USER_ACTION": "ignore",
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
        }

    def desk(self, name: str, ports: dict[str, int] | None = None) -> Desk:
        """A new folder in it."""
        folder = self.folder / name
        folder.mkdir()
        return Desk(self, folder, ports or {})


class Desk:
    """A folder for the files of a page, and commands that are typed in it.

    Args:
        place: Around it.
        folder: Itself.
        ports: That stand for those of the page; others come when they are named.
    """

    def __init__(self, place: Place, folder: Path, ports: dict[str, int]) -> None:
        self.place = place
        self.folder = folder
        self._ports = ports
        self.venv = folder / ".venv"

    def beside(self, name: str) -> Desk:
        """Another folder, with the virtual environment of this one."""
        other = self.place.desk(name)
        other.venv = self.venv
        return other

    def port(self, named: str = "3000") -> int:
        """That stands for one of a page."""
        return self._ports.setdefault(named, free_port())

    def url(self, named: str = "3000") -> str:
        """What a page calls http://127.0.0.1 and a port."""
        return f"http://127.0.0.1:{self.port(named)}"

    def text(self, code: str) -> str:
        """Code of a page, with the ports that are free here."""
        return PORTS.sub(lambda found: str(self.port(found[0])), code)

    def lines(self, block: Block) -> list[str]:
        """Commands of a block."""
        return self.text(block.code).splitlines()

    def write(self, name: str, *codes: str) -> None:
        """A file, with code of the page one behind the other."""
        (self.folder / name).write_text(self.text("\n\n".join(codes)))

    @property
    def env(self) -> dict[str, str]:
        """The environment is active."""
        path = f"{self.venv / 'bin'}{os.pathsep}{self.place.path}"
        return {**self.place.env, "PATH": path}

    def run(self, line: str, patience: float = PATIENCE) -> str:
        """Type a line, wait until it has done its work, and return what it prints.

        Raises:
            Failed: It says that it failed, or takes too long.
        """
        try:
            done = subprocess.run(
                ("/bin/sh", "-c", line),
                cwd=self.folder,
                env={**os.environ, **self.env},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                timeout=patience,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise Failed(f"{line}\ntakes more than {patience} s\n{error.output}") from error
        if done.returncode != 0:
            raise Failed(f"{line}\n{done.stdout}")
        return done.stdout

    @contextmanager
    def terminal(self, line: str, port: int | None = None, sign: str = "") -> Iterator[Terminal]:
        """Type a line that goes on until Ctrl-C is pressed.

        Args:
            line: Of the page.
            port: It is there when somebody answers here; None is when it prints `sign`.
            sign: A pattern.
        """
        process = Terminal(line, self, port or free_port())
        with ExitStack() as stack:
            stack.push(process)
            if port is None:
                process.wait_for(sign)
            else:
                process.wait_until_it_listens()
            yield process

    def serve(self, line: str, port: str = "3000") -> AbstractContextManager[Terminal]:
        """`terminal` for a line of a server, with the port of the page if the line has none."""
        if "--port" not in line:
            line += f" --port {self.port(port)}"
        return self.terminal(line, self.port(port))

    def client_line(self, name: str, *words: str) -> str:
        """The line that starts a program of `clients/`, with the wheel of the client's folder."""
        quoted = " ".join(f"'{word}'" for word in words)
        return f"{self.place.client_python} {CLIENTS / name}.py {quoted}"

    def client(self, name: str, *words: str) -> str:
        """Run such a program to its end.

        Raises:
            Failed: What it wants to see is not so.
        """
        return self.run(self.client_line(name, *words))


class Terminal(ServerProcess):
    """What a line of a shell has started."""

    def __init__(self, line: str, desk: Desk, port: int) -> None:
        super().__init__(
            "-c",
            f"exec env {line}",  # so that Ctrl-C reaches it; settings may stand in front
            directory=desk.folder,
            port=port,
            executable="/bin/sh",
            env=desk.env,
        )
        self.line = line

    def end(self) -> None:
        """Press Ctrl-C.

        Raises:
            Failed: It does not end as it should, or has printed a traceback.
        """
        os.killpg(self.pid, signal.SIGINT)  # a terminal gives it to all that the line has started
        code = self.wait()
        if code != 0 or "Traceback" in self.output:
            raise Failed(f"{self.line}\nends with {code}\n{self.output}")
