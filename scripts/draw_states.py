"""Draw the lives of a session and of a server's socket, each from its table in a states.py.

Only the places of the states are kept here; arrows and their labels come from the tables. Without
arguments the drawings in docs/images are written; `--check` tells whether they are up to date.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from sockwave.engine.core import states as session
from sockwave.socketio.server import states as socket

if TYPE_CHECKING:
    from collections.abc import Mapping
    from enum import Enum

IMAGES: Final = Path(__file__).resolve().parent.parent / "docs/images"
DRAWING: Final = IMAGES / "session-states.svg"
SOCKET_DRAWING: Final = IMAGES / "socket-states.svg"

BOX_WIDTH, BOX_HEIGHT = 128, 40
BEND: Final = 26
"""How far two arrows between the same states keep from the straight line."""
LOOP: Final = 76
"""How far the arrow from a state to itself is drawn up."""


class Point(NamedTuple):
    """A place on the drawing."""

    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Life:
    """What is drawn.

    Attributes:
        of: Whose states they are.
        table: The transitions, from a state and what happens to a state.
        places: Where the states stand.
        width: Of the drawing.
        height: Likewise.
    """

    of: str
    table: Mapping[tuple[Enum, Enum], Enum]
    places: Mapping[Enum, Point]
    width: int
    height: int


SESSION: Final = Life(
    "a session",
    {(start, happened): end for (start, happened), end in session.TRANSITIONS.items()},
    {
        session.State.OPEN: Point(110, 60),
        session.State.UPGRADING: Point(530, 60),
        session.State.CLOSING: Point(320, 180),
        session.State.CLOSED: Point(320, 300),
    },
    width=640,
    height=340,
)

SOCKET: Final = Life(
    "a socket",
    {(start, happened): end for (start, happened), end in socket.TRANSITIONS.items()},
    {
        socket.State.CONNECTING: Point(100, 60),
        socket.State.CONNECTED: Point(400, 60),
        socket.State.UNREACHABLE: Point(450, 190),
        socket.State.DISCONNECTING: Point(740, 130),
        socket.State.DISCONNECTED: Point(250, 340),
    },
    width=830,
    height=380,
)

DRAWINGS: Final = {DRAWING: SESSION, SOCKET_DRAWING: SOCKET}

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


def draw(life: Life = SESSION) -> str:
    """Make a drawing."""
    arrows: dict[tuple[Enum, Enum], list[Enum]] = {}
    for (start, happened), end in life.table.items():
        arrows.setdefault((start, end), []).append(happened)
    shapes = [
        shape
        for (start, end), inputs in arrows.items()
        for shape in _arrow(life, start, end, inputs, is_bent=(end, start) in arrows)
    ]
    boxes = [shape for state, place in life.places.items() for shape in _box(state, place)]
    return "\n".join(
        [
            (
                '<svg xmlns="http://www.w3.org/2000/svg"'
                f' viewBox="0 0 {life.width} {life.height}" width="{life.width}"'
                f' height="{life.height}" role="img" aria-label="States of {life.of}">'
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


def _box(state: Enum, place: Point) -> list[str]:
    x, y = place.x - BOX_WIDTH / 2, place.y - BOX_HEIGHT / 2
    return [
        f'<rect x="{x:g}" y="{y:g}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="8"/>',
        f'<text class="state" x="{place.x:g}" y="{place.y + 5:g}">{state.name}</text>',
    ]


def _arrow(life: Life, start: Enum, end: Enum, inputs: list[Enum], *, is_bent: bool) -> list[str]:
    here, there = life.places[start], life.places[end]
    text = ", ".join(happened.name for happened in inputs)
    if start is end:
        top = here.y - BOX_HEIGHT / 2 - 4
        left, right = here.x - BEND, here.x + BEND
        curve = (
            f"M{left:.0f} {top:.0f}C{left:.0f} {top - LOOP:.0f}"
            f" {right:.0f} {top - LOOP:.0f} {right:.0f} {top:.0f}"
        )
        return _labelled(curve, Point(here.x, top - LOOP * 3 / 4), text)
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
    return _labelled(curve, label, text)


def _labelled(curve: str, label: Point, text: str) -> list[str]:
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
    """Write the drawings, or check them."""
    if "--check" in sys.argv[1:]:
        drawings = DRAWINGS.items()
        is_drawn = all(file.is_file() and file.read_text() == draw(life) for file, life in drawings)
        return 0 if is_drawn else 1
    IMAGES.mkdir(exist_ok=True)
    for file, life in DRAWINGS.items():
        file.write_text(draw(life))
    return 0


if __name__ == "__main__":
    sys.exit(main())
