"""The statements of SQL: notifications, and the table of what is too large for one.

Theory. PostgreSQL hands out the notifications of a transaction in the order in which it got them,
transactions in the order in which they ended; and of two in one transaction that are the same, to
the letter, it drops one. So a batch is one statement, in order, and who fills it puts no message
into it twice. Rows of the table are there before the notification that names them is sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

import asyncpg

from sockwave.adapters.postgres.source import STATEMENT_TIMEOUT
from sockwave.adapters.postgres.wire import MAX_MESSAGE, encode_header

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sockwave.adapters.postgres.source import Connection
    from sockwave.adapters.postgres.wire import Outgoing

__all__ = ["Row", "Statements"]

_NOTIFY: Final = (
    "SELECT pg_notify(c, p) FROM unnest($1::text[], $2::text[])"
    " WITH ORDINALITY AS m(c, p, o) ORDER BY o"
)

MAX_CLEANED: Final = 1_000
"""Rows that are deleted at once: messages wait behind the statement."""

Row: TypeAlias = "tuple[int | None, bytes | None]"
"""Of the table: how large a message is, and itself; None where it is to be asked for again."""


class Statements:
    """What is asked of PostgreSQL, on connections that nobody else uses meanwhile.

    Args:
        table: Its name, as it stands in a statement.
    """

    def __init__(self, table: str) -> None:
        self._table = table
        self.create: str = (
            f"CREATE TABLE IF NOT EXISTS {table} (id bigserial UNIQUE,"
            " created_at timestamptz DEFAULT NOW(), payload bytea)"
        )
        self._insert = (
            f"INSERT INTO {table} (payload) SELECT p FROM unnest($1::bytea[])"
            " WITH ORDINALITY AS m(p, o) ORDER BY o RETURNING id"
        )
        self._read = (
            "SELECT m.id, octet_length(t.payload) AS size,"
            " CASE WHEN sum(octet_length(t.payload)) OVER (ORDER BY m.o) <= $2"
            " THEN t.payload END AS payload"
            f" FROM unnest($1::bigint[]) WITH ORDINALITY AS m(id, o) JOIN {table} t ON t.id = m.id"
        )
        self._clean = (
            f"DELETE FROM {table} WHERE id IN (SELECT id FROM {table}"
            " WHERE created_at < now() - $1 * interval '1 second' LIMIT $2)"
        )

    async def prepare(self, connection: Connection) -> None:
        """See that messages can be carried: make the table, if it is not there.

        Raises:
            PermissionError: It may not be made; with the statement that does.
            OSError: The database does not have all characters.
        """
        encoding = connection.get_settings().server_encoding
        if encoding not in ("UTF8", "UTF-8"):
            raise OSError(f"the database must have the encoding UTF8, not {encoding}")
        (found,) = await connection.fetch(
            "SELECT to_regclass($1) AS name", self._table, timeout=STATEMENT_TIMEOUT
        )
        if found["name"] is not None:
            return
        try:
            await connection.execute(self.create, timeout=STATEMENT_TIMEOUT)
        except asyncpg.InsufficientPrivilegeError as error:
            raise PermissionError(
                f"there is no table {self._table}, and this user may not make it: {self.create}"
            ) from error
        except (asyncpg.UniqueViolationError, asyncpg.DuplicateTableError):
            pass  # somebody else has made it in this moment

    async def insert(self, connection: Connection, batch: Sequence[Outgoing]) -> list[str]:
        """Put what is too large into the table; then the notifications of all are known."""
        attachments = [each.attachment for each in batch if each.attachment is not None]
        rows: list[int] = []
        if attachments:
            made = await connection.fetch(self._insert, attachments, timeout=STATEMENT_TIMEOUT)
            rows = sorted((row["id"] for row in made), reverse=True)  # a sequence counts up
        return [
            encode_header(each.header, rows.pop()) if each.payload is None else each.payload
            for each in batch
        ]

    async def notify(
        self, connection: Connection, channels: Sequence[str], payloads: Sequence[str]
    ) -> None:
        """Send notifications, none of which may be there twice."""
        await connection.execute(_NOTIFY, channels, payloads, timeout=STATEMENT_TIMEOUT)

    async def read(self, connection: Connection, rows: Sequence[int]) -> dict[int, Row]:
        """Get messages out of the table, as many as fit into the memory for one.

        Returns:
            By row; those that are not there any more are left out. The first one that is there has
            its message, if it is not too large.
        """
        found = await connection.fetch(self._read, rows, MAX_MESSAGE, timeout=STATEMENT_TIMEOUT)
        return {row["id"]: (row["size"], row["payload"]) for row in found}

    async def clean(self, connection: Connection, age: float) -> bool:
        """Take out of the table what is older than so many seconds, or some of it.

        Returns:
            Whether nothing of it is left.
        """
        done = await connection.execute(self._clean, age, MAX_CLEANED, timeout=STATEMENT_TIMEOUT)
        return done != f"DELETE {MAX_CLEANED}"
