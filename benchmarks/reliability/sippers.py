"""Clients that read 400 kB a second, with 6 MB queued for them and a ping time-out of 1.5 s.

On a WebSocket and by long-polling, in many events and in one; they answer pings when they get to
read them.
"""

from __future__ import annotations

import asyncio
import socket
import time
from typing import TYPE_CHECKING, Any, Final

from benchmarks.reliability.report import Figure, target

if TYPE_CHECKING:
    from tests.security.judge import Target
    from tests.support.raw import RawHttp

TOTAL: Final = 6_000_000
RATE: Final = 400_000
SIP: Final = 40_000
PING: Final[dict[str, Any]] = {"ping_interval": 0.5, "ping_timeout": 1.5}
SCENARIO: Final = "benchmarks.reliability.scenario.send_much"


async def _sip(http: RawHttp) -> None:
    """Let a connection read at its rate; the reader is its own buffer."""
    transport: Any = http.writer.transport
    feed, read = http.reader.feed_data, 0

    def feed_and_pause(data: bytes) -> None:
        nonlocal read
        feed(data)
        read += len(data)
        transport.pause_reading()

    http.reader.feed_data = feed_and_pause  # type: ignore[method-assign,assignment] # slow
    began = time.monotonic()
    while not transport.is_closing():
        await asyncio.sleep(SIP / RATE)
        if read <= RATE * (time.monotonic() - began):
            transport.resume_reading()


async def _one(server: Target, transport: str, size: int) -> Figure:
    wire = server.wire()
    peer: Any = await wire.open(transport)
    await peer.connect()
    http = peer.websocket.http if transport == "websocket" else peer.gets
    http.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SIP)
    sipping = asyncio.ensure_future(_sip(http))
    await server.do(SCENARIO, size=size, count=TOTAL // size)
    began = time.monotonic()
    got = 0
    try:
        while got < TOTAL // size:
            if transport == "polling":
                peer.gets.send("GET", peer.target)
                reply = await asyncio.wait_for(peer.gets._read(), 60)
                assert reply.status == 200
                packets = reply.text.split("\x1e")
            else:
                packets = [await asyncio.wait_for(peer.websocket._receive(), 60)]
            if "2" in packets:
                await peer.send("3")
            got += sum(packet.startswith("42") for packet in packets)
        end = f"all of it after {time.monotonic() - began:.0f} s, and stays"
    except (AssertionError, AttributeError, OSError, asyncio.IncompleteReadError):
        end = f"{got * size // 1000:,} kB, then it is closed after {time.monotonic() - began:.1f} s"
    sipping.cancel()
    await wire.aclose()
    return Figure(f"{transport}, {TOTAL // size} events of {size // 1000:,} kB: gets", end)


def measure() -> list[Figure]:
    """Both transports."""
    figures = []
    for transport in ("websocket", "polling"):
        for size in (10_000, TOTAL):
            with target(**PING) as server:
                figures.append(asyncio.run(_one(server, transport, size)))
    return figures
