"""A TCP proxy that makes connections fail on command, for tests of whatever must survive that.

    async with FaultProxy("127.0.0.1", port, seed=1) as proxy:
        async with sockwave.connect(proxy.url) as socket:
            proxy.reset()

What it does is decided by the test and by the seed alone, so that a failure can be repeated.
"""

from __future__ import annotations

import asyncio
import random
import socket as socket_module
import struct
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from typing import Self

__all__ = ["FaultProxy"]

_CHUNK: Final = 65_536
_NO_LINGER: Final = struct.pack("ii", 1, 0)


class FaultProxy:
    """Forwards TCP connections to a server, and spoils them when told to.

    Args:
        host, port: The server.
        seed: Of the random numbers behind `corrupt` and `jitter`.

    Attributes:
        delay: Seconds by which each piece of data is held back, in both directions.
        jitter: Seconds, up to which each piece is held back longer.
        rate: Bytes a second in each direction of each connection; None: no limit.
        slice: Most bytes forwarded in one piece; None: as they come.
        is_down: Refuse new connections (they are accepted and closed at once).
        accepted: Connections so far.
    """

    def __init__(self, host: str, port: int, *, seed: int = 0) -> None:
        self.delay = 0.0
        self.jitter = 0.0
        self.rate: float | None = None
        self.slice: int | None = None
        self.is_down = False
        self.accepted = 0
        self._target = (host, port)
        self._random = random.Random(seed)
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._pairs: set[_Pair] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()

    async def __aenter__(self) -> Self:
        """Listen on a free port of 127.0.0.1."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        """Close everything."""
        if self._server is not None:
            self._server.close()
        for pair in list(self._pairs):
            pair.abort()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def port(self) -> int:
        """Where it listens."""
        assert self._server is not None, "not entered"
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def url(self) -> str:
        """Where clients connect to."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def connections(self) -> int:
        """Connections that are open now."""
        return len(self._pairs)

    def cut(self) -> None:
        """Close all connections in an orderly way (FIN), in both directions."""
        for pair in list(self._pairs):
            pair.close()

    def reset(self) -> None:
        """Reset all connections (RST), in both directions."""
        for pair in list(self._pairs):
            pair.reset()

    def stall(self) -> None:
        """Forward nothing from now on and close nothing: half-open connections."""
        self._flowing.clear()

    def resume(self) -> None:
        """Forward again what has come meanwhile."""
        self._flowing.set()

    def corrupt(self, size: int = 16) -> None:
        """Send random bytes to the client side of all connections, whatever is under way there."""
        for pair in list(self._pairs):
            pair.client.write(self._random.randbytes(size))

    # --- private ----------------------------------------------------------------------------------

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        if self.is_down:
            writer.close()
            return
        task = asyncio.get_running_loop().create_task(self._forward(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there_reader, there = await asyncio.open_connection(*self._target)
        except OSError:
            writer.transport.abort()
            return
        pair = _Pair(writer, there)
        self._pairs.add(pair)
        try:
            await asyncio.gather(self._pump(reader, there), self._pump(there_reader, writer))
        finally:
            self._pairs.discard(pair)
            pair.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forward one direction until its end; the other one sees the end too."""
        try:
            while data := await reader.read(self.slice or _CHUNK):
                wait = self.delay + self._random.random() * self.jitter
                if self.rate is not None:
                    wait += len(data) / self.rate
                if wait:
                    await asyncio.sleep(wait)
                await self._flowing.wait()
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()


class _Pair:
    """The two connections that make up one."""

    def __init__(self, client: asyncio.StreamWriter, server: asyncio.StreamWriter) -> None:
        self.client = client
        self.server = server

    def close(self) -> None:
        self.client.close()
        self.server.close()

    def abort(self) -> None:
        self.client.transport.abort()
        self.server.transport.abort()

    def reset(self) -> None:
        for writer in (self.client, self.server):
            raw = writer.get_extra_info("socket")
            if raw is not None:
                raw.setsockopt(socket_module.SOL_SOCKET, socket_module.SO_LINGER, _NO_LINGER)
            writer.transport.abort()
