"""How the bytes of an attack arrive: whole, one byte a segment, or glued to a valid event."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Final

from sockwave.codec.websocket import Opcode, encode_frame

if TYPE_CHECKING:
    from tests.support.fronts import Wire
    from tests.support.raw import WebSocketPeer

__all__ = ["connected", "glued_runs", "send_frames", "send_packets", "text"]

SLICED: Final = 512
"""Bytes that are sent one by one; the rest of a long input goes in one piece."""


async def connected(wire: Wire, **query: str) -> WebSocketPeer:
    """Open a session on a WebSocket and join the main namespace."""
    peer = await wire.open_websocket(**query)
    await peer.connect()
    return peer


def text(packet: str | bytes) -> bytes:
    """A masked text frame, or a binary one for bytes."""
    if isinstance(packet, bytes):
        return encode_frame(Opcode.BINARY, packet, mask=True)
    return encode_frame(Opcode.TEXT, packet.encode("utf-8", "surrogatepass"), mask=True)


async def send_frames(peer: WebSocketPeer, data: bytes, way: str) -> None:
    """Send bytes on the connection of a WebSocket.

    Args:
        way: `whole`, `bytes` (one a segment), or `glued` to an event before it.
    """
    writer = peer.websocket.http.writer
    if way == "glued":
        data = text('42["echo","glued"]') + data
    elif way == "bytes":
        for at in range(min(len(data), SLICED)):
            writer.write(data[at : at + 1])
            await asyncio.sleep(0)
            if writer.is_closing():
                return
        data = data[SLICED:]
    writer.write(data)
    await writer.drain()


async def send_packets(peer: WebSocketPeer, *packets: str | bytes, way: str = "whole") -> None:
    """Send packets in a frame each; see `send_frames`."""
    await send_frames(peer, b"".join(map(text, packets)), way)


def glued_runs(way: str) -> Counter[str]:
    """What handlers run for the event that `send_frames` glues before an attack."""
    return Counter({"echo": 1} if way == "glued" else {})
