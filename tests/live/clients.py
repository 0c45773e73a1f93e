"""Clients of ours that keep what they hear."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

from sockwave import connect
from tests.support.process import DEADLINE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sockwave import ClientSocket

__all__ = ["EventQueue", "connected", "hear"]

EventQueue: TypeAlias = asyncio.Queue[tuple[Any, ...]]
"""Names and arguments of events."""


@asynccontextmanager
async def connected(url: str, **options: Any) -> AsyncIterator[tuple[ClientSocket, EventQueue]]:
    """A client, and what it hears."""
    client = connect(url, **options)
    heard: EventQueue = asyncio.Queue()
    client.on_any(lambda event, *args: heard.put_nowait((event, *args)))
    try:
        async with asyncio.timeout(DEADLINE):
            await client.wait_connected()
        yield client, heard
    finally:
        await client.aclose()


async def hear(queue: EventQueue, count: int) -> list[tuple[Any, ...]]:
    """The next events."""
    async with asyncio.timeout(DEADLINE):
        return [await queue.get() for _ in range(count)]
