"""Reads a stream, from where it was at the start, on a connection that blocks.

After a break it goes on behind the last entry it has read, so nothing is missed that is still
there. Streams are trimmed at their beginning: where the first entry is behind the last one that was
read, something may have been trimmed that was not, and the stream is said to have a gap. That is
looked at after each break, and as long as there is more to read than is read at once.

An entry may have been written twice, when a connection broke and the writer could not know whether
it was: the numbers of a sender only grow, and what does not is left out.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from sockwave.adapters.redis.lines import Line, LineUser
from sockwave.adapters.redis.stream_entries import read_entries, read_new
from sockwave.adapters.streams.doubles import Doubles
from sockwave.adapters.streams.positions import entry_id

if TYPE_CHECKING:
    from collections.abc import Callable

    from sockwave.adapters.redis.places import Place
    from sockwave.adapters.redis.stream_fields import Entry

__all__ = ["StreamReader"]

BLOCK: Final = 1.5
"""Seconds that Redis waits for an entry: less than those after which a link takes a connection on
which nothing comes for a dead one."""

_logger: Final = logging.getLogger("sockwave.adapters")


class StreamReader(LineUser):
    """Reads one stream.

    Args:
        place: Where Redis is.
        stream: Its name.
        changed, refused: See `LineUser`.
        read_count: Entries that are read at once.
        taken: Called with each entry.
        has_gap: Called when some may be missing, with a sentence for people.

    Attributes:
        stream: See above.
        position: Of the last entry that was read.
    """

    def __init__(
        self,
        place: Place,
        stream: str,
        changed: Callable[[str | None], None],
        refused: Callable[[object, str], None],
        read_count: int,
        taken: Callable[[Entry], None],
        has_gap: Callable[[str], None],
    ) -> None:
        super().__init__(place, changed, refused)
        self.stream = stream
        self.position: int = 0
        self._read_count = read_count
        self._taken = taken
        self._has_gap = has_gap
        self._doubles = Doubles()

    async def prepare(self, line: Line) -> None:
        """Find the end: what comes from now on is read."""
        reply = await line.ask(("XREVRANGE", self.stream, "+", "-", "COUNT", 1))
        entries = read_entries(reply)
        self.position = entries[0].position if entries else 0

    async def check(self, line: Line) -> None:
        """See whether it may be read, and whether all is still there."""
        await line.ask(("XREAD", "COUNT", 1, "STREAMS", self.stream, "$"))
        await self._look_for_gap(line)

    async def use(self, line: Line) -> None:
        """Read what comes."""
        is_behind = False
        while True:
            if is_behind:
                await self._look_for_gap(line)
            # The id is that of the last entry: what comes between two calls is not missed.
            reply = await line.ask(
                (
                    *("XREAD", "COUNT", self._read_count, "BLOCK", round(BLOCK * 1000)),
                    *("STREAMS", self.stream, entry_id(self.position)),
                )
            )
            entries = read_new(reply)
            for entry in entries:
                self.position = entry.position
                self._take(entry)
            is_behind = len(entries) >= self._read_count

    async def _look_for_gap(self, line: Line) -> None:
        if not self.position:
            return
        reply = await line.ask(("XRANGE", self.stream, "-", "+", "COUNT", 1))
        first = read_entries(reply)
        if not first or first[0].position > self.position:
            self.position = first[0].position - 1 if first else 0  # said once
            self._has_gap(
                f"stream {self.stream} was trimmed, or emptied, before all was read:"
                " messages of others may be missing"
            )

    def _take(self, entry: Entry) -> None:
        if not self._doubles.is_new(entry.sender, entry.number):
            return
        try:
            self._taken(entry)
        except Exception:
            _logger.exception("internal error at a message of another server")
