"""A balancer that keeps nobody anywhere: each request goes to the next server, whoever sends it."""

from __future__ import annotations

import asyncio
import re
from contextlib import asynccontextmanager, suppress
from itertools import cycle
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

__all__ = ["MixingProxy"]

_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_UPGRADE: Final = re.compile(rb"\r\nupgrade: *websocket", re.IGNORECASE)
_CONNECTION: Final = re.compile(rb"\r\nconnection:[^\r]*", re.IGNORECASE)
_MAX_HEAD: Final = 65_536


class MixingProxy:
    """One of them.

    Args:
        ports: Of the servers, on 127.0.0.1. One that refuses is passed over.

    Attributes:
        port: Its own.
        passed: Port and status of each request that has its answer, and whether it named a session.
    """

    def __init__(self, ports: Sequence[int]) -> None:
        self.port = 0
        self.passed: list[tuple[int, int, bool]] = []
        self._ports = list(ports)
        self._next = cycle(self._ports)
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """For clients."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def statuses(self) -> set[int]:
        """Of all answers."""
        return {status for _, status, _ in self.passed}

    @asynccontextmanager
    async def open(self) -> AsyncIterator[MixingProxy]:
        """Serve until the block ends."""
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0, limit=_MAX_HEAD)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while await self._pass_one(reader, writer):
                pass
        except (OSError, EOFError, asyncio.CancelledError):
            pass  # whoever of the two has gone
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _pass_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Pass one request on; whether another one may follow."""
        head = await reader.readuntil(b"\r\n\r\n")
        length = _LENGTH.search(head)
        port, server, to_server = await self._next_server()
        closing = asyncio.ensure_future(asyncio.sleep(0))
        try:
            if _UPGRADE.search(head):
                to_server.write(head)
                answer = await server.readuntil(b"\r\n\r\n")
                self._note(port, head, answer)
                writer.write(answer)
                await _pipe(reader, writer, server, to_server)
                return False
            to_server.write(_CONNECTION.sub(b"", head[:-4]) + b"\r\nConnection: close\r\n\r\n")
            if length is not None:
                to_server.write(await reader.readexactly(int(length[1])))
            # A client that goes away takes its request along, at the server, too.
            answering = asyncio.ensure_future(server.read(-1))
            closing = asyncio.ensure_future(_gone(reader))
            await asyncio.wait((answering, closing), return_when=asyncio.FIRST_COMPLETED)
            if not answering.done():
                answering.cancel()
                return False
            answer = answering.result()
            if not answer:
                return False
            self._note(port, head, answer)
            first, _, rest = answer.partition(b"\r\n\r\n")
            writer.write(_CONNECTION.sub(b"", first) + b"\r\n\r\n" + rest)
            await writer.drain()
            return True
        finally:
            closing.cancel()
            with suppress(asyncio.CancelledError, OSError):
                await closing
            to_server.close()

    async def _next_server(self) -> tuple[int, asyncio.StreamReader, asyncio.StreamWriter]:
        for _ in self._ports:
            port = next(self._next)
            with suppress(OSError):
                return port, *await asyncio.open_connection("127.0.0.1", port)
        raise ConnectionRefusedError("no server is there")

    def _note(self, port: int, head: bytes, answer: bytes) -> None:
        self.passed.append((port, int(answer[9:12]), b"sid=" in head.partition(b"\r\n")[0]))


async def _gone(reader: asyncio.StreamReader) -> None:
    """Wait for the end of the client; it sends nothing while it waits for its answer."""
    while not reader.at_eof():
        await asyncio.sleep(0.01)


async def _pipe(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    server: asyncio.StreamReader,
    to_server: asyncio.StreamWriter,
) -> None:
    up = asyncio.ensure_future(_copy(reader, to_server))
    down = asyncio.ensure_future(_copy(server, writer))
    try:
        await asyncio.wait((up, down), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (up, down):
            task.cancel()
        await asyncio.gather(up, down, return_exceptions=True)


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    while data := await source.read(65_536):
        target.write(data)
        await target.drain()
