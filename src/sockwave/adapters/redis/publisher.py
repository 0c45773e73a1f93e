"""Commands on their way to Redis: in the order of the calls, many at once, and never waited for.

Theory. A command is put behind the others, and all go out at the end of the turn of the loop, in
one piece; so a thousand broadcasts are one write. Replies come in the order of the commands: of
those to what was published only errors are of interest, so they are counted and not kept.

While there is no connection, commands are kept, up to a bound in bytes, and go out in order on the
next one. What was written to a connection that broke before the reply came is lost, or has been
taken: nobody knows, and to send it again could bring it twice.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import TYPE_CHECKING, Any, Final, Protocol

from sockwave.adapters.messages import MAX_MESSAGE
from sockwave.adapters.redis.link import Link, LinkOwner, encode_command

if TYPE_CHECKING:
    from collections.abc import Callable

    from sockwave.adapters.redis.places import Place

__all__ = ["Publisher", "PublisherHost"]

FLUSH: Final = 2.0
"""Seconds that the end waits for what is on its way."""

HEARD_FIRST: Final = 1.0
"""Seconds that what was kept waits for this process to listen again, so that it hears answers."""

CUT: Final = 0.15
"""And, after a connection was lost, for others to do so who have lost theirs in the same moment:
some more than `FIRST_RETRY` of the link."""

AWAY: Final = 0.6
"""The same when Redis was away, and is found by each of them at its own time: some more than
`LAST_RETRY`."""


class PublisherHost(Protocol):
    """Who publishes."""

    def dropped(self) -> None:
        """A message was not taken: too much is kept. Called for the first one of each run."""

    def too_large(self, size: int) -> None:
        """A message was not taken: nobody would read so many bytes."""

    def refused(self, error: str, times: int) -> None:
        """Redis has not taken a message, for so many times now."""

    def publisher_ready(self) -> None:
        """There is a connection."""

    def publisher_ended(self, why: str, unanswered: int) -> None:
        """A connection has ended with so many messages of which nobody knows."""

    def link_refused(self, who: object, why: str) -> None:
        """Redis is there, but takes nothing; it is tried again."""


class Publisher(LinkOwner):
    """The connection on which a process publishes.

    Args:
        place: Where Redis is.
        host: Hears how it goes.
        command: `PUBLISH` or `SPUBLISH`.
        max_backlog: Bytes that are kept.
        hears: Waits until this process listens.

    Attributes:
        sent: Messages that were written or are kept.
        answered: How many of them Redis has taken or refused, or are lost with a connection.
    """

    def __init__(
        self,
        place: Place,
        host: PublisherHost,
        command: str,
        max_backlog: int,
        hears: Callable[[], Any],
    ) -> None:
        self.sent: int = 0
        self.answered: int = 0
        self.link: Link = Link(place, self)
        self._host = host
        self._head = b"*3\r\n$%d\r\n%b\r\n$" % (len(command), command.encode())
        self._max_backlog = max_backlog
        self._hears = hears
        self._out: list[bytes] = []
        self._out_bytes = 0
        # What replies belong to: numbers of messages, and futures of whoever asked.
        self._out_replies: deque[int | asyncio.Future[Any]] = deque()
        self._replies: deque[int | asyncio.Future[Any]] = deque()
        self._is_flushing = False
        self._is_losing = False
        self._refused = 0
        self._is_closed = False

    # --- commands ---------------------------------------------------------------------------------

    def publish(self, channel: bytes, message: bytes) -> None:
        """Send a message; it neither waits nor fails."""
        if self._is_closed:
            return
        if len(message) > MAX_MESSAGE:
            self._host.too_large(len(message))
            return
        size = len(message) + len(channel)
        connection = self.link.connection
        waiting = self._out_bytes if connection is None else self._out_bytes + connection.backlog
        if waiting + size > self._max_backlog:
            if not self._is_losing:
                self._is_losing = True
                self._host.dropped()
            return
        self._is_losing = False
        head = b"%b%d\r\n%b\r\n$%d\r\n" % (self._head, len(channel), channel, len(message))
        self._out += (head, message, b"\r\n")
        self._out_bytes += size
        self.sent += 1
        replies = self._out_replies
        if replies and isinstance(last := replies[-1], int):
            replies[-1] = last + 1
        else:
            replies.append(1)
        if not self._is_flushing:
            self._flush_later()

    def ask(self, *parts: bytes) -> asyncio.Future[Any]:
        """Send a command behind what was published, and get its reply.

        The future fails with a ConnectionError when the connection breaks first, and with what
        Redis says when it refuses.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        command = encode_command(*parts)
        self._out.append(command)
        self._out_bytes += len(command)
        self._out_replies.append(future)
        if not self._is_flushing:
            self._flush_later()
        return future

    def _flush_later(self) -> None:
        self._is_flushing = True
        asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        self._is_flushing = False
        connection = self.link.connection
        if connection is None or not self.link.is_ready or not self._out:
            return
        out, self._out = self._out, []
        self._out_bytes = 0
        self._replies.extend(self._out_replies)
        self._out_replies.clear()
        connection.write(b"".join(out))

    # --- the link ---------------------------------------------------------------------------------

    def replied(self, reply: Any) -> None:
        """Take the reply to the oldest command that has none."""
        replies = self._replies
        if not replies:  # it says goodbye, for one
            self.link.abort(f"it says {reply!s}")
            return
        oldest = replies[0]
        if isinstance(oldest, int):
            self.answered += 1
            if oldest == 1:
                replies.popleft()
            else:
                replies[0] = oldest - 1
            if reply.__class__ is not int:
                self._refused += 1
                self._host.refused(str(reply), self._refused)
            return
        replies.popleft()
        if oldest.done():
            return
        if isinstance(reply, Exception):
            oldest.set_exception(ConnectionError(str(reply)))
        else:
            oldest.set_result(reply)

    async def begin(self) -> None:
        """Wait for a moment until this process listens, and others who were cut off with it."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(HEARD_FIRST):
                await self._hears()
        if self.link.has_been_ready:
            await asyncio.sleep(AWAY if self.link.was_away else CUT)

    def ready(self) -> None:
        """What was kept goes out."""
        self._flush()
        self._host.publisher_ready()

    def ended(self, why: str) -> None:
        """What was written and has no reply is lost, as far as anybody knows."""
        replies, self._replies = self._replies, deque()
        unanswered = 0
        for each in replies:
            if isinstance(each, int):
                unanswered += each
            elif not each.done():
                each.set_exception(ConnectionError(f"the connection to Redis has ended: {why}"))
        self.answered += unanswered
        self._host.publisher_ended(why, unanswered)

    def refused(self, why: str) -> None:
        """What is kept goes on waiting."""
        self._host.link_refused(self, why)

    def ask_for_sign(self) -> None:
        """Send a PING behind all that is on its way."""
        self.ask(b"PING").add_done_callback(_ignore)

    # --- the end ----------------------------------------------------------------------------------

    async def aclose(self) -> None:
        """Send what is kept, if there is a connection and it takes no longer than a moment."""
        self._is_closed = True
        if self.link.is_ready:
            last = self.ask(b"PING")
            await asyncio.wait([last], timeout=FLUSH)
            _ignore(last)
        await self.link.aclose()
        for replies in (self._out_replies, self._replies):
            for each in replies:
                if not isinstance(each, int):
                    each.cancel()
            replies.clear()
        self._out.clear()


def _ignore(future: asyncio.Future[Any]) -> None:
    """Nobody wants to know how it ended."""
    if future.done() and not future.cancelled():
        future.exception()
