"""A client that sends events as fast as it can: row D36."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Final

from tests.security.settings import scaled
from tests.security.ways import connected, text

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.security.judge import Target

EVENTS: Final = scaled(1_000_000, 50_000)

STALL: Final = {"native": 0.05, "asgi": 0.15}
"""Seconds of a turn. 256 messages take 2 ms, a pass of the collector 15; uvicorn reads 13,000
frames in a turn of its own."""

BODY: Final = 50_000
"""Events in one body, of at most 65,536."""

SLOW_EVENTS: Final = scaled(4_000, 600)


async def test_d36_flood_of_events_on_a_websocket_lets_others_have_their_turn(
    front: str, targets: Callable[..., Target]
) -> None:
    runs = Counter(echo=EVENTS)
    async with targets(front).attack(runs=runs, stall=STALL[front]) as attack:
        peer = await connected(attack.wire)
        writer = peer.websocket.http.writer
        writer.write(text('42["echo",1]') * (EVENTS - 1) + text('427["echo",2]'))
        await writer.drain()
        while await peer.websocket._receive() != "437[2]":
            pass


async def test_d36_flood_of_events_on_polling_lets_others_have_their_turn(
    front: str, targets: Callable[..., Target]
) -> None:
    runs = Counter(echo=EVENTS)
    async with targets(front).attack(runs=runs, stall=STALL[front]) as attack:
        peer = await attack.wire.open_polling()
        await peer.connect()
        for _ in range(EVENTS // BODY):
            await peer.send(*['42["echo",1]'] * BODY)
        await peer.send("1")


async def test_d36_events_whose_handlers_take_long_let_others_have_their_turn(
    front: str, targets: Callable[..., Target], transport: str
) -> None:
    """Half a millisecond each, so 256 would take 128 ms; 64 come until time is up."""
    runs = Counter(busy=SLOW_EVENTS)
    async with targets(front).attack(runs=runs) as attack:
        peer = await attack.wire.open(transport)
        await peer.connect()
        for _ in range(SLOW_EVENTS // 200):
            await peer.send(*['42["busy",0.0005]'] * 199, '427["busy",0.0005]')
        for _ in range(SLOW_EVENTS // 200):
            assert await peer.receive() == "437[]"
        await peer.send("1")


CLIENTS: Final = scaled(200, 30)
EACH: Final = 30


async def test_many_that_flood_at_once_make_no_long_turn_together(
    front: str, targets: Callable[..., Target], transport: str
) -> None:
    """Each is within its own bound: thirty slices in a row would take almost half a second."""
    runs = Counter(busy=CLIENTS * EACH)
    async with targets(front).attack(runs=runs) as attack:
        events = ['42["busy",0.0005]'] * (EACH - 1) + ['427["busy",0.0005]']

        async def flood() -> None:
            peer = await attack.wire.open(transport)
            await peer.connect()
            await everybody.wait()
            await peer.send(*events)
            assert await peer.receive() == "437[]"
            await peer.send("1")

        everybody = asyncio.Barrier(CLIENTS)
        await asyncio.gather(*(flood() for _ in range(CLIENTS)))
