"""Deno for the tests over WebTransport: it has that built in, and runs the reference with it.

`python -m scripts.deno` installs it from npm into `.cache/`; a second run of it is instant.
"""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING, Final

from scripts.node import INTEROP, ROOT, find_node
from scripts.quiet import report, say, succeeds

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["find_deno", "set_up"]

SOURCE: Final = INTEROP / "deno"
FOLDER: Final = ROOT / ".cache" / "deno"
PROGRAM: Final = FOLDER / "node_modules" / ".bin" / "deno"
FILES: Final = ("package.json", "package-lock.json")


def find_deno() -> Path | None:
    """The program, if it is there and of the version that is wanted."""
    try:
        is_current = all((FOLDER / f).read_bytes() == (SOURCE / f).read_bytes() for f in FILES)
    except FileNotFoundError:
        return None
    return PROGRAM if is_current and PROGRAM.exists() else None


def set_up() -> str | None:
    """Install it where it is missing; returns what could not be had, in one line."""
    if find_deno() is not None:
        return None
    node = find_node()
    if node is None:
        return "Deno comes from npm, and there is no Node.js"
    say("Installing Deno from npm")
    FOLDER.mkdir(parents=True, exist_ok=True)
    shutil.copy(SOURCE / "package.json", FOLDER)
    shutil.copy(SOURCE / "package-lock.json", FOLDER)
    env = {"PATH": f"{node.node.parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    # It looks up its program by itself when it runs, and needs no script for that.
    options = ("ci", "--no-audit", "--no-fund", "--ignore-scripts")
    done = succeeds([*node.npm, *options], cwd=FOLDER, env=env)
    if not done or not succeeds([PROGRAM, "--version"], env=env):
        (FOLDER / "package-lock.json").unlink()
        return "Deno could not be installed from npm"
    return None


if __name__ == "__main__":
    sys.exit(report(set_up()))
