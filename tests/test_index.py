"""The first page of the documentation tells the truth: its figures are those of their pages."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from tests.test_conformance import rows

DOCS: Final = Path(__file__).resolve().parent.parent / "docs"


def figures() -> list[str]:
    """The head of the table with three columns."""
    (head,) = re.findall(r"^\| (.+) \|\n\|---\|---\|---\|$", (DOCS / "index.md").read_text(), re.M)
    return str(head).split(" | ")


def beside_node(work: str) -> float:
    """Work per second as a multiple of Node's, from the page about performance."""
    page = (DOCS / "performance.md").read_text()
    (line,) = re.findall(rf"^\| {work}.*$", page, re.MULTILINE)
    return float(line.strip("| ").split(" | ")[-1])


def test_there_are_three_figures() -> None:
    assert len(figures()) == 3


def test_speed_is_that_of_the_page_about_performance() -> None:
    slow, fast = beside_node("echo: 100 clients"), beside_node("16 events in flight")
    assert figures()[0] == f"{slow} to {fast} ×"


def test_memory_is_that_of_the_page_about_performance() -> None:
    page = (DOCS / "performance.md").read_text()
    (line,) = re.findall(r"^\| memory per idle connection.*$", page, re.MULTILINE)
    ours, _, node, *_ = (float(figure) for figure in re.findall(r"([\d.]+) kB", line))
    assert figures()[1] == f"{ours:.0f} kB"
    assert f"where Node's takes {node:.0f}" in (DOCS / "index.md").read_text()


def test_rows_are_those_of_the_page_about_conformance() -> None:
    assert figures()[2] == f"{len(rows()) // 100 * 100}+ rows"


def test_program_is_that_of_the_readme() -> None:
    block = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    (ours,) = block.findall((DOCS / "index.md").read_text())
    assert ours in block.findall((DOCS.parent / "README.md").read_text())
