"""A PostgreSQL in memory, as far as it is used: notifications, one table, and its faults."""

from __future__ import annotations

import asyncio
import contextlib
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import asyncpg

from sockwave.adapters.postgres.driver import PostgresDriver

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["FakePostgres"]


class FakePostgres:
    """A server.

    Attributes:
        rows: Of the table.
        connections: That stand.
        sent: Channel and payload of each notification.
        statements: Kinds of all statements.
        is_away: Nobody can connect.
        failure: With what connecting fails.
        has_table: Whether the table is there.
        may_create: Whether it may be made.
        refusals: What the next notifications end with; taken from the front.
        full: What the next rows are refused with.
        uncleanable: With what deleting fails.
        poison: A text that no notification may have in it.
        is_deaf: Notifications reach nobody.
        largest: Bytes that are read at once, for rows that are not the first.
        gate: Statements wait for it.
    """

    def __init__(self) -> None:
        self.rows: dict[int, bytes] = {}
        self.next_row = 1
        self.connections: list[FakeConnection] = []
        self.sent: list[tuple[str, str]] = []
        self.statements: list[str] = []
        self.is_away = False
        self.failure: Exception | None = None
        self.has_table = True
        self.may_create = True
        self.refusals: list[Exception] = []
        self.full: list[Exception] = []
        self.uncleanable: Exception | None = None
        self.poison = "\0"
        self.is_deaf = False
        self.largest = 2**30
        self.encoding = "UTF8"
        self.gate = asyncio.Event()
        self.gate.set()

    def driver(self, **options: Any) -> PostgresDriver:
        """A driver of another process."""
        wanted = {
            "prefix": "socket.io",
            "table": "socket_io_attachments",
            "max_backlog": 2**24,
            "cleanup_interval": 30.0,
            **options,
        }
        return PostgresDriver(self, *wanted.values())

    name = "nowhere:5432"

    async def open(self) -> FakeConnection:
        """Connect."""
        await asyncio.sleep(0)
        if self.is_away:
            raise ConnectionRefusedError("nobody listens")
        if self.failure is not None:
            raise self.failure
        connection = FakeConnection(self)
        self.connections.append(connection)
        return connection

    async def close(self, connection: Any) -> None:
        """Disconnect."""
        connection.terminate()

    def restart(self) -> None:
        """Every connection ends."""
        for connection in list(self.connections):
            connection.terminate()

    def listening(self) -> set[str]:
        """Channels that somebody listens to."""
        return {channel for connection in self.connections for channel in connection.listeners}

    def notify(self, channel: str, payload: str) -> None:
        """Tell everybody."""
        self.sent.append((channel, payload))
        loop = asyncio.get_running_loop()
        for connection in self.connections if not self.is_deaf else ():
            for callback in connection.listeners.get(channel, ()):
                loop.call_soon(callback, connection, 1, channel, payload)


class FakeConnection:
    """A session."""

    def __init__(self, server: FakePostgres) -> None:
        self.server = server
        self.listeners: dict[str, list[Callable[..., None]]] = {}
        self.endings: list[Callable[..., None]] = []
        self.has_ended = False
        self.is_busy = False

    @contextlib.asynccontextmanager
    async def _statement(self, kind: str) -> Any:
        if self.has_ended:
            raise asyncpg.InterfaceError("connection is closed")
        if self.is_busy:
            raise asyncpg.InterfaceError("another operation is in progress")
        self.is_busy = True
        try:
            self.server.statements.append(kind)
            await self.server.gate.wait()
            await asyncio.sleep(0)
            if self.has_ended:
                raise asyncpg.ConnectionDoesNotExistError("connection was closed")
            yield
        finally:
            self.is_busy = False

    async def fetch(self, query: str, *args: Any, timeout: float | None = None) -> Sequence[Any]:
        server, kind = self.server, " ".join(query.split()[:2])
        async with self._statement(kind):
            if kind == "SELECT to_regclass($1)":
                return [{"name": args[0] if server.has_table else None}]
            if not server.has_table:
                raise asyncpg.UndefinedTableError("relation does not exist")
            if kind == "INSERT INTO":
                if server.full:
                    raise server.full.pop(0)
                made = []
                for payload in args[0]:
                    server.rows[server.next_row] = bytes(payload)
                    made.append({"id": server.next_row})
                    server.next_row += 1
                return made[::-1]  # no order is promised
            assert kind == "SELECT m.id,"
            found: list[dict[str, Any]] = []
            total = 0
            for id_ in args[0]:
                if (payload := server.rows.get(id_)) is not None:
                    total += len(payload)
                    is_enough = bool(found) and total > server.largest
                    is_shown = total <= args[1] and not is_enough
                    shown = payload if is_shown else None
                    found.append({"id": id_, "size": len(payload), "payload": shown})
            return found

    async def execute(self, query: str, *args: Any, timeout: float | None = None) -> str:
        server, kind = self.server, " ".join(query.split()[:2])
        async with self._statement(kind):
            if kind == "CREATE TABLE":
                if not server.may_create:
                    raise asyncpg.InsufficientPrivilegeError("permission denied")
                server.has_table = True
            elif kind == "DELETE FROM":
                if server.uncleanable is not None:
                    raise server.uncleanable
                old = list(server.rows)[: args[1]]
                for row in old:
                    del server.rows[row]
                return f"DELETE {len(old)}"
            else:
                assert query.startswith("SELECT pg_notify(c, p)")
                if server.refusals:
                    raise server.refusals.pop(0)
                if any(server.poison in payload for payload in args[1]):
                    raise asyncpg.DataError("payload string too long")
                for channel, payload in dict.fromkeys(zip(*args, strict=True)):
                    assert len(payload.encode()) < 8000 and len(channel.encode()) < 64
                    server.notify(channel, payload)
        return ""

    async def add_listener(self, channel: str, callback: Callable[..., None]) -> None:
        async with self._statement("LISTEN"):
            self.listeners.setdefault(channel, []).append(callback)

    async def remove_listener(self, channel: str, callback: Callable[..., None]) -> None:
        async with self._statement("UNLISTEN"):
            self.listeners[channel].remove(callback)
            if not self.listeners[channel]:
                del self.listeners[channel]

    def add_termination_listener(self, callback: Callable[..., None]) -> None:
        self.endings.append(callback)

    def remove_termination_listener(self, callback: Callable[..., None]) -> None:
        self.endings.remove(callback)

    def get_settings(self) -> Any:
        return SimpleNamespace(server_encoding=self.server.encoding)

    def is_closed(self) -> bool:
        return self.has_ended

    def terminate(self) -> None:
        if self.has_ended:
            return
        self.has_ended = True
        self.server.connections.remove(self)
        for callback in self.endings:
            asyncio.get_running_loop().call_soon(callback, self)
