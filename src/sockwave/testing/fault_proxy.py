"""A TCP proxy that makes connections fail on command, for tests of whatever must survive that.

    async with FaultProxy("127.0.0.1", port, seed=1) as proxy:
        async with sockwave.connect(proxy.url) as socket:
            proxy.to_client.delay = 0.5
            proxy.reset()

What it does is decided by the test and by the seed alone, so that a failure can be repeated. Faults
of HTTP proxies are `sockwave.testing.http_fault_proxy`'s.
"""

from __future__ import annotations

import asyncio
import random
import socket as socket_module
import struct
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from typing import Self

__all__ = ["Direction", "FaultProxy"]

_CHUNK: Final = 65_536
_WAITING: Final = 64
"""Pieces of a connection that are under way in one direction; past it the sender has to wait."""
_NO_LINGER: Final = struct.pack("ii", 1, 0)


class Direction:
    """What happens to the bytes of all connections in one direction; may be changed at any time.

    Attributes:
        delay: Seconds that each piece takes on its way.
        jitter: Seconds, up to which each piece takes longer; order is kept.
        rate: Bytes a second, of each connection; None: no limit.
        slice: Most bytes forwarded in one piece; None: as they come.
        slice_delay: Seconds between two such pieces.
        slice_until: Bytes of a connection after which it is not sliced any more.
        merge: Hold bytes back until so many are together, or no more come for `merge_wait`.
        merge_wait: Seconds.
        limit: Bytes after which a connection is closed (FIN), counted from its beginning.
        reset_after: Bytes after which it is reset (RST) in both directions.
        close_delay: Seconds by which the end of a connection is passed on later.
        passed: Bytes forwarded so far, by all connections.
    """

    def __init__(self) -> None:
        self.delay: float = 0.0
        self.jitter: float = 0.0
        self.rate: float | None = None
        self.slice: int | None = None
        self.slice_delay: float = 0.0
        self.slice_until: float = float("inf")
        self.merge: int | None = None
        self.merge_wait: float = 0.005
        self.limit: int | None = None
        self.reset_after: int | None = None
        self.close_delay: float = 0.0
        self.passed = 0
        self._flowing = asyncio.Event()
        self._flowing.set()

    def stall(self) -> None:
        """Be a black hole from now on: forward nothing, not even the end of a connection."""
        self._flowing.clear()

    def resume(self) -> None:
        """Forward again, and first what has come meanwhile."""
        self._flowing.set()

    async def wait_flowing(self) -> None:
        """Wait while it is stalled."""
        await self._flowing.wait()


