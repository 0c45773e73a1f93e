"""The check of sizes finds files that are too long."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from scripts.check_sizes import MOST, problems

if TYPE_CHECKING:
    from pathlib import Path


def write(source: Path, name: str, lines: int) -> None:
    file = source / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("x = 1\n" * lines)


def test_file_that_is_too_long_is_named_with_its_length(tmp_path: Path) -> None:
    write(tmp_path, "p/rooms/long.py", MOST + 1)
    write(tmp_path, "p/short.py", MOST)
    (problem,) = problems(tmp_path, allowed=())
    assert problem.startswith(f"p/rooms/long.py has {MOST + 1} lines")


@pytest.mark.parametrize("name", ["p/client.js", "p/table.json"])
def test_files_that_are_no_python_may_be_long(tmp_path: Path, name: str) -> None:
    write(tmp_path, name, MOST + 1)
    assert problems(tmp_path, allowed=()) == []


def test_file_with_a_reason_may_be_long(tmp_path: Path) -> None:
    write(tmp_path, "p/long.py", MOST + 1)
    assert problems(tmp_path, allowed=("p/long.py",)) == []


def test_permission_that_nothing_needs_is_named(tmp_path: Path) -> None:
    write(tmp_path, "p/short.py", MOST)
    found = problems(tmp_path, allowed=("p/short.py", "p/gone.py"))
    assert [problem.partition(" ")[0] for problem in found] == ["p/short.py", "p/gone.py"]
