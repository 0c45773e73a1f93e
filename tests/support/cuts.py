"""A way between client and server that breaks when a test says so."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final, Self

from tests.support.raw import DEADLINE, within

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ["BreakingProxy"]

PIECE: Final = 4096


class BreakingProxy:
    """Forwards TCP connections to a port until they are cut, in the middle of whatever is there.

    Attributes:
        port: Where clients connect.
        cuts: How often all connections were cut.
    """

    def __init__(self, host: str, port: int) -> None:
        self.port = 0
        self.cuts = 0
        self._target = host, port
        self._open: set[asyncio.StreamWriter] = set()
        self._left: int | None = None
        self._was_cut = asyncio.Event()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Self]:
        """Listen until the block ends."""
        server = await asyncio.start_server(self._forward, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            self.cut()

    def cut(self) -> None:
        """Cut all connections at once."""
        self.cuts += 1
        self._left = None
        self._was_cut.set()
        for writer in list(self._open):
            writer.transport.abort()

    async def next_cut(self, seconds: float = DEADLINE) -> None:
        """Wait until the connections are cut again."""
        self._was_cut.clear()
        await within(self._was_cut.wait(), seconds)

    def cut_after(self, size: int) -> None:
        """Cut all connections when so many more bytes have come from the server."""
        self._left = size

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        both = [writer]
        try:
            with suppress(OSError):
                there, back = await asyncio.open_connection(*self._target)
                both.append(back)
                self._open.add(back)
                await asyncio.gather(
                    self._pump(reader, back, is_answer=False),
                    self._pump(there, writer, is_answer=True),
                )
        finally:
            for each in both:
                self._open.discard(each)
                each.transport.abort()

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_answer: bool
    ) -> None:
        while data := await reader.read(PIECE):
            if is_answer and self._left is not None:
                if self._left <= len(data):
                    writer.write(data[: self._left])
                    await asyncio.sleep(0)  # what was written goes out first
                    self.cut()
                    return
                self._left -= len(data)
            writer.write(data)
            await writer.drain()
        writer.transport.abort()
