"""Two honest clients in a process of their own: `python -m tests.security.honest PORT`.

One is on a WebSocket, the other polls; both send an event every 20 ms and wait for its answer,
while others attack the server. A line on standard input asks what has happened since the last one;
a number in it is the pause from now on, in seconds.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from tests.support.fronts import Wire

if TYPE_CHECKING:
    from tests.support.raw import Peer

INTERVAL: Final = 0.02
"""Seconds between two events of a client."""


class Pace:
    """How long both pause between an answer and the next event."""

    def __init__(self) -> None:
        self._seconds = INTERVAL
        self._changed = asyncio.Event()

    def change(self, seconds: float) -> None:
        """Another pause from now on; those that last are over."""
        self._seconds = seconds
        self._changed.set()
        self._changed = asyncio.Event()

    async def pause(self) -> None:
        """Wait as long as is said, or until something else is."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._seconds):
                await self._changed.wait()


class Honest:
    """A client that asks and is answered.

    Args:
        peer: Connected to the main namespace.
        pace: Of its events.
    """

    def __init__(self, peer: Peer, pace: Pace) -> None:
        self._peer = peer
        self._pace = pace
        self._number = 0
        self._trips: list[float] = []
        self.fault = ""

    async def run(self) -> None:
        """Ask until something is wrong."""
        try:
            while True:
                await self._ask()
                await self._pace.pause()
        except Exception as error:
            self.fault = f"{type(error).__name__}: {error}"

    async def _ask(self) -> None:
        self._number += 1
        began = time.monotonic()
        await self._peer.send(f'42{self._number}["honest",{self._number}]')
        while not (answer := await self._peer.receive()).startswith("43"):  # type: ignore[arg-type]
            pass  # a broadcast of the test's
        self._trips.append(time.monotonic() - began)
        assert answer == f"43{self._number}[{self._number}]", answer

    def report(self) -> dict[str, Any]:
        """Answers since the last report, their round trips in seconds, and what went wrong."""
        trips, self._trips = sorted(self._trips), []
        return {
            "answers": len(trips),
            "p99": trips[len(trips) * 99 // 100] if trips else 0.0,
            "worst": trips[-1] if trips else 0.0,
            "fault": self.fault,
        }


async def main() -> None:
    """Run both, and report when asked to."""
    wire = Wire("127.0.0.1", int(sys.argv[1]), "/socket.io/")
    clients, pace = {}, Pace()
    for transport in ("websocket", "polling"):
        peer = await wire.open(transport)
        await peer.connect()
        clients[transport] = Honest(peer, pace)
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    tasks = [asyncio.create_task(client.run()) for client in clients.values()]
    print("ready", flush=True)
    while line := await reader.readline():
        if line.strip():
            pace.change(float(line))
        print(json.dumps({name: client.report() for name, client in clients.items()}), flush=True)
    for task in tasks:
        task.cancel()


if __name__ == "__main__":
    asyncio.run(main())
