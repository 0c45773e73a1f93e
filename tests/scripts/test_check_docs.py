"""The check of the documentation finds what it is there for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from scripts import check_docs

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(check_docs, "ROOT", tmp_path)
    (tmp_path / "other.md").write_text("# One `name`, two words!\n")
    return tmp_path / "page.md"


@pytest.mark.parametrize(
    "text",
    [
        "[a](other.md)",
        "[a](other.md#one-name-two-words)",
        "[a](https://example.com/x) and [b](mailto:a@example.com)",
        "# Here\n[a](#here)",
        "`[a](missing.md)`",
        "```text\n[a](missing.md)\n```",
        '<img src="other.md">',
    ],
)
def test_links_that_lead_somewhere_are_fine(page: Path, text: str) -> None:
    page.write_text(text)
    assert list(check_docs.broken_links(page)) == []


@pytest.mark.parametrize(
    "link",
    [
        "[a](missing.md)",
        "![a [b] c](missing.png)",
        "[a](other.md#three)",
        "[a](#nowhere)",
        "[a](../outside.md)",
        '<img alt="x" src="missing.png">',
    ],
)
def test_broken_link_is_found_on_its_line(page: Path, link: str) -> None:
    page.write_text(f"# Title\n\n```python\nx = 1\n```\n\n{link}\n")
    assert [line for line, _ in check_docs.broken_links(page)] == [7]


def test_code_that_awaits_at_its_top_level_compiles() -> None:
    text = "```python\nasync with a as b:\n    print(await b)\n```\n"
    assert list(check_docs.broken_code(text)) == []


def test_broken_code_is_found_on_its_line() -> None:
    text = "# Title\n\n- item\n\n  ```python\n  x = 1\n  y = = 2\n  ```\n"
    assert [line for line, _ in check_docs.broken_code(text)] == [7]


def test_code_of_other_languages_is_left_alone() -> None:
    assert list(check_docs.broken_code("```js\nconst x = 1;\n```\n```\nx = = 1\n```\n")) == []
