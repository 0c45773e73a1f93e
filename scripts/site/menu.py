"""The groups of the menu: sections of `docs/index.md` that list pages."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

__all__ = ["Group", "groups"]

SECTION: Final = re.compile(r"^## +(?P<title>.+?) *$\n(?P<body>(?:(?!^## ).*\n?)*)", re.MULTILINE)
ITEM: Final = re.compile(r"^- \[(?P<text>[^\]]+)\]\((?P<target>[^)#\s]+\.md)\)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Group:
    """A heading of the menu, and the pages below it with their texts there."""

    title: str
    pages: tuple[tuple[str, PurePosixPath], ...]


def groups(index: str) -> list[Group]:
    """Read the groups from the text of the first page: a list whose items begin with a page."""
    found: list[Group] = []
    for section in SECTION.finditer(index):
        items = ITEM.finditer(section["body"])
        pages = tuple((item["text"], PurePosixPath(item["target"])) for item in items)
        if pages:
            found.append(Group(section["title"], pages))
    return found
