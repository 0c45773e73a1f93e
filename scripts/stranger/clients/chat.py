"""Guests of the tutorial's chat talk, by all transports: URL, HOW MANY OF EACH, [who].

With `who` they ask for that until all servers know all of them, and then each line is heard once.
Without, they say it again until all have heard it: several servers may still be meeting.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Final, Literal

import sockwave

if TYPE_CHECKING:
    from collections.abc import Sequence

LONG: Final = 30.0
WAYS: Final[Sequence[Sequence[Literal["polling", "websocket"]]]] = (
    ("polling",),
    ("websocket",),
    ("polling", "websocket"),
)


class Guest:
    """Somebody who keeps of whom a line was heard."""

    def __init__(self, url: str, name: str, way: Sequence[Literal["polling", "websocket"]]) -> None:
        self.name = name
        self.heard: list[str] = []
        self.socket = sockwave.connect(url, auth={"name": name}, transports=list(way))
        self.socket.on("said", self._hear)

    async def _hear(self, name: str, line: str) -> None:
        assert line == f"I am {name}"
        self.heard.append(name)

    async def say(self) -> None:
        answer = await self.socket.emit_with_ack("say", f"I am {self.name}", timeout=LONG)
        assert answer == "delivered", answer


async def until_all_are_here(guests: Sequence[Guest]) -> None:
    names = sorted(guest.name for guest in guests)
    for guest in guests:
        while await guest.socket.emit_with_ack("who", timeout=LONG) != names:
            await asyncio.sleep(0.02)


async def main(url: str, count: int, *, knows: bool) -> None:
    async with asyncio.timeout(2 * LONG), AsyncExitStack() as stack:
        guests = []
        for way in WAYS:
            for number in range(count):
                guest = Guest(url, f"{'+'.join(way)} {number}", way)
                stack.push_async_callback(guest.socket.aclose)
                await guest.socket.wait_connected()
                guests.append(guest)
        if knows:
            await until_all_are_here(guests)
        for guest in guests:
            others = [each for each in guests if each is not guest]
            await guest.say()
            while any(guest.name not in each.heard for each in others):
                await asyncio.sleep(0.02)
                if not knows:
                    await guest.say()
        if knows:
            for guest in guests:
                others = [each for each in guests if each is not guest]
                assert sorted(guest.heard) == sorted(each.name for each in others), guest.heard
    refusal = ""
    try:
        async with sockwave.connect(url, auth={"name": " "}):
            pass
    except sockwave.ConnectError as error:
        refusal = str(error)
    assert refusal == "Please give a name", refusal


if __name__ == "__main__":
    _, url, count, *more = sys.argv
    asyncio.run(main(url, int(count), knows=more == ["who"]))
