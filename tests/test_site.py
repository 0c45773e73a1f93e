"""The documentation site: built as `make docs` does, whole, and with nothing from elsewhere."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from scripts.site.published import published
from tests.support.site import inventory, site

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

DOCS: Final = Path(__file__).resolve().parent.parent / "docs"
FETCHED: Final = re.compile(
    r"""<(?:script|img|iframe|source|video|audio)\b[^>]*?\bsrc\s*=\s*["'](?:https?:)?//"""
    r"""|<link\b[^>]*?\bhref\s*=\s*["'](?:https?:)?//"""
    r"""|@import\s+["']?(?:https?:)?//|url\(\s*["']?(?:https?:)?//""",
    re.IGNORECASE,
)


def texts(*suffixes: str) -> Iterator[tuple[str, str]]:
    for path in sorted(site().rglob("*")):
        if path.suffix in suffixes:
            yield str(path.relative_to(site())), path.read_text()


def test_every_public_name_is_in_the_inventory() -> None:
    known = inventory()
    missing = [each.path for each in published() if each.path not in known]
    assert missing == []


def test_every_address_of_the_inventory_is_there() -> None:
    ids: dict[str, set[str]] = {}
    for place in inventory().values():
        page, _, id_ = place.partition("#")
        if page not in ids:
            ids[page] = set(re.findall(r'\bid="([^"]+)"', (site() / page).read_text()))
        assert not id_ or id_ in ids[page], place


def test_every_page_of_the_documentation_is_there() -> None:
    for page in DOCS.rglob("*.md"):
        name = page.relative_to(DOCS)
        place = name.with_name("index.html") if page.stem == "README" else name.with_suffix(".html")
        assert (site() / place).is_file(), name


def test_nothing_is_fetched_from_elsewhere() -> None:
    found = [
        (name, match[0])
        for name, text in texts(".html", ".css")
        for match in FETCHED.finditer(text)
    ]
    assert found == []


def test_links_within_the_site_lead_somewhere() -> None:
    broken = []
    for name, text in texts(".html"):
        for target in set(re.findall(r'\b(?:href|src)="([^"#?]+)[^"]*"', text)):
            if re.match(r"[a-z]+:", target):
                continue
            if not (site() / name).parent.joinpath(target).exists():
                broken.append((name, target))
    assert broken == []
