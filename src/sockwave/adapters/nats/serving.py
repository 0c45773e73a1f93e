"""One connection to NATS after the other, each used until it ends."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final

from nats.errors import Error as NatsError

from sockwave.adapters.backoff import Backoff
from sockwave.adapters.floods import is_worth_a_line
from sockwave.debug import known

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from nats.aio.client import Client

    from sockwave.adapters.nats.connection import Connection, Source

__all__ = ["Serving", "run_all"]

FIRST_RETRY: Final = 0.1
"""Seconds until a lost connection is made again; twice as long each time, less a random part, so
that the processes of a cluster do not come all at once."""

LAST_RETRY: Final = 0.8
"""Seconds; short, as what is kept for all waits until all may be there again."""

STEADY: Final = 10.0
"""Seconds after which a connection counts as one that works: the next one is made soon again."""

CANCEL_AGAIN: Final = 0.5
"""Seconds after which a task that goes on is cancelled once more."""

_logger: Final = logging.getLogger("sockwave.adapters")


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
        self.was_away: bool = False

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
            _logger.debug("NATS cannot be reached: %s", error, extra=known(reason=error))
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
        loop = asyncio.get_running_loop()
        serving = loop.create_task(self._run(connection.client))
        ending = loop.create_task(connection.ended())
        try:
            await asyncio.wait((serving, ending), return_when=asyncio.FIRST_COMPLETED)
            if serving.done() and not serving.cancelled() and serving.exception() is None:
                await asyncio.wait((ending,))
        finally:
            try:
                await _end(serving, ending)
            finally:
                try:
                    await self._left()
                finally:
                    await connection.close()
        return _why(serving, ending)

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
            await _end(self._task)


async def run_all(*parts: Coroutine[Any, Any, None]) -> None:
    """Run parts of the use of a connection until one raises; then all of them end.

    No `TaskGroup`: that cancels each of them once, see `_end`.

    Raises:
        Exception: That of a part; one that nobody expects before others.
    """
    tasks = [asyncio.get_running_loop().create_task(part) for part in parts]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    finally:
        await _end(*tasks)
    errors = [error for task in tasks if not task.cancelled() and (error := task.exception())]
    if errors:
        unexpected = [error for error in errors if not isinstance(error, NatsError | OSError)]
        raise (unexpected or errors)[0]


async def _end(*tasks: asyncio.Task[Any]) -> None:
    """Cancel them until they are done.

    Once is not enough: `asyncio.wait_for` of Python 3.11 and nats-py take a cancellation for
    nothing where what they wait for comes at the same moment.
    """
    cancelled: asyncio.CancelledError | None = None
    while pending := [task for task in tasks if not task.done()]:
        for task in pending:
            task.cancel()
        try:
            await asyncio.wait(pending, timeout=CANCEL_AGAIN)
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled


def _why(serving: asyncio.Task[None], ending: asyncio.Task[str]) -> str:
    """Why a connection ended, for people; what nobody has expected is logged."""
    why = ""
    if not ending.cancelled() and ending.exception() is None:
        why = ending.result()
    for task in (serving, ending):
        if task.cancelled() or (error := task.exception()) is None:
            continue
        why = why or repr(error)
        if not isinstance(error, NatsError | OSError):  # the next connection may do better
            _logger.error("internal error on a connection to NATS", exc_info=error)
    return why
