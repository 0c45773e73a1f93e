"""What goes to Redis, in the order of the calls: entries of streams, and other commands.

Theory. `put` keeps a command; one task takes what is there, sends it all at once, and waits for the
replies before it takes more. So the order of the calls is the order in the stream, nothing is made
for a single command, and at most one batch is under way.

When the connection breaks nobody knows how far Redis has come with that batch. An entry must be in
the stream once: each is marked by its sender and number, so on the next connection the stream is
asked which of them it has, from where it was when they were sent; the rest are sent again, first of
all. Other commands that were under way are not sent again: whoever put them is told.

What is kept is bounded in bytes. What does not fit is refused at the call.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from sockwave.adapters.redis.lines import Command, Line, LineUser, RedisRefused
from sockwave.adapters.redis.stream_entries import read_entries
from sockwave.adapters.streams.contract import PAGE
from sockwave.adapters.streams.positions import entry_id

if TYPE_CHECKING:
    from collections.abc import Callable

    from sockwave.adapters.redis.places import Place

__all__ = ["Mark", "StreamWriter"]

MOST: Final = 512
"""Commands that are sent at once."""

MOST_BYTES: Final = 1024 * 1024

OVERHEAD: Final = 128
"""Bytes that a command counts beyond what is in it."""

_ELSEWHERE: Final = (
    "READONLY",
    "MOVED",
    "ASK",
    "CLUSTERDOWN",
    "LOADING",
    "MASTERDOWN",
    "TRYAGAIN",
    "NOAUTH",
)
"""Beginnings of errors that say that another node is to be asked, or the same one later."""

_logger: Final = logging.getLogger("sockwave.adapters")


@dataclass(frozen=True, slots=True)
class Mark:
    """How an entry is found again in its stream.

    Attributes:
        stream: Its name.
        sender: Who writes it.
        number: Counts what that one writes.
        since: A place in the stream before it.
    """

    stream: str
    sender: bytes
    number: int
    since: int


@dataclass(slots=True)
class _Item:
    """A command on its way."""

    command: Command
    size: int
    done: Callable[[Any], None]
    mark: Mark | None


Key: TypeAlias = tuple[str, bytes, int | None]
"""What an entry is found by: stream, sender, number."""


class StreamWriter(LineUser):
    """Writes.

    Args:
        place: Where Redis is.
        changed, refused: See `LineUser`.
        max_backlog: Bytes that are kept.
    """

    def __init__(
        self,
        place: Place,
        changed: Callable[[str | None], None],
        refused: Callable[[object, str], None],
        max_backlog: int,
    ) -> None:
        super().__init__(place, changed, refused)
        self._max_backlog = max_backlog
        self._queue: deque[_Item] = deque()
        self._under_way: list[_Item] = []
        self._bytes = 0
        self._is_elsewhere = False
        self._wake = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()

    def put(
        self,
        command: Command,
        done: Callable[[Any], None],
        mark: Mark | None = None,
    ) -> bool:
        """Send a command, in the order of the calls.

        Args:
            done: Called with the reply, which may be a `RedisRefused`; or with an `OSError` where
                nobody knows whether it was done. For an entry it is its id.
            mark: Of an entry.

        Returns:
            False if it does not fit: then it is not sent.
        """
        size = OVERHEAD + sum(len(part) for part in command if not isinstance(part, int))
        if self._bytes + size > self._max_backlog:
            return False
        self._queue.append(_Item(command, size, done, mark))
        self._bytes += size
        self._empty.clear()
        self._wake.set()
        return True

    async def ask(self, command: Command) -> Any:
        """Send a command behind all others, and wait for its reply.

        Raises:
            OSError: The connection broke, or there is no room.
            RedisRefused: The reply is an error.
        """
        answered: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        def done(reply: Any) -> None:
            if not answered.done():
                answered.set_result(reply)

        if not self.put(command, done):
            raise OSError("too much is to be sent to Redis")
        reply = await answered
        if isinstance(reply, Exception):
            raise reply
        return reply

    async def drain(self, timeout: float) -> bool:
        """Wait until all is done that was put, for so many seconds at most; whether it is."""
        try:
            async with asyncio.timeout(timeout if self.link.is_ready else 0):
                await self._empty.wait()
        except TimeoutError:
            return False
        return True

    # --- the task ---------------------------------------------------------------------------------

    async def use(self, line: Line) -> None:
        """Send what is there, and what comes."""
        while True:
            while not self._queue:
                self._wake.clear()
                await self._wake.wait()
            await self._send(line)

    async def check(self, line: Line) -> None:
        """Find what was under way; what the last node did not take this one must take."""
        await self._find_again(line)
        if self._is_elsewhere and self._queue:
            await self._send(line)

    async def _send(self, line: Line) -> None:
        self._take()
        self._answered(await line.run(*(item.command for item in self._under_way)))

    def _take(self) -> None:
        size, queue, batch = 0, self._queue, self._under_way
        while queue and len(batch) < MOST and size < MOST_BYTES:
            batch.append(queue.popleft())
            size += batch[-1].size

    def _answered(self, replies: list[Any]) -> None:
        batch, self._under_way = self._under_way, []
        elsewhere: list[_Item] = []
        why = ""
        for item, reply in zip(batch, replies, strict=True):
            if isinstance(reply, RedisRefused) and str(reply).startswith(_ELSEWHERE):
                elsewhere.append(item)
                why = str(reply)
            else:
                self._done(item, reply)
        self._is_elsewhere = bool(elsewhere)
        if elsewhere:
            self._queue.extendleft(reversed(elsewhere))
            raise ConnectionError(f"this node does not take what is written: {why}")

    def _done(self, item: _Item, reply: Any) -> None:
        self._bytes -= item.size
        if not self._bytes:
            self._empty.set()
        try:
            item.done(reply)
        except Exception:
            _logger.exception("internal error at a reply of Redis")

    # --- after a break ----------------------------------------------------------------------------

    async def _find_again(self, line: Line) -> None:
        """See which entries of the batch that was under way are in their streams."""
        batch = self._under_way
        for item in [item for item in batch if item.mark is None]:
            batch.remove(item)
            self._done(item, ConnectionError("the connection broke before the reply"))
        marks = [item.mark for item in batch if item.mark is not None]
        there: dict[Key, int] = {}
        for stream in {mark.stream for mark in marks}:
            since = min(mark.since for mark in marks if mark.stream == stream)
            there |= await self._written(line, stream, since)
        batch, self._under_way = self._under_way, []
        again: list[_Item] = []
        for item in batch:
            mark = item.mark
            key = None if mark is None else (mark.stream, mark.sender, mark.number)
            if key is not None and key in there:
                self._done(item, entry_id(there[key]).encode())
            else:
                again.append(item)
        self._queue.extendleft(reversed(again))

    async def _written(self, line: Line, stream: str, since: int) -> dict[Key, int]:
        """What a stream has behind a place, and where."""
        found: dict[Key, int] = {}
        while True:
            command = ("XRANGE", stream, entry_id(since + 1), "+", "COUNT", PAGE)
            entries = read_entries(await line.ask(command))
            for entry in entries:
                found[stream, entry.sender, entry.number] = entry.position
            if len(entries) < PAGE:
                return found
            since = entries[-1].position
