"""Orders tea, with the types of shop_client.py: `python client.py`, while server.py runs."""

import asyncio
import sys

from shop_client import Brewed, Client

import sockwave
from sockwave import EventError


async def main(url: str) -> None:
    async with sockwave.connect(url) as socket:
        shop = Client(socket)
        ready = asyncio.Event()

        @shop.on("brewed")
        def brewed(pot: Brewed) -> None:
            print(f"{pot['tea']} is ready, with a photo of {len(pot['photo'])} bytes")
            ready.set()

        placed = await shop.emit_with_ack("place", {"tea": "assam", "cups": 2})
        print(f"order {placed['number']} takes {placed['minutes']} minutes")
        await ready.wait()
        shop.emit("rate", placed["number"], 4)
        try:
            await shop.emit_with_ack("place", {"tea": "sencha"})
        except EventError as error:
            print(f"no: {error}")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:3000"))
