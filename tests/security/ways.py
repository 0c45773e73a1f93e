"""How the bytes of an attack arrive: whole, one byte a segment, or glued to a valid event."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from sockwave.codec.websocket import Opcode, encode_frame
from tests.support.raw import PollingPeer, WebSocketPeer, polling_packet

if TYPE_CHECKING:
    from tests.support.fronts import Wire
    from tests.support.raw import Reply

__all__ = [
    "attack_with",
    "check_refused",
    "connected",
    "connected_by",
    "glued_runs",
    "send_frames",
    "send_packets",
    "text",
    "write_in_way",
]

SLICED: Final = 512
"""Bytes that are sent one by one; the rest of a long input goes in one piece."""


async def connected(wire: Wire, **query: str) -> WebSocketPeer:
    """Open a session on a WebSocket and join the main namespace."""
    peer = await wire.open_websocket(**query)
    await peer.connect()
    return peer


async def connected_by(wire: Wire, transport: str) -> PollingPeer | WebSocketPeer:
    """Open a session on a transport and join the main namespace."""
    peer = await wire.open(transport)
    await peer.connect()
    assert isinstance(peer, PollingPeer | WebSocketPeer)
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
    await write_in_way(writer, data, way)


async def write_in_way(writer: asyncio.StreamWriter, data: bytes, way: str) -> None:
    """Write bytes in one piece, or one a segment; what is glued to them is the caller's."""
    if way == "bytes":
        for at in range(min(len(data), SLICED)):
            writer.write(data[at : at + 1])
            await asyncio.sleep(0)
            if writer.is_closing():
                return
        data = data[SLICED:]
    writer.write(data)
    with suppress(ConnectionError):  # the server may have enough
        await writer.drain()


async def send_packets(peer: WebSocketPeer, *packets: str | bytes, way: str = "whole") -> None:
    """Send packets in a frame each; see `send_frames`."""
    await send_frames(peer, b"".join(map(text, packets)), way)


def glued_runs(way: str) -> Counter[str]:
    """What handlers run for the event that `send_frames` glues before an attack."""
    return Counter({"echo": 1} if way == "glued" else {})


async def attack_with(peer: PollingPeer | WebSocketPeer, *packets: str | bytes, way: str) -> None:
    """Send packets, of which one is fatal, and behind them an event that must reach nobody.

    On polling all of it is the body of one POST; its answer tells nothing and is dropped.
    """
    packets = (*packets, '42["echo","too late"]')
    if isinstance(peer, WebSocketPeer):
        await send_packets(peer, *packets, way=way)
        return
    if way == "glued":
        packets = ('42["echo","glued"]', *packets)
    body = "\x1e".join(map(polling_packet, packets)).encode("utf-8", "surrogatepass")
    posts = peer.posts
    posts.send("POST", peer.target, {"Content-Length": str(len(body))})
    await write_in_way(posts.writer, body, way)
    await posts.read()


def check_refused(reply: Reply, status: int, *needles: str | bytes) -> None:
    """OK4: a short answer with the status, and nothing in it of the peer's or of our insides."""
    assert reply.status == status, reply
    assert len(reply.body) <= 1_024, reply
    answer = repr((reply.headers, reply.body))
    for needle in ("Traceback", ".py", "sockwave", "Error", *needles):
        found = needle if isinstance(needle, str) else repr(needle)[2:-1]
        assert found not in answer, reply
