"""How emitters reach servers at a PostgreSQL."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

import msgspec

from sockwave.adapters.messages import check_readable, decode_message, encode_message
from sockwave.adapters.postgres.source import FAILURES, source_of
from sockwave.adapters.postgres.statements import Statements
from sockwave.adapters.postgres.wire import Header, channel_name, header_of, prepare
from sockwave.emitters.inquiries import ANSWERS, MAX_BYTES
from sockwave.errors import (
    FailureCause,
    LimitExceeded,
    SockwaveError,
    TransportError,
)

if TYPE_CHECKING:
    from sockwave.adapters.messages import Message
    from sockwave.adapters.postgres.source import Connection
    from sockwave.adapters.postgres.statements import Row
    from sockwave.adapters.postgres.wire import Outgoing
    from sockwave.emitters.asking import Hearer
    from sockwave.types import NamespaceName

__all__ = ["PostgresEngine"]

MAX_ROWS: Final = 10_000
"""Large answers that wait to be read."""

LEAVE: Final = 1.0
"""Seconds that PostgreSQL may take to hear that nobody listens any more."""

AT_ONCE: Final = 32
"""Rows that are read at once."""


class PostgresEngine:
    """One connection, made when it is needed and again when it has ended; see `Engine`.

    Args:
        dsn_or_pool: Where from.
        prefix: Of the channels' names.
        table: For messages that are large or binary.
    """

    def __init__(self, dsn_or_pool: Any, prefix: str, table: str) -> None:
        self._source = source_of(dsn_or_pool)
        self._prefix = prefix
        self._statements = Statements(table)
        self._lock = asyncio.Lock()
        self._connection: Connection | None = None
        self._is_prepared = False

    @property
    def name(self) -> str:
        """PostgreSQL, and where it is."""
        return f"PostgreSQL at {self._source.name}"

    def failure(self, error: BaseException) -> TransportError:
        """What went wrong with it, for people."""
        details = str(error).removeprefix(self.name).lstrip(": ") or repr(error)
        if isinstance(error, TimeoutError) and not str(error):
            details = "it does not answer in time"
        return TransportError(self.name, details=details, cause=_cause(error))

    def encode(self, message: Message) -> Outgoing:
        """The notification, or the row of the table."""
        encoded = encode_message(message, as_text=True)
        check_readable(encoded)
        return prepare(channel_name(self._prefix, message.namespace), encoded)

    async def send(self, encoded: Outgoing) -> None:
        """Send a notification, after those before it."""
        async with self._lock:
            try:
                connection = await self._connected()
                if encoded.attachment is not None and not self._is_prepared:
                    await self._statements.prepare(connection)
                    self._is_prepared = True
                payloads = await self._statements.insert(connection, [encoded])
                await self._statements.notify(connection, [encoded.channel], payloads)
            except BaseException as error:
                await self._failed(error)
                raise

    async def _failed(self, error: BaseException) -> None:
        """Something went wrong: the next message has a connection of its own, since another server
        may take it, and the table may be gone.

        Raises:
            TransportError: It is one of PostgreSQL.
        """
        await self._disconnect()
        if isinstance(error, FAILURES):
            raise self.failure(error) from error

    # --- answers ----------------------------------------------------------------------------------

    async def listen(self, namespace: NamespaceName, hearer: Hearer) -> _Hearing:
        """Listen, on the connection that is there, to the channel in which all speak."""
        channel = channel_name(self._prefix, namespace)
        async with self._lock:
            try:
                connection = await self._connected()
                hearing = _Hearing(self, connection, channel, namespace, hearer)
                await hearing.begin()
            except BaseException as error:
                await self._failed(error)
                raise
            return hearing

    async def listen_no_longer(self, hearing: _Hearing) -> None:
        """End what `listen` has begun."""
        async with self._lock:
            try:
                async with asyncio.timeout(LEAVE):
                    await hearing.end()
            except FAILURES:
                if hearing.connection is self._connection:
                    await self._disconnect()
            except asyncio.CancelledError:
                await self._disconnect()
                raise

    async def read(self, connection: Connection, rows: list[int]) -> dict[int, Row]:
        """Rows of the table, as many as fit; on the connection that heard of them.

        Raises:
            TransportError: They cannot be read.
        """
        async with self._lock:
            try:
                return await self._statements.read(connection, rows)
            except BaseException as error:
                if connection is self._connection:
                    await self._failed(error)
                raise

    async def count(self, namespace: NamespaceName) -> None:
        """PostgreSQL does not tell."""

    # --- the connection ---------------------------------------------------------------------------

    async def _connected(self) -> Connection:
        if self._connection is not None and self._connection.is_closed():
            await self._disconnect()
        if self._connection is None:
            self._connection = await self._source.open()
        return self._connection

    async def _disconnect(self) -> None:
        self._is_prepared = False
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()
            await self._source.close(connection)

    async def aclose(self) -> None:
        """Disconnect."""
        async with self._lock:
            connection, self._connection = self._connection, None
            if connection is not None:
                await self._source.close(connection)


def _cause(error: BaseException) -> FailureCause:
    if isinstance(error, TimeoutError):
        return FailureCause.TIMEOUT
    return FailureCause.REFUSED if isinstance(error, ConnectionRefusedError) else FailureCause.OTHER


class _Hearing:
    """A channel that is listened to; see `Listening`.

    All that servers say to each other comes by it, too: what is no answer to an open question is
    dropped unread, and of the table only rows with answers are read.

    Args:
        engine: Reads rows.
        connection: Listens.
        channel: Its name.
        namespace: Of it.
        hearer: Gets what comes.
    """

    def __init__(
        self,
        engine: PostgresEngine,
        connection: Connection,
        channel: str,
        namespace: NamespaceName,
        hearer: Hearer,
    ) -> None:
        self.connection = connection
        self._engine = engine
        self._channel = channel
        self._namespace = namespace
        self._hearer = hearer
        self._rows: list[int] = []
        self._reading: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        """Listen."""
        await self.connection.add_listener(self._channel, self._notified)
        self.connection.add_termination_listener(self._ended)
        if self.connection.is_closed():
            raise ConnectionError("the connection has ended at once")

    async def end(self) -> None:
        """Listen no longer."""
        self.connection.remove_termination_listener(self._ended)
        if not self.connection.is_closed():
            await self.connection.remove_listener(self._channel, self._notified)

    def _ended(self, connection: Any) -> None:
        details = "the connection was lost before all servers had answered"
        name = self._engine.name
        self._hearer.ended(TransportError(name, details=details, cause=FailureCause.LOST))

    def _notified(self, connection: Any, process: int, channel: str, payload: str) -> None:
        header = header_of(payload)
        if header is None:
            self._hearer.came(payload.encode(), self._decode)
        elif msgspec.json.decode(payload, type=Header).type in ANSWERS:
            if len(self._rows) >= MAX_ROWS:
                self._hearer.ended(LimitExceeded(f"{MAX_ROWS} large answers wait to be read"))
                return
            self._rows.append(header[0])
            if self._reading is None:
                self._reading = asyncio.get_running_loop().create_task(self._read())

    def _decode(self, data: bytes) -> Message:
        return decode_message(data, self._namespace)

    async def _read(self) -> None:
        """Bring what stands in the table, until nothing waits."""
        try:
            while self._rows:
                rows = self._rows[:AT_ONCE]
                found = await self._engine.read(self.connection, rows)
                for row in rows:
                    size, message = found.get(row, (0, None))
                    if size is not None and size <= MAX_BYTES and message is None and row in found:
                        break  # those before it were enough for now
                    del self._rows[:1]
                    if message is not None:
                        self._hearer.came(bytes(message), self._decode)
        except SockwaveError as error:
            self._hearer.ended(error)
        except FAILURES as error:
            self._hearer.ended(self._engine.failure(error))
        finally:
            self._reading = None

    async def aclose(self) -> None:
        """Listen no longer."""
        if self._reading is not None:
            self._rows.clear()  # a statement that is cancelled costs the connection
            await asyncio.wait([self._reading])
        await self._engine.listen_no_longer(self)
