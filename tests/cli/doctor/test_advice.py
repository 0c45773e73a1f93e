"""Every fault has its advice, and no advice is for nothing."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path

import click
import pytest

from sockwave.cli.doctor import advice
from sockwave.cli.doctor.advice import FAULTS
from sockwave.cli.doctor.findings import Finding, Verdict
from sockwave.cli.doctor.report import lines

FOLDER = Path(advice.__file__).parent
TEXTS = {
    node.value
    for file in FOLDER.glob("*.py")
    if file.name not in ("advice.py", "command.py")
    for node in ast.walk(ast.parse(file.read_text()))
    if isinstance(node, ast.Constant) and isinstance(node.value, str)
}
PAGE = Path(__file__).parents[3] / "docs" / "doctor.md"
SAMPLE = {
    "websocket": "upgrade-headers",
    "upgrade": "upgrade-headers",
    "body": "body-limit",
    "idle poll": "idle-poll",
}
"""Faults of the sample there, by the checks that find them."""
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


def row(fault: str) -> str:
    """What the page says of it."""
    what = FAULTS[fault]
    lines = [f"`{line}`" if line else "" for line in (what.nginx, what.haproxy)]
    return f"| `{fault}` | {' | '.join((what.means, *lines, what.others))} |"


def test_page_has_the_advice_for_each_fault() -> None:
    page = PAGE.read_text().splitlines()
    assert [line for line in page if line.startswith("| `")] == [row(fault) for fault in FAULTS]


def test_sample_of_the_page_is_what_the_command_says() -> None:
    page = PAGE.read_text()
    sample = page.partition("```text\n")[2].partition("```")[0]
    found = [
        Finding(
            check=line[10:25].strip(), verdict=Verdict(line[:9].strip()), saw=line[26:], fault=""
        )
        for line in sample.splitlines()
        if line[:1].strip() and not line.startswith("Of ")
    ]
    told: set[str] = set()
    shown = []
    for finding in found:
        fault = SAMPLE.get(finding.check, "")
        shown += lines(replace(finding, fault=fault), told)
    assert click.unstyle("\n".join(shown)) == sample.rpartition("\nOf ")[0]
