"""Two servers whose event loop ends while one relays to the other, and begins anew in the next."""

from __future__ import annotations

import asyncio
import tempfile
from functools import partial
from typing import TYPE_CHECKING

from sockwave import Server
from sockwave.adapters import ClusterAdapter, UnixDriver
from sockwave.adapters.renewed_bytes import RenewedBytesDriver
from tests.support.raw import PollingPeer, RawHttp, until

if TYPE_CHECKING:
    from sockwave.socketio.core.cluster_contract import ClusterHost

kept: list[object] = []
"""What would close by itself when nobody has it."""

TARGET = "/socket.io/?EIO=4&transport=polling"


class UnixAdapter:
    """Makes adapters over a carrier that is made anew in each loop."""

    def __init__(self, directory: str) -> None:
        make = partial(UnixDriver, directory)
        self.relay_driver = RenewedBytesDriver(make, UnixDriver.capabilities)

    def __call__(self, namespace: ClusterHost) -> ClusterAdapter:
        return ClusterAdapter(namespace, self.relay_driver)

    async def aclose(self) -> None:
        await self.relay_driver.aclose()


async def leave_open(servers: list[Server]) -> None:
    """A poll waits for its owner, and another one for somebody to have its session."""
    listening = [server.listen() for server in servers]
    kept.extend(listening)
    ports = [(await each.__aenter__()).port for each in listening]
    first = await RawHttp.connect("127.0.0.1", ports[0])
    await first.get(TARGET)
    (session,) = servers[0].engine.sessions.values()
    for sid in (session.id, "nobody5a61_OTO6GB_AA"):
        waiting = await RawHttp.connect("127.0.0.1", ports[1])
        kept.append(waiting)
        waiting.send("GET", f"{TARGET}&sid={sid}")
    await until(lambda: session.transport.is_writable)


async def serve(servers: list[Server]) -> None:
    """The same servers serve."""
    async with servers[0].listen(shutdown_timeout=0) as one, servers[1].listen() as two:
        for server in servers:  # what the loop before has left open looks alive, and is waited for
            assert server.engine.elsewhere is not None
            await server.engine.elsewhere.wait_joined()
        posts = await RawHttp.connect("127.0.0.1", one.port)
        gets = await RawHttp.connect("127.0.0.1", two.port)
        peer = PollingPeer(gets, posts, TARGET, await posts.get(TARGET))
        await peer.connect()


def main() -> None:
    """Do both."""
    with tempfile.TemporaryDirectory() as directory:
        servers = [Server(adapter=UnixAdapter(directory), relay=True) for _ in range(2)]
        loop = asyncio.new_event_loop()
        loop.run_until_complete(leave_open(servers))
        loop.close()
        asyncio.run(serve(servers))
    print("served")


if __name__ == "__main__":
    main()
