"""Guests of the chat of three machines: URL, URL OF A SPEAKER. They miss nothing as servers go.

It prints "all are here", lets somebody speak who counts until a file `over` is there, and sees that
each of the others has heard each number once. Then it prints each note that they hear.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final, Literal

import sockwave

LONG: Final = 60.0
COUNT: Final = 6
Way = list[Literal["polling", "websocket"]]
WAYS: Final[tuple[Way, ...]] = (["polling"], ["websocket"], ["polling", "websocket"])


class Guest:
    """Somebody who keeps what is said."""

    def __init__(self, url: str, name: str, way: Way) -> None:
        self.name = name
        self.numbers: list[int] = []
        self.socket = sockwave.connect(
            url,
            auth={"name": name},
            transports=way,
            reconnection_delay=0.05,
            reconnection_delay_max=0.5,
        )
        self.socket.on("said", self._hear)
        self.socket.on("note", self._note)

    async def _hear(self, name: str, line: str) -> None:
        self.numbers.append(int(line))

    async def _note(self, line: str) -> None:
        print(f"{self.name} reads: {line}", flush=True)


async def speak(speaker: sockwave.ClientSocket, over: Path) -> int:
    number = 0
    while not over.exists():  # noqa: ASYNC240 # of a memory
        number += 1
        answer = await speaker.emit_with_ack("say", str(number), timeout=LONG)
        assert answer == "delivered"
        await asyncio.sleep(0.02)
    return number


async def main(url: str, url_of_speaker: str) -> None:
    async with AsyncExitStack() as stack:
        guests = [Guest(url, f"guest {n}", WAYS[n % len(WAYS)]) for n in range(COUNT)]
        speaker = Guest(url_of_speaker, "speaker", ["websocket"])
        everybody = [*guests, speaker]
        for guest in everybody:
            stack.push_async_callback(guest.socket.aclose)
            await guest.socket.wait_connected()
        names = sorted(guest.name for guest in everybody)
        while await speaker.socket.emit_with_ack("who", timeout=LONG) != names:
            await asyncio.sleep(0.02)
        print("all are here", flush=True)
        last = await speak(speaker.socket, Path("over"))
        async with asyncio.timeout(LONG):
            while any(not guest.numbers or guest.numbers[-1] != last for guest in guests):
                await asyncio.sleep(0.02)
        for guest in guests:
            assert guest.numbers == [*range(1, last + 1)], (guest.name, guest.numbers)
        recovered = sum(guest.socket.recovered for guest in guests)
        assert recovered, "nobody had to go to another server"
        print(f"nobody has missed any of {last}", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
