"""Messages in pieces without end, frames that never come whole, and compression as a weapon.

What a frame or a fragment may cost is judged on the native listener: as an ASGI application the
engine gets whole messages, and its host has limits of its own.
"""

from __future__ import annotations

import asyncio
import zlib
from typing import TYPE_CHECKING, Final

import pytest

from sockwave.codec.deflate import Deflate, PerMessageDeflate
from sockwave.codec.websocket import Opcode, encode_frame
from tests.security.judge import MB
from tests.security.settings import COMPRESSED, scaled
from tests.security.ways import connected, glued_runs, send_frames
from tests.support.raw import RawWebSocket, WebSocketPeer, check_switched

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.security.judge import Target
    from tests.support.fronts import Wire

MAX_PAYLOAD: Final = 1_000_000
MAX_FRAGMENTS: Final = 1024 + MAX_PAYLOAD // 256

QUICK: Final = 0.02
"""Seconds of processor time of one turn: four times what the catalogue has, for slow machines."""


def fragment(payload: bytes, opcode: int = Opcode.CONTINUATION, *, fin: bool = False) -> bytes:
    return encode_frame(opcode, payload, fin=fin, mask=True)


def announce(length: int, opcode: int, *, fin: bool = True) -> bytes:
    """The head of a masked frame, and one byte of it."""
    first = opcode | (0x80 if fin else 0)
    return bytes((first, 0xFF)) + length.to_bytes(8, "big") + bytes(4) + b"4"


async def check_closed(peer: WebSocketPeer, code: int) -> None:
    """A close frame with this code, and then the end of the connection."""
    assert (await peer.ended()).code == code


# --- fragments ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("count", "size"), [(200_000, 1), (1_000_000, 0)])
async def test_v25_fragments_without_end(
    native: str, way: str, targets: Callable[..., Target], count: int, size: int
) -> None:
    frames = fragment(b"4", Opcode.TEXT) + fragment(b"x" * size) * (count - 1)
    bounds = {"peak": 8 * MB, "stall": QUICK}
    async with targets(native).attack(**bounds, runs=glued_runs(way)) as attack:
        peer = await connected(attack.wire)
        await send_frames(peer, frames, way)
        await check_closed(peer, 1008)


async def test_v25_as_many_fragments_as_a_message_may_have(
    native: str, targets: Callable[..., Target]
) -> None:
    event = b'42["echo","' + b"x" * (MAX_FRAGMENTS - 13) + b'"]'
    frames = fragment(event[:1], Opcode.TEXT) + b"".join(
        fragment(event[at : at + 1], fin=at == len(event) - 1) for at in range(1, len(event))
    )
    async with targets(native).attack(runs={"echo": 1}) as attack:
        peer = await connected(attack.wire)
        await send_frames(peer, frames, "whole")
        await peer.ping()


async def test_v25_what_is_kept_of_unfinished_messages(
    native: str, targets: Callable[..., Target]
) -> None:
    """Memory for 100 messages of as many tiny fragments as may be, and for 10 begun large frames.

    The connections themselves are there before; what is kept is at most twice what was sent.
    """
    target = targets(native)
    tiny = fragment(b"4", Opcode.TEXT) + fragment(b"x") * (MAX_FRAGMENTS - 1)
    large = fragment(b"4" + b"x" * (MAX_PAYLOAD - 1), Opcode.TEXT, fin=True)[:-1]
    async with target.attack(peak=64 * MB) as attack:
        for count, data in ((100, tiny), (10, large)):
            peers = [await connected(attack.wire) for _ in range(count)]
            before = target.memory()
            for peer in peers:
                await send_frames(peer, data, "whole")
            if data is tiny:
                await asyncio.gather(*[peer.ping() for peer in peers])
            else:
                await large_ones_are_there(target, count * (len(data) - 16))
            kept = target.memory() - before
            assert kept <= count * (2 * len(data) + 64 * 1024), (len(data), kept / count)
            for peer in peers:
                peer.websocket.http.reset()


async def large_ones_are_there(target: Target, size: int) -> None:
    """Wait until the server has so much of unfinished frames in its hands."""
    async with asyncio.timeout(30):
        while await target.do("tests.security.scenarios.frames.begun") < size:
            await asyncio.sleep(0.01)


async def test_v25_frame_in_segments_of_one_byte(
    native: str, targets: Callable[..., Target]
) -> None:
    size = scaled(MAX_PAYLOAD, 30_000)
    frame = fragment(b'42["echo","' + b"x" * (size - 13) + b'"]', Opcode.TEXT, fin=True)
    async with targets(native).attack(runs={"echo": 1}, peak=8 * MB, stall=QUICK) as attack:
        peer = await connected(attack.wire)
        writer = peer.websocket.http.writer
        for at in range(len(frame)):
            writer.write(frame[at : at + 1])
            await asyncio.sleep(0)
        await peer.ping()


# --- sizes ----------------------------------------------------------------------------------------


