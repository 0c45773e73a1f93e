"""One connection after the other, and the end of it."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from sockwave.adapters.redis.link import Link, LinkOwner
from sockwave.adapters.redis.places import Opened, find_place
from tests.adapters.redis.small_redis import small_redis


class LosingPlace:
    """A Redis whose client loses a cancellation while it connects, as redis-py can."""

    def __init__(self, url: str) -> None:
        self.connecting = asyncio.Event()
        self._inner = find_place(url)

    @property
    def name(self) -> str:
        return self._inner.name

    async def open(self, protocol: asyncio.Protocol) -> Opened:
        self.connecting.set()
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(1000)
        return await self._inner.open(protocol)

    async def count_elsewhere(self, query: str, channel: str) -> int | None:
        return None


def test_end_of_a_link_ends_it_when_its_cancellation_is_lost() -> None:
    async def scenario() -> None:
        async with small_redis() as redis:
            place = LosingPlace(redis.url)
            link = Link(place, LinkOwner())
            link.start()
            await place.connecting.wait()
            async with asyncio.timeout(10):
                await link.aclose()
            assert link.connection is None
            assert not link.is_ready

    asyncio.run(scenario())
