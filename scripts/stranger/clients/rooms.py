"""Clients of programs that answer nothing: all connect, by all transports, and stay: URLS.

With `--ask WHAT ANSWER` each is asked that; with `--hear` what one says the others hear.
"""

from __future__ import annotations

import argparse
import asyncio
import ssl
from contextlib import AsyncExitStack
from typing import Final, Literal

import sockwave

LONG: Final = 30.0
Way = list[Literal["polling", "websocket"]]
WAYS: Final[tuple[Way, ...]] = (["polling"], ["websocket"], ["polling", "websocket"])


async def main(given: argparse.Namespace) -> None:
    unchecked = ssl.create_default_context()
    unchecked.check_hostname, unchecked.verify_mode = False, ssl.CERT_NONE
    async with asyncio.timeout(2 * LONG), AsyncExitStack() as stack:
        sockets = []
        for url in given.urls:
            for way in WAYS:
                socket = sockwave.connect(
                    url, transports=way, ssl=unchecked if url.startswith("https:") else True
                )
                sockets.append(await stack.enter_async_context(socket))
        for socket in sockets:
            if given.ask:
                event, wanted = given.ask
                while str(await socket.emit_with_ack(event, timeout=LONG)) != wanted:
                    await asyncio.sleep(0.02)  # servers have yet to hear of each other
        if given.hear:
            await until_all_have_heard(sockets)


async def until_all_have_heard(sockets: list[sockwave.ClientSocket]) -> None:
    """The first one speaks until each other has heard it: servers may still be meeting."""
    heard = set()
    speaker, *others = sockets
    for number, socket in enumerate(others):
        socket.on("said", lambda text, number=number: heard.add((number, text)))
    while heard != {(number, "hello") for number in range(len(others))}:
        assert await speaker.emit_with_ack("say", "hello", timeout=LONG) == "delivered"
        await asyncio.sleep(0.02)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("urls", nargs="+")
    parser.add_argument("--ask", nargs=2)
    parser.add_argument("--hear", action="store_true")
    asyncio.run(main(parser.parse_args()))
