"""The figures where they are told: rows of the tables of docs/performance.md and docs/compared.md.

A row is found by its first cell. It has the figures of the servers and then the multiples of the
others', or the multiples only.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final, TypeAlias

from benchmarks.revisions import ROOT
from scripts.draw_benchmark import draw

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["FIGURES", "PAGES", "PICTURE", "WORK", "Measured", "load", "publish", "with_figures"]

Measured: TypeAlias = "dict[str, dict[str, float]]"
"""By kind of work and server: work per second of the server's processor time; kB for `memory`."""

FIGURES: Final = ROOT / "docs" / "benchmark.json"
PICTURE: Final = ROOT / "docs" / "images" / "benchmark.svg"
PAGES: Final = (ROOT / "docs" / "performance.md", ROOT / "docs" / "compared.md")
WORK: Final = {
    "echo: 100 clients, one event of 32 bytes in flight each": "echo",
    "the same, acknowledged": "ack",
    "16 events in flight each": "pipe",
    "echo of 16 kB, 20 clients": "big",
    "one event to 1,000 clients": "fanout",
    "echo by long-polling": "poll",
    "connect, join, leave": "churn",
    "memory per idle connection": "memory",
}
"""How the pages call the kinds of work."""


def load() -> Measured:
    """What was measured last."""
    measured: Measured = json.loads(FIGURES.read_text())
    return measured


def _multiples(figures: dict[str, float]) -> list[str]:
    """Of Bun, and of Node, who is further away."""
    bun, node = figures["ours"] / figures["bun"], figures["ours"] / figures["node"]
    return [f"{bun:.2f}", f"{node:.1f}" if node >= 1 else f"{node:.2f}"]


def _row(line: str, measured: Measured) -> str:
    """A line of a page, with the figures of its work if it is a row with figures."""
    work, *cells = line.removeprefix("| ").removesuffix(" |").split(" | ")
    kind = WORK.get(work) if line.startswith("| ") else None
    if kind is None or kind not in measured:
        return line
    told = _multiples(measured[kind])
    if len(cells) > len(told):
        unit = "{:.1f} kB" if kind == "memory" else "{:,.0f}"
        told = [*(unit.format(measured[kind][of]) for of in ("ours", "bun", "node")), *told]
    return f"| {' | '.join([work, *told])} |"


def with_figures(page: str, measured: Measured) -> str:
    """A page with these figures in its tables."""
    return "".join(f"{_row(line, measured)}\n" for line in page.splitlines())


def publish(measured: Measured, folder: Path = ROOT) -> None:
    """Keep the figures, write them into the pages, and draw the picture."""

    def here(path: Path) -> Path:
        return folder / path.relative_to(ROOT)

    here(FIGURES).write_text(json.dumps(measured, indent=2) + "\n")
    for page in PAGES:
        here(page).write_text(with_figures(page.read_text(), measured))
    here(PICTURE).write_text(draw(measured))
