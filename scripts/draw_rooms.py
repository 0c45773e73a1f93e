"""Draw the rooms of the package and the arrows between them (docs/images/rooms.svg).

Only the places of the rooms are kept here; the arrows come from the imports. Without arguments the
drawing is written; `--check` tells whether it is up to date.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from scripts.imports import imports, reach

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

DRAWING: Final = Path(__file__).resolve().parent.parent / "docs/images/rooms.svg"

WIDTH: Final = 860
HEIGHT: Final = 1160
ROOM_HEIGHT: Final = 46
MARGIN: Final = 26
"""How far from the corner of a box a bent arrow begins or ends."""

FACES: Final = {"sockwave", "sockwave.__main__", "sockwave.engine", "sockwave.engine.server.api"}
"""Modules that have the public names and so import all the rest: they are left out."""

LEFT_OUT: Final = {"sockwave.engine", "sockwave.socketio", "sockwave.frozen"}
"""Folders with nothing in them but folders, and one that is there for a tool."""


class Room(NamedTuple):
    """A box on the drawing: a folder, or some files of one, or a frame around several.

    Attributes:
        name: As it is written on it.
        who: Who lives there, in a few words.
        parts: Folders and modules below `sockwave`; of two that fit a module the longer one counts.
        rooms: Inside a frame.
    """

    name: str
    who: str
    parts: tuple[str, ...]
    x: int
    y: int
    width: int
    height: int = ROOM_HEIGHT
    rooms: tuple[Room, ...] = ()

    @property
    def right(self) -> int:
        """Its right edge."""
        return self.x + self.width

    @property
    def bottom(self) -> int:
        """Its lower edge."""
        return self.y + self.height


Arrows = dict[Room, set[Room]]

SOCKETIO_SERVER: Final = (
    Room(
        "server.py, namespace.py, socket.py",
        "what users hold",
        ("socketio.server",),
        *(34, 130, 372),
    ),
    Room("connections/", "packets to sockets", ("socketio.server.connections",), 34, 206, 174),
    Room("sending.py", "events to sessions", ("socketio.server.sending",), 232, 206, 174),
    Room(
        "lifecycle.py, ...",
        "a client's way in and out",
        ("socketio.server.lifecycle", "socketio.server.joined"),
        *(34, 282, 174),
    ),
    Room(
        "dispatch.py, ...",
        "events to handlers",
        ("socketio.server.dispatch", "socketio.server.ordered"),
        *(232, 282, 174),
    ),
    Room(
        "contracts.py, states.py, recovery.py, ...",
        "what these see of one another",
        tuple(
            f"socketio.server.{name}"
            for name in (
                "checking",
                "class_handlers",
                "contracts",
                "declared",
                "exceptions",
                "extensions",
                "health_values",
                "member_log",
                "options",
                "owned",
                "params",
                "recovery",
                "registration",
                "router",
                "states",
                "threads",
            )
        ),
        *(34, 358, 372),
    ),
)

ENGINE_SERVER: Final = (
    Room(
        "fronts/",
        "where bytes come in",
        ("engine.server.fronts", "engine.server.fronts.quic"),
        *(34, 490, 372),
    ),
    Room(
        "engine.py, opening.py, shutdown.py",
        "opens sessions, and ends them all",
        ("engine.server",),
        *(34, 566, 372),
    ),
    Room(
        "driver.py",
        "what sessions share in one loop",
        ("engine.server.driver",),
        *(34, 642, 372),
    ),
    Room("transports/", "polling, WebSocket, ...", ("engine.server.transports",), 34, 718, 174),
    Room("rules/", "who is let in", ("engine.server.rules",), 232, 718, 174),
    Room(
        "exchange.py, peer_log.py, ...",
        "what the rooms have in common",
        tuple(
            f"engine.server.{name}"
            for name in (
                "calling",
                "exchange",
                "invalid_request",
                "lag",
                "peer_log",
                "routing",
                "watchdog",
            )
        ),
        *(34, 794, 232),
    ),
    Room("sessions/", "one client each", ("engine.server.sessions",), 286, 794, 120),
)

ROOMS: Final = (
    Room("relaying/", "between machines", ("relaying",), 20, 20, 124),
    Room("workers/", "processes of one port", ("workers",), 152, 20, 140),
    Room("testing/", "clients without a port", ("testing",), 300, 20, 142),
    Room("cli/", "the command", ("cli", "cli.bench", "cli.demo", "cli.doctor"), 450, 20, 112),
    Room("sync/", "the same, blocking", ("sync",), 570, 20, 130),
    Room("metrics/", "Prometheus", ("metrics",), 708, 20, 74),
    Room("otel/", "traces", ("otel",), 788, 20, 52),
    Room(
        "socketio/server/",
        "the Socket.IO server",
        ("socketio.server",),
        *(20, 100, 400, 318),
        SOCKETIO_SERVER,
    ),
    Room("contract/", "typed handlers", ("contract", "contract.page"), 450, 100, 88),
    Room("emitters/", "events of others", ("emitters",), 544, 100, 96),
    Room("health.py", "is it well?", ("health",), 646, 100, 66),
    Room("records/", "why it ended", ("records",), 718, 100, 74),
    Room("admin/", "a page", ("admin",), 798, 100, 52),
    Room(
        "adapters/",
        "several processes",
        (
            "adapters",
            "adapters.nats",
            "adapters.nats.jetstream",
            "adapters.postgres",
            "adapters.python_socketio",
            "adapters.redis",
            "adapters.streams",
        ),
        *(450, 236, 160),
    ),
    Room(
        "socketio/client/",
        "namespaces, reconnection",
        ("socketio.client",),
        *(640, 236, 200),
    ),
    Room(
        "engine/server/",
        "the Engine.IO server",
        ("engine.server",),
        *(20, 460, 400, 394),
        ENGINE_SERVER,
    ),
    Room("socketio/core/", "events, rooms, adapter", ("socketio.core",), 450, 500, 160),
    Room(
        "engine/client/",
        "the Engine.IO client",
        ("engine.client", "engine.client.quic"),
        640,
        500,
        200,
    ),
    Room(
        "engine/io/",
        "an event loop, a TCP connection",
        ("engine.io", "engine.io.quic"),
        20,
        888,
        480,
    ),
    Room("engine/core/", "sessions without I/O", ("engine.core",), 20, 964, 820),
    Room("codec/", "bytes to values and back", ("codec",), 20, 1040, 820),
    Room(
        "errors.py, types.py, debug.py, logs.py, platform.py, observe",
        "what everybody may use",
        ("errors", "types", "debug", "logs", "platform", "observe"),
        *(20, 1116, 820, 30),
    ),
)

STYLE: Final = """
    text { font: 12px system-ui, sans-serif; fill: #1f2937; text-anchor: middle }
    .name { font-size: 13px; font-weight: 600 }
    .title { text-anchor: start }
    rect { fill: #e0edff; stroke: #2563eb; stroke-width: 1.5 }
    rect.frame { fill: #f6f8fa; stroke: #8b949e; stroke-width: 1 }
    path.arrow { fill: none; stroke: #6b7280; stroke-width: 1.5 }
    #head path { fill: #6b7280 }
    @media (prefers-color-scheme: dark) {
      text { fill: #e5e7eb }
      rect { fill: #172554; stroke: #60a5fa }
      rect.frame { fill: #161b22; stroke: #6e7681 }
      path.arrow { stroke: #9ca3af }
      #head path { fill: #9ca3af }
    }
"""


def draw() -> str:
    """Make the drawing.

    Raises:
        LookupError: A module is in no room.
    """
    graph = imports()
    if missing := homeless(graph):
        raise LookupError(f"no room on the drawing for {', '.join(missing)}")
    frames = [room for room in ROOMS if room.rooms]
    shapes = [
        *(shape for frame in frames for shape in _frame(frame)),
        *(shape for rooms in floors() for shape in _arrows(arrows(rooms, graph))),
        *(shape for rooms in floors() for room in rooms if not room.rooms for shape in _box(room)),
    ]
    return "\n".join(
        [
            (
                f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}"'
                f' width="{WIDTH}" height="{HEIGHT}" role="img" aria-label="Rooms and imports">'
            ),
            f"  <style>{STYLE}  </style>",
            (
                '  <marker id="head" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8"'
                ' markerHeight="8" orient="auto-start-reverse"><path d="M0 0L10 5L0 10z"/></marker>'
            ),
            *(f"  {shape}" for shape in shapes),
            "</svg>\n",
        ]
    )


def floors() -> Iterator[Sequence[Room]]:
    """Rooms between which arrows are drawn: all frames, then what is inside each."""
    yield ROOMS
    for room in ROOMS:
        if room.rooms:
            yield room.rooms


def arrows(rooms: Sequence[Room], graph: dict[str, set[str]]) -> Arrows:
    """Who imports whom, but for arrows beside which a longer way leads to the same room."""
    found: Arrows = {room: set() for room in rooms}
    for module, targets in graph.items():
        if module not in FACES and (start := room_of(module, rooms)):
            ends = {room_of(target, rooms) for target in targets - FACES}
            found[start] |= {end for end in ends if end is not None and end != start}
    reached = {room: reach(found, room) for room in rooms}
    return {
        start: {end for end in ends if not _has_detour(start, end, ends, reached)}
        for start, ends in found.items()
    }


def _has_detour(start: Room, end: Room, ends: set[Room], reached: Arrows) -> bool:
    """Rooms that reach each other are no detour: each of their arrows is drawn."""
    return any(
        end in reached[by] and start not in reached[by] and by not in reached[end]
        for by in ends - {end}
    )


def room_of(module: str, rooms: Sequence[Room]) -> Room | None:
    """Where a module is."""
    places = {part: room for room in rooms for part in room.parts}
    name = module.removeprefix("sockwave.")
    while name and name not in places:
        name = name.rpartition(".")[0]
    return places.get(name)


def homeless(graph: dict[str, set[str]]) -> list[str]:
    """Folders, and modules outside folders, that no room names."""
    named = {f"sockwave.{part}" for rooms in floors() for room in rooms for part in room.parts}
    return sorted({_home(module) for module in graph.keys() - FACES} - named - LEFT_OUT)


def _home(module: str) -> str:
    folder = module.rpartition(".")[0]
    return module if folder == "sockwave" else folder


def _frame(frame: Room) -> list[str]:
    return [
        (
            f'<rect class="frame" x="{frame.x}" y="{frame.y}" width="{frame.width}"'
            f' height="{frame.height}" rx="8"/>'
        ),
        (
            f'<text class="title" x="{frame.x + 14}" y="{frame.y + 20}">'
            f'<tspan class="name">{frame.name}</tspan> {frame.who}</text>'
        ),
    ]


def _box(room: Room) -> list[str]:
    middle = room.x + room.width / 2
    box = f'<rect x="{room.x}" y="{room.y}" width="{room.width}" height="{room.height}" rx="8"/>'
    if room.height < ROOM_HEIGHT:
        text = f'<tspan class="name">{room.name}</tspan>: {room.who}'
        return [box, f'<text x="{middle:g}" y="{room.y + 20}">{text}</text>']
    return [
        box,
        f'<text class="name" x="{middle:g}" y="{room.y + 20}">{room.name}</text>',
        f'<text x="{middle:g}" y="{room.y + 37}">{room.who}</text>',
    ]


def _arrows(found: Arrows) -> Iterator[str]:
    for start, ends in found.items():
        for end in sorted(ends):
            is_mutual = start in found[end]
            if not is_mutual or start < end:
                yield _arrow(start, end, is_mutual=is_mutual)


def _arrow(start: Room, end: Room, *, is_mutual: bool) -> str:
    heads = ' marker-end="url(#head)"' + ' marker-start="url(#head)"' * is_mutual
    if start.bottom <= end.y:
        curve = _fall(start, end, start.bottom, end.y)
    elif end.bottom <= start.y:
        curve = _fall(start, end, start.y, end.bottom)
    else:
        y = (max(start.y, end.y) + min(start.bottom, end.bottom)) // 2
        edges = (start.right, end.x) if start.right <= end.x else (start.x, end.right)
        curve = f"M{edges[0]} {y}H{edges[1]}"
    return f'<path class="arrow" d="{curve}"{heads}/>'


def _fall(start: Room, end: Room, top: int, bottom: int) -> str:
    """From edge to edge: straight where one box is above the other."""
    left, right = max(start.x, end.x), min(start.right, end.right)
    if right - left > MARGIN:
        return f"M{(left + right) // 2} {top}V{bottom}"
    is_right = end.x >= start.right - MARGIN
    here = start.right - MARGIN if is_right else start.x + MARGIN
    there = end.x + MARGIN if is_right else end.right - MARGIN
    half = (top + bottom) // 2
    return f"M{here} {top}C{here} {half} {there} {half} {there} {bottom}"


def main() -> int:
    """Write the drawing, or check it."""
    if "--check" in sys.argv[1:]:
        return 0 if DRAWING.is_file() and DRAWING.read_text() == draw() else 1
    DRAWING.parent.mkdir(exist_ok=True)
    DRAWING.write_text(draw())
    return 0


if __name__ == "__main__":
    sys.exit(main())
