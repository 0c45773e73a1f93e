"""What docs/conformance.md says keeps a row of the reference is there: tests and differences."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

import pytest

ROOT: Final = Path(__file__).resolve().parent.parent
PAGE: Final = ROOT / "docs" / "conformance.md"
TEST: Final = re.compile(r"`([\w/]+\.py)::(test_\w+)`")
DIFFERENCE: Final = re.compile(r"\[differs\]\(differences\.md#([\w-]+)\)")
SECTIONS: Final = 22


class Row(NamedTuple):
    section: int
    reference: str
    here: str
    kept_by: str


def rows() -> list[Row]:
    """The rows of all tables, without their heads."""
    found: list[Row] = []
    section = 0
    for line in PAGE.read_text().splitlines():
        if heading := re.match(r"## (\d+)\. ", line):
            section = int(heading[1])
        elif line.startswith("| ") and not line.startswith("| reference |"):
            cells = [cell.strip() for cell in line.strip("|").split(" | ")]
            assert len(cells) == 3, line
            found.append(Row(section, *cells))
    return found


@cache
def names_in(name: str) -> set[str]:
    """Names of the tests in a file, which is below `tests` or one of `interop`."""
    file = ROOT / name if name.startswith("interop/") else ROOT / "tests" / name
    if not file.is_file():
        return set()
    nodes = ast.walk(ast.parse(file.read_text()))
    return {n.name for n in nodes if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef))}


def anchors(page: Path) -> set[str]:
    """What links to headings of a page may name."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


def test_every_section_of_the_reference_is_there() -> None:
    assert {row.section for row in rows()} == set(range(1, SECTIONS + 1))


def test_every_row_is_tested_or_differs() -> None:
    for row in rows():
        assert row.reference and row.here
        parts = row.kept_by.split("<br>")
        assert parts, row
        for part in parts:
            assert TEST.fullmatch(part) or DIFFERENCE.fullmatch(part), row


def test_rows_that_are_the_same_are_tested() -> None:
    for row in rows():
        if row.here.startswith(("the same", "as ")):
            assert TEST.search(row.kept_by), row


@pytest.mark.parametrize(("file", "name"), sorted(set(TEST.findall(PAGE.read_text()))))
def test_named_test_exists(file: str, name: str) -> None:
    assert name in names_in(file)


@pytest.mark.parametrize("anchor", sorted(set(DIFFERENCE.findall(PAGE.read_text()))))
def test_named_difference_exists(anchor: str) -> None:
    assert anchor in anchors(ROOT / "docs" / "differences.md")
