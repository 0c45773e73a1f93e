"""Examples in a process of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tests.support.process import ServerProcess, free_port

__all__ = ["EXAMPLES", "run_example"]

ROOT: Final = Path(__file__).resolve().parent.parent.parent
EXAMPLES: Final = ROOT / "examples"


def run_example(name: str, directory: Path) -> ServerProcess:
    """Start an example on a free port; its output goes to a file in `directory`."""
    port = free_port(2)  # some need another port beside it
    arguments = ("-m", "tests.support.run_example", str(port), str(EXAMPLES / f"{name}.py"))
    return ServerProcess(*arguments, directory=directory, port=port, cwd=ROOT)
