"""Python 3.9 with the clients of python-socketio 4, the last that speak Engine.IO 3, for the tests.

`python -m scripts.python39` makes an environment for them in `.cache/`, where a Python 3.9 is at
hand; a second run of it is instant. Python itself is not installed: the tests go without.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from scripts import pythons
from scripts.quiet import report, say, succeeds

__all__ = ["find_environment", "find_python", "set_up"]

ROOT: Final = Path(__file__).resolve().parent.parent
FOLDER: Final = ROOT / ".cache" / "python39"
PYTHON: Final = FOLDER / "bin" / "python"
REQUIREMENTS: Final = ROOT / "requirements" / "python39.txt"
INSTALLED: Final = FOLDER / "installed.txt"
"""The requirements that it was made with; written last."""


def find_python() -> Path | None:
    """A Python 3.9 that runs and can make an environment."""
    return pythons.find_python((3, 9))


def find_environment() -> Path | None:
    """The Python of the environment, if that is there and what the requirements say."""
    try:
        is_current = INSTALLED.read_text() == REQUIREMENTS.read_text()
    except FileNotFoundError:
        return None
    return PYTHON if is_current and PYTHON.exists() else None


def set_up() -> str | None:
    """Make the environment where it is missing; returns what could not be had, in one line."""
    if find_environment() is not None:
        return None
    python = find_python()
    if python is None:
        say("No Python 3.9 is at hand. Tests with the clients of python-socketio 4 are skipped.")
        return None
    say("Installing python-socketio 4 for Python 3.9")
    pip = (PYTHON, "-m", "pip", "--disable-pip-version-check", "--no-input", "--quiet")
    if not (
        succeeds((python, "-m", "venv", "--clear", FOLDER))
        and succeeds((*pip, "install", "-r", REQUIREMENTS), env={"PIP_ROOT_USER_ACTION": "ignore"})
    ):
        return "python-socketio 4 could not be installed for Python 3.9"
    INSTALLED.write_text(REQUIREMENTS.read_text())
    return None


if __name__ == "__main__":
    sys.exit(report(set_up()))
