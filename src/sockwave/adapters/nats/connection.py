"""Connections to NATS: made by us, again for each connection, or a client of the user's own.

Theory. A client of nats-py connects again by itself, but gives up after some errors of the server,
keeps what is published meanwhile in a buffer that fails when it is full, and says little of either.
So a client of ours serves one connection; when that ends, the client is closed and the driver has
another one made. A client of the user's own is taken as it is: it serves while it is connected.
"""

from __future__ import annotations

import asyncio
import json
import logging
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import urlsplit

from nats.aio.client import Client
from nats.aio.transport import TcpTransport
from nats.errors import Error as NatsError

from sockwave.debug import known

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Coroutine, Mapping

__all__ = ["Connection", "GivenClient", "OwnClients", "Source", "confirmed"]

_logger: Final = logging.getLogger("sockwave.adapters")

_INFO: Final = b"INFO "

CONNECT_TIMEOUT: Final = 2
"""Seconds for each step of a connection to one server."""

CONNECT_PATIENCE: Final = 10.0
"""Seconds for a connection to any of them."""

PING_INTERVAL: Final = 3
"""Seconds between two questions whether the server is there; a connection on which two of them are
not answered ends."""

MAX_PENDING: Final = 256 * 1024
"""Bytes that the client keeps before whoever publishes waits for the network."""

CLOSE_PATIENCE: Final = 2.0
"""Seconds that closing may take."""

LOOK: Final = 0.25
"""Seconds between two looks whether the user's client is connected: it has callbacks for this, but
they are the user's."""


class Connection(Protocol):
    """A connection that stands.

    Attributes:
        client: Of nats-py.
    """

    client: Client

    async def ended(self) -> str:
        """Wait for its end, and say why."""

    async def close(self) -> None:
        """End it, if it is ours; it takes no longer than a few seconds, and does not fail."""


class Source(Protocol):
    """Makes connections."""

    @property
    def name(self) -> str:
        """Where NATS is, for people: without a password."""

    async def connect(self, failed: Callable[[str], None]) -> Connection:
        """Connect once.

        Args:
            failed: Hears what the server refuses on the connection from then on.

        Raises:
            OSError: It does not work now.
        """


class OwnClients:
    """Connects to servers; see `Source`.

    Args:
        servers: URLs, of which any will do.
        login: Options `user` and `password`, or `token`, for all of them; none where the URLs say
            what nats-py understands.
        tls: For TLS with settings of one's own.
        credentials: Path of a file with a JWT and a seed.
        nkeys_seed: Path of a file with a seed.
    """

    def __init__(
        self,
        servers: list[str],
        *,
        login: Mapping[str, str] | None = None,
        tls: ssl.SSLContext | None,
        credentials: str | None,
        nkeys_seed: str | None,
    ) -> None:
        self._servers = servers
        self._options: dict[str, Any] = {**(login or {})}
        self._must_encrypt = tls is not None or any(url.startswith("tls:") for url in servers)
        if tls is not None:
            self._options["tls"] = tls
        if credentials is not None:
            self._options["user_credentials"] = credentials
        if nkeys_seed is not None:
            self._options["nkeys_seed"] = nkeys_seed

    @property
    def name(self) -> str:
        """Hosts and ports."""
        return ", ".join(urlsplit(url).netloc.rpartition("@")[2] for url in self._servers)

    async def connect(self, failed: Callable[[str], None]) -> Connection:
        """Connect to any of the servers."""
        is_tcp = all(url.startswith(("nats:", "tls:")) for url in self._servers)
        connection = _OwnConnection(failed, is_tcp=is_tcp, must_encrypt=self._must_encrypt)
        try:
            async with asyncio.timeout(CONNECT_PATIENCE):
                await connection.connect(self._servers, self._options)
        except (NatsError, OSError, TimeoutError, ValueError) as error:
            await connection.close()
            raise ConnectionError(
                f"no server of NATS at {self.name} takes us: {connection.error or error!r}"
            ) from (connection.error or error)
        except BaseException:
            await connection.close()
            raise
        return connection


class _Transport(TcpTransport):
    """A connection that ends at once when it is closed, and is encrypted where that is wanted.

    nats-py waits at the end until all is written: on a server that stands still, for ever. And it
    sends what it is given, passwords first, in clear to a server that does not insist on TLS.

    Args:
        must_encrypt: Whether it is wanted.
    """

    def __init__(self, *, must_encrypt: bool) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._must_encrypt = must_encrypt

    async def readline(self) -> bytes:
        """A line of the server; its first one says what it offers, and nats-py goes by that."""
        line: bytes = await super().readline()  # type: ignore[no-untyped-call]
        if not (self._must_encrypt and line.startswith(_INFO)):
            return line
        offer = json.loads(line.removeprefix(_INFO))
        if not (offer.get("tls_required") or offer.get("tls_available")):
            raise ConnectionError("it does not offer TLS, which is asked for")
        return _INFO + json.dumps({**offer, "tls_required": True}).encode() + b"\r\n"

    def __bool__(self) -> bool:
        """Whether it is there at all: nats-py asks before it connects, and takes another one."""
        return True

    def close(self) -> None:
        """Cut it; what had to arrive was confirmed before."""
        if self._io_writer is not None:
            self._io_writer.transport.abort()

    async def wait_closed(self) -> None:
        """It was cut; where TLS has failed, whoever waits for more than that waits for ever."""


