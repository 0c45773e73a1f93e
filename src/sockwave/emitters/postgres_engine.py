"""How emitters reach servers at a PostgreSQL."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from sockwave.adapters.messages import encode_message
from sockwave.adapters.postgres.source import FAILURES, source_of
from sockwave.adapters.postgres.statements import Statements
from sockwave.adapters.postgres.wire import MAX_MESSAGE, channel_name, prepare
from sockwave.errors import EncodeError, FailureCause, TransportError

if TYPE_CHECKING:
    from sockwave.adapters.messages import Message
    from sockwave.adapters.postgres.source import Connection
    from sockwave.adapters.postgres.wire import Outgoing

__all__ = ["PostgresEngine"]


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

    def encode(self, message: Message) -> Outgoing:
        """The notification, or the row of the table."""
        encoded = encode_message(message, as_text=True)
        if len(encoded) > MAX_MESSAGE:
            raise EncodeError(f"more than {MAX_MESSAGE} bytes cannot be sent to servers")
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
            except FAILURES as error:
                await self._disconnect()  # another server may take it, and the table may be gone
                cause = FailureCause.TIMEOUT if isinstance(error, TimeoutError) else _cause(error)
                raise TransportError("PostgreSQL", details=str(error), cause=cause) from error
            except asyncio.CancelledError:
                await self._disconnect()
                raise

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
    return FailureCause.REFUSED if isinstance(error, ConnectionRefusedError) else FailureCause.OTHER
