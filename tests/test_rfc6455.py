"""What docs/rfc6455.md says keeps a rule is there, and the tests of the two RFCs are all named."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Final

import pytest

TESTS: Final = Path(__file__).resolve().parent
PAGE: Final = (TESTS.parent / "docs" / "rfc6455.md").read_text()
NAMED: Final = set(re.findall(r"`([\w/]+\.py)::(test_\w+)`", PAGE))

BY_SECTION: Final = (
    "conformance/test_rfc6455.py",
    "conformance/test_rfc7692.py",
    "wire/test_rfc6455_handshake.py",
    "client/test_rfc6455_handshake.py",
)
"""Files whose tests have the number of a section in their names."""


def names_in(file: str) -> set[str]:
    nodes = ast.walk(ast.parse((TESTS / file).read_text()))
    functions = (n for n in nodes if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef)))
    return {function.name for function in functions if function.name.startswith("test_")}


@pytest.mark.parametrize(("file", "name"), sorted(NAMED))
def test_named_test_exists(file: str, name: str) -> None:
    assert name in names_in(file)


@pytest.mark.parametrize("file", BY_SECTION)
def test_every_test_of_a_rule_is_named(file: str) -> None:
    assert names_in(file) == {name for named, name in NAMED if named == file}


def test_every_rule_has_a_section_and_a_test_with_its_number() -> None:
    rows = [line.strip("|").split(" | ") for line in PAGE.splitlines() if line.startswith("| ")]
    rules = [row for row in rows if row[0].strip() != "section"]
    assert len(rules) > 50
    for row in rules:
        assert len(row) == 3, row
        sections, rule, kept_by = (cell.strip() for cell in row)
        assert rule
        parts = kept_by.split("<br>")
        assert all(re.fullmatch(r"`[\w/]+\.py::test_\w+`", part) for part in parts), row
        numbers = {
            section.rpartition(".")[0] if is_parent else section
            for section in sections.split(", ")
            for is_parent in (False, True)
        } - {""}
        tests = [part for part in parts if part[1:].startswith(BY_SECTION)]
        prefixes = tuple(f"test_{number.replace('.', '_')}_" for number in numbers)
        names = [part.partition("::")[2] for part in tests]
        assert not names or any(name.startswith(prefixes) for name in names), row
