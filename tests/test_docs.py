"""Code in the documentation is the code of the examples."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Final

from scripts.check_docs import FENCE

ROOT: Final = Path(__file__).resolve().parent.parent
EXAMPLES: Final = ROOT / "examples"


def blocks(page: str, mark: str) -> list[str]:
    """Code blocks of a page with exactly this mark."""
    found = FENCE.finditer((ROOT / "docs" / page).read_text())
    return [match["code"] for match in found if match["mark"] == mark]


def body(file: Path) -> str:
    """Source below the docstring of the module."""
    source = file.read_text()
    docstring = ast.parse(source).body[0]
    assert isinstance(docstring, ast.Expr)
    return "".join(source.splitlines(keepends=True)[docstring.end_lineno :])


def squeezed(text: str) -> str:
    """Without blank lines, which a page has where it pleases."""
    return re.sub(r"\n\n+", "\n", text).strip()


def test_tutorial_makes_the_chat_server() -> None:
    code = [*blocks("tutorial.md", "python"), *blocks("tutorial.md", "python last")]
    assert squeezed("\n".join(code)) == squeezed(body(EXAMPLES / "chat.py"))


def test_tutorial_makes_the_chat_page() -> None:
    code = "\n".join(blocks("tutorial.md", "html"))
    assert squeezed(code) == squeezed((EXAMPLES / "chat.html").read_text())


def test_testing_page_shows_the_tests_of_the_chat() -> None:
    (code,) = blocks("testing.md", "python")
    assert squeezed(code) == squeezed(body(EXAMPLES / "test_chat.py"))


def test_index_of_frameworks_names_every_example() -> None:
    page = (ROOT / "docs" / "frameworks.md").read_text()
    for file in EXAMPLES.glob("with_*.py"):
        assert f"(../examples/{file.name})" in page
