"""Programs of the gallery, in a process of their own."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from tests.support.examples import EXAMPLES
from tests.support.process import ServerProcess, free_port

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["BESIDE", "GALLERY", "run_program"]

GALLERY: Final = EXAMPLES / "gallery"

BESIDE: Final = {"moving_from_flask": EXAMPLES / "moving_from_flask" / "step2.py"}
"""Larger examples that have a picture, too: their programs."""

TAKES_PORT: Final = "import os, runpy, sys; os.environ['PORT'] = sys.argv[1]"
"""The programs ask the environment for their port, as those of many hosts do."""


def run_program(name: str, directory: Path) -> ServerProcess:
    """Start the program of a folder on a free port, in `directory`, where its files go too."""
    port = free_port()
    file = str(BESIDE.get(name, GALLERY / name / f"{name}.py"))
    start = f"{TAKES_PORT}; runpy.run_path(sys.argv[2], run_name='__main__')"
    return ServerProcess(
        "-c", start, str(port), file, directory=directory, port=port, executable=sys.executable
    )
