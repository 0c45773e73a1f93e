"""`SmallRedis` with streams, and with keys that have an end."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from sockwave.adapters.redis.connected_keys import FIND, KEEP, SAVE, TAKE
from sockwave.adapters.streams.positions import entry_id, position_of
from tests.adapters.redis.small_redis import SmallRedis, array, bulk

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


def nested(value: Any) -> bytes:
    if isinstance(value, list):
        return b"*%d\r\n" % len(value) + b"".join(map(nested, value))
    return b":%d\r\n" % value if isinstance(value, int) else bulk(value)


class SmallStreams(SmallRedis):
    """A server on a free port.

    Attributes:
        streams: Entries of each by their places.
        added: How many each has ever had.
        keys: With their ends.
        cuts_after: A command that is done, and whose connection is cut before the reply.
    """

    def __init__(self) -> None:
        super().__init__()
        self.streams: dict[bytes, dict[int, list[bytes]]] = {}
        self.added: dict[bytes, int] = {}
        self.keys: dict[bytes, tuple[bytes, float]] = {}
        self.hashes: dict[bytes, dict[bytes, bytes]] = {}
        self.cuts_after: bytes | None = None
        self._blocked: list[tuple[asyncio.StreamWriter, bytes, int, int]] = []

    def do_other(self, writer: asyncio.StreamWriter, name: bytes, args: list[bytes]) -> None:
        act = getattr(self, f"_{name.decode().lower()}", None)
        reply = b"-ERR unknown command\r\n" if act is None else act(writer, args)
        if name == self.cuts_after:
            self.cuts_after = None
            writer.transport.abort()
        elif reply is not None:
            writer.write(reply)

    # --- streams ----------------------------------------------------------------------------------

    def entries(self, stream: bytes = b"socket.io") -> list[dict[bytes, bytes]]:
        """All that is there."""
        found = self.streams.get(stream, {}).values()
        return [dict(zip(each[::2], each[1::2], strict=True)) for each in found]

    def add(self, fields: list[bytes], stream: bytes = b"socket.io") -> bytes:
        """Write an entry, as somebody else; its id."""
        entries = self.streams.setdefault(stream, {})
        now = position_of(f"{time.time_ns() // 1_000_000}-0") or 0
        place = max(now, next(reversed(entries), 0) + 1)
        entries[place] = fields
        self.added[stream] = self.added.get(stream, 0) + 1
        blocked, self._blocked = self._blocked, []
        for writer, name, after, count in blocked:
            if name != stream or not self._read(writer, name, after, count):
                self._blocked.append((writer, name, after, count))
        return entry_id(place).encode()

    def has_been_read(self, stream: bytes = b"socket.io") -> bool:
        """Whether somebody has taken all that is there, and waits for more."""
        last = next(reversed(self.streams[stream]))
        return any(name == stream and after == last for _, name, after, _ in self._blocked)

    def trim(self, length: int, stream: bytes = b"socket.io") -> None:
        """Keep so many of the latest."""
        entries = self.streams[stream]
        for place in list(entries)[: max(len(entries) - length, 0)]:
            del entries[place]

    def _xadd(self, writer: asyncio.StreamWriter, args: list[bytes]) -> bytes:
        assert args[1:3] == [b"MAXLEN", b"~"]
        assert args[4] == b"*"
        id_ = self.add(args[5:], args[0])
        self.trim(int(args[3]), args[0])
        return bulk(id_)

    def _read(self, writer: asyncio.StreamWriter, name: bytes, after: int, count: int) -> bool:
        entries = self.streams.get(name, {})
        found = [(place, entries[place]) for place in entries if place > after][:count]
        if found and not writer.transport.is_closing():
            told = [[entry_id(place).encode(), fields] for place, fields in found]
            writer.write(nested([[name, told]]))
        return bool(found)

    def _xread(self, writer: asyncio.StreamWriter, args: list[bytes]) -> None:
        assert args[0] == b"COUNT"
        if args[2] == b"STREAMS":
            assert args[4] == b"$"
            writer.write(b"*-1\r\n")
            return
        assert args[2] == b"BLOCK"
        count, block, name = int(args[1]), int(args[3]), args[5]
        after = position_of(args[6])
        assert after is not None
        if not self._read(writer, name, after, count):
            waiting = (writer, name, after, count)
            self._blocked.append(waiting)
            asyncio.get_running_loop().call_later(block / 1000, self._unblock, waiting)

    def _unblock(self, waiting: tuple[asyncio.StreamWriter, bytes, int, int]) -> None:
        if waiting in self._blocked:
            self._blocked.remove(waiting)
            if not waiting[0].transport.is_closing():
                waiting[0].write(b"*-1\r\n")

    def _range(self, name: bytes, first: bytes, last: bytes) -> list[Any]:
        low = 0 if first == b"-" else position_of(first)
        high = 2**200 if last == b"+" else position_of(last)
        assert low is not None
        assert high is not None
        return [
            [entry_id(place).encode(), fields]
            for place, fields in self.streams.get(name, {}).items()
            if low <= place <= high
        ]

    def _xrange(self, writer: asyncio.StreamWriter, args: list[bytes]) -> bytes:
        return nested(self._range(args[0], args[1], args[2])[: int(args[4])])

    def _xrevrange(self, writer: asyncio.StreamWriter, args: list[bytes]) -> bytes:
        return nested(self._range(args[0], args[2], args[1])[::-1][: int(args[4])])

    def _xinfo(self, writer: asyncio.StreamWriter, args: list[bytes]) -> bytes:
        name = args[1]
        if name not in self.streams:
            return b"-ERR no such key\r\n"
        length, added = len(self.streams[name]), self.added[name]
        return array(b"length", length, b"entries-added", added)

    # --- keys -------------------------------------------------------------------------------------

    def _alive(self, key: bytes) -> tuple[bytes, float] | None:
        found = self.keys.get(key)
        return None if found is None or found[1] <= time.monotonic() else found

    def _set(self, writer: asyncio.StreamWriter, args: list[bytes]) -> bytes:
        assert args[2] == b"PX"
        self.keys[args[0]] = args[1], time.monotonic() + int(args[3]) / 1000
        return b"+OK\r\n"

    def _pttl(self, writer: asyncio.StreamWriter, args: list[bytes]) -> bytes:
        found = self._alive(args[0])
        left = -2 if found is None else round((found[1] - time.monotonic()) * 1000)
        return b":%d\r\n" % left

    def _getdel(self, writer: asyncio.StreamWriter, args: list[bytes]) -> bytes:
        found = self._alive(args[0])
        self.keys.pop(args[0], None)
        return b"$-1\r\n" if found is None else bulk(found[0])

    # --- scripts ----------------------------------------------------------------------------------

    def _eval(self, writer: asyncio.StreamWriter, args: list[bytes]) -> bytes:
        script, count = args[0].decode(), int(args[1])
        keys, values = args[2 : 2 + count], args[2 + count :]
        act = {KEEP: self._keep, SAVE: self._save, FIND: self._find, TAKE: self._take}[script]
        return nested(act(writer, keys, values))

    def forget_connected(self) -> None:
        """What belongs to connected sockets is gone."""
        for key in self.hashes:
            self.keys.pop(key, None)
        self.hashes.clear()

    def connected(self, owner: bytes, registry: bytes) -> dict[bytes, bytes]:
        """What is there of a process, if it has not ended."""
        hash_ = registry.removesuffix(b"servers") + b"of:" + owner
        return self.hashes.get(hash_, {}) if self._alive(hash_) else {}

    def _keep(self, writer: asyncio.StreamWriter, keys: list[bytes], values: list[bytes]) -> int:
        was_there = self._alive(keys[0]) is not None
        fields = self.hashes.setdefault(keys[0], {}) if was_there else {}
        self.hashes[keys[0]] = fields
        self.hashes.setdefault(keys[1], {})[values[0]] = b""
        for field, value in zip(values[2::2], values[3::2], strict=True):
            if not value:
                fields.pop(field, None)
            elif fields.get(field) != b"":
                fields[field] = value
        if fields:
            self.keys[keys[0]] = b"", time.monotonic() + int(values[1]) / 1000
        else:
            self.keys.pop(keys[0], None)
        return int(was_there)

    def _save(self, writer: asyncio.StreamWriter, keys: list[bytes], values: list[bytes]) -> int:
        fields = self.hashes.get(keys[0], {})
        if fields.get(values[0]) == b"":
            return 0
        fields.pop(values[0], None)
        self._set(writer, [keys[1], values[1], b"PX", values[2]])
        return 1

    def _listens(self, verb: bytes, channel: bytes) -> int:
        return self.listeners(b"SSUBSCRIBE" if verb == b"SHARDNUMSUB" else b"SUBSCRIBE", channel)

    def _find(
        self, writer: asyncio.StreamWriter, keys: list[bytes], values: list[bytes]
    ) -> list[Any]:
        pid, _, channel, verb, besides = values
        for owner in self.hashes.get(keys[0], {}):
            if owner != besides and self.connected(owner, keys[0]).get(pid):
                return [owner, self._listens(verb, channel + owner + b"#")]
        return []

    def _take(
        self, writer: asyncio.StreamWriter, keys: list[bytes], values: list[bytes]
    ) -> list[Any]:
        pid, channel, verb = values
        fields = self.hashes.get(keys[0], {}) if self._alive(keys[0]) else {}
        if not fields.get(pid) or (channel and self._listens(verb, channel)):
            return []
        value, fields[pid] = fields[pid], b""
        return [value, round((self.keys[keys[0]][1] - time.monotonic()) * 1000)]

    def forget_all(self) -> None:
        """What a restart without a disk does."""
        self.streams.clear()
        self.added.clear()
        self.keys.clear()
        self.hashes.clear()


@asynccontextmanager
async def small_streams() -> AsyncIterator[SmallStreams]:
    """A server that runs."""
    redis = SmallStreams()
    await redis.start()
    try:
        yield redis
    finally:
        await redis.stop()
