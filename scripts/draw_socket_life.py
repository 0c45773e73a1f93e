"""Draw what happens to a socket from its first request to its end, for the guide to the server.

What users write stands in the boxes. Each box belongs to a state of the server's own table, and
each arrow to something that happens there: the drawing cannot tell of a way that there is not.
Without arguments the drawing in docs/images is written; `--check` tells whether it is up to date.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Final, NamedTuple

from sockwave.socketio.server.states import IN, Input, State

__all__ = ["ARROWS", "DRAWING", "STEPS", "Arrow", "Step", "draw"]

DRAWING: Final = Path(__file__).resolve().parent.parent / "docs/images/socket-life.svg"

WIDTH, HEIGHT = 860, 400
BOX_WIDTH, BOX_HEIGHT = 180, 76
LINE: Final = 19
"""Between two lines of text."""


class Point(NamedTuple):
    """A place on the drawing."""

    x: int
    y: int


@dataclass(frozen=True, slots=True)
class Step:
    """A box.

    Attributes:
        title: What users write for it, or what it is.
        text: Lines below the title.
        state: Where the socket is then.
        place: Of the middle.
    """

    title: str
    text: tuple[str, ...]
    state: State
    place: Point


@dataclass(frozen=True, slots=True)
class Arrow:
    """From one step to another.

    Attributes:
        start: Name of a step.
        end: Likewise.
        text: What makes the socket go this way.
        happened: The same in the table; None where the state stays, or where the socket is a new
            one.
        way: From the border of one box to that of the other.
        label: Where the middle of the text is.
    """

    start: str
    end: str
    text: str
    happened: Input | None
    way: tuple[Point, ...]
    label: Point | None = None

    @property
    def is_inside(self) -> bool:
        """Whether the socket is connected all the way."""
        return STEPS[self.start].state in IN and STEPS[self.end].state in IN

    @property
    def is_return(self) -> bool:
        """Whether it leads from the end of one socket to the beginning of another."""
        return STEPS[self.start].state is State.DISCONNECTED


STEPS: Final = {
    "middlewares": Step(
        "@io.use", ("middlewares: may", "this client come in?"), State.CONNECTING, Point(110, 90)
    ),
    "connection": Step(
        '@io.on("connection")',
        ("its rooms, its data,", "its handlers"),
        State.CONNECTED,
        Point(400, 90),
    ),
    "events": Step(
        "events", ("on_any, @socket.use,", "then handlers"), State.CONNECTED, Point(730, 90)
    ),
    "refused": Step(
        "refused", ("the client gets", "connect_error"), State.DISCONNECTED, Point(255, 250)
    ),
    "disconnecting": Step(
        "disconnecting",
        ("with a reason;", "still in its rooms"),
        State.DISCONNECTING,
        Point(730, 232),
    ),
    "disconnect": Step(
        "disconnect", ("with a reason;", "in no room any more"), State.DISCONNECTED, Point(730, 346)
    ),
}

ARROWS: Final = (
    Arrow(
        "middlewares",
        "connection",
        "they return",
        Input.ADMIT,
        (Point(204, 90), Point(306, 90)),
        Point(254, 80),
    ),
    Arrow(
        "connection",
        "events",
        "the client is connected",
        None,
        (Point(494, 90), Point(636, 90)),
        Point(564, 80),
    ),
    Arrow(
        "middlewares",
        "refused",
        "an exception",
        Input.REFUSE,
        (Point(110, 132), Point(110, 250), Point(161, 250)),
        Point(110, 192),
    ),
    Arrow(
        "connection",
        "refused",
        "an exception",
        Input.LEAVE,
        (Point(400, 132), Point(400, 250), Point(349, 250)),
        Point(400, 192),
    ),
    Arrow(
        "events",
        "disconnecting",
        "it leaves, it is lost, or you end it",
        Input.ANNOUNCE,
        (Point(730, 132), Point(730, 190)),
        Point(730, 164),
    ),
    Arrow(
        "disconnecting",
        "disconnect",
        "",
        Input.LEAVE,
        (Point(730, 274), Point(730, 304)),
    ),
    Arrow(
        "disconnect",
        "middlewares",
        "lost, and back in time, with recovery: the same id, rooms and data",
        None,
        (Point(636, 346), Point(50, 346), Point(50, 132)),
        Point(340, 338),
    ),
)

REGION: Final = "M290 22H840V286H620V150H290Z"
"""Around the steps where the socket is connected."""

STYLE: Final = """
    text { font: 13px system-ui, sans-serif; fill: #1f2937; text-anchor: middle }
    .title { font-weight: 600 }
    .label { font-size: 12px; stroke: #fff; stroke-width: 5px; paint-order: stroke }
    .in { stroke: #f0fdf4 }
    .region { font-size: 12px; fill: #15803d }
    rect { fill: #e0edff; stroke: #2563eb; stroke-width: 1.5 }
    path.region { fill: #f0fdf4; stroke: #86efac; stroke-linejoin: round }
    path.arrow { fill: none; stroke: #6b7280; stroke-width: 1.5; stroke-linejoin: round }
    path.return { stroke-dasharray: 5 4 }
    #tip path { fill: #6b7280 }
    @media (prefers-color-scheme: dark) {
      text { fill: #e5e7eb }
      .label { stroke: #0d1117 }
      .in { stroke: #0b1f14 }
      .region { fill: #86efac }
      rect { fill: #172554; stroke: #60a5fa }
      path.region { fill: #0b1f14; stroke: #166534 }
      path.arrow { stroke: #9ca3af }
      #tip path { fill: #9ca3af }
    }
"""


def draw() -> str:
    """Make the drawing."""
    shapes = [
        f'<path class="region" d="{REGION}"/>',
        '<text class="region" x="400" y="41">socket.connected is True</text>',
        *(shape for arrow in ARROWS for shape in _arrow(arrow)),
        *(shape for step in STEPS.values() for shape in _box(step)),
    ]
    return "\n".join(
        [
            (
                f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}"'
                f' width="{WIDTH}" height="{HEIGHT}" role="img" aria-label="The life of a socket">'
            ),
            f"  <style>{STYLE}  </style>",
            (
                '  <marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8"'
                ' markerHeight="8" orient="auto"><path d="M0 0L10 5L0 10z"/></marker>'
            ),
            *(f"  {shape}" for shape in shapes),
            "</svg>\n",
        ]
    )


def _box(step: Step) -> list[str]:
    x, y = step.place.x - BOX_WIDTH // 2, step.place.y - BOX_HEIGHT // 2
    first = y + (BOX_HEIGHT - len(step.text) * LINE) // 2 + 4
    lines = [(step.title, "title"), *((line, "text") for line in step.text)]
    return [
        f'<rect x="{x}" y="{y}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="8"/>',
        *(
            f'<text class="{kind}" x="{step.place.x}" y="{first + at * LINE}">{escape(line)}</text>'
            for at, (line, kind) in enumerate(lines)
        ),
    ]


def _arrow(arrow: Arrow) -> list[str]:
    way = "L".join(f"{point.x} {point.y}" for point in arrow.way)
    kind = "arrow return" if arrow.is_return else "arrow"
    shapes = [f'<path class="{kind}" d="M{way}" marker-end="url(#tip)"/>']
    if arrow.label is not None:
        place = f'x="{arrow.label.x}" y="{arrow.label.y}"'
        kind = "label in" if arrow.is_inside else "label"
        shapes.append(f'<text class="{kind}" {place}>{escape(arrow.text)}</text>')
    return shapes


def main() -> int:
    """Write the drawing, or check it."""
    if "--check" in sys.argv[1:]:
        return 0 if DRAWING.is_file() and DRAWING.read_text() == draw() else 1
    DRAWING.write_text(draw())
    return 0


if __name__ == "__main__":
    sys.exit(main())
