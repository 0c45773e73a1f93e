"""docs/security.md accounts for every row of the catalogue, and tells the truth about its tests."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "security.md"

ROWS = [
    *(f"V{number:02}" for number in range(1, 49)),
    *(f"D{number:02}" for number in range(1, 44)),
    *(f"A{number:02}" for number in range(1, 7)),
    *(f"C{number:02}" for number in range(1, 7)),
    *(f"F{number:02}" for number in range(1, 25)),
    *(f"G{number}" for number in range(1, 9)),
    *(f"Z{number}" for number in range(1, 11)),
]
"""Ids of the catalogue."""

NOT_YET = "Not yet: "
"""How a row begins whose feature does not exist."""


def rows() -> dict[str, tuple[str, str]]:
    """What each row says is seen, and where it is shown."""
    found = {}
    for line in PAGE.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if line.startswith("| ") and re.fullmatch(r"[A-Z]\d+", cells[0]):
            assert len(cells) == 4, line
            assert cells[0] not in found, f"{cells[0]} stands there twice"
            found[cells[0]] = (cells[2], cells[3])
    return found


def test_every_row_is_there_once_and_in_order() -> None:
    assert list(rows()) == ROWS


@pytest.mark.parametrize("row", ROWS)
def test_row_has_its_test_or_its_reason(row: str) -> None:
    seen, shown = rows()[row]
    files = re.findall(r"`([\w/.-]+\.py)`", shown)
    if not files:
        assert seen.startswith(NOT_YET), f"{row} names no test and no reason"
        return
    for name in files:
        text = (ROOT / name).read_text()
        if name.startswith("tests/security/"):
            pattern = rf"^(async )?def test_{row.lower()}_"
            assert re.search(pattern, text, re.MULTILINE), f"{name} has no test of {row}"


def test_no_test_of_a_row_is_missing_on_the_page() -> None:
    for path in sorted((ROOT / "tests" / "security").glob("test_*.py")):
        for row in set(re.findall(r"^(?:async )?def test_([a-z]\d+)_", path.read_text(), re.M)):
            name = str(path.relative_to(ROOT))
            assert name in rows()[row.upper()][1], f"{row} does not name {name}"
