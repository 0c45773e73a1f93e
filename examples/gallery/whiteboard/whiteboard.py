"""A whiteboard for many: lines travel as bytes while they are drawn, and late joiners get them all.

`pip install sockwave starlette`, then `python examples/gallery/whiteboard/whiteboard.py`.
"""

import itertools
import os
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeGuard

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse
from starlette.routing import Route

from sockwave import Server, Socket

PAGE = Path(__file__).with_name("index.html")
COLOURS, WIDTHS = 6, 3  # the page knows which
POINT = 4  # bytes: x and y as 16-bit integers
MAX_CHUNK = 500 * POINT  # of one event
MAX_LINE = 5_000 * POINT
MAX_BOARD = 2_000_000  # bytes of all lines; past it the oldest go
MAX_LINES = 5_000
HEAD = struct.Struct("<IBBH")


@dataclass
class Line:
    number: int
    owner: str
    colour: int
    width: int
    points: bytearray = field(default_factory=bytearray)

    def packed(self) -> bytes:
        """As the page reads it: number, colour, width, how many points, points."""
        count = len(self.points) // POINT
        return HEAD.pack(self.number, self.colour, self.width, count) + self.points


class Board:
    """The lines in the order in which they were begun."""

    def __init__(self) -> None:
        self.lines: dict[int, Line] = {}
        self._numbers = itertools.count(1)
        self._bytes = 0

    def begin(self, owner: str, colour: int, width: int) -> Line:
        line = Line(next(self._numbers), owner, colour, width)
        self.lines[line.number] = line
        return line

    def extend(self, line: Line, points: bytes) -> None:
        line.points += points
        self._bytes += len(points)

    def remove(self, line: Line) -> int:
        del self.lines[line.number]
        self._bytes -= len(line.points)
        return line.number

    def remove_oldest(self) -> list[int]:
        """Make room; returns which lines have gone."""
        gone = []
        while len(self.lines) > 1 and (self._bytes > MAX_BOARD or len(self.lines) > MAX_LINES):
            gone.append(self.remove(next(iter(self.lines.values()))))
        return gone

    def packed(self) -> bytes:
        """All lines in one piece: a packet may hold few pieces of bytes."""
        return b"".join(line.packed() for line in self.lines.values())

    def clear(self) -> None:
        self.lines.clear()
        self._bytes = 0

    def last_of(self, owner: str) -> Line | None:
        lines = (line for line in reversed(self.lines.values()) if line.owner == owner)
        return next(lines, None)


async def page(request: Request) -> FileResponse:
    return FileResponse(PAGE)


app = Starlette(routes=[Route("/", page)])
io = Server()
board = Board()


# Plain `def` handlers: one after the other, so that all pages see one order of events.
@io.on("connection")
def connection(socket: Socket) -> None:
    # The state, then what changes it: nothing can come between this line and the first event.
    socket.emit("board", board.packed())
    tell_how_many()


@io.event
def disconnect(socket: Socket, reason: str) -> None:
    socket.broadcast.emit("away", socket.id)
    tell_how_many()


@io.event
def begin(socket: Socket, colour: object, width: object) -> int | None:
    """Begin a line; its number is the answer."""
    if not is_below(colour, COLOURS) or not is_below(width, WIDTHS):
        return None
    line = board.begin(owner_of(socket), colour, width)
    socket.broadcast.emit("begun", line.number, line.colour, line.width)
    tell_gone(board.remove_oldest())
    return line.number


@io.event
def draw(socket: Socket, number: object, points: object) -> bool:
    """Go on with a line of one's own."""
    if not isinstance(number, int) or not isinstance(points, bytes):
        return False
    line = board.lines.get(number)
    if line is None or line.owner != owner_of(socket):
        return False
    if len(points) % POINT or not 0 < len(points) <= MAX_CHUNK:
        return False
    if len(line.points) + len(points) > MAX_LINE:
        return False
    board.extend(line, points)
    socket.broadcast.emit("drawn", number, points)
    tell_gone(board.remove_oldest())
    return True


@io.event
def undo(socket: Socket) -> None:
    """Take away the last line of one's own."""
    if line := board.last_of(owner_of(socket)):
        tell_gone([board.remove(line)])


@io.event
def clear(socket: Socket) -> None:
    board.clear()
    io.emit("board", board.packed())


@io.event
def point(socket: Socket, x: object, y: object) -> None:
    """Where somebody's pen is; only the newest matters."""
    if is_below(x, 32_768) and is_below(y, 32_768):
        socket.volatile.broadcast.emit("pointing", socket.id, x, y)


def owner_of(socket: Socket) -> str:
    """Who keeps its lines over a reconnection: a secret that the page has made."""
    return str(socket.handshake.auth.get("owner") or socket.id)[:64]


def is_below(value: object, end: int) -> TypeGuard[int]:
    return type(value) is int and 0 <= value < end


def tell_gone(numbers: list[int]) -> None:
    if numbers:
        io.emit("gone", numbers)


def tell_how_many() -> None:
    io.emit("people", len(io.sockets))


if __name__ == "__main__":
    io.run(app=app, port=int(os.environ.get("PORT", "3000")))