class _Client(Client):
    """With a transport of ours, where it may have one."""

    def __init__(self, *, is_tcp: bool, must_encrypt: bool) -> None:
        super().__init__()
        self.own_transport = _Transport(must_encrypt=must_encrypt) if is_tcp else None
        if self.own_transport is not None:
            self._transport = self.own_transport

    async def _process_pong(self) -> None:
        """NATS has answered: whoever asked may not wait any more, at which nats-py's reader ends,
        and with it the connection of all others."""
        if self._pongs and self._pongs[0].done():
            del self._pongs[0]
            self._pings_outstanding = 0
        else:
            await super()._process_pong()

    def abort(self) -> None:
        """Cut the connection, if it is still there."""
        if self.own_transport is not None:
            self.own_transport.close()


class _OwnConnection:
    """A client of ours, for one connection."""

    def __init__(self, failed: Callable[[str], None], *, is_tcp: bool, must_encrypt: bool) -> None:
        self._own = _Client(is_tcp=is_tcp, must_encrypt=must_encrypt)
        self.client: Client = self._own
        self.error: Exception | None = None
        self._failed = failed
        self._stands = False
        self._ended = asyncio.Event()

    async def connect(self, servers: list[str], options: dict[str, Any]) -> None:
        """Connect; each server is tried twice, at once."""
        await self.client.connect(
            servers=list(servers),
            error_cb=self._error,
            disconnected_cb=self._disconnected,
            closed_cb=self._closed,
            name="sockwave",
            connect_timeout=CONNECT_TIMEOUT,
            reconnect_time_wait=0,
            max_reconnect_attempts=1,
            ping_interval=PING_INTERVAL,
            max_outstanding_pings=2,
            pending_size=MAX_PENDING,
            flush_timeout=CONNECT_PATIENCE,
            **options,
        )
        self._stands = True

    async def ended(self) -> str:
        """Wait for its end."""
        await self._ended.wait()
        return "it was closed" if self.error is None else repr(self.error)

    async def close(self) -> None:
        """End it, even if whoever waits for that is cancelled: it would stay for ever."""
        closing = asyncio.get_running_loop().create_task(_quietly(self.client.close()))
        cancelled: asyncio.CancelledError | None = None
        while not closing.done():
            try:
                await asyncio.wait((closing,))
            except asyncio.CancelledError as error:
                cancelled = error
        self._own.abort()
        if cancelled is not None:
            raise cancelled
        closing.result()

    async def _error(self, error: Exception) -> None:
        self.error = error
        if self._stands and "permissions violation" in str(error).lower():
            # All else ends the connection, and is told then.
            self._failed(f"NATS refuses: {error}")

    async def _disconnected(self) -> None:
        self._ended.set()
        if not self.client.is_closed:
            # It would connect again by itself, with what it has kept. Closing cancels this.
            await asyncio.Event().wait()

    async def _closed(self) -> None:
        self._ended.set()


class GivenClient:
    """Takes a client of the user's own; see `Source`.

    It is never closed here. What it refuses or loses goes to its own callbacks.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    @property
    def name(self) -> str:
        """Host and port of the server that it has, or had."""
        url = self._client.connected_url
        return "a client of nats-py" if url is None else str(url.netloc).rpartition("@")[2]

    async def connect(self, failed: Callable[[str], None]) -> Connection:
        """See whether it is connected."""
        if not self._client.is_connected or self._client.is_draining:
            raise ConnectionError("the client of NATS is not connected")
        return _GivenConnection(self._client)


class _GivenConnection:
    """The time in which the user's client has one connection."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self._reconnects = client.stats["reconnects"]

    async def ended(self) -> str:
        """Wait until it has lost its connection, or has another one."""
        client = self.client
        while client.is_connected and client.stats["reconnects"] == self._reconnects:
            await asyncio.sleep(LOOK)
        return "the client is not connected"

    async def close(self) -> None:
        """It is the user's."""


async def confirmed(client: Client) -> None:
    """Wait until NATS has taken all that was subscribed to and published before.

    nats-py lets its question overtake what it has not written yet. With the first answer that is
    written, so the second one is an answer to it.

    Raises:
        NatsError: It does not answer.
    """
    await client.flush()
    await client.flush()


async def _quietly(closing: Coroutine[Any, Any, None]) -> None:
    """Let something close, and take its word for it."""
    try:
        async with asyncio.timeout(CLOSE_PATIENCE):
            await closing
    except (NatsError, OSError, TimeoutError) as error:
        _logger.debug(
            "a connection to NATS did not close in order: %r", error, extra=known(reason=error)
        )
    except AssertionError:  # of nats-py: it has not even begun to connect
        pass
