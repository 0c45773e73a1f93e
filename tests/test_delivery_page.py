"""Each promise of the page about delivery and order has its tests, and these exist."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from typing import Final

import pytest

from tests.support.documents import DOCS

ROOT: Final = Path(__file__).resolve().parent.parent
PROMISES, _, EVIDENCE = (DOCS / "delivery.md").read_text().partition("## The tests\n")
ROW: Final = re.compile(r"^\| (\d+) \| (.+) \|$", re.MULTILINE)
TEST: Final = re.compile(r"`([\w/]+\.py)::(\w+)`")
NUMBERS: Final = [int(number) for number, _ in ROW.findall(PROMISES)]


@cache
def names_in(name: str) -> frozenset[str]:
    """Tests and classes of tests in a file, which is below `tests` or one of `interop`."""
    file = ROOT / name if name.startswith("interop/") else ROOT / "tests" / name
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    nodes = ast.walk(ast.parse(file.read_text()))
    return frozenset(node.name for node in nodes if isinstance(node, kinds))


def test_promises_are_numbered_in_order() -> None:
    assert NUMBERS == list(range(1, len(NUMBERS) + 1))
    assert len(NUMBERS) > 30


def test_each_promise_has_its_row_of_tests() -> None:
    assert [int(number) for number, _ in ROW.findall(EVIDENCE)] == NUMBERS


@pytest.mark.parametrize("number", NUMBERS)
def test_tests_of_a_promise_exist(number: int) -> None:
    tests = TEST.findall(dict(ROW.findall(EVIDENCE))[str(number)])
    assert tests
    for file, name in tests:
        assert name.startswith(("test_", "Test")), name
        assert name in names_in(file), f"{file} has no {name}"
