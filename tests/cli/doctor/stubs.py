"""Peers that say one thing to everybody."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from sockwave.cli.doctor.examining import examine
from sockwave.cli.doctor.target import Target
from sockwave.engine.client.url import parse_url

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sockwave.cli.doctor.findings import Finding

__all__ = ["answering", "examined", "target"]


def target(url: str, **options: Any) -> Target:
    """A server, without silence."""
    return Target(**{"server": parse_url(url), "patience": 0.0, **options})


async def examined(url: str, **options: Any) -> list[Finding]:
    """Examine a server; without silence."""
    found: list[Finding] = []
    await examine(target(url, **options), found.append)
    return found


@asynccontextmanager
async def answering(answer: bytes) -> AsyncIterator[str]:
    """Somebody who says this to whatever comes, and hangs up; gives the URL."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if await reader.read(64 * 1024):
                writer.write(answer)
                await writer.drain()
            writer.close()
            await writer.wait_closed()
        except OSError:
            pass  # the other side was quicker

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
