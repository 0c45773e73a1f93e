"""Clients that send as fast as they can and never read, in a process of their own.

    python -m benchmarks.reliability.flooders PORT TRANSPORT COUNT SECONDS

One thread for all, without an event loop, since that would read. It prints `ready` when all have
joined, waits for a line on standard input, floods, and prints how many bytes the server took and
how many connections it has ended.
"""

from __future__ import annotations

import asyncio
import os
import selectors
import socket
import sys
import time
from typing import Any, Final

from sockwave.codec.websocket import client_frame
from tests.support.fronts import Wire

EVENT: Final = b'427["echo","' + b"x" * 10_000 + b'"]'
EVENTS_PER_POST: Final = 80

_KEPT: Final[list[Wire]] = []
"""What would close its connections when it is forgotten."""


async def _join(port: int, transport: str, count: int) -> list[tuple[socket.socket, bytes]]:
    """Open sessions; sockets that block, each with what to send on it again and again."""
    ways = []
    wire = Wire("127.0.0.1", port, "/socket.io/")
    for _ in range(count):
        peer: Any = await wire.open(transport)
        await peer.connect()
        if transport == "websocket":
            writer, data = peer.websocket.http.writer, client_frame(EVENT) * 16
        else:
            body = b"\x1e".join([EVENT] * EVENTS_PER_POST)
            head = f"POST {peer.target} HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n"
            writer, data = peer.posts.writer, head.encode() + body
        writer.transport.pause_reading()
        sock = writer.get_extra_info("socket")
        ways.append((socket.socket(fileno=os.dup(sock.fileno())), data))
    _KEPT.append(wire)
    return ways


def _flood(ways: list[tuple[socket.socket, bytes]], seconds: float) -> tuple[int, int]:
    selector = selectors.DefaultSelector()
    sent = ended = 0
    for sock, data in ways:
        sock.setblocking(False)
        selector.register(sock, selectors.EVENT_WRITE, [data, 0])
    end = time.monotonic() + seconds
    while selector.get_map() and (now := time.monotonic()) < end:
        for key, _ in selector.select(end - now):
            data, at = key.data
            try:
                count = key.fileobj.send(data[at : at + 65_536])  # type: ignore[union-attr]
            except BlockingIOError:
                continue
            except OSError:
                ended += 1
                selector.unregister(key.fileobj)
                continue
            sent += count
            key.data[1] = (at + count) % len(data)
    return sent, ended


async def main(port: int, transport: str, count: int, seconds: float) -> None:
    """Join, flood when told to, and tell."""
    ways = await _join(port, transport, count)
    print("ready", flush=True)
    sys.stdin.readline()
    print(*_flood(ways, seconds), flush=True)
    sys.stdin.readline()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4])))