async def test_v28_sum_of_fragments(native: str, way: str, targets: Callable[..., Target]) -> None:
    """Sixty fiftieths of the largest message: the end comes with the fifty-first."""
    part = b"4" * (MAX_PAYLOAD // 50)
    begin, go_on = fragment(part, Opcode.TEXT), fragment(part)
    async with targets(native).attack(peak=8 * MB, runs=glued_runs(way)) as attack:
        peer = await connected(attack.wire)
        await send_frames(peer, begin + go_on * 49, way)
        await peer.ping()
        await send_frames(peer, go_on * 10, "whole")
        await check_closed(peer, 1009)


async def test_v28_announced_frame_is_counted_before_it_comes(
    native: str, way: str, targets: Callable[..., Target]
) -> None:
    begun = fragment(b"4" * (MAX_PAYLOAD // 50), Opcode.TEXT)
    last = announce(MAX_PAYLOAD, Opcode.CONTINUATION)
    async with targets(native).attack(peak=4 * MB, runs=glued_runs(way)) as attack:
        for data in (begun + last, announce(MAX_PAYLOAD + 1, Opcode.TEXT)):
            peer = await connected(attack.wire)
            await send_frames(peer, data, way if data.startswith(begun) else "whole")
            await check_closed(peer, 1009)


async def test_v28_whole_message_that_is_too_large(
    front: str, targets: Callable[..., Target]
) -> None:
    """Where a host counts, the sum is judged when the message is whole."""
    async with targets(front).attack() as attack:
        event = '42["echo","' + "x" * MAX_PAYLOAD + '"]'
        peer = await connected(attack.wire)
        await peer.send(event)
        await check_closed(peer, 1009)
        polls = await attack.wire.open_polling()
        await polls.connect()
        assert (await polls.post(event)).status == 413
        await polls.ended()


# --- compression ----------------------------------------------------------------------------------


async def compressing(wire: Wire) -> WebSocketPeer:
    """A session on a WebSocket with permessage-deflate."""
    http = await wire.http()
    headers = RawWebSocket.request_headers(Sec_WebSocket_Extensions="permessage-deflate")
    reply = await http.request("GET", wire.target("websocket"), headers)
    check_switched(reply, headers)
    assert (reply.header("sec-websocket-extensions") or "").startswith("permessage-deflate")
    websocket = RawWebSocket(http, PerMessageDeflate(Deflate()))
    peer = WebSocketPeer(websocket, await websocket.receive_text())
    await peer.connect()
    return peer


def bomb(megabytes: int) -> bytes:
    """A compressed message of zeros; a megabyte is a kilobyte of it."""
    compressor = zlib.compressobj(9, wbits=-15)
    piece = compressor.compress(bytes(1_000_000)) + compressor.flush(zlib.Z_FULL_FLUSH)
    return piece * megabytes + b"\x00"


def compressing_target(targets: Callable[..., Target], front: str) -> Target:
    """A host of ASGI applications has an option of its own for that, and it is on."""
    return targets(front, **COMPRESSED) if front == "native" else targets(front)


async def test_v26_compression_bomb(front: str, way: str, targets: Callable[..., Target]) -> None:
    """On ASGI the host inflates, up to the limit that it has itself: 16 MiB here."""
    target = compressing_target(targets, front)
    payload = bomb(900)
    assert len(payload) < MAX_PAYLOAD
    frame = encode_frame(Opcode.TEXT, payload, rsv1=True, mask=True)
    peak = 8 * MB if front == "native" else 80 * MB
    async with target.attack(peak=peak, kept=32 * MB, runs=glued_runs(way)) as attack:
        peer = await compressing(attack.wire)
        await send_frames(peer, frame, way)
        await check_closed(peer, 1009)
        if front == "asgi":  # the C library keeps what the host has inflated
            await target.do("tests.security.scenarios.memory.trim")


async def test_v26_bomb_in_fragments(front: str, targets: Callable[..., Target]) -> None:
    payload = bomb(900)
    size = len(payload) // 100
    parts = [payload[at : at + size] for at in range(0, len(payload), size)]
    frames = [encode_frame(Opcode.TEXT, parts[0], fin=False, rsv1=True, mask=True)]
    frames += [fragment(part) for part in parts[1:-1]]
    peak = 8 * MB if front == "native" else 80 * MB
    target = compressing_target(targets, front)
    async with target.attack(peak=peak, kept=32 * MB) as attack:
        peer = await compressing(attack.wire)
        await send_frames(peer, b"".join([*frames, fragment(parts[-1], fin=True)]), "whole")
        await check_closed(peer, 1009)
        if front == "asgi":
            await target.do("tests.security.scenarios.memory.trim")


async def test_v27_compressed_frame_without_the_extension(
    native: str, way: str, targets: Callable[..., Target]
) -> None:
    frame = encode_frame(Opcode.TEXT, b'42["echo"]', rsv1=True, mask=True)
    async with targets(native).attack(runs=glued_runs(way)) as attack:
        peer = await connected(attack.wire)
        await send_frames(peer, frame, way)
        await check_closed(peer, 1002)


async def test_v27_compressed_frames_of_the_wrong_kind(
    front: str, way: str, targets: Callable[..., Target]
) -> None:
    begun = fragment(b"4", Opcode.TEXT)
    frames = {
        "continuation": begun + encode_frame(Opcode.CONTINUATION, b"2", rsv1=True, mask=True),
        "ping": encode_frame(Opcode.PING, b"", rsv1=True, mask=True),
        "close": encode_frame(Opcode.CLOSE, b"", rsv1=True, mask=True),
    }
    # A host hands over nothing of a segment that ends in a fault.
    runs = {"echo": len(frames)} if way == "glued" and front == "native" else {}
    async with compressing_target(targets, front).attack(runs=runs) as attack:
        for data in frames.values():
            peer = await compressing(attack.wire)
            await send_frames(peer, data, way)
            await check_closed(peer, 1002)
