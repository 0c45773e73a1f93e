"""A live dashboard: the server measures itself, and pushes what it sees to all who watch.

`pip install sockwave starlette`, then `python examples/gallery/dashboard/dashboard.py`.
"""

import asyncio
import os
import time
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse
from starlette.routing import Route

from sockwave import Server, Socket

PAGE = Path(__file__).with_name("index.html")
PERIOD = 0.5  # seconds between samples
KEPT = 120  # samples, for those who come later: a minute
LOAD = 5.0  # seconds of work for each press of the button

Sample = dict[str, float]


class Meter:
    """What this process does: numbers since the last sample, and the last samples."""

    def __init__(self) -> None:
        self.history: deque[Sample] = deque(maxlen=KEPT)
        self.events = 0
        self.number = 0
        self.is_loaded = False
        self._cpu, self._at = time.process_time(), time.monotonic()

    def sample(self, delay: float, watching: int) -> Sample:
        cpu, at = time.process_time(), time.monotonic()
        passed = max(at - self._at, 0.001)
        self.number += 1
        sample = {
            "n": self.number,  # a page sees by it what it has missed
            "cpu": round(100 * (cpu - self._cpu) / passed, 1),  # percent of one core
            "delay": round(1000 * delay, 2),  # milliseconds that the event loop was late
            "events": round(self.events / passed, 1),  # per second
            "watching": watching,
        }
        self._cpu, self._at, self.events = cpu, at, 0
        self.history.append(sample)
        return sample

    @contextmanager
    def load(self) -> Iterator[None]:
        self.is_loaded = True
        try:
            yield
        finally:
            self.is_loaded = False


io = Server()
meter = Meter()


async def measure() -> None:
    """Sample for ever. How late the sleep ends is how long others have kept the event loop."""
    while True:
        due = time.monotonic() + PERIOD
        await asyncio.sleep(PERIOD)
        delay = max(0.0, time.monotonic() - due)
        sample = meter.sample(delay, await io.in_("watching").count())
        # Volatile: who cannot take it at once waits for nothing, the next one is newer anyway.
        io.volatile.to("watching").emit("sample", sample)


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    measuring = asyncio.create_task(measure())
    yield
    measuring.cancel()


async def page(request: Request) -> FileResponse:
    return FileResponse(PAGE)


app = Starlette(routes=[Route("/", page)], lifespan=lifespan)


@io.on("connection")
def connection(socket: Socket) -> None:
    socket.on_any(count)


def count(event: str, *args: object) -> None:
    meter.events += 1


@io.event
def watch(socket: Socket, on: object) -> list[Sample] | None:
    """Begin to watch, answered with the last minute; or stop, as a hidden page does."""
    if on is not True:
        socket.leave("watching")
        return None
    # Nothing comes between the two lines: what is not in the answer is pushed.
    socket.join("watching")
    return list(meter.history)


@io.event
def poke(socket: Socket) -> None:
    """Something to count."""


@io.event
async def load(socket: Socket) -> str:
    """Work for some seconds, in a thread; one at a time, however many press the button."""
    if meter.is_loaded:
        return "it is working already"
    with meter.load():
        io.emit("load", True)
        await asyncio.to_thread(work, time.monotonic() + LOAD)
    io.emit("load", False)
    return "done"


def work(until: float) -> None:
    number = 1
    while time.monotonic() < until:
        for _ in range(100_000):
            number = number * 48_271 % 2_147_483_647
        time.sleep(0.01)  # leaves something of the core to others


if __name__ == "__main__":
    io.run(app=app, port=int(os.environ.get("PORT", "3000")))
