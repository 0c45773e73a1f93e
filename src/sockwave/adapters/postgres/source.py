"""Where connections to PostgreSQL come from: an address, or a pool of the user's own."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import parse_qs, unquote, urlsplit

import asyncpg

from sockwave.adapters.addresses import check_address
from sockwave.adapters.backoff import Backoff
from sockwave.adapters.floods import is_worth_a_line

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

__all__ = [
    "ERRORS",
    "FAILURES",
    "STATEMENT_TIMEOUT",
    "Connection",
    "DsnSource",
    "PoolSource",
    "Source",
    "reopened",
    "source_of",
]

CONNECT_TIMEOUT: Final = 10.0
"""Seconds that a connection may take."""

STATEMENT_TIMEOUT: Final = 10.0
"""Seconds that a statement may take: after that its connection is taken for dead."""

FIRST_RETRY: Final = 0.1
"""Seconds until a connection that was lost is made again; twice as long each time."""

LAST_RETRY: Final = 0.8
"""Seconds; short, as clients of other servers get nothing meanwhile."""

ERRORS: Final = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""What asyncpg raises; the last one also where none of several hosts is a primary just now."""

FAILURES: Final = (OSError, TimeoutError, *ERRORS)
"""What goes wrong with PostgreSQL, and not with us."""

QUIET_TRIES: Final = 8
"""Attempts to connect again, some ten seconds of them, of which the log does not tell."""

_APPLICATION: Final = "application_name"

_logger: Final = logging.getLogger("sockwave.adapters")


class Connection(Protocol):
    """What is used of a connection of asyncpg."""

    async def fetch(self, query: str, *args: Any, timeout: float | None = None) -> Sequence[Any]:
        """Run a statement and get its rows."""

    async def execute(self, query: str, *args: Any, timeout: float | None = None) -> str:
        """Run a statement."""

    async def add_listener(self, channel: str, callback: Callable[..., None]) -> None:
        """Listen to a channel."""

    async def remove_listener(self, channel: str, callback: Callable[..., None]) -> None:
        """Listen no longer."""

    def add_termination_listener(self, callback: Callable[..., None]) -> None:
        """Call back when the connection has ended."""

    def remove_termination_listener(self, callback: Callable[..., None]) -> None:
        """Do not."""

    def get_settings(self) -> Any:
        """What the server has said of itself."""

    def is_closed(self) -> bool:
        """Whether it has ended."""

    def terminate(self) -> None:
        """Cut it."""


class Source(Protocol):
    """Makes connections, and takes them back.

    Attributes:
        name: Where PostgreSQL is, for people: without a password.
    """

    name: str

    async def open(self) -> Connection:
        """A connection for whoever asks alone.

        Raises:
            OSError, PostgresError: There is none to be had.
        """

    async def close(self, connection: Connection) -> None:
        """It is not needed any more; this does not raise."""


class DsnSource:
    """Connects to an address.

    Args:
        dsn: `postgresql://user:password@host:5432/database`, with any of the parameters of libpq.
    """

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self.name: str = _place_of(dsn)
        self._settings = None if _APPLICATION in dsn else {_APPLICATION: "sockwave"}

    async def open(self) -> Connection:
        """Connect."""
        try:
            connection: Connection = await asyncpg.connect(
                self._dsn, timeout=CONNECT_TIMEOUT, server_settings=self._settings
            )
        except TimeoutError as error:  # which says nothing
            why = f"PostgreSQL at {self.name} has not answered within {CONNECT_TIMEOUT:g} seconds"
            raise TimeoutError(why) from error
        except OSError as error:
            is_refused = isinstance(error, ConnectionRefusedError)
            kind = ConnectionRefusedError if is_refused else ConnectionError
            raise kind(f"PostgreSQL at {self.name} cannot be reached: {error}") from error
        return connection

    async def close(self, connection: Any) -> None:
        """Disconnect."""
        with contextlib.suppress(*FAILURES):
            await connection.close(timeout=1.0)


