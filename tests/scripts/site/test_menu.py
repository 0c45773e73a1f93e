"""The menu is what the first page lists."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Final

from scripts.site.menu import Group, groups

DOCS: Final = Path(__file__).resolve().parents[3] / "docs"


def test_sections_that_list_pages_are_groups() -> None:
    text = """\
# Title

- [Not in a section](a.md)

## Start

Some words.

- [First](a.md): how?
- [Second](b/README.md): why?
- no page

## Words

- [An anchor](a.md#there)
"""
    pages = (("First", PurePosixPath("a.md")), ("Second", PurePosixPath("b/README.md")))
    assert groups(text) == [Group("Start", pages)]


def test_groups_are_those_that_readers_look_for() -> None:
    titles = [group.title for group in groups((DOCS / "index.md").read_text())]
    assert titles == ["Start", "Guides", "Reference", "Operating", "Evidence", "Project"]


def test_every_page_is_in_one_group() -> None:
    listed = [
        (DOCS / page).resolve()
        for group in groups((DOCS / "index.md").read_text())
        for _, page in group.pages
    ]
    assert len(set(listed)) == len(listed)
    missing = {path.resolve() for path in DOCS.glob("*.md")} - set(listed)
    assert {path.name for path in missing} == {"index.md"}, "list them in docs/index.md"


def test_evidence_is_out_of_the_way_of_users() -> None:
    of_group = {group.title: group.pages for group in groups((DOCS / "index.md").read_text())}
    evidence = {str(page) for _, page in of_group["Evidence"]}
    assert {"evidence.md", "security.md", "conformance.md", "rfc6455.md"} <= evidence
    assert "hardening.md" in {str(page) for _, page in of_group["Operating"]}
