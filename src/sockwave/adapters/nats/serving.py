"""One connection to NATS after the other, each used until it ends."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Final

from nats.errors import Error as NatsError

from sockwave.adapters.backoff import Backoff
from sockwave.adapters.floods import is_worth_a_line

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from nats.aio.client import Client

    from sockwave.adapters.nats.connection import Connection, Source

__all__ = ["Serving"]

FIRST_RETRY: Final = 0.1
"""Seconds until a lost connection is made again; twice as long each time, less a random part, so
that the processes of a cluster do not come all at once."""

LAST_RETRY: Final = 0.8
"""Seconds; short, as what is kept for all waits until all may be there again."""

STEADY: Final = 10.0
"""Seconds after which a connection counts as one that works: the next one is made soon again."""

_logger: Final = logging.getLogger("sockwave.adapters")


class _Ended(Exception):
    """The connection has."""


class Serving:
    """Connects for ever, in a task of its own.

    Args:
        source: Makes connections.
        serve: Uses one until it is cancelled, or raises what the connection is given up for.
        left: Nothing comes by this connection any more, and it is about to be closed.
        lost: Hears why it ended; not called at `aclose`.
        refused: Hears what the server refuses on a connection that stands.

    Attributes:
        was_away: Whether, since the last connection was lost, a try to connect has failed.
    """

    def __init__(
        self,
        source: Source,
        serve: Callable[[Client], Awaitable[None]],
        left: Callable[[], Awaitable[None]],
        lost: Callable[[str], None],
        refused: Callable[[str], None],
    ) -> None:
        self._source = source
        self._serve = serve
        self._left = left
        self._lost = lost
        self._refused = refused
        self._starting = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._is_closed = False
        self._faults = 0
        self.was_away = False

    async def start(self) -> None:
        """Connect, and from then on again for ever; a second call changes nothing.

        Raises:
            OSError: No server can be reached, or none takes us.
        """
        async with self._starting:  # the adapters of all namespaces do
            if self._task is not None or self._is_closed:
                return
            connection = await self._source.connect(self._refused)
            self._task = asyncio.get_running_loop().create_task(self._go_on(connection))

    async def _go_on(self, connection: Connection) -> None:
        """Use one connection after the other."""
        loop = asyncio.get_running_loop()
        backoff = Backoff(FIRST_RETRY, LAST_RETRY)
        while True:
            began = loop.time()
            why = await self._use(connection)
            # A cancellation may come to nothing: nats-py takes it for its own as it closes.
            if self._is_over():
                return
            if loop.time() - began > STEADY:
                backoff.reset()
            self._lost(why)
            self.was_away = False
            connected: Connection | None = None
            while connected is None:
                await asyncio.sleep(backoff.pause())
                connected = await self._try_to_connect()
                if self._is_over():
                    if connected is not None:
                        await connected.close()
                    return
            connection = connected

    def _is_over(self) -> bool:
        return self._is_closed

    async def _try_to_connect(self) -> Connection | None:
        try:
            return await self._source.connect(self._refused)
        except OSError as error:
            self.was_away = True
            _logger.debug("NATS cannot be reached: %s", error)
        except Exception:  # a client of the user's own may do anything
            self.was_away = True
            self._faults += 1
            if is_worth_a_line(self._faults):
                _logger.exception("internal error while connecting to NATS")
        return None

    async def _use(self, connection: Connection) -> str:
        """Serve until a connection ends.

        Returns:
            Why it did.
        """
        why = ""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._run(connection.client))
                why = await connection.ended()
                raise _Ended
        except* _Ended:
            pass
        except* (NatsError, OSError) as errors:
            why = why or _told(errors)
        except* Exception as errors:  # whatever it is: the next connection may do better
            why = why or _told(errors)
            _logger.exception("internal error on a connection to NATS")
        finally:
            await self._left()
            await connection.close()
        return why

    async def _run(self, client: Client) -> None:
        await self._serve(client)

    async def close_starting(self) -> bool:
        """Connect no more where it has not begun; whether it has."""
        self._is_closed = True
        async with self._starting:
            return self._task is not None

    async def aclose(self) -> None:
        """Disconnect."""
        if await self.close_starting() and self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task


def _told(errors: BaseExceptionGroup[BaseException]) -> str:
    """The first of some errors, for people."""
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return repr(error)
