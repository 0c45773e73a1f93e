"""Commands and their replies on connections to Redis, for what must not wait for something else.

Theory. Each `LineUser` has a `Link`, and so one connection after the other, and a task for each of
them, which asks and waits. What goes wrong with a connection ends the task; the link makes the next
one. Whether a connection is alive is the business of the link: as long as it is, a reply comes.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from sockwave.adapters.redis.link import Connection, Link, LinkOwner, encode_command
from sockwave.adapters.streams.contract import StreamRefused

if TYPE_CHECKING:
    from collections.abc import Callable

    from sockwave.adapters.redis.places import Place

__all__ = ["Asker", "Command", "Line", "LineUser", "RedisRefused"]

Command: TypeAlias = "tuple[str | bytes | int, ...]"

PATIENCE: Final = 5.0
"""Seconds that a question may take, with the time until there is a connection."""

_logger: Final = logging.getLogger("sockwave.adapters")


class RedisRefused(StreamRefused):
    """Redis has answered a command with an error, such as OOM or NOPERM."""


def encoded(command: Command) -> bytes:
    """A command as it goes over a connection."""
    return encode_command(*(part if isinstance(part, bytes) else _bytes(part) for part in command))


def _bytes(part: str | int) -> bytes:
    return (part if isinstance(part, str) else str(part)).encode("utf-8", "replace")


class _Batch:
    """Commands that were sent together, and their replies."""

    def __init__(self, count: int, done: asyncio.Future[list[Any]] | None) -> None:
        self.count = count
        self.replies: list[Any] = []
        self.done = done


class Line:
    """One connection, as long as it lasts.

    Args:
        connection: Of the link.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._batches: deque[_Batch] = deque()
        self._why: str | None = None

    async def run(self, *commands: Command) -> list[Any]:
        """Send commands, and collect their replies.

        Returns:
            Of each what Redis says; an error is a `RedisRefused`.

        Raises:
            ConnectionError: The connection has ended first: nobody knows what was done.
        """
        if self._why is not None:
            raise ConnectionError(self._why)
        done: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
        self._batches.append(_Batch(len(commands), done))
        self._connection.write(b"".join(map(encoded, commands)))
        return await done

    async def ask(self, command: Command) -> Any:
        """Send one, and wait for its reply.

        Raises:
            ConnectionError: The connection has ended first.
            RedisRefused: The reply is an error.
        """
        (reply,) = await self.run(command)
        if isinstance(reply, RedisRefused):
            raise reply
        return reply

    def replied(self, reply: Any) -> None:
        """Take a reply."""
        batch = self._batches[0]
        batch.replies.append(RedisRefused(str(reply)) if isinstance(reply, Exception) else reply)
        if len(batch.replies) == batch.count:
            self._batches.popleft()
            if batch.done is not None and not batch.done.done():
                batch.done.set_result(batch.replies)

    def ask_for_sign(self) -> None:
        """Send a PING, where no reply is waited for anyway."""
        if not self._batches:
            self._batches.append(_Batch(1, None))
            self._connection.write(encoded(("PING",)))

    def ended(self, why: str) -> None:
        """Nothing comes any more."""
        self._why = why
        for batch in self._batches:
            if batch.done is not None and not batch.done.done():
                batch.done.set_exception(ConnectionError(why))
        self._batches.clear()


class LineUser(LinkOwner):
    """Uses one connection after the other.

    Args:
        place: Where Redis is.
        changed: Called when there is a connection, with None, and when it has ended, with the
            reason.
        refused: Called, with this and the reason, when Redis is there and is of no use.

    Attributes:
        link: Makes them.
    """

    def __init__(
        self,
        place: Place,
        changed: Callable[[str | None], None],
        refused: Callable[[object, str], None],
    ) -> None:
        self.link: Link = Link(place, self)
        self._changed = changed
        self._refused = refused
        self._line: Line | None = None
        self._task: asyncio.Task[None] | None = None
        self._is_prepared = False
        self._has_failed = False

    async def start(self) -> None:
        """Begin to connect, for ever, and wait until there is a connection.

        Raises:
            OSError: Redis cannot be reached; it is raised once, and the next call waits.
        """
        link = self.link
        link.start()
        await link.until(
            lambda: link.is_ready or (link.failure is not None and not self._has_failed)
        )
        if link.failure is not None:
            self._has_failed = True
            raise link.failure

    async def prepare(self, line: Line) -> None:
        """Do what the very first connection is needed for before anything else.

        Raises:
            ConnectionError, RedisRefused: It was not done.
        """

    async def check(self, line: Line) -> None:
        """Do what each connection begins with, and without which it is none.

        Raises:
            ConnectionError, RedisRefused: It was not done.
        """

    async def use(self, line: Line) -> None:
        """Use a connection until it ends.

        Raises:
            ConnectionError, RedisRefused: It is of no use any more.
        """

    # --- of the link ------------------------------------------------------------------------------

    def replied(self, reply: Any) -> None:
        """Take a reply."""
        if self._line is not None:
            self._line.replied(reply)

    async def begin(self) -> None:
        """There is a connection."""
        assert self.link.connection is not None
        self._line = Line(self.link.connection)
        if not self._is_prepared:
            await self.prepare(self._line)
            self._is_prepared = True
        await self.check(self._line)

    def ready(self) -> None:
        """Use it."""
        assert self._line is not None
        self._has_failed = False
        self._changed(None)
        self._task = asyncio.get_running_loop().create_task(self._use(self._line))

    async def _use(self, line: Line) -> None:
        try:
            await self.use(line)
        except (OSError, RedisRefused) as error:
            self.link.abort(str(error))
        except Exception:
            _logger.exception("internal error at a connection to Redis")
            self.link.abort("internal error")

    def ended(self, why: str) -> None:
        """It is gone."""
        line, self._line = self._line, None
        if line is not None:
            line.ended(why)
        if self._task is not None:
            self._task.cancel()
            self._task = None
        self._changed(why)

    def refused(self, why: str) -> None:
        """It is of no use."""
        self._refused(self, why)

    def ask_for_sign(self) -> None:
        """See whether it lives."""
        if self._line is not None:
            self._line.ask_for_sign()

    async def aclose(self) -> None:
        """End for good."""
        await self.link.aclose()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        if self._line is not None:
            self._line.ended("the connection to Redis is closed")


class Asker(LineUser):
    """Asks Redis what may take a while, on a connection of its own, which is made when it is
    needed.

    Args:
        place: Where Redis is.
    """

    def __init__(self, place: Place) -> None:
        super().__init__(place, _nothing, _nothing)

    async def ask(self, command: Command) -> Any:
        """Run a command.

        Raises:
            OSError: Redis cannot be reached, or has not answered in time.
            RedisRefused: It answers with an error.
        """
        self.link.start()
        async with asyncio.timeout(PATIENCE):
            await self.link.until(lambda: self.link.is_ready)
            if self._line is None:
                raise ConnectionError("the connection to Redis has ended")
            return await self._line.ask(command)


def _nothing(*why: object) -> None:
    """Nobody wants to know."""
