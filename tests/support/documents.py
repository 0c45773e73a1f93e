"""Blocks of code in the pages of `docs/`."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from scripts.check_docs import FENCE

__all__ = ["DOCS", "blocks"]

DOCS: Final = Path(__file__).resolve().parent.parent.parent / "docs"


def blocks(page: str, mark: str | None = None) -> list[str]:
    """Code blocks of a page: all, or those with exactly this mark."""
    found = FENCE.finditer((DOCS / page).read_text())
    return [match["code"] for match in found if mark is None or match["mark"] == mark]
