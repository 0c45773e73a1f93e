"""Every fault has its advice, and no advice is for nothing."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from sockwave.cli.doctor import advice
from sockwave.cli.doctor.advice import FAULTS

FOLDER = Path(advice.__file__).parent
TEXTS = {
    node.value
    for file in FOLDER.glob("*.py")
    if file.name not in ("advice.py", "command.py")
    for node in ast.walk(ast.parse(file.read_text()))
    if isinstance(node, ast.Constant) and isinstance(node.value, str)
}
NAMERS = {"wrong", "note", "NoAnswer"}
"""Functions that take the name of a fault."""


def named() -> set[str]:
    """Faults that are given in words where one is made."""
    return {
        argument.value
        for file in FOLDER.glob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in NAMERS
        for argument in node.args[2 if node.func.id != "NoAnswer" else 1 :][:1]
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
    }


def test_each_fault_that_is_named_has_its_advice() -> None:
    assert named() - set(FAULTS) == set()
    assert len(named()) > 15


@pytest.mark.parametrize("fault", FAULTS)
def test_advice_is_given_for_a_fault_that_is_looked_for(fault: str) -> None:
    assert fault in TEXTS
    what = FAULTS[fault]
    assert what.means.endswith(".")
    assert what.others.strip()
    assert "\n" not in what.means + what.others


def test_page_explains_each_fault() -> None:
    page = (Path(__file__).parents[3] / "docs" / "doctor.md").read_text()
    for fault in FAULTS:
        assert f"`{fault}`" in page
