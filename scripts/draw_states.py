"""Draw the life of a session (docs/images/session-states.svg) from the table in states.py.

Only the places of the states are kept here; arrows and their labels come from the table. Without
arguments the drawing is written; `--check` tells whether it is up to date.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Final, NamedTuple

from sockwave.engine.core.states import TRANSITIONS, Input, State

DRAWING: Final = Path(__file__).resolve().parent.parent / "docs/images/session-states.svg"

WIDTH, HEIGHT = 640, 330
BOX_WIDTH, BOX_HEIGHT = 128, 40
BEND: Final = 26
"""How far two arrows between the same states keep from the straight line."""


class Point(NamedTuple):
    """A place on the drawing."""

    x: float
    y: float


PLACES: Final = {
    State.OPEN: Point(110, 60),
    State.UPGRADING: Point(530, 60),
    State.CLOSING: Point(320, 160),
    State.CLOSED: Point(320, 290),
}

STYLE: Final = """
    text { font: 13px system-ui, sans-serif; fill: #1f2937; text-anchor: middle }
    .state { font-weight: 600 }
    .label { font-size: 12px; stroke: #fff; stroke-width: 5px; paint-order: stroke }
    rect { fill: #e0edff; stroke: #2563eb; stroke-width: 1.5 }
    path.arrow { fill: none; stroke: #6b7280; stroke-width: 1.5 }
    #head path { fill: #6b7280 }
    @media (prefers-color-scheme: dark) {
      text { fill: #e5e7eb }
      .label { stroke: #0d1117 }
      rect { fill: #172554; stroke: #60a5fa }
      path.arrow { stroke: #9ca3af }
      #head path { fill: #9ca3af }
    }
"""


def draw() -> str:
    """Make the drawing."""
    arrows: dict[tuple[State, State], list[Input]] = {}
    for (start, happened), end in TRANSITIONS.items():
        arrows.setdefault((start, end), []).append(happened)
    shapes = [
        shape
        for (start, end), inputs in arrows.items()
        for shape in _arrow(start, end, inputs, is_bent=(end, start) in arrows)
    ]
    boxes = [shape for state, place in PLACES.items() for shape in _box(state, place)]
    return "\n".join(
        [
            (
                f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}"'
                f' width="{WIDTH}" height="{HEIGHT}" role="img" aria-label="States of a session">'
            ),
            f"  <style>{STYLE}  </style>",
            (
                '  <marker id="head" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8"'
                ' markerHeight="8" orient="auto-start-reverse"><path d="M0 0L10 5L0 10z"/></marker>'
            ),
            *(f"  {shape}" for shape in (*shapes, *boxes)),
            "</svg>\n",
        ]
    )


def _box(state: State, place: Point) -> list[str]:
    x, y = place.x - BOX_WIDTH / 2, place.y - BOX_HEIGHT / 2
    return [
        f'<rect x="{x:g}" y="{y:g}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="8"/>',
        f'<text class="state" x="{place.x:g}" y="{place.y + 5:g}">{state.name}</text>',
    ]


def _arrow(start: State, end: State, inputs: list[Input], *, is_bent: bool) -> list[str]:
    here, there = PLACES[start], PLACES[end]
    middle = Point((here.x + there.x) / 2, (here.y + there.y) / 2)
    if is_bent:  # to the left of its direction, so that the way back has the other side
        length = math.dist(here, there)
        middle = Point(
            middle.x + BEND * (there.y - here.y) / length,
            middle.y - BEND * (there.x - here.x) / length,
        )
    a, b = _border(here, middle), _border(there, middle)
    label = Point((a.x + 2 * middle.x + b.x) / 4, (a.y + 2 * middle.y + b.y) / 4)
    curve = f"M{a.x:.0f} {a.y:.0f}Q{middle.x:.0f} {middle.y:.0f} {b.x:.0f} {b.y:.0f}"
    text = ", ".join(happened.name for happened in inputs)
    return [
        f'<path class="arrow" d="{curve}" marker-end="url(#head)"/>',
        f'<text class="label" x="{label.x:.0f}" y="{label.y + 4:.0f}">{text}</text>',
    ]


def _border(box: Point, towards: Point) -> Point:
    """Where the line from the middle of a box leaves it, and a little further."""
    dx, dy = towards.x - box.x, towards.y - box.y
    across = (BOX_WIDTH / 2 + 4) / abs(dx) if dx else math.inf
    down = (BOX_HEIGHT / 2 + 4) / abs(dy) if dy else math.inf
    part = min(across, down)
    return Point(box.x + dx * part, box.y + dy * part)


def main() -> int:
    """Write the drawing, or check it."""
    if "--check" in sys.argv[1:]:
        return 0 if DRAWING.is_file() and DRAWING.read_text() == draw() else 1
    DRAWING.parent.mkdir(exist_ok=True)
    DRAWING.write_text(draw())
    return 0


if __name__ == "__main__":
    sys.exit(main())
