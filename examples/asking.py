"""A job that asks the clients in a lobby whether they are ready, and sends away who is not.

`pip install sockwave[redis]`, then `python examples/asking.py` with an address behind it, such as
redis://localhost:6379. The servers have a `RedisAdapter`, and their clients answer `ready?` with
their names.
"""

import asyncio
import sys

from sockwave import AckTimeout
from sockwave.emitters import RedisEmitter


async def main(url: str) -> None:
    async with RedisEmitter(url) as emitter:
        lobby = emitter.to("lobby")
        try:
            names: list[str] = await lobby.emit_with_ack("ready?", timeout=2.0)
        except AckTimeout as error:
            names = error.responses
            await emitter.to(error.missing).disconnect_sockets()
        print("ready:", *sorted(names))
        for socket in await lobby.fetch_sockets():
            await socket.emit("seat", f"table of {socket.data['server']}")
        print("servers:", await emitter.server_count())


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
