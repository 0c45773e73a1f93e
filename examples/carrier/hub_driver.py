"""A carrier of your own: a Driver for hub.py, written step by step in docs/carriers.md.

`pip install sockwave`, `python hub.py 4100`, and in each program
`io = Server(adapter=HubAdapter("127.0.0.1", 4100))`.
"""

import asyncio
import random
from collections import deque
from collections.abc import Set
from contextlib import suppress
from typing import Any
from urllib.parse import quote

from sockwave.adapters import Capabilities, ClusterAdapter, Receiver

QUIET = 2.0  # seconds without a word, after which it is asked whether anybody is there
PATIENCE = 10.0  # seconds that a message may take, once it has begun


class HubAdapter:
    def __init__(self, host: str, port: int) -> None:
        self._driver = HubDriver(host, port)

    def __call__(self, namespace: Any) -> ClusterAdapter:
        return ClusterAdapter(namespace, self._driver)

    async def aclose(self) -> None:
        await self._driver.aclose()


class HubDriver:
    capabilities = Capabilities(echoes=True)

    def __init__(self, host: str, port: int, *, max_backlog: int = 16 * 1024 * 1024) -> None:
        self._place = (host, port)
        self._max_backlog = max_backlog
        self._listeners: dict[str, dict[str, Receiver]] = {}
        self._unconfirmed: dict[int, tuple[str, asyncio.Future[None]]] = {}
        self._count = 0
        self._kept: deque[bytes] = deque()
        self._kept_bytes = 0
        self._writer: asyncio.StreamWriter | None = None
        self._task: asyncio.Task[None] | None = None
        self._starting = asyncio.Lock()
        self._is_closed = False

    async def start(self) -> None:
        async with self._starting:  # each namespace calls it
            if self._task is None and not self._is_closed:
                streams = await asyncio.open_connection(*self._place)
                self._begin(streams[1])
                self._task = asyncio.create_task(self._run(*streams))

    async def _run(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            with suppress(OSError, EOFError, ValueError, IndexError):
                await self._read(reader, writer)
            self._writer = None
            writer.close()
            if self._is_closed:
                return
            for channel in self._listeners:
                self._lost(channel, "the hub was away: what was sent meanwhile is lost")
            reader, writer = await self._connect_again()
            self._begin(writer)

    async def _connect_again(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        pause = 0.05
        while True:
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # not all at the same moment
            pause = min(pause * 2, 1.0)
            with suppress(OSError):
                async with asyncio.timeout(PATIENCE):
                    return await asyncio.open_connection(*self._place)

    def _begin(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        for channel in self._listeners:
            writer.write(b"SUB %b 0\n" % name_of(channel))
        for number, (channel, _) in self._unconfirmed.items():
            writer.write(b"SUB %b %d\n" % (name_of(channel), number))
        while self._kept:
            writer.write(self._kept.popleft())
        self._kept_bytes = 0

    async def subscribe(self, channel: str, address: str, receiver: Receiver) -> None:
        self._listeners.setdefault(channel, {})[address] = receiver
        self._count += 1
        number, confirmed = self._count, asyncio.get_running_loop().create_future()
        self._unconfirmed[number] = (channel, confirmed)
        if self._writer is not None:
            self._writer.write(b"SUB %b %d\n" % (name_of(channel), number))
        try:
            await confirmed
        finally:
            del self._unconfirmed[number]

    def unsubscribe(self, channel: str, address: str) -> None:
        receivers = self._listeners.get(channel, {})
        if receivers.pop(address, None) is not None and not receivers:
            del self._listeners[channel]
            if self._writer is not None:
                self._writer.write(b"UNSUB %b\n" % name_of(channel))

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            command, *words = (await self._line(reader, writer)).split()
            if command == b"OK":
                _, confirmed = self._unconfirmed.get(int(words[0]), (None, None))
                if confirmed is not None and not confirmed.done():
                    confirmed.set_result(None)
            elif command == b"MSG":
                async with asyncio.timeout(PATIENCE):
                    message = await reader.readexactly(int(words[1]))
                self._hand_out(words[0], message)

    async def _line(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        try:
            async with asyncio.timeout(QUIET):
                return await reader.readline()
        except TimeoutError:
            writer.write(b"PING\n")
        async with asyncio.timeout(QUIET):
            return await reader.readline()

    def _hand_out(self, name: bytes, message: bytes) -> None:
        for channel, receivers in [*self._listeners.items()]:
            if name_of(channel) == name:
                for receiver in [*receivers.values()]:
                    receiver.message_received(message)

    def publish(self, channel: str, message: bytes, *, to: Set[str] | None = None) -> None:
        frame = b"PUB %b %d\n%b" % (name_of(channel), len(message), message)
        if self._is_closed:
            return
        if self._backlog() + len(frame) > self._max_backlog:
            self._lost(channel, "the hub takes nothing, and more is not kept")
        elif self._writer is not None:
            self._writer.write(frame)
        else:
            self._kept.append(frame)
            self._kept_bytes += len(frame)

    def _backlog(self) -> int:
        if self._writer is None:
            return self._kept_bytes
        return self._writer.transport.get_write_buffer_size()

    def _lost(self, channel: str, what: str) -> None:
        loop = asyncio.get_running_loop()
        for receiver in self._listeners.get(channel, {}).values():
            loop.call_soon(receiver.messages_lost, what)  # never within a call

    async def count(self, channel: str) -> int | None:
        return None

    async def aclose(self) -> None:
        self._is_closed = True
        for _, confirmed in self._unconfirmed.values():
            if not confirmed.done():
                confirmed.set_result(None)
        if self._writer is not None:
            self._writer.close()  # sends what waits, first
            with suppress(OSError):
                async with asyncio.timeout(QUIET):
                    await self._writer.wait_closed()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])


def name_of(channel: str) -> bytes:
    return quote(channel, safe="").encode()