class FaultProxy:
    """Forwards TCP connections to a server, and spoils them when told to.

    Args:
        host, port: The server.
        seed: Of the random numbers behind `corrupt` and `jitter`.

    Attributes:
        to_server: Faults of what clients send.
        to_client: Faults of what the server sends.
        accepted: Connections so far.
    """

    def __init__(self, host: str, port: int, *, seed: int = 0) -> None:
        self.to_server: Direction = Direction()
        self.to_client: Direction = Direction()
        self.accepted: int = 0
        self._target = (host, port)
        self._port = 0
        self._random = random.Random(seed)
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._pairs: set[_Pair] = set()

    async def __aenter__(self) -> Self:
        """Listen on a free port of 127.0.0.1."""
        await self.up()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        """Close everything."""
        self.down()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.sleep(0)  # lets what was cut be gone

    @property
    def port(self) -> int:
        """Where it listens."""
        assert self._port, "not entered"
        return self._port

    @property
    def url(self) -> str:
        """Where clients connect to."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def connections(self) -> int:
        """Connections that are open now."""
        return len(self._pairs)

    def set(self, **faults: Any) -> None:
        """Set attributes of both directions.

        Raises:
            AttributeError: There is no such fault.
        """
        for direction in (self.to_server, self.to_client):
            for name, value in faults.items():
                getattr(direction, name)  # else a misspelt fault would be none
                setattr(direction, name, value)

    def cut(self) -> None:
        """Close all connections in an orderly way (FIN), in both directions."""
        for pair in list(self._pairs):
            pair.close()

    def reset(self) -> None:
        """Reset all connections (RST), in both directions."""
        for pair in list(self._pairs):
            pair.reset()

    def stall(self) -> None:
        """Be a black hole in both directions: half-open connections."""
        self.to_server.stall()
        self.to_client.stall()

    def resume(self) -> None:
        """End the stalling of both directions."""
        self.to_server.resume()
        self.to_client.resume()

    def down(self) -> None:
        """Reset all connections, and refuse new ones."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.reset()

    async def up(self) -> None:
        """Listen again, on the same port; nothing happens when it does already."""
        if self._server is None:
            self._server = await asyncio.start_server(self._accept, "127.0.0.1", self._port)
            self._port = int(self._server.sockets[0].getsockname()[1])

    def corrupt(self, size: int = 16) -> None:
        """Send random bytes to the client side of all connections, whatever is under way there."""
        for pair in list(self._pairs):
            pair.client.write(self._random.randbytes(size))

    # --- for proxies that know more of what they forward ------------------------------------------

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve the connection of a client until its end."""
        try:
            there_reader, there = await asyncio.open_connection(*self._target)
        except OSError:
            writer.transport.abort()
            return
        except BaseException:
            writer.transport.abort()
            raise
        await self.forward(reader, writer, there_reader, there)

    async def forward(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        there_reader: asyncio.StreamReader,
        there: asyncio.StreamWriter,
    ) -> None:
        """Forward between a client (the first two) and the server until both have ended."""
        pair = _Pair(writer, there)
        self._pairs.add(pair)
        up = _Pump(self.to_server, reader, there, pair, self._random)
        back = _Pump(self.to_client, there_reader, writer, pair, self._random)
        try:
            await asyncio.gather(up.run(), back.run())
        finally:
            self._pairs.discard(pair)
            pair.abort()

    # --- private ----------------------------------------------------------------------------------

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        task = asyncio.get_running_loop().create_task(self.serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


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
            if raw is not None and not writer.transport.is_closing():
                raw.setsockopt(socket_module.SOL_SOCKET, socket_module.SO_LINGER, _NO_LINGER)
            writer.transport.abort()


class _Pump:
    """Forwards one direction of one connection.

    Reading does not wait for what is under way, so that a delay is not a limit of the rate.
    """

    def __init__(
        self,
        direction: Direction,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        pair: _Pair,
        random: random.Random,
    ) -> None:
        self._direction = direction
        self._reader = reader
        self._writer = writer
        self._pair = pair
        self._random = random
        self._was_reset = False
        self._passed = 0
        self._under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_WAITING)

    async def run(self) -> None:
        """Forward until the end, and pass that on."""
        reading = asyncio.ensure_future(self._read())
        try:
            await self._write()
            if self._was_reset:
                self._pair.reset()
            elif not self._writer.is_closing():
                self._writer.write_eof()
        except OSError:
            self._pair.reset()
        finally:
            reading.cancel()

    async def _read(self) -> None:
        """Note for each piece when it is to arrive; an empty one is the end."""
        data = b"-"
        while data:
            try:
                data = await self._reader.read(_CHUNK)
            except OSError:
                data = b""
                self._was_reset = True
            direction = self._direction
            wait = direction.delay + self._random.random() * direction.jitter
            await self._under_way.put((asyncio.get_running_loop().time() + wait, data))

    async def _write(self) -> None:
        while data := await self._next():
            if self._direction.merge is not None:
                data = await self._merged(data, self._direction.merge)
            at = 0
            while at < len(data):
                piece = data[at : at + (self._slice() or len(data))]
                at += len(piece)
                if not await self._forward(piece):
                    self._pair.close()
                    return
        await asyncio.sleep(self._direction.close_delay)

    def _slice(self) -> int | None:
        """Most bytes of the next piece."""
        direction = self._direction
        return direction.slice if self._passed < direction.slice_until else None

    async def _next(self) -> bytes:
        """The next piece, when it is to arrive."""
        due, data = await self._under_way.get()
        await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))
        await self._direction.wait_flowing()
        return data

    async def _merged(self, data: bytes, size: int) -> bytes:
        """Wait for more; the end stays in the queue."""
        pieces = [data]
        while sum(map(len, pieces)) < size:
            try:
                async with asyncio.timeout(self._direction.merge_wait):
                    due, more = await self._under_way.get()
            except TimeoutError:
                break
            if not more:
                self._under_way.put_nowait((due, more))
                break
            pieces.append(more)
        return b"".join(pieces)

    async def _forward(self, piece: bytes) -> bool:
        """Forward a piece; False when the connection has had all that it may have."""
        direction = self._direction
        is_sliced = self._slice() is not None
        if direction.rate is not None:
            await asyncio.sleep(len(piece) / direction.rate)
        await direction.wait_flowing()
        ends = [end for end in (direction.limit, direction.reset_after) if end is not None]
        is_last = bool(ends) and self._passed + len(piece) >= min(ends)
        if is_last:
            piece = piece[: min(ends) - self._passed]
        self._passed += len(piece)
        direction.passed += len(piece)
        if self._writer.is_closing():  # the other direction has ended the pair meanwhile
            raise ConnectionResetError
        self._writer.write(piece)
        await self._writer.drain()
        if is_sliced:
            await asyncio.sleep(direction.slice_delay)
        if is_last and min(ends) == direction.reset_after:
            self._pair.reset()
        return not is_last
