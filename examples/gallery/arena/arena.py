"""A game for many: the server moves everybody, 20 times a second, and pages predict themselves.

`pip install sockwave starlette`, then `python examples/gallery/arena/arena.py`.
"""

import asyncio
import math
import os
import random
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeGuard

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse
from starlette.routing import Route

from sockwave import Server, Socket

PAGE = Path(__file__).with_name("index.html")
TICK = 0.05  # seconds
WIDTH, HEIGHT = 1_000.0, 700.0
STEP = 14.0  # of one tick, at full speed
RADIUS, COIN_RADIUS = 22.0, 12.0
COINS = 7
GOAL = 15  # coins that win a round
MAX_PLAYERS = 50
MAX_WAITING = 6  # inputs of a player that wait for a tick; then the oldest goes


@dataclass
class Player:
    number: int
    name: str
    x: float
    y: float
    score: int = 0
    done: int = 0  # number of the last input that is in x and y
    inputs: deque[tuple[int, float, float]] = field(
        default_factory=lambda: deque(maxlen=MAX_WAITING)
    )

    def step(self) -> None:
        """One input for each tick: sending faster makes nobody faster."""
        if not self.inputs:
            return
        self.done, dx, dy = self.inputs.popleft()
        length = max(1.0, math.hypot(dx, dy))
        self.x = min(WIDTH - RADIUS, max(RADIUS, self.x + STEP * dx / length))
        self.y = min(HEIGHT - RADIUS, max(RADIUS, self.y + STEP * dy / length))


class World:
    """All that is there. Only `tick` moves it."""

    def __init__(self) -> None:
        self.players: dict[str, Player] = {}  # by the id of the socket
        self.coins = [self._place() for _ in range(COINS)]
        self.number = 0
        self._last_player = 0

    def enter(self, key: str, name: str) -> Player:
        self._last_player += 1
        player = Player(self._last_player, name, *self._place())
        self.players[key] = player
        return player

    def tick(self) -> Player | None:
        """Go on by one step; returns who has won by it."""
        self.number += 1
        for player in self.players.values():
            player.step()
            for index, (x, y) in enumerate(self.coins):
                if math.hypot(player.x - x, player.y - y) < RADIUS + COIN_RADIUS:
                    player.score += 1
                    self.coins[index] = self._place()
        winner = next((each for each in self.players.values() if each.score >= GOAL), None)
        if winner:
            for player in self.players.values():
                player.score = 0
        return winner

    def snapshot(self) -> dict[str, object]:
        """The whole truth, small enough to be sent at each tick."""
        return {
            "tick": self.number,
            "players": [
                [each.number, round(each.x, 2), round(each.y, 2), each.score, each.done]
                for each in self.players.values()
            ],
            "coins": [[round(x), round(y)] for x, y in self.coins],
        }

    def _place(self) -> tuple[float, float]:
        return random.uniform(40, WIDTH - 40), random.uniform(40, HEIGHT - 40)


io = Server()
world = World()


async def play() -> None:
    """Tick for ever, at times that do not drift."""
    due = time.monotonic()
    while True:
        due = max(due + TICK, time.monotonic() - 1)  # after a stop of the machine: no race
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        if winner := world.tick():
            io.emit("won", winner.name)
        # Volatile: for whom it is too much the next snapshot says it all again.
        io.volatile.emit("snapshot", world.snapshot())


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    playing = asyncio.create_task(play())
    yield
    playing.cancel()


async def page(request: Request) -> FileResponse:
    return FileResponse(PAGE)


app = Starlette(routes=[Route("/", page)], lifespan=lifespan)


@io.on("connection")
def connection(socket: Socket) -> None:
    tell_names()


@io.event
def disconnect(socket: Socket, reason: str) -> None:
    if world.players.pop(socket.id, None):
        tell_names()


@io.event
def join(socket: Socket, name: object) -> dict[str, object]:
    """Come in; the answer says who one is, and the rules that the page needs to predict."""
    if socket.id not in world.players:
        if len(world.players) >= MAX_PLAYERS:
            return {"error": "The arena is full"}
        world.enter(socket.id, (str(name).strip() if isinstance(name, str) else "")[:12] or "?")
        tell_names()
    number = world.players[socket.id].number
    return {"number": number, "step": STEP, "radius": RADIUS, "tick": TICK, "goal": GOAL}


@io.event("input")
def steer(socket: Socket, number: object, dx: object, dy: object) -> None:
    """Where a player wants to go in one tick. Snapshots tell which inputs are done."""
    player = world.players.get(socket.id)
    if player is None or type(number) is not int or not 0 <= number < 2**31:
        return
    if is_part(dx) and is_part(dy):
        player.inputs.append((number, dx, dy))


def is_part(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and -1 <= value <= 1


def tell_names() -> None:
    """Not volatile: names come seldom, and must come."""
    io.emit("names", {str(each.number): each.name for each in world.players.values()})


if __name__ == "__main__":
    io.run(app=app, port=int(os.environ.get("PORT", "3000")))
