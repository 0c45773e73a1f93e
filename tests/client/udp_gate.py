"""A gate for UDP in front of a server, on the port of a TCP proxy."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from sockwave.testing.fault_proxy import FaultProxy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sockwave import Listener

__all__ = ["UdpGate", "gated"]


class UdpGate(asyncio.DatagramProtocol):
    """Passes datagrams of any number of clients to a server and back, until it is shut.

    Attributes:
        url: For clients.
        is_shut: Whether all are dropped.
        seen: Datagrams of clients so far.
        passes: How many more of clients go through; then it is shut.
    """

    def __init__(self, server: tuple[str, int], url: str) -> None:
        self.url: str = url
        self.is_shut: bool = False
        self.seen: int = 0
        self.passes: int = 2**40
        self._server = server
        self._front: Any = None
        self._backs: dict[Any, asyncio.Task[Any]] = {}

    def connection_made(self, transport: Any) -> None:
        """The port is open."""
        self._front = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        """Of a client."""
        self.seen += 1
        self.passes -= 1
        self.is_shut = self.is_shut or self.passes < 0
        if self.is_shut:
            return
        if addr not in self._backs:
            self._backs[addr] = asyncio.ensure_future(self._open(addr))
        self._backs[addr].add_done_callback(lambda done: done.result().sendto(data))

    async def _open(self, addr: Any) -> Any:
        back, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: _Back(self, addr), remote_addr=self._server
        )
        return back

    def answered(self, data: bytes, addr: Any) -> None:
        """Of the server, to a client."""
        if not self.is_shut:
            self._front.sendto(data, addr)

    async def aclose(self) -> None:
        """Close everything."""
        self._front.close()
        for back in self._backs.values():
            (await back).close()


class _Back(asyncio.DatagramProtocol):
    def __init__(self, gate: UdpGate, addr: Any) -> None:
        self._gate = gate
        self._addr = addr

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self._gate.answered(data, self._addr)


@asynccontextmanager
async def gated(listener: Listener) -> AsyncIterator[UdpGate]:
    """A proxy for TCP, and a gate for UDP on the port of the same number."""
    loop = asyncio.get_running_loop()
    async with FaultProxy(listener.host, listener.port) as tcp:
        gate = UdpGate((listener.host, listener.port), tcp.url)
        await loop.create_datagram_endpoint(lambda: gate, local_addr=("127.0.0.1", tcp.port))
        try:
            yield gate
        finally:
            await gate.aclose()
