"""An emitter for servers that have a PostgreSQL in common."""

from __future__ import annotations

from typing import Any

from sockwave.adapters.postgres.wire import (
    DEFAULT_PREFIX,
    DEFAULT_TABLE,
    check_prefix,
    check_table,
)
from sockwave.emitters.engines import AsyncEmitter, Engine
from sockwave.emitters.inquiries import ACK_TIMEOUT

__all__ = ["PostgresEmitter", "postgres_engine"]


class PostgresEmitter(AsyncEmitter[Any]):
    """Emits to the clients of servers with a `PostgresAdapter`, or with that of JavaScript.

        async with PostgresEmitter("postgresql://chat:secret@db.example.com/chat") as emitter:
            await emitter.to("lobby").emit("news", 1)

    It takes one connection, made when it is needed, and belongs to one event loop. One emitter's
    events arrive in the order in which they were awaited.

    Args:
        dsn_or_pool: An address, or an `asyncpg.Pool`, of which one connection is used from the
            first event on.
        namespace: The namespace that is reached without `of`.
        channel_prefix: In front of the names of channels, as the servers have it.
        table_name: The table for what is large or binary, as the servers have it.
        ack_timeout: Seconds that `emit_with_ack` waits for clients where no other time is given.

    Raises:
        ModuleNotFoundError: asyncpg is missing: `pip install "sockwave[postgres]"`.
    """

    def __init__(
        self,
        dsn_or_pool: Any,
        *,
        namespace: str = "/",
        channel_prefix: str = DEFAULT_PREFIX,
        table_name: str = DEFAULT_TABLE,
        ack_timeout: float = ACK_TIMEOUT,
    ) -> None:
        super().__init__(
            postgres_engine(dsn_or_pool, channel_prefix, table_name), namespace, ack_timeout
        )


def postgres_engine(dsn_or_pool: Any, channel_prefix: str, table_name: str) -> Engine[Any]:
    """What carries for such emitters.

    Raises:
        ModuleNotFoundError: asyncpg is missing.
        TypeError, ValueError: A wrong option.
    """
    check_prefix(channel_prefix)
    check_table(table_name)
    try:
        from sockwave.emitters.postgres_engine import PostgresEngine
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            'PostgresEmitter needs asyncpg: pip install "sockwave[postgres]"', name=error.name
        ) from error
    return PostgresEngine(dsn_or_pool, channel_prefix, table_name)
