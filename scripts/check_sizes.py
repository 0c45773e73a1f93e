"""Check that a file of the package has one subject: at most 500 lines, see CONTRIBUTING.md."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from scripts.imports import SOURCE

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

MOST: Final = 500
"""Lines. A longer file has a second subject, which finds a reader under its own name."""

ALLOWED: Final[dict[str, str]] = {}
"""Longer files, and why each is one subject."""


def problems(source: Path = SOURCE, allowed: Collection[str] = ALLOWED) -> list[str]:
    """Say which files are too long, and which permissions nothing needs any more."""
    lengths = {
        file.relative_to(source).as_posix(): len(file.read_bytes().splitlines())
        for file in sorted(source.rglob("*.py"))
    }
    long = {name: length for name, length in lengths.items() if length > MOST}
    return [
        *(
            f"{name} has {length} lines: at most {MOST}, what is its second subject?"
            for name, length in long.items()
            if name not in allowed
        ),
        *(f"{name} is not long, and needs no permission" for name in allowed if name not in long),
    ]


def main() -> int:
    """Print what is wrong with the lengths of files."""
    found = problems()
    for problem in found:
        print(problem, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
