"""Install this project, or its tools, into the virtual environment that runs this script.

python -m scripts.install runtime     what `make demo` needs
python -m scripts.install docs        and what `make docs` builds the site with
python -m scripts.install dev         and the tools of `make test` and `make check`
python -m scripts.install examples    and the frameworks and servers that examples/ runs with
python -m scripts.install suites      what `make test-pythons` needs, and nothing else
python -m scripts.install fuzz        what guides `make fuzz`, where it can be had
python -m scripts.install lock        renew requirements/constraints.txt from what PyPI has now
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import tomllib
import venv
from importlib.metadata import version
from pathlib import Path

from scripts.quiet import report, say, succeeds

ROOT = Path(__file__).resolve().parent.parent
CONSTRAINTS = ROOT / "requirements" / "constraints.txt"
HEADER = "# What `make` installs, to the version. Renew with `make lock`.\n"

PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "--quiet")
QUIET_ROOT = {"PIP_ROOT_USER_ACTION": "ignore"}


def install(*requirements: str, show_failure: bool = True) -> bool:
    """Install by the pinned versions; where one of those does not exist, by the newest that do."""
    command = (*PIP, "install", *requirements)
    if succeeds((*command, "-c", CONSTRAINTS), cwd=ROOT, env=QUIET_ROOT, show_failure=False):
        return True
    python = f"Python {sys.version_info.major}.{sys.version_info.minor}"
    say(f"The pinned versions do not install on {python}; trying without them")
    return succeeds(command, cwd=ROOT, env=QUIET_ROOT, show_failure=show_failure)


def install_runtime() -> bool:
    say("Installing Sockwave")
    return install("-e", ".")


def _knows_groups() -> bool:
    """See that pip is one that reads groups of dependencies."""
    major, minor = map(int, version("pip").split(".")[:2])
    return (major, minor) >= (25, 1) or install("pip>=25.1")


def install_docs() -> bool:
    """Install the group `docs`: its optional parts too, whose signatures the reference shows."""
    say("Installing what builds the documentation")
    return _knows_groups() and install("--group", "docs")


def install_dev() -> bool:
    say("Installing the test tools")
    return _knows_groups() and install("--group", "dev")


def install_examples() -> bool:
    """Install the group `examples`; where that fails, what can be had of it, unless in CI."""
    say("Installing the frameworks of examples/")
    if install("--group", "examples", show_failure=False):
        return True
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    missing = [requirement for requirement in groups["examples"] if not install(requirement)]
    return report(f"Not installed: {', '.join(missing)}" if missing else None) == 0


def install_suites() -> bool:
    """Install the group `suites` and the project at once."""
    return _knows_groups() and install("-e", ".", "--group", "suites")


def install_fuzz() -> bool:
    """Install the group `fuzz`, unless there is none for this Python: fuzzing goes on without."""
    say("Installing the fuzzer")
    if not install("--group", "fuzz", "--only-binary", ":all:", show_failure=False):
        say("There is no atheris for this Python: `make fuzz` changes inputs by chance only")
    return True


def lock() -> bool:
    """Resolve everything anew in an environment of its own, and write down what came out."""
    groups = ("--group", "docs", "--group", "dev", "--group", "examples", "--group", "fuzz")
    with tempfile.TemporaryDirectory() as folder:
        say("Resolving the newest versions")
        venv.create(folder, with_pip=True)
        pip = (Path(folder) / "bin" / "python", *PIP[1:])
        if not (
            succeeds((*pip, "install", "--upgrade", "pip"), env=QUIET_ROOT)
            and succeeds((*pip, "install", "-e", ".", *groups), cwd=ROOT, env=QUIET_ROOT)
        ):
            return False
        frozen = subprocess.run(
            (*pip, "freeze", "--all", "--exclude-editable", "--exclude", "setuptools"),
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
    CONSTRAINTS.write_text(HEADER + frozen.stdout)
    say(f"Wrote {CONSTRAINTS.relative_to(ROOT)}; now `make test check`")
    return True


STEPS = {
    "runtime": install_runtime,
    "docs": install_docs,
    "dev": install_dev,
    "examples": install_examples,
    "suites": install_suites,
    "fuzz": install_fuzz,
    "lock": lock,
}

if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in STEPS:
        sys.exit(__doc__)
    sys.exit(0 if STEPS[sys.argv[1]]() else 1)
