"""How the set-up talks: one line for what happens, and the output of a command only if it fails."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

__all__ = ["is_ci", "report", "say", "succeeds"]

LAST_LINES = 15
"""Of a failed command's output; what went wrong is at its end."""


def is_ci() -> bool:
    """Whether a part that cannot be had is a failure."""
    return os.environ.get("CI", "").lower() in {"1", "true", "yes"}


def say(line: str, *, failed: bool = False) -> None:
    """Print at once, also into a pipe."""
    print(line, file=sys.stderr if failed else sys.stdout, flush=True)


def report(missing: str | None) -> int:
    """Say what could not be had; returns the exit status, which is 1 only in CI."""
    if missing is None:
        return 0
    say(f"{missing}." if is_ci() else f"{missing}. Tests that need it are skipped.", failed=True)
    return 1 if is_ci() else 0


def succeeds(
    command: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    show_failure: bool = True,
) -> bool:
    """Run a command to its end without input, and show the end of its output if it fails."""
    try:
        done = subprocess.run(
            command,
            cwd=cwd,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
    except OSError as error:
        if show_failure:
            say(f"  {error}", failed=True)
        return False
    if done.returncode != 0 and show_failure:
        for line in done.stdout.splitlines()[-LAST_LINES:]:
            say(f"  {line}", failed=True)
    return done.returncode == 0
