"""Heads of WebSocket frames that announce what nobody can hold, or what no frame can be."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Final

from tests.security.judge import MB
from tests.security.ways import connected, glued_runs, send_frames, text
from tests.support.raw import RawWebSocket, check_switched

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.security.judge import Target

MASK: Final = bytes.fromhex("01020304")


RESET: Final = 1006
"""What is left of a close frame when a host closes with bytes unread."""


async def test_v05_bad_frame_behind_the_upgrade(
    front: str, way: str, targets: Callable[..., Target]
) -> None:
    # All reserved bits, continuation, masked, empty.
    frame = bytes.fromhex("f18000000000")
    if way == "glued":
        frame = text("40") + frame
    async with targets(front).attack() as attack:
        http = await attack.wire.http()
        headers = RawWebSocket.request_headers()
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        target = attack.wire.target("websocket")
        data = f"GET {target} HTTP/1.1\r\nHost: a\r\n{lines}\r\n".encode()
        if front == "native":
            data += frame
        step = 1 if way == "bytes" else len(data)
        for at in range(0, len(data), step):
            http.write(data[at : at + step])
            await asyncio.sleep(0)
        check_switched(await http.read(), headers)
        if front != "native":  # the host throws away what comes before its 101
            http.write(frame)
        assert (await RawWebSocket(http).closed()).code == 1002
        assert await http.is_closed()


async def test_v19_frame_larger_than_any_message(
    front: str, way: str, targets: Callable[..., Target]
) -> None:
    async with targets(front).attack(peak=2 * MB) as attack:
        for length in (2**32, 2**40):
            attack.runs += runs_before_a_failure(front, way)
            peer = await connected(attack.wire)
            await send_frames(peer, b"\x81\xff" + length.to_bytes(8, "big") + MASK, way)
            assert (await peer.ended()).code in ((1009,) if front == "native" else (1009, RESET))


async def test_v20_length_with_the_top_bit(
    front: str, way: str, targets: Callable[..., Target]
) -> None:
    # A host may take it for a length that is too large.
    codes = (1002,) if front == "native" else (1002, 1009, RESET)
    async with targets(front).attack(peak=2 * MB) as attack:
        for length in (2**63, 2**64 - 64):
            attack.runs += runs_before_a_failure(front, way)
            peer = await connected(attack.wire)
            data = b"\x82\xff" + length.to_bytes(8, "big") + MASK + bytes(100)
            await send_frames(peer, data, way)
            assert (await peer.ended()).code in codes


def runs_before_a_failure(front: str, way: str) -> Counter[str]:
    """A host drops the messages that it has read together with a bad frame."""
    return glued_runs(way) if front == "native" else Counter()
