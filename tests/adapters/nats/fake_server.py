"""A server that speaks as NATS does, in a thread of its own, and does what a test asks of it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from types import TracebackType
    from typing import Self

PATIENCE: Final = 20.0


class _Client:
    """One connection.

    Attributes:
        subjects: Subscribed to, by the number of the subscription.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.subjects: dict[bytes, bytes] = {}


class FakeNats:
    """As much of NATS as a client needs to publish and subscribe, without wildcards.

    Args:
        max_payload: What it takes at most.

    Attributes:
        loses: Decides of the subject of a message whether it gets lost without a word.
        is_refusing: Whether who connects is turned away.
        is_paused: Whether nothing is read.
        published: Subject and payload of all that was published.
        connects: What clients have said of themselves.
        commands: All that clients have said, the first word of each.
    """

    def __init__(self, *, max_payload: int = 1_048_576) -> None:
        self.max_payload = max_payload
        self.loses: Callable[[str], bool] = lambda subject: False
        self.is_refusing = False
        self.is_paused = False
        self.published: list[tuple[str, bytes]] = []
        self.connects: list[dict[str, Any]] = []
        self.commands: list[str] = []
        self.port = 0
        self._clients: dict[_Client, None] = {}  # in the order in which they came
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)

    def __enter__(self) -> Self:
        self._thread.start()
        self._call(self._listen())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        frames: TracebackType | None,
    ) -> None:
        self._call(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE)
        self._loop.close()

    def _call(self, coroutine: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(PATIENCE)

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    @property
    def subjects(self) -> list[str]:
        """All that are subscribed to."""
        return [s.decode() for client in list(self._clients) for s in client.subjects.values()]

    @property
    def connections(self) -> int:
        return len(self._clients)

    def cut(self, last_word: bytes = b"", *, only_first: bool = False) -> None:
        """End all connections, or the one that stands longest."""
        self._call(self._cut(last_word, 1 if only_first else None))

    def say(self, words: bytes) -> None:
        """Say something to all."""
        self._call(self._say(words))

    async def _say(self, words: bytes) -> None:
        for client in self._clients:
            client.writer.write(words)

    async def _cut(self, last_word: bytes, most: int | None) -> None:
        for client in list(self._clients)[:most]:
            if last_word:
                client.writer.write(last_word)
                client.writer.close()
            else:
                client.writer.transport.abort()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _end(self) -> None:
        self._server.close()
        await self._cut(b"", None)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.is_refusing:
            writer.transport.abort()
            return
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        client = _Client(reader, writer)
        self._clients[client] = None
        info = {"server_id": "fake", "version": "2.9.0", "max_payload": self.max_payload}
        writer.write(b"INFO %b\r\n" % json.dumps(info).encode())
        try:
            # At the end it is cancelled, of which asyncio's streams would complain.
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                while (line := await reader.readline()).endswith(b"\n"):
                    while self.is_paused:
                        await asyncio.sleep(0.01)
                    await self._said(client, line.strip())
        finally:
            self._clients.pop(client, None)
            self._tasks.discard(task)
            writer.transport.abort()

    async def _said(self, client: _Client, line: bytes) -> None:
        command, *words = line.split(b" ")
        self.commands.append(command.decode())
        if command == b"CONNECT":
            self.connects.append(json.loads(b" ".join(words)))
        elif command == b"PING":
            client.writer.write(b"PONG\r\n")
        elif command == b"SUB":
            client.subjects[words[-1]] = words[0]
        elif command == b"UNSUB":
            client.subjects.pop(words[0], None)
        elif command == b"PUB":
            payload = await client.reader.readexactly(int(words[-1]) + 2)
            assert len(payload) - 2 <= self.max_payload
            self._publish(words[0], payload[:-2])

    def _publish(self, subject: bytes, payload: bytes) -> None:
        self.published.append((subject.decode(), payload))
        if self.loses(subject.decode()):
            return
        for client in self._clients:
            for number, wanted in client.subjects.items():
                if wanted == subject:
                    head = b"MSG %b %b %d\r\n" % (subject, number, len(payload))
                    client.writer.write(head + payload + b"\r\n")
