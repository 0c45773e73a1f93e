"""Other Pythons than the one that runs this, where they are at hand, and the tests of each.

python -m scripts.pythons          install what the tests need, and run them, on each
python -m scripts.pythons list     say which are there

An environment for each is made in `.cache/`; Pythons themselves are not installed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from scripts.quiet import is_ci, say, succeeds

__all__ = ["SUPPORTED", "environment", "find_python"]

ROOT: Final = Path(__file__).resolve().parent.parent
CACHE: Final = ROOT / ".cache" / "pythons"
SUPPORTED: Final = ((3, 11), (3, 12), (3, 13))
"""Those on which a run of the tests was seen. What pyproject.toml says of Pythons is made of it."""

SUITES: Final = ("codec", "contract", "engine", "socketio", "wire", "client", "otel")
"""Of `tests/`: what may depend on the version of Python."""

CHOSEN: Final = "not slow and not live and not once"
"""By their marks: the fronts of our own code from the socket on, and ASGI."""

INPUTS: Final = ("pyproject.toml", "requirements/constraints.txt", "scripts/install.py")
_CHECK: Final = "import ensurepip, sys, venv; print('%d.%d' % sys.version_info[:2])"


def find_python(version: tuple[int, int]) -> Path | None:
    """A Python of this version that runs and can make an environment: from PATH, or of pyenv."""
    name = f"python{version[0]}.{version[1]}"
    on_path = shutil.which(name)
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    candidates = [Path(on_path)] if on_path else []
    candidates += sorted(pyenv.glob(f"versions/{version[0]}.{version[1]}*/bin/{name}"))
    return next((python for python in candidates if _is(python, version)), None)


def _is(python: Path, version: tuple[int, int]) -> bool:
    try:
        run = subprocess.run(
            [python, "-c", _CHECK], capture_output=True, timeout=30, check=False, text=True
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    # A shim of pyenv with no version chosen fails.
    return run.returncode == 0 and run.stdout.strip() == f"{version[0]}.{version[1]}"


def environment(version: tuple[int, int], python: Path) -> Path | None:
    """The Python of an environment with the project and its test tools; None if that fails."""
    folder = CACHE / f"{version[0]}.{version[1]}"
    inside = folder / "bin" / "python"
    stamp = folder / "installed.txt"
    wanted = hashlib.sha256(b"".join((ROOT / name).read_bytes() for name in INPUTS)).hexdigest()
    if inside.exists() and stamp.exists() and stamp.read_text() == wanted:
        return inside
    say(f"Installing the test tools for Python {version[0]}.{version[1]}")
    if not succeeds((python, "-m", "venv", "--clear", folder)):
        return None
    if not succeeds((inside, "-m", "scripts.install", "suites"), cwd=ROOT):
        return None
    stamp.write_text(wanted)
    return inside


def _test(version: tuple[int, int], inside: Path | None) -> bool:
    if inside is None:
        return False
    say(f"Testing on Python {version[0]}.{version[1]}")
    suites = [f"tests/{suite}" for suite in SUITES]
    together = ("-n", "3", "--dist", "worksteal", "-p", "no:cacheprovider")
    command: list[str | Path] = [
        inside,
        "-m",
        "pytest",
        "-q",
        *together,
        "-m",
        CHOSEN,
        *suites,
    ]
    return subprocess.run(command, cwd=ROOT, check=False).returncode == 0


def main(arguments: list[str]) -> int:
    """Run the tests on all but the Python of this process; returns the exit status."""
    others = {
        version: find_python(version) for version in SUPPORTED if version != sys.version_info[:2]
    }
    for version, python in others.items():
        if python is None:
            say(f"Python {version[0]}.{version[1]} is not at hand")
        elif "list" in arguments:
            say(f"Python {version[0]}.{version[1]}: {python}")
    if "list" in arguments:
        return 0
    found = {version: python for version, python in others.items() if python is not None}
    if is_ci() and not found:
        say("No other Python is at hand, so nothing was tested", failed=True)
        return 1
    with ThreadPoolExecutor() as pool:  # pip uses one core
        inside = list(pool.map(environment, found.keys(), found.values()))
    made = dict(zip(found, inside, strict=True))
    failed = [version for version, python in made.items() if not _test(version, python)]
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
