"""Draws how many messages a cluster carries as its nodes grow, a line for each carrier.

`python -m benchmarks.capacity` measures, reckons and draws docs/images/capacity.svg by it.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor, log10
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["TARGET", "Line", "Panel", "draw"]

TARGET: Final = Path("docs/images/capacity.svg")

COLOURS: Final = ("#0b7285", "#e03131", "#7048e8", "#2f9e44", "#339af0", "#868e96", "#f08c00")
"""Of lines, in their order: told apart on white and on black."""

WIDTH, HEIGHT = 760, 250
LEFT, RIGHT, TOP, GAP, BOTTOM = 76, 150, 76, 58, 40
STYLE: Final = (
    "text{font:13px system-ui,sans-serif;fill:#333}.h{font-weight:600;font-size:15px}"
    ".v{font-size:11px;fill:#555}.g{stroke:#ddd}.l{fill:none;stroke-width:2}"
    "@media(prefers-color-scheme:dark){text{fill:#ddd}.v{fill:#aaa}.g{stroke:#444}}"
)


@dataclass(frozen=True, slots=True)
class Line:
    """Of a carrier.

    Attributes:
        title: Its name.
        points: Nodes, and messages a second; the last one is where it ends.
        ends: Whether it ends there; else it goes on.
    """

    title: str
    points: Sequence[tuple[float, float]]
    ends: bool


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture of all carriers.

    Attributes:
        title: What is sent to whom.
        lines: Of carriers, the same in all panels.
    """

    title: str
    lines: Sequence[Line]


@dataclass(frozen=True, slots=True)
class _Scale:
    """A logarithmic axis, from one power of ten to another."""

    low: int
    high: int
    begin: float
    end: float

    @classmethod
    def of(cls, values: Sequence[float], begin: float, end: float) -> _Scale:
        low, high = floor(log10(min(values))), ceil(log10(max(values)))
        return cls(low, max(high, low + 1), begin, end)

    def at(self, value: float) -> float:
        part = (log10(value) - self.low) / (self.high - self.low)
        return self.begin + part * (self.end - self.begin)

    def powers(self) -> Iterator[int]:
        return (10**power for power in range(self.low, self.high + 1))


def draw(heading: str, panels: Sequence[Panel]) -> str:
    """Make the picture: panels one below the other, nodes to the right, messages up."""
    height = TOP + len(panels) * (HEIGHT + GAP) + BOTTOM - GAP
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        f"<title>{heading}</title>",
        f"<style>{STYLE}</style>",
        f'<text class="h" x="12" y="24">{heading}</text>',
    ]
    titles = [line.title for line in panels[0].lines]
    colours = dict(zip(titles, COLOURS, strict=False))
    at = 12.0
    for title, colour in colours.items():
        parts.append(
            f'<rect x="{at:g}" y="38" width="11" height="11" rx="2" fill="{colour}"/>'
            f'<text x="{at + 16:g}" y="48">{title}</text>'
        )
        at += 30 + 7 * len(title)
    for number, panel in enumerate(panels):
        parts += _panel(panel, TOP + number * (HEIGHT + GAP), colours)
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(
        f'<text class="v" x="{middle:g}" y="{height - 6}" text-anchor="middle">nodes</text>'
    )
    return "\n".join((*parts, "</svg>", ""))


def _panel(panel: Panel, top: float, colours: Mapping[str, str]) -> Iterator[str]:
    points = [point for line in panel.lines for point in line.points]
    across = _Scale.of([x for x, _ in points], LEFT, WIDTH - RIGHT)
    up = _Scale.of([y for _, y in points], top + HEIGHT, top + 22)
    yield f'<text x="{LEFT}" y="{top + 10}">{panel.title}</text>'
    for value in up.powers():
        y = up.at(value)
        yield f'<line class="g" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield (f'<text class="v" x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{value:,}</text>')
    for value in across.powers():
        x = across.at(value)
        yield (
            f'<text class="v" x="{x:.1f}" y="{top + HEIGHT + 16}" '
            f'text-anchor="middle">{value:,}</text>'
        )
    labels = _apart([(up.at(line.points[-1][1]), line) for line in panel.lines if line.points])
    for y, line in labels:
        colour = colours[line.title]
        path = " ".join(f"{across.at(x):.1f},{up.at(value):.1f}" for x, value in line.points)
        end_x, end_y = across.at(line.points[-1][0]), up.at(line.points[-1][1])
        yield f'<polyline class="l" stroke="{colour}" points="{path}"/>'
        if line.ends:
            yield (
                f'<path class="l" stroke="{colour}" '
                f'd="M{end_x - 4:.1f} {end_y - 4:.1f}l8 8m0-8l-8 8"/>'
            )
        yield (
            f'<text class="v" x="{WIDTH - RIGHT + 8}" y="{y + 4:.1f}">'
            f"{line.title}{' ends' if line.ends else ''}</text>"
        )


LABEL: Final = 13.0
"""Height of one."""


def _apart(labels: Sequence[tuple[float, Line]]) -> Iterator[tuple[float, Line]]:
    """Labels from top to bottom, none upon another."""
    last = float("-inf")
    for wanted, line in sorted(labels, key=lambda label: label[0]):
        last = max(wanted, last + LABEL)
        yield last, line
