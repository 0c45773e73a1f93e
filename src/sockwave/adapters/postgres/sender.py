"""The way out: a bounded backlog, and one connection that takes it in batches.

Theory. Whatever is published in one turn of the event loop, or while a batch is under way, is the
next batch: one statement, one trip. So the order is that of the calls, and a busy process makes few
trips.

A connection that has ended is made again, and what is kept goes on there, when the listeners of all
processes should be back, too. A batch that was under way then may have arrived or not: it is not
sent again, since nobody should get an event twice, and it is told as lost. A batch that PostgreSQL
has refused has not arrived, and is tried again; one with something in it that PostgreSQL never
takes is halved until that is found.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from typing import TYPE_CHECKING, Final, Protocol

import asyncpg

from sockwave.adapters.floods import is_worth_a_line
from sockwave.adapters.postgres.source import ERRORS, FAILURES, LAST_RETRY, reopened
from sockwave.adapters.postgres.wire import MAX_MESSAGE, prepare
from sockwave.debug import known

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sockwave.adapters.postgres.losses import Losses
    from sockwave.adapters.postgres.source import Connection, Source
    from sockwave.adapters.postgres.statements import Statements
    from sockwave.adapters.postgres.wire import Outgoing

__all__ = ["Ear", "Sender"]

MAX_BATCH: Final = 1_000
"""Messages of one statement."""

MAX_BATCH_BYTES: Final = 1024 * 1024
"""Bytes of the messages of one statement; one that is larger goes alone."""

MAX_TRIES: Final = 3
"""Times that large messages are written, when connections end over it or there is no room."""

PASSING: Final = frozenset({"25", "40", "53", "55", "57"})
"""Classes of errors at a row that may be over soon: no primary any more, a deadlock, a full disk, a
lock that somebody has, a statement that was cancelled."""

LAST_WORDS: Final = 3.0
"""Seconds that sending what is kept may take at the end."""

OVERHEAD: Final = 64
"""Bytes that a message in the backlog counts beyond its own."""

_logger: Final = logging.getLogger("sockwave.adapters")


class Ear(Protocol):
    """What hears what is sent here, too."""

    heard: int
    """Notifications so far."""

    def expect(self, channels: Iterable[str], heard: int) -> None:
        """Something was sent, when so many had been heard."""

    @property
    def is_connected(self) -> bool:
        """Whether it can hear; else it is being connected again, and tells of that."""

    async def wait_connected(self) -> None:
        """Wait until it can hear."""


class Sender:
    """Sends what one process publishes.

    Args:
        source: Of its connection.
        statements: How it is done.
        ear: Should hear it.
        losses: Is told of what does not arrive.
        max_backlog: Bytes that are kept.
        cleanup_interval: Seconds between two looks for rows of the table that are older than that.
    """

    def __init__(
        self,
        source: Source,
        statements: Statements,
        ear: Ear,
        losses: Losses,
        max_backlog: int,
        cleanup_interval: float,
    ) -> None:
        self._source = source
        self._statements = statements
        self._ear = ear
        self._losses = losses
        self._max_backlog = max_backlog
        self._cleanup_interval = cleanup_interval
        self._backlog: deque[tuple[str, bytes]] = deque()
        self._bytes = 0
        self._losing: set[str] = set()
        self._refused = 0
        self._uncleaned = 0
        self._wanted = asyncio.Event()
        self._is_idle = asyncio.Event()
        self._is_idle.set()
        self._next_cleanup = 0.0
        self._connection: Connection | None = None
        self._task: asyncio.Task[None] | None = None

    # --- life -------------------------------------------------------------------------------------

    async def connect(self) -> None:
        """Connect, if it is not connected.

        Raises:
            OSError, PostgresError, InterfaceError: There is nobody to connect to.
        """
        if self._connection is not None:
            return
        connection = await self._source.open()
        try:
            await self._statements.prepare(connection)
        except BaseException:
            await self._source.close(connection)
            raise
        self._connection = connection

    def start(self) -> None:
        """Begin to send what is kept."""
        loop = asyncio.get_running_loop()
        self._next_cleanup = loop.time() + self._cleanup_interval
        self._task = loop.create_task(self._run())

    async def aclose(self) -> None:
        """Send what is kept, if that takes no longer than a moment, and disconnect."""
        if self._task is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LAST_WORDS):
                    await self._is_idle.wait()
            self._task.cancel()
            await asyncio.wait([self._task])
        self._backlog.clear()
        connection, self._connection = self._connection, None
        if connection is not None:
            await self._source.close(connection)

    # --- sending ----------------------------------------------------------------------------------

    def publish(self, channel: str, message: bytes) -> None:
        """Send a message later, or drop it where too many are kept."""
        size = len(message) + OVERHEAD
        if len(message) > MAX_MESSAGE:
            self._losses.add([channel], f"one has more than {MAX_MESSAGE} bytes")
        elif size > self._max_backlog:
            self._losses.add([channel], "one has more bytes than max_backlog")
        elif self._bytes + size > self._max_backlog:
            if channel in self._losing:
                self._losses.count += 1  # it is told once for each time that it is full
            else:
                self._losing.add(channel)
                self._losses.add([channel], "PostgreSQL does not take what is sent")
        else:
            self._losing.discard(channel)
            self._backlog.append((channel, message))
            self._bytes += size
            self._is_idle.clear()
            self._wanted.set()

    async def _run(self) -> None:
        while True:
            batch: list[Outgoing] = []
            try:
                await self._next_turn()
                self._fill(batch)
                await self._send(batch)
            except Exception:  # a mistake of ours must not end all that is to come
                _logger.exception("internal error in sending to PostgreSQL")
                self._losses.add([each.channel for each in batch], "an internal error")
            if not self._backlog:
                self._wanted.clear()
                self._is_idle.set()

    async def _next_turn(self) -> None:
        """Wait until there is something to be sent; look at the table, if it is time to."""
        loop = asyncio.get_running_loop()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(self._next_cleanup):
                await self._wanted.wait()
        if loop.time() >= self._next_cleanup:
            self._next_cleanup = loop.time() + self._cleanup_interval
            if not await self._clean():
                self._next_cleanup = loop.time()  # the rest when the next batch is sent

    def _fill(self, batch: list[Outgoing]) -> None:
        """Take the next messages, none of them twice: PostgreSQL would drop one."""
        seen: set[tuple[str, str]] = set()
        size, backlog = 0, self._backlog
        while backlog and len(batch) < MAX_BATCH and size < MAX_BATCH_BYTES:
            channel, message = backlog.popleft()
            self._bytes -= len(message) + OVERHEAD
            outgoing = prepare(channel, message)
            if outgoing.payload is not None:
                if (channel, outgoing.payload) in seen:
                    backlog.appendleft((channel, message))
                    self._bytes += len(message) + OVERHEAD
                    return
                seen.add((channel, outgoing.payload))
            size += len(message)
            batch.append(outgoing)

    async def _send(self, batch: list[Outgoing]) -> None:
        """Send a batch, however long it takes to have a connection that takes it."""
        refusals = tries = 0
        while batch:
            connection = await self._connected()
            try:
                payloads = await self._written(connection, batch)
            except FAILURES as error:
                await self._disconnect()
                tries += 1
                if tries == MAX_TRIES:
                    batch = self._without_large(batch, error)
                continue
            if payloads is None:
                continue
            try:
                await self._notify(connection, [each.channel for each in batch], payloads)
                return
            except asyncpg.DataError as error:
                await self._send_halves(batch, error)
                return
            except ERRORS as error:
                refusals += 1
                if _was_not_sent(error) and refusals <= MAX_TRIES:
                    await self._disconnect()  # it is ending just now
                else:
                    await self._refuse(error, refusals)

    async def _send_halves(self, batch: list[Outgoing], error: Exception) -> None:
        """There is something in a batch that PostgreSQL never takes: all else goes on."""
        if len(batch) == 1:
            self._losses.add([batch[0].channel], f"PostgreSQL does not take it: {error}")
            return
        middle = len(batch) // 2
        await self._send(batch[:middle])
        await self._send(batch[middle:])

    async def _notify(
        self, connection: Connection, channels: list[str], payloads: list[str]
    ) -> None:
        """Send notifications; whether they have arrived when the connection ends, nobody knows.

        Raises:
            PostgresError, InterfaceError, InternalClientError: They were refused.
        """
        heard = self._ear.heard
        try:
            await self._statements.notify(connection, channels, payloads)
        except FAILURES as error:
            is_answer = isinstance(error, asyncpg.PostgresError) and not connection.is_closed()
            if is_answer or _was_not_sent(error):
                raise
            await self._disconnect()
            why = f"the connection to PostgreSQL ended while they were sent ({error!r})"
            self._losses.add(channels, why)
        else:
            self._ear.expect(channels, heard)

    async def _written(self, connection: Connection, batch: list[Outgoing]) -> list[str] | None:
        """Write what is large into the table; None where it has taken none: they are left out then.

        Raises:
            OSError, TimeoutError, InterfaceError, PostgresError: It may do so later.
        """
        try:
            try:
                return await self._statements.insert(connection, batch)
            except asyncpg.UndefinedTableError:
                await self._statements.prepare(connection)
                return await self._statements.insert(connection, batch)
        except (asyncpg.PostgresError, PermissionError) as error:
            if connection.is_closed() or _may_pass(error):
                raise
            batch[:] = self._without_large(batch, error)
            return None

    def _without_large(self, batch: list[Outgoing], error: Exception) -> list[Outgoing]:
        large = [each.channel for each in batch if each.attachment is not None]
        why = f"they are large or binary, and PostgreSQL does not take such into the table: {error}"
        self._losses.add(large, why)
        return [each for each in batch if each.attachment is None]

    async def _refuse(self, error: Exception, times: int) -> None:
        """PostgreSQL does not take a batch: another server may, and this one later."""
        self._refused += 1
        if is_worth_a_line(self._refused):
            _logger.warning(
                "PostgreSQL refuses messages (%d times so far), and they are tried again: %s",
                self._refused,
                error,
                extra=known(reason=error),
            )
        await self._disconnect()
        await asyncio.sleep(min(0.1 * times, LAST_RETRY))

    # --- the connection ---------------------------------------------------------------------------

    async def _connected(self) -> Connection:
        """The connection, however long it takes to have one."""
        if self._connection is not None and self._connection.is_closed():
            await self._disconnect()
        if self._connection is None:
            self._connection, failures = await reopened(
                self._source, is_told=lambda: not self._ear.is_connected
            )
            # What is kept is for others, who come back in these moments, too.
            if failures:
                await asyncio.sleep(LAST_RETRY)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LAST_RETRY):
                    await self._ear.wait_connected()
        return self._connection

    async def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()
            await self._source.close(connection)

    async def _clean(self) -> bool:
        """Take out of the table what everybody has had the time to read.

        Returns:
            Whether that was all of it, or the rest has to wait.
        """
        connection = self._connection
        if connection is None or connection.is_closed():
            return True
        try:
            return await self._statements.clean(connection, self._cleanup_interval)
        except FAILURES as error:
            self._uncleaned += 1
            if is_worth_a_line(self._uncleaned):
                _logger.warning(
                    "old messages cannot be taken out of the table: %s",
                    error,
                    extra=known(reason=error),
                )
            if not isinstance(error, asyncpg.PostgresError):
                await self._disconnect()
            return True


def _may_pass(error: Exception) -> bool:
    """Whether what PostgreSQL has refused may be taken soon."""
    return isinstance(error, asyncpg.PostgresError) and str(error.sqlstate)[:2] in PASSING


def _was_not_sent(error: Exception) -> bool:
    """Whether asyncpg has seen the end of a connection before it has sent anything on it."""
    if isinstance(error, asyncpg.InterfaceError):
        return True
    is_state = str(error).startswith("cannot switch to state")
    return is_state and isinstance(error, asyncpg.InternalClientError)
