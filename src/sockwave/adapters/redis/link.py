"""A connection to Redis that is made again whenever it is lost, for ever.

Theory. One task holds the connection: it connects, lets its owner say what has to be said first,
and waits for the end; after that it waits a moment, longer each time, and connects again. Every two
seconds it asks for a sign of life. When nothing at all comes back the connection is given up: a
Redis that accepts and answers nothing, or a network that swallows everything, looks alive to the
kernel for minutes.

A connection is one only when Redis takes something on it: one that wants a password, or is loading
its data, accepts and refuses all. Its first reply is to a PING of the link itself.

What is read is parsed by hiredis, within the call that brings it.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final

from sockwave.adapters.backoff import Backoff

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from sockwave.adapters.redis.places import Opened, Place

__all__ = ["Connection", "Link", "LinkOwner", "encode_command"]

FIRST_RETRY: Final = 0.05
"""Seconds until it is tried again, at most; see `Backoff`."""

LAST_RETRY: Final = 0.5
"""The longest of these times: a Redis that is back must be found within two seconds, by all."""

STEADY: Final = 5.0
"""Seconds that a connection must last for the next one to be tried at once."""

LOOK: Final = 2.0
"""Seconds between two signs of life that are asked for."""

PATIENCE: Final = 2
"""Of these times, how many may pass without a byte."""

NOT_NOW: Final = ("NOAUTH", "LOADING", "MASTERDOWN", "BUSY")
"""Beginnings of errors that say that Redis takes nothing at all, at least now. Others are of the
PING alone: who may not say it, or cannot when a disk is full, may still publish."""

_logger: Final = logging.getLogger("sockwave.adapters")

_MORE: Final = object()
"""What hiredis gives when a reply is not whole yet."""


def encode_command(*parts: bytes) -> bytes:
    """A command as it goes over a connection."""
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%b\r\n" % (len(p), p) for p in parts)


class Connection(asyncio.Protocol):
    """One connection, as long as it lasts.

    Args:
        replied: Called with each reply or message, in order.

    Attributes:
        gone: Set when it has ended.
        why: And the reason.
        has_heard: Whether anything has come since this was set to False.
        opened: What redis-py has of it.
        replied: See above.
    """

    def __init__(self, replied: Callable[[Any], None]) -> None:
        import hiredis

        self.gone: asyncio.Event = asyncio.Event()
        self.why: str = ""
        self.has_heard: bool = True
        self.opened: Opened | None = None
        self.replied = replied
        self._reader = hiredis.Reader(notEnoughData=_MORE)
        self._transport: asyncio.Transport | None = None

    @property
    def backlog(self) -> int:
        """Bytes that were written and that the kernel has not taken."""
        return 0 if self._transport is None else self._transport.get_write_buffer_size()

    def write(self, data: bytes) -> None:
        """Send."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def abort(self, why: str) -> None:
        """Cut it."""
        self.why = self.why or why
        if self._transport is not None:
            self._transport.abort()
        self.gone.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It stands."""
        self._transport = transport  # type: ignore[assignment] # uvloop's is no asyncio.Transport

    def data_received(self, data: bytes) -> None:
        """Take replies."""
        self.has_heard = True
        try:
            self._reader.feed(data)
            gets = self._reader.gets
            while (reply := gets()) is not _MORE:
                self.replied(reply)
        except Exception as error:
            _logger.exception("what Redis says cannot be read")
            self.abort(f"what it says cannot be read: {error}")

    def connection_lost(self, exc: Exception | None) -> None:
        """It has ended."""
        self._transport = None
        self.why = self.why or (str(exc) if exc is not None else "it has closed the connection")
        if self.opened is not None:
            self.opened.lost(exc)
        self.gone.set()


class LinkOwner:
    """Who speaks on a link; the base does nothing."""

    def replied(self, reply: Any) -> None:
        """Take a reply or a message; all come in order."""

    async def begin(self) -> None:
        """Say what comes first on a new connection, and wait until that has been heard."""

    def ready(self) -> None:
        """There is a connection, and it has begun."""

    def ended(self, why: str) -> None:
        """A connection has ended, whether it had begun or not."""

    def refused(self, why: str) -> None:
        """Redis is there, but takes nothing; called behind `ended`, if there was a connection."""

    def ask_for_sign(self) -> None:
        """Send something that Redis answers."""


class Link:
    """One connection after the other.

    Args:
        place: Where Redis is.
        owner: Who speaks on it.

    Attributes:
        connection: That there is now, whether it has begun or not.
        is_ready: Whether it has begun.
        failure: Why there is none; None before the first try, and while it is ready.
        has_been_ready: Whether there has been a connection before.
        was_away: Whether, since that was lost, a try to connect has failed.
    """

    def __init__(self, place: Place, owner: LinkOwner) -> None:
        self.connection: Connection | None = None
        self.is_ready: bool = False
        self.failure: Exception | None = None
        self.was_away: bool = False
        self.has_been_ready: bool = False
        self._place = place
        self._owner = owner
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._is_closed = False

    def start(self) -> None:
        """Begin to connect; a second call changes nothing."""
        if self._task is None and not self._is_closed:
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def aclose(self) -> None:
        """End for good; who waits on it hears of it."""
        self._is_closed = True
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
        self._changed.set()

    def abort(self, why: str) -> None:
        """Cut the connection; the next one is made at once."""
        if self.connection is not None:
            self.connection.abort(why)

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Wait for a change after which something is so, such as `is_ready`.

        Raises:
            ConnectionError: There will be no connection any more.
        """
        while not is_so():
            if self._is_closed:
                raise ConnectionError("the connection to Redis is closed")
            self._changed.clear()
            await self._changed.wait()

    async def _run(self) -> None:
        loop, backoff = asyncio.get_running_loop(), Backoff(FIRST_RETRY, LAST_RETRY)
        while not self._is_closed:
            since = loop.time()
            connection = Connection(self._owner.replied)
            try:
                connection.opened = await self._place.open(connection)
            except OSError as error:
                self.was_away = self.has_been_ready
                self._fail(error)
                if isinstance(error, PermissionError):
                    self._owner.refused(str(error))
            except Exception as error:  # a client of the user's own may do anything
                _logger.exception("internal error while connecting to Redis")
                self._fail(error)
            else:
                await self._hold(connection)
            if loop.time() - since >= STEADY:
                backoff.reset()
            await asyncio.sleep(backoff.pause())

    def _fail(self, failure: Exception) -> None:
        self.failure = failure
        self._changed.set()

    async def _hold(self, connection: Connection) -> None:
        """As long as it lasts."""
        refusal: str | None = None
        self.connection = connection
        try:
            if self._is_closed:  # redis-py can lose a cancellation while it connects
                return
            refusal = await self._unless_gone(connection, self._begin(connection))
            if not connection.gone.is_set():
                self.is_ready, self.failure = True, None
                self.was_away, self.has_been_ready = False, True
                self._changed.set()
                self._owner.ready()
                await self._watch(connection)
        finally:
            self.is_ready, self.connection = False, None
            connection.abort("it is not needed any more")
            if connection.opened is not None:
                await connection.opened.forget()
        self._fail(ConnectionError(f"Redis at {self._place.name}: {connection.why}"))
        self._owner.ended(connection.why)
        if refusal is not None:
            self._owner.refused(refusal)

    async def _begin(self, connection: Connection) -> None:
        """See whether Redis takes anything, and let the owner say what comes first.

        Raises:
            PermissionError: It does not.
        """
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        def first(reply: Any) -> None:
            connection.replied = self._owner.replied
            if not answer.done():
                answer.set_result(reply)

        connection.replied = first
        connection.write(encode_command(b"PING"))
        reply = await answer
        if isinstance(reply, Exception) and str(reply).startswith(NOT_NOW):
            raise PermissionError(f"it says {reply}")
        await self._owner.begin()

    async def _unless_gone(
        self, connection: Connection, beginning: Coroutine[Any, Any, None]
    ) -> str | None:
        """Wait for something, or for the end of the connection.

        Returns:
            Why the connection was given up, where Redis would have kept it.
        """
        loop = asyncio.get_running_loop()
        began, gone = loop.create_task(beginning), loop.create_task(self._watch(connection))
        try:
            await asyncio.wait([began, gone], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (began, gone):
                task.cancel()
            await asyncio.wait([began, gone])
        if began.cancelled() or (error := began.exception()) is None:
            return None
        refusal = None if connection.gone.is_set() else str(error)
        connection.abort(str(error))
        return refusal

    async def _watch(self, connection: Connection) -> None:
        """Until it has ended; that is, too, when nothing comes any more."""
        silent = 0
        while not connection.gone.is_set():
            try:
                async with asyncio.timeout(LOOK):
                    await connection.gone.wait()
            except TimeoutError:
                silent = 0 if connection.has_heard else silent + 1
                connection.has_heard = False
                if silent >= PATIENCE:
                    connection.abort("it does not answer")
                else:
                    self._owner.ask_for_sign()
