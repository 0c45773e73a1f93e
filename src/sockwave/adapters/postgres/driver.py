"""A carrier on PostgreSQL: LISTEN and NOTIFY, and a table for what is large or binary."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from sockwave.adapters.postgres.listener import Listener
from sockwave.adapters.postgres.sender import Sender
from sockwave.adapters.postgres.source import ERRORS
from sockwave.adapters.postgres.statements import Statements
from sockwave.adapters.postgres.wire import CAPABILITIES, channel_name

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from sockwave.adapters.driver import Receiver
    from sockwave.adapters.postgres.source import Source

__all__ = ["PostgresDriver"]


class PostgresDriver:
    """Reaches the other processes at a database; see `Driver`.

    It takes two connections: one listens and reads, one sends.

    Args:
        source: Of the connections.
        prefix: Of the channels' names.
        table: For messages that are large or binary.
        max_backlog: Bytes that are kept for PostgreSQL, and as many of notifications that wait.
        cleanup_interval: Seconds after which rows of the table are old.
    """

    capabilities: Final = CAPABILITIES

    def __init__(
        self, source: Source, prefix: str, table: str, max_backlog: int, cleanup_interval: float
    ) -> None:
        self._prefix = prefix
        self._name = source.name
        statements = Statements(table)
        self._listener = Listener(source, statements, max_backlog)
        self._sender = Sender(
            source,
            statements,
            self._listener,
            self._listener.losses,
            max_backlog,
            cleanup_interval,
        )
        self._starting = asyncio.Lock()
        self._is_started = False
        self._is_closed = False

    @property
    def dropped(self) -> int:
        """Messages that were not sent, may not have been sent, or could not be read."""
        return self._listener.losses.count

    async def start(self) -> None:
        """Connect.

        Raises:
            OSError: There is nobody to connect to, or the table cannot be made.
        """
        async with self._starting:  # the adapters of all namespaces do
            if self._is_started or self._is_closed:
                return
            try:
                await self._sender.connect()
                await self._listener.start()
            except ERRORS as error:
                raise ConnectionError(f"PostgreSQL at {self._name}: {error}") from error
            self._sender.start()
            self._is_started = True

    async def subscribe(self, channel: str, address: str, receiver: Receiver) -> None:
        """Listen."""
        await self._listener.add(channel_name(self._prefix, channel), address, receiver)

    def unsubscribe(self, channel: str, address: str) -> None:
        """Listen no longer."""
        self._listener.remove(channel_name(self._prefix, channel), address)

    def publish(self, channel: str, message: bytes, *, to: AbstractSet[str] | None = None) -> None:
        """Send a message, to all in any case."""
        if not self._is_closed:
            self._sender.publish(channel_name(self._prefix, channel), message)

    async def count(self, channel: str) -> int | None:
        """PostgreSQL does not tell."""
        return None

    async def aclose(self) -> None:
        """Send what is kept, if that takes no longer than a few seconds, and disconnect."""
        if self._is_closed:
            return
        self._is_closed = True
        async with self._starting:
            await self._sender.aclose()
            await self._listener.aclose()
