"""The adapter of servers that have a PostgreSQL in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sockwave.adapters.options import ClusterOptions
from sockwave.adapters.postgres.wire import (
    CAPABILITIES,
    DEFAULT_PREFIX,
    DEFAULT_TABLE,
    channel_name,
    check_prefix,
    check_table,
)
from sockwave.adapters.recovering import cluster_adapter
from sockwave.adapters.renewed_bytes import RenewedBytesDriver
from sockwave.engine.core.option_checks import MAX_TIMEOUT, check_integer, check_number

if TYPE_CHECKING:
    from sockwave.adapters.adapter import ClusterAdapter
    from sockwave.adapters.driver import Driver
    from sockwave.socketio.core.recovery_contract import RecoveringHost

__all__ = ["PostgresAdapter"]

DEFAULT_BACKLOG: Final = 16 * 1024 * 1024
"""Bytes that are kept while PostgreSQL is away."""

_RELAY_CHANNEL: Final = f"engine.io#{'x' * 16}#"
"""As long as the name of a channel of requests can be."""

DEFAULT_CLEANUP: Final = 30.0
"""Seconds, those of the reference."""


class PostgresAdapter:
    """Makes one server of all that use the same PostgreSQL, in Python and in JavaScript.

    It speaks as `@socket.io/postgres-adapter` 0.5 does, by LISTEN and NOTIFY. What is binary, or
    has 8,000 bytes and more, goes through a table, which is made if it is not there.

        io = Server(adapter=PostgresAdapter("postgresql://chat:secret@db.example.com/chat"))

    Each process takes two connections for good. They must reach PostgreSQL itself, or a pooler that
    leaves a session to its client, since LISTEN belongs to the session.

    What one process sends arrives at each other one in the order of the calls. While PostgreSQL
    cannot be reached, the clients of each process are served on, what is sent to others is kept, up
    to `max_backlog`, and what others send meanwhile is lost: the event `cluster_error` tells it.

    Each server of a process needs one of its own. It begins in the event loop of each process.

    Args:
        dsn_or_pool: An address, `postgresql://user:password@host:5432/database?sslmode=require`, or
            an `asyncpg.Pool`, of which two connections are used as long as the server runs.
        channel_prefix: In front of the names of channels; the same for all servers of a cluster.
            With it and `#` in front, the name of a namespace has at most 63 bytes.
        table_name: For what is large or binary: `table` or `schema.table`.
        cleanup_interval: Seconds after which rows of the table are deleted.
        max_backlog: Bytes that are kept for PostgreSQL when it takes nothing.
        options: Times and bounds of the cluster.

    Raises:
        ModuleNotFoundError: asyncpg is missing: `pip install "sockwave[postgres]"`.
    """

    def __init__(
        self,
        dsn_or_pool: Any,
        *,
        channel_prefix: str = DEFAULT_PREFIX,
        table_name: str = DEFAULT_TABLE,
        cleanup_interval: float = DEFAULT_CLEANUP,
        max_backlog: int = DEFAULT_BACKLOG,
        options: ClusterOptions | None = None,
    ) -> None:
        check_prefix(channel_prefix)
        check_table(table_name)
        check_number("cleanup_interval", cleanup_interval, 1, MAX_TIMEOUT)
        check_integer("max_backlog", max_backlog, 0)
        if options is not None and not isinstance(options, ClusterOptions):
            raise TypeError(f"options must be ClusterOptions, not {type(options).__name__}")
        try:
            from sockwave.adapters.postgres.driver import PostgresDriver
            from sockwave.adapters.postgres.source import source_of
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(
                'PostgresAdapter needs asyncpg: pip install "sockwave[postgres]"', name=error.name
            ) from error
        source = source_of(dsn_or_pool)
        self._prefix = channel_prefix
        self._options = options

        def make() -> Driver:
            return PostgresDriver(source, channel_prefix, table_name, max_backlog, cleanup_interval)

        self._driver = RenewedBytesDriver(make, CAPABILITIES)

    def __call__(self, namespace: RecoveringHost) -> ClusterAdapter:
        """Make the adapter of a namespace; the server does.

        Raises:
            ValueError: The name of the namespace is too long for PostgreSQL.
        """
        channel_name(self._prefix, namespace.name)
        return cluster_adapter(namespace, self._driver, self._options)

    @property
    def relay_driver(self) -> Driver:
        """What carries requests between servers with `relay=True`: the connections of this one.

        Raises:
            ValueError: The prefix is too long for the channels that this takes.
        """
        channel_name(self._prefix, _RELAY_CHANNEL)
        return self._driver

    async def aclose(self) -> None:
        """Disconnect; the server does, when it has closed its namespaces."""
        await self._driver.aclose()
