"""The way in: one connection that listens, and what it has heard in the order in which it came.

Theory. A notification is the message itself, or says in which row of the table it is. Rows are read
on the connection that listens: PostgreSQL sends no notifications to it meanwhile, and what comes
behind a message that is still to be read waits, so that nothing overtakes it.

A listener can go deaf without a word: its connection stands, and nothing comes. As it hears what
its own process sends, too, something must come soon after something was sent. If nothing does, the
connection is made anew. What was sent while nobody listened is lost, and that is told.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING, Any, Final

import asyncpg

from sockwave.adapters.floods import is_worth_a_line
from sockwave.adapters.postgres.losses import Losses
from sockwave.adapters.postgres.source import FAILURES, STATEMENT_TIMEOUT, reopened
from sockwave.adapters.postgres.wire import MAX_MESSAGE, header_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sockwave.adapters.driver import Receiver
    from sockwave.adapters.postgres.source import Connection, Source
    from sockwave.adapters.postgres.statements import Row, Statements

__all__ = ["Listener"]

DEAF: Final = 4.0
"""Seconds after which something that was sent must have been heard."""

SECOND_LOOK: Final = 1.0
"""Seconds that are added once: a process that was stopped itself has not read yet."""

LAST_WORDS: Final = 1.0
"""Seconds that statements under way may take at the end."""

MAX_ROWS: Final = 32
"""Rows of the table that are read at once."""

OVERHEAD: Final = 64
"""Bytes that a notification counts beyond its own."""

LOST: Final = "the connection to PostgreSQL at {} is lost: other servers are not heard"

MUTE: Final = (
    "nothing comes by the connection to PostgreSQL, so it is made anew: other servers are not heard"
    " (a pooler must leave a session to its client)"
)

_logger: Final = logging.getLogger("sockwave.adapters")


class Listener:
    """Hears what all processes send.

    Args:
        source: Of its connection.
        statements: How rows are read.
        max_backlog: Bytes of notifications that may wait for a row; what comes then is lost.

    Attributes:
        heard: Notifications so far.
        losses: Tells the receivers of what was lost, on either way.
    """

    def __init__(self, source: Source, statements: Statements, max_backlog: int) -> None:
        self.heard: int = 0
        self.losses: Losses = Losses(self._tell)
        self._source = source
        self._statements = statements
        self._max_backlog = max_backlog
        self._receivers: dict[str, dict[str, Receiver]] = {}
        self._listening: set[str] = set()
        self._connection: Connection | None = None
        self._statement = asyncio.Lock()  # one at a time
        self._is_connected = asyncio.Event()
        self._is_broken = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._inbox: deque[tuple[str, str, int | None]] = deque()
        self._bytes = 0
        self._reading: asyncio.Task[None] | None = None
        self._losing: set[str] = set()  # channels that were told of it
        self._unread = 0
        self._owed: float | None = None  # since when something should have come
        self._watch: asyncio.TimerHandle | None = None
        self._is_suspicious = False
        self._why = LOST.format(source.name)
        self._is_closed = False

    # --- life -------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Connect, and from then on again whenever that is needed.

        Raises:
            OSError, PostgresError, InterfaceError: There is nobody to connect to.
        """
        connection = await self._source.open()
        try:
            await self._begin(connection)
        except BaseException:
            await self._source.close(connection)
            raise
        self._keeper = asyncio.get_running_loop().create_task(self._keep())

    async def _begin(self, connection: Connection) -> None:
        """Listen to all that is wanted, on a new connection."""
        connection.add_termination_listener(self._ended)
        listening = set(self._receivers)
        for channel in listening:
            await self._listen(connection, channel)
        if connection.is_closed():
            raise ConnectionError("the connection to PostgreSQL has ended at once")
        self._listening = listening
        self._connection = connection
        self._is_broken.clear()
        self._is_connected.set()

    async def _listen(self, connection: Connection, channel: str) -> None:
        async with asyncio.timeout(STATEMENT_TIMEOUT):  # asyncpg has none for this
            await connection.add_listener(channel, self._notified)

    async def _leave(self, connection: Connection, channel: str) -> None:
        async with asyncio.timeout(STATEMENT_TIMEOUT):
            await connection.remove_listener(channel, self._notified)

    async def _keep(self) -> None:
        while True:
            await self._is_broken.wait()
            self._is_connected.clear()
            self._owed = None
            why, self._why = self._why, LOST.format(self._source.name)
            self._tell_all(why)
            await self._disconnect()
            await reopened(self._source, self._begin)
            self._tell_all("PostgreSQL is back: what others sent meanwhile was not heard")
            self._follow_later()

    @property
    def is_connected(self) -> bool:
        """Whether it can hear; else it is being connected again."""
        return self._is_connected.is_set()

    async def wait_connected(self) -> None:
        """Wait until it can hear."""
        await self._is_connected.wait()

    def _ended(self, connection: Any) -> None:
        self._breaks(connection)

    def _breaks(self, connection: Connection) -> None:
        """A connection is of no use any more."""
        if connection is self._connection:
            self._is_connected.clear()
            self._is_broken.set()

    async def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        self._listening = set()
        if connection is not None:
            connection.terminate()
            await self._source.close(connection)

    async def aclose(self) -> None:
        """Listen no longer, and disconnect."""
        self._is_closed = True
        self.losses.close()
        if self._watch is not None:
            self._watch.cancel()
        self._receivers.clear()
        if self._tasks:  # a statement that is cancelled costs PostgreSQL another connection
            await asyncio.wait(self._tasks, timeout=LAST_WORDS)
        tasks = [task for task in (self._keeper, self._reading, *self._tasks) if task is not None]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        self._inbox.clear()
        connection, self._connection = self._connection, None
        self._is_connected.set()  # nobody waits for it any more
        if connection is None:
            return
        connection.remove_termination_listener(self._ended)
        try:
            async with asyncio.timeout(LAST_WORDS):
                for channel in self._listening:
                    await connection.remove_listener(channel, self._notified)
        except FAILURES:
            connection.terminate()
        await self._source.close(connection)

    # --- channels ---------------------------------------------------------------------------------

    async def add(self, channel: str, address: str, receiver: Receiver) -> None:
        """Listen; when this returns, what is sent from now on is heard.

        Raises:
            ConnectionError: It is closed.
        """
        self._receivers.setdefault(channel, {})[address] = receiver
        while channel not in self._listening:
            await self._is_connected.wait()
            if self._is_closed:
                raise ConnectionError("the carrier on PostgreSQL is closed")
            await self._follow()

    def remove(self, channel: str, address: str) -> None:
        """Listen no longer."""
        receivers = self._receivers.get(channel, {})
        receivers.pop(address, None)
        if not receivers and self._receivers.pop(channel, None) is not None:
            self._follow_later()

    def _follow_later(self) -> None:
        task = asyncio.get_running_loop().create_task(self._follow())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _follow(self) -> None:
        """Let PostgreSQL send what is wanted, and nothing else."""
        async with self._statement:
            connection = self._connection
            if connection is None:
                return
            try:
                for channel in set(self._receivers) - self._listening:
                    await self._listen(connection, channel)
                    self._listening.add(channel)
                for channel in self._listening - set(self._receivers):
                    await self._leave(connection, channel)
                    self._listening.discard(channel)
            except FAILURES:
                self._breaks(connection)

    # --- what comes -------------------------------------------------------------------------------

    def _notified(self, connection: Any, process: int, channel: str, payload: str) -> None:
        self.heard += 1
        self._owed = None
        self._is_suspicious = False
        receivers = self._receivers.get(channel)
        if receivers is None:
            return
        header = header_of(payload)
        if header is not None and header[1] in receivers:
            return  # its own: nobody need read it
        if header is None and not self._inbox:
            self._deliver(channel, payload.encode())
            return
        size = len(payload) + OVERHEAD
        if self._bytes + size > self._max_backlog:
            if channel in self._losing:
                self.losses.count += 1  # it is told once for each time that it is full
            else:
                self._losing.add(channel)
                self.losses.add([channel], "more come than are kept while large ones are read")
            return
        self._losing.discard(channel)
        self._bytes += size
        self._inbox.append((channel, payload, None if header is None else header[0]))
        if self._reading is None:
            self._reading = asyncio.get_running_loop().create_task(self._read())

    def _deliver(self, channel: str, message: bytes) -> None:
        for receiver in list(self._receivers.get(channel, {}).values()):
            receiver.message_received(message)

    async def _read(self) -> None:
        """Bring what waits to those for whom it is, until nothing waits."""
        try:
            while self._inbox:
                named = dict.fromkeys(row for _, _, row in self._inbox if row is not None)
                wanted = [*named][:MAX_ROWS]  # each once, whoever names it twice
                rows = await self._rows(wanted) if wanted else {}
                if rows is not None:
                    self._pass_on(rows, set(wanted))
        finally:
            self._reading = None

    async def _rows(self, wanted: list[int]) -> dict[int, Row] | None:
        """Read rows; None where the connection has to be made first."""
        await self._is_connected.wait()
        async with self._statement:
            connection = self._connection
            if connection is None:
                return None
            try:
                return await self._statements.read(connection, wanted)
            except FAILURES as error:
                if isinstance(error, asyncpg.PostgresError) and not connection.is_closed():
                    self._unread += 1
                    if is_worth_a_line(self._unread):
                        _logger.warning("large messages cannot be read from the table: %s", error)
                    return {}
                self._breaks(connection)
                return None

    def _pass_on(self, rows: dict[int, Row], asked: set[int]) -> None:
        """Bring on what is known, up to the first message that is still to be read."""
        inbox = self._inbox
        while inbox:
            channel, payload, row = inbox[0]
            size: int | None = None
            message: bytes | None = None
            if row is not None:
                if row not in asked:
                    return
                size, message = rows.get(row, (None, None))
                if message is None and size is not None and size <= MAX_MESSAGE:
                    return  # those before it were enough for now
            inbox.popleft()
            self._bytes -= len(payload) + OVERHEAD
            if row is None:
                self._deliver(channel, payload.encode())
            elif message is not None:
                self._deliver(channel, bytes(message))
            elif size is None:
                self.losses.add([channel], "one was not to be had from the table any more")
            else:
                self.losses.add([channel], f"one has {size} bytes")

    # --- what does not come -----------------------------------------------------------------------

    def expect(self, channels: Iterable[str], heard: int) -> None:
        """Something was sent in these channels, when so many had been heard."""
        if self.heard != heard or self._owed is not None or self._listening.isdisjoint(channels):
            return
        loop = asyncio.get_running_loop()
        self._owed = loop.time()
        if self._watch is None:
            self._watch = loop.call_later(DEAF, self._look)

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        self._watch = None
        if self._owed is None or self._connection is None:
            return
        left = self._owed + DEAF - loop.time()
        if left > 0:
            self._watch = loop.call_later(left, self._look)
        elif not self._is_suspicious:
            self._is_suspicious = True
            self._watch = loop.call_later(SECOND_LOOK, self._look)
        else:
            self._is_suspicious = False
            self._why = MUTE
            self._breaks(self._connection)

    def _tell_all(self, what: str) -> None:
        for channel in list(self._receivers):
            self._tell(channel, what)

    def _tell(self, channel: str, what: str) -> None:
        for receiver in list(self._receivers.get(channel, {}).values()):
            try:
                receiver.messages_lost(what)
            except Exception:  # whoever connects again must not end with it
                _logger.exception("internal error in telling of lost messages")
