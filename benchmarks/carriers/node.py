"""A node of a cluster that is measured: `... CARRIER [ADDRESS [HEARTBEAT_INTERVAL [NODES]]]`.

It says on which port it is, and does what its clients ask: join a room, tell a room something so
often. `alone` is the carrier of one that has no others, and pings its clients once in a second.
Several nodes in one process are as many for all others, and for the engine.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from sockwave import Server
from sockwave.adapters import (
    ClusterOptions,
    NatsAdapter,
    PostgresAdapter,
    RedisAdapter,
    RedisStreamsAdapter,
    ShardedRedisAdapter,
    WorkersAdapter,
)
from sockwave.platform import new_event_loop

if TYPE_CHECKING:
    from collections.abc import Callable

    from sockwave import Socket

__all__ = ["ALONE", "ALONE_PING"]

ALONE: Final = "alone"
"""Instead of a carrier."""

ALONE_PING: Final = 1.0
"""Seconds between two pings of a client of one that is alone."""

PING: Final = 300.0
"""And of all others: none falls into what is measured."""

PAYLOAD: Final = "x" * 32

ADAPTERS: Final[dict[str, Callable[..., Any]]] = {
    "workers": WorkersAdapter,
    "redis": RedisAdapter,
    "sharded": ShardedRedisAdapter,
    "streams": RedisStreamsAdapter,
    "postgres": PostgresAdapter,
    "nats": NatsAdapter,
    "jetstream": partial(NatsAdapter, jetstream=True),
}


def make_server(carrier: str, address: str = "", interval: str = "5") -> Server:
    """A server that reaches the others at this address."""
    if carrier == ALONE:
        return Server(ping_interval=ALONE_PING)
    beat = float(interval)
    options = ClusterOptions(heartbeat_interval=beat, heartbeat_timeout=max(4 * beat, 10.0))
    return Server(adapter=ADAPTERS[carrier](address, options=options), ping_interval=PING)


def serve(io: Server) -> None:
    """Do what clients ask."""

    async def tell(room: str, together: int, turns: int, pause: float, delay: float) -> int:
        """Send so many messages to a room in each turn, one turn every so many seconds."""
        await asyncio.sleep(delay)
        loop = asyncio.get_running_loop()
        due = loop.time()
        for _ in range(turns):
            for _ in range(together):
                io.to(room).emit("told", PAYLOAD)
            due += pause
            await asyncio.sleep(max(due - loop.time(), 0))
        return together * turns

    @io.on("connection")
    def connection(socket: Socket) -> None:
        def join(room: str) -> bool:
            socket.join(room)
            return True

        def nobody(data: str) -> str:
            io.to("nobody").emit("told", data)
            return data

        socket.on("join", join)
        socket.on("nodes", lambda: len(io.cluster.nodes))
        socket.on("tell", tell)
        socket.on("fanout", lambda data: io.emit("fanout", data))
        socket.on("nobody", nobody)


async def run(carrier: str, address: str = "", interval: str = "5", nodes: str = "1") -> None:
    """Serve until the end of standard input, and say on which port the first one is."""
    over = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), over.set)
    async with AsyncExitStack() as stack:
        ports = []
        for _ in range(int(nodes)):
            io = make_server(carrier, address, interval)
            serve(io)
            listener = await stack.enter_async_context(io.listen("127.0.0.1", 0))
            ports.append(str(listener.url).rpartition(":")[2])
        print(ports[0], flush=True)
        await over.wait()


def main() -> None:
    """Serve."""
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(run(*sys.argv[1:]))


if __name__ == "__main__":
    main()
