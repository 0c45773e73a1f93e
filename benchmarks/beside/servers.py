"""The servers of others that are measured, each in a process of its own, and what they need."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.revisions import ROOT, environment
from benchmarks.run import SERVER_CORE, pin
from benchmarks.run import server as ours
from scripts.node import NODE_MODULES, find_node, has_packages
from scripts.quiet import say, succeeds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

__all__ = ["SERVERS", "install_bun"]

HERE: Final = Path(__file__).resolve().parent
BUN: Final = HERE / "node_modules" / "bun" / "bin" / "bun.exe"
"""So it is called everywhere."""


@contextmanager
def _running(command: Sequence[str | Path], **env: str) -> Iterator[int]:
    """Run a server that prints its port and ends with its input; gives the port."""
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env={**environment(ROOT), **env},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            said = process.stdout.readline()
            if not said:
                raise SystemExit(f"{command[-1]} did not start")
            pin(process.pid, SERVER_CORE)
            yield int(said)
        finally:
            process.stdin.close()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:  # it has much to end
                process.kill()


def _node() -> AbstractContextManager[int]:
    """socket.io on Node."""
    node = find_node()
    if node is None or not has_packages():
        raise SystemExit("Node.js and the packages of interop/ are needed: make node")
    return _running([node.node, HERE / "node.mjs"], NODE_PATH=str(NODE_MODULES))


def install_bun() -> None:
    """Install Bun and its engine beside this file, from npm, where they are missing."""
    if BUN.exists():
        return
    node = find_node()
    if node is None:
        raise SystemExit("npm is needed: make node")
    say("Installing Bun from npm")
    install = ("install", "--no-audit", "--no-fund", "--no-package-lock", "--legacy-peer-deps")
    path = f"{node.node.parent}{os.pathsep}{os.environ.get('PATH', '')}"
    if not succeeds([*node.npm, *install], cwd=HERE, env={"PATH": path}):
        raise SystemExit("Bun could not be installed")


def _bun() -> AbstractContextManager[int]:
    """socket.io on Bun's engine."""
    install_bun()
    return _running([BUN, HERE / "bun.mjs"])


def _python_socketio() -> AbstractContextManager[int]:
    """python-socketio on uvicorn."""
    for name in ("socketio", "uvicorn", "uvloop"):
        if find_spec(name) is None:
            raise SystemExit(f"{name} is needed: make test installs it")
    return _running([sys.executable, "-m", "benchmarks.beside.python_socketio"])


SERVERS: Final[dict[str, Callable[[], AbstractContextManager[int]]]] = {
    "ours": ours,
    "bun": _bun,
    "node": _node,
    "psio": _python_socketio,
}
"""Each starts a fresh one; gives its port."""