class _Taken:
    """A connection out of a pool.

    One that has ended is the pool's again at once, and whatever is asked of it is an error then,
    even whether it has ended.
    """

    def __init__(self, proxy: Any) -> None:
        self.proxy = proxy
        self.fetch = proxy.fetch
        self.execute = proxy.execute
        self.add_listener = proxy.add_listener
        self.remove_listener = proxy.remove_listener
        self.get_settings = proxy.get_settings
        self._told: list[Callable[..., None]] = []
        proxy.add_termination_listener(self._ended)

    def _ended(self, proxy: Any) -> None:
        for callback in self._told:
            callback(self)

    def add_termination_listener(self, callback: Callable[..., None]) -> None:
        """Call back when it has ended."""
        self._told.append(callback)

    def remove_termination_listener(self, callback: Callable[..., None]) -> None:
        """Do not."""
        self._told.remove(callback)

    def is_closed(self) -> bool:
        """Whether it has ended."""
        try:
            is_closed: bool = self.proxy.is_closed()
        except asyncpg.InterfaceError:
            return True
        return is_closed

    def terminate(self) -> None:
        """Cut it."""
        with contextlib.suppress(asyncpg.InterfaceError):
            self.proxy.terminate()

    def leave(self) -> None:
        """Nobody wants to be told of its end any more."""
        self._told.clear()
        with contextlib.suppress(asyncpg.InterfaceError):
            self.proxy.remove_termination_listener(self._ended)


class PoolSource:
    """Takes connections out of a pool of asyncpg, for as long as they are used."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool: Any = pool
        self.name = "the end of a pool"

    async def open(self) -> Connection:
        """Take one out; the pool is initialized, if nobody has done so.

        Raises:
            ConnectionError: All are in use.
        """
        await self._pool
        try:
            proxy = await self._pool.acquire(timeout=CONNECT_TIMEOUT)
        except TimeoutError as error:
            most = self._pool.get_max_size()
            what = f"the pool of at most {most} connections has given none"
            raise ConnectionError(f"{what} in {CONNECT_TIMEOUT:g} seconds") from error
        return _Taken(proxy)

    async def close(self, connection: Any) -> None:
        """Put it back; one that is broken the pool replaces."""
        connection.leave()
        with contextlib.suppress(Exception):  # it runs what its user has given it, too
            await self._pool.release(connection.proxy, timeout=1.0)


def _place_of(dsn: str) -> str:
    """Hosts and ports of an address."""
    try:
        parts = urlsplit(dsn)
        hosts = parts.netloc.rpartition("@")[2] or parse_qs(parts.query).get("host", [""])[0]
    except ValueError:
        return "an address that is none"
    if not hosts:
        return "the default host"
    hosts = unquote(hosts)
    if hosts.startswith("/"):
        return hosts
    with_ports = (
        host if host.rpartition(":")[2].isdigit() and not host.endswith("]") else f"{host}:5432"
        for host in hosts.split(",")
    )
    return ", ".join(with_ports)


def source_of(dsn_or_pool: object) -> Source:
    """Where connections come from.

    Raises:
        TypeError, ValueError: Neither an address nor a pool.
    """
    if isinstance(dsn_or_pool, str):
        if not dsn_or_pool.startswith(("postgres://", "postgresql://")):
            raise ValueError("the address of PostgreSQL must begin with postgresql://")
        check_address(dsn_or_pool)
        return DsnSource(dsn_or_pool)
    if isinstance(dsn_or_pool, asyncpg.Pool):
        return PoolSource(dsn_or_pool)
    raise TypeError(f"an address or an asyncpg.Pool is wanted, not {type(dsn_or_pool).__name__}")


async def reopened(
    source: Source,
    ready: Callable[[Connection], Awaitable[None]] | None = None,
    is_told: Callable[[], bool] = lambda: False,
) -> tuple[Connection, int]:
    """Connect again, however often it takes, with pauses that grow and differ between processes.

    Whatever goes wrong: a pool runs what its user has given it, too.

    Args:
        ready: Does with a connection what must be done before it is one.
        is_told: Whether somebody else tells that PostgreSQL cannot be reached.

    Returns:
        It, and how many attempts have failed.
    """
    backoff, times = Backoff(FIRST_RETRY, LAST_RETRY), 0
    while True:
        await asyncio.sleep(backoff.pause())
        connection: Connection | None = None
        try:
            connection = await source.open()
            if ready is not None:
                await ready(connection)
        except BaseException as error:
            if connection is not None:
                connection.terminate()
                await source.close(connection)
            if not isinstance(error, Exception):
                raise
            times += 1
            is_news = times >= QUIET_TRIES or not isinstance(error, FAILURES)
            if is_news and is_worth_a_line(times) and not is_told():
                _logger.warning(
                    "PostgreSQL at %s cannot be reached, %d times now: %r",
                    source.name,
                    times,
                    error,
                )
        else:
            return connection, times
