"""Guests of the tutorial's chat talk, by all transports: URL [HOW MANY OF EACH].

Where the chat has `who`, they wait until all servers know all of them.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Final, Literal

import sockwave

if TYPE_CHECKING:
    from collections.abc import Sequence

LONG: Final = 30.0
WAYS: Final[Sequence[Sequence[Literal["polling", "websocket"]]]] = (
    ("polling",),
    ("websocket",),
    ("polling", "websocket"),
)


async def until_all_are_here(guests: dict[str, sockwave.ClientSocket]) -> None:
    for guest in guests.values():
        while await guest.emit_with_ack("who", timeout=LONG) != sorted(guests):
            await asyncio.sleep(0.02)


async def heard(said: Any, name: str, line: str) -> None:
    async for args in said:
        if args[:2] == (name, line) or list(args[:2]) == [name, line]:
            return


async def main(url: str, count: int, *, knows: bool) -> None:
    async with asyncio.timeout(2 * LONG), AsyncExitStack() as stack:
        guests = {}
        for way in WAYS:
            for number in range(count):
                name = f"{'+'.join(way)} {number}"
                socket = sockwave.connect(url, auth={"name": name}, transports=list(way))
                guests[name] = await stack.enter_async_context(socket)
        if knows:
            await until_all_are_here(guests)
        ears = {name: guest.events("said") for name, guest in guests.items()}
        for name, guest in guests.items():
            assert await guest.emit_with_ack("say", f"I am {name}", timeout=LONG) == "delivered"
        for listener, said in ears.items():
            for name in guests:
                if name != listener:
                    await heard(said, name, f"I am {name}")
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
