"""The accounts of the stranger's path: no block of a page is left to nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from scripts.stranger.elsewhere import ELSEWHERE, ByNobody, ByTest
from scripts.stranger.ledger import Page, faults, read
from scripts.strangers_path import PAGES

if TYPE_CHECKING:
    from pathlib import Path

    from scripts.stranger.elsewhere import Elsewhere

TEXT = """# A page

```sh
pip install it  # here
```

## Run

```python
print("first")
```

Words, in Python.

```python
print("second")
```

Not run by our tests.
"""

TESTS = '''"""`page.md` is run."""


def test_first() -> None: ...


async def test_second() -> None: ...
'''

BOTH = ByTest(
    "Run", "python", ("tests/test_page.py::test_first", "tests/test_page.py::test_second")
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_page.py").write_text(TESTS)
    return tmp_path


def problems(root: Path, *elsewhere: Elsewhere, taken: tuple[str, str] | None = None) -> str:
    page = Page("pages/page.md", TEXT)
    page.take("sh", "A page")
    if taken is not None:
        page.take(*taken)
    return "\n".join(faults({page.name: page}, {page.name: elsewhere}, root))


def test_blocks_have_their_headings_and_lines() -> None:
    blocks = Page("pages/page.md", TEXT).blocks
    assert [(each.title, each.mark, each.line) for each in blocks] == [
        ("A page", "sh", 3),
        ("Run", "python", 9),
        ("Run", "python", 15),
    ]


def test_all_is_well_when_each_block_is_run_by_somebody(root: Path) -> None:
    assert problems(root, taken=("python", "Run")) == ""
    assert problems(root, BOTH) == ""
    assert problems(root, ByNobody("Run", "python", "Not run by our tests.", count=2)) == ""


def test_block_that_nobody_runs_is_named_by_its_line(root: Path) -> None:
    assert problems(root) == (
        "pages/page.md:9: nobody runs this block, 'python'\n"
        "pages/page.md:15: nobody runs this block, 'python'"
    )


@pytest.mark.parametrize(
    ("told", "fault"),
    [
        (ByTest("Run", "python", BOTH.tests[:1]), "2 blocks are left to others, 1 have a name"),
        (ByTest("Run", "python", (*BOTH.tests, "x")), "2 blocks are left to others, 3 have a name"),
        (ByTest("Run", "js", BOTH.tests), "0 blocks are left to others"),
        (
            ByTest("Run", "python", (BOTH.tests[0], "tests/none.py::test_it")),
            "there is no tests/none",
        ),
        (
            ByTest("Run", "python", (BOTH.tests[0], "tests/test_page.py::test_third")),
            "there is no tests/test_page.py::test_third",
        ),
        (ByNobody("Run", "python", "Nobody runs it.", count=2), "the page does not say there"),
    ],
)
def test_what_is_said_of_others_must_be_so(root: Path, told: Elsewhere, fault: str) -> None:
    assert fault in problems(root, told)


def test_test_must_be_about_the_page(root: Path) -> None:
    (root / "tests" / "test_page.py").write_text(TESTS.replace("page.md", "other.md"))
    assert "tests/test_page.py has nothing of pages/page.md" in problems(root, BOTH)


def test_block_that_is_run_here_needs_nobody_else(root: Path) -> None:
    assert "0 blocks are left to others" in problems(root, BOTH, taken=("python", "Run"))


def test_page_that_is_not_on_the_path_is_found(root: Path) -> None:
    assert [*faults({}, {"pages/page.md": (BOTH,)}, root)] == ["pages/page.md: no page of the path"]


def test_nothing_is_taken_that_is_not_there() -> None:
    with pytest.raises(LookupError, match="has no 'js' below 'Run'"):
        Page("pages/page.md", TEXT).take("js", "Run")


def test_those_who_are_named_run_blocks_of_the_pages() -> None:
    pages = read(PAGES)
    for name, page in pages.items():
        theirs = {(each.mark, each.title) for each in ELSEWHERE.get(name, ())}
        for block in page.blocks:
            if (block.mark, block.title) not in theirs:
                page.take(block.mark, block.title)
    assert [*faults(pages, ELSEWHERE)] == []
