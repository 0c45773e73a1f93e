"""As much of Redis as pub/sub needs, in the process of the test, with faults that a test orders."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import hiredis

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


def bulk(value: bytes) -> bytes:
    return b"$%d\r\n%b\r\n" % (len(value), value)


def array(*values: bytes | int) -> bytes:
    parts = [b":%d\r\n" % each if isinstance(each, int) else bulk(each) for each in values]
    return b"*%d\r\n" % len(parts) + b"".join(parts)


def plain(pattern: bytes) -> bytes:
    """The text before the star of a pattern that has one, at its end."""
    assert pattern.endswith(b"*")
    text, escaped = bytearray(), False
    for each in pattern[:-1]:
        if each == ord("\\") and not escaped:
            escaped = True
            continue
        assert escaped or chr(each) not in "*?[", "a star within"
        text.append(each)
        escaped = False
    return bytes(text)


class SmallRedis:
    """A server on a free port.

    Attributes:
        port: Where it listens.
        errors: What is answered to a command, in place of doing it.
        published: Channels and messages, in order.
        is_deaf: Whether what is published reaches nobody.
        loses: What is in those messages that reach nobody.
        commands: All that were read.
    """

    def __init__(self) -> None:
        self.port = 0
        self.errors: dict[bytes, bytes] = {}
        self.published: list[tuple[bytes, bytes]] = []
        self.commands: list[list[bytes]] = []
        self.is_deaf = False
        self.loses: bytes | None = None
        self.password: bytes | None = None
        self._going = asyncio.Event()
        self._going.set()
        self._clients: set[_Client] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._server: asyncio.AbstractServer | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close all connections, and refuse new ones."""
        assert self._server is not None
        self._server.close()
        self._going.set()
        self.cut()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self._server.wait_closed()

    def cut(self, *, listening: bool | None = None) -> None:
        """Cut connections: all, or those that listen, or the others."""
        for client in list(self._clients):
            if listening is None or listening is bool(client.wants):
                client.writer.transport.abort()

    def pause(self) -> None:
        """Read and answer nothing more."""
        self._going.clear()

    def resume(self) -> None:
        self._going.set()

    @property
    def listening(self) -> int:
        """How many connections listen."""
        return sum(bool(client.wants) for client in self._clients)

    @property
    def has_clients(self) -> bool:
        return bool(self._clients)

    def drop(self, name: bytes) -> None:
        """Have a sharded channel no longer, as when its slot moves to another node."""
        for client in self._clients:
            if (b"SSUBSCRIBE", name) in client.wants:
                client.wants.discard((b"SSUBSCRIBE", name))
                client.writer.write(array(b"sunsubscribe", name, len(client.wants)))

    @property
    def is_closing(self) -> bool:
        """Whether connections are on their way out."""
        return len(self._tasks) > len(self._clients)

    def say(self, data: bytes) -> None:
        """Send something to all, as it is."""
        for client in self._clients:
            client.writer.write(data)

    def listeners(self, kind: bytes, name: bytes) -> int:
        return sum((kind, name) in client.wants for client in self._clients)

    def send(self, channel: bytes, message: bytes, *, sharded: bool = False) -> int:
        """Bring a message to those who listen, as `PUBLISH` does."""
        if self.is_deaf or (self.loses is not None and self.loses in message):
            return 0
        return sum(client.take(channel, message, sharded=sharded) for client in self._clients)

    def do_other(self, writer: asyncio.StreamWriter, name: bytes, args: list[bytes]) -> None:
        """Commands that are not of pub/sub; `SmallStreams` has some."""
        writer.write(b"-ERR unknown command\r\n")

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client, task = _Client(self, writer), asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._clients.add(client)
        commands = hiredis.Reader()
        try:
            while data := await reader.read(65536):
                await self._going.wait()
                commands.feed(data)
                while (command := commands.gets()) is not False:
                    self.commands.append(command)
                    client.do(command[0].upper(), command[1:])
        except ConnectionError:
            pass
        finally:
            self._clients.discard(client)
            writer.transport.abort()
            with suppress(ConnectionError):
                await writer.wait_closed()
            self._tasks.discard(task)


class _Client:
    def __init__(self, redis: SmallRedis, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        self.wants: set[tuple[bytes, bytes]] = set()
        self._redis = redis
        self._may_in = redis.password is None

    def do(self, name: bytes, args: list[bytes]) -> None:
        redis = self._redis
        if name in redis.errors:
            self.writer.write(b"-%b\r\n" % redis.errors[name])
        elif name == b"AUTH":
            self._may_in = args[-1] == redis.password
            self.writer.write(b"+OK\r\n" if self._may_in else b"-WRONGPASS no\r\n")
        elif not self._may_in:
            self.writer.write(b"-NOAUTH Authentication required.\r\n")
        elif name in (b"CLIENT", b"SELECT"):
            self.writer.write(b"+OK\r\n")
        elif name == b"PING":
            self._ping(args)
        elif name in (b"SUBSCRIBE", b"PSUBSCRIBE", b"SSUBSCRIBE"):
            self.wants.add((name, args[0]))
            self.writer.write(array(name.lower(), args[0], len(self.wants)))
        elif name in (b"UNSUBSCRIBE", b"PUNSUBSCRIBE", b"SUNSUBSCRIBE"):
            self.wants.discard((name.replace(b"UN", b"", 1), args[0]))
            self.writer.write(array(name.lower(), args[0], len(self.wants)))
        elif name in (b"PUBLISH", b"SPUBLISH"):
            redis.published.append((args[0], args[1]))
            reached = redis.send(args[0], args[1], sharded=name == b"SPUBLISH")
            self.writer.write(b":%d\r\n" % reached)
        elif name == b"PUBSUB":
            kind = b"SSUBSCRIBE" if args[0] == b"SHARDNUMSUB" else b"SUBSCRIBE"
            self.writer.write(array(args[1], redis.listeners(kind, args[1])))
        else:
            redis.do_other(self.writer, name, args)

    def _ping(self, args: list[bytes]) -> None:
        if self.wants:
            self.writer.write(array(b"pong", args[0] if args else b""))
        else:
            self.writer.write(bulk(args[0]) if args else b"+PONG\r\n")

    def take(self, channel: bytes, message: bytes, *, sharded: bool) -> int:
        taken = 0
        for kind, name in self.wants:
            if kind == b"PSUBSCRIBE":
                if not sharded and channel.startswith(plain(name)):
                    taken += 1
                    self.writer.write(array(b"pmessage", name, channel, message))
            elif name == channel and sharded is (kind == b"SSUBSCRIBE"):
                taken += 1
                word = b"smessage" if sharded else b"message"
                self.writer.write(array(word, channel, message))
        return taken


@asynccontextmanager
async def small_redis(**settings: Any) -> AsyncIterator[SmallRedis]:
    """A server that runs."""
    redis = SmallRedis()
    for name, value in settings.items():
        setattr(redis, name, value)
    await redis.start()
    try:
        yield redis
    finally:
        await redis.stop()
