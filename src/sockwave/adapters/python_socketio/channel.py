"""The channel on Redis to which servers of python-socketio publish, and all of them subscribe.

Theory. Two tasks, each with connections of its own: one listens, the other brings what is kept to
Redis, all of a turn of the loop in one pipeline. Redis delivers at most once, and these messages
have no numbers: nobody could tell one that comes twice. So what was sent when a connection broke,
and may have arrived or not, is not sent again, and counts as lost. Both tasks go on for ever.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from typing import TYPE_CHECKING, Any, Final, Protocol

from redis.exceptions import RedisError

from sockwave.adapters.backoff import Backoff
from sockwave.adapters.floods import is_worth_a_line
from sockwave.adapters.messages import MAX_MESSAGE

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from redis.asyncio import Redis
    from redis.asyncio.client import PubSub

__all__ = ["BusListener", "RedisChannel"]

FIRST_RETRY: Final = 0.1
"""Seconds until it is tried again; twice as long each time, less a random part."""

LAST_RETRY: Final = 1.5

LOOK: Final = 1.5
"""Seconds of silence after which Redis is asked whether it is there."""

PATIENCE: Final = 2
"""How many of these times may pass without an answer."""

MAX_BATCH: Final = 1_000
"""Messages in one pipeline."""

COUNT: Final = 5.0
"""Seconds that Redis may take to count."""

CLOSE_PATIENCE: Final = 2.0
"""Seconds that closing waits until what is kept is sent."""

PER_MESSAGE: Final = 256
"""Bytes that a message costs beside its own while it is kept."""

_logger: Final = logging.getLogger("sockwave.adapters")
_FAILURES: Final = (RedisError, OSError, TimeoutError)


class BusListener(Protocol):
    """Who listens to the channel."""

    def bus_received(self, message: bytes) -> None:
        """A message has come; this does not raise."""

    def bus_failed(self, what: str) -> None:
        """Messages were lost, or Redis is away: a sentence for people."""


class RedisChannel:
    """One channel, for one process.

    Args:
        make: Makes the client of redis-py; called once, in the event loop.
        owns: Whether the client is closed at the end.
        name: Of the channel.
        max_backlog: Bytes that are kept while they cannot be sent.
        listener: Who listens.

    Attributes:
        is_deaf: Whether nothing can come, since the channel is not subscribed to.
        dropped: Messages that were not sent, since there was no room to keep them, or may not have
            been, since a connection broke, or were refused by Redis.
    """

    def __init__(
        self,
        make: Callable[[], Redis],
        name: str,
        listener: BusListener,
        *,
        owns: bool,
        max_backlog: int,
    ) -> None:
        self.is_deaf: bool = True
        self.dropped: int = 0
        self._refusals = 0
        self._client = make()
        self._owns = owns
        self._name = name
        self._listener = listener
        self._max_backlog = max_backlog
        self._backlog: deque[bytes] = deque()
        self._backlog_size = 0
        self._is_losing = False
        self._has_work = asyncio.Event()
        self._is_idle = asyncio.Event()
        self._is_idle.set()
        self._is_closed = False
        loop = asyncio.get_running_loop()
        self._tasks = [
            loop.create_task(self._again_and_again(self._listen, "listening to Redis")),
            loop.create_task(self._again_and_again(self._send, "sending to Redis")),
        ]

    def publish(self, message: bytes) -> None:
        """Send a message, in the order of the calls; it neither waits nor fails."""
        size = len(message) + PER_MESSAGE
        if self._is_closed:
            return
        if len(message) > MAX_MESSAGE:
            self.dropped += 1
            what = f"a message was not sent to others: it has more than {MAX_MESSAGE} bytes"
            asyncio.get_running_loop().call_soon(self._listener.bus_failed, what)
            return
        if self._backlog_size + size > self._max_backlog:
            self.dropped += 1
            if not self._is_losing:
                self._is_losing = True
                what = "Redis does not take what is sent: messages to others were dropped"
                asyncio.get_running_loop().call_soon(self._listener.bus_failed, what)
            return
        self._is_losing = False
        self._backlog.append(message)
        self._backlog_size += size
        self._is_idle.clear()
        self._has_work.set()

    async def count(self) -> int:
        """How many processes listen to the channel; this one alone where Redis does not say."""
        try:
            async with asyncio.timeout(COUNT):  # a client of the user's own may wait for ever
                ((_, count),) = await self._client.pubsub_numsub(self._name)
            return max(int(count), 1)
        except (*_FAILURES, ValueError, TypeError) as error:
            _logger.warning("Redis does not say how many servers there are: %r", error)
            return 1

    async def aclose(self) -> None:
        """Send what is kept, if that takes no more than a moment, and disconnect."""
        if self._is_closed:
            return
        self._is_closed = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_PATIENCE):
                await self._is_idle.wait()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._owns:
            with contextlib.suppress(*_FAILURES):
                await self._client.aclose()

    # --- tasks ------------------------------------------------------------------------------------

    async def _again_and_again(
        self, work: Callable[[_Success], Coroutine[Any, Any, None]], what: str
    ) -> None:
        success = _Success(self._listener, what)
        while True:
            try:
                await work(success)
            except _FAILURES as error:
                success.failed(error)
            except Exception as error:  # whatever it is: the next connection may do better
                _logger.exception("internal error while %s", what)
                success.failed(error)
            await asyncio.sleep(success.pause())

    async def _listen(self, success: _Success) -> None:
        """Listen on one connection, as long as it lasts."""
        pubsub = self._client.pubsub()
        try:
            await pubsub.subscribe(self._name)
            await self._hear(pubsub, success)
        finally:
            self.is_deaf = True
            with contextlib.suppress(*_FAILURES):
                await pubsub.aclose()  # type: ignore[no-untyped-call]

    async def _hear(self, pubsub: PubSub, success: _Success) -> None:
        silences = 0
        while True:
            message = await pubsub.get_message(timeout=LOOK)
            if message is None:
                silences += 1
                if silences > PATIENCE:
                    raise ConnectionError("Redis does not answer")
                await pubsub.ping()
                continue
            silences = 0
            if message["type"] == "message":
                self._listener.bus_received(message["data"])
            elif message["type"] == "subscribe":
                if not self.is_deaf:  # redis-py has another connection, and says nothing of it
                    self._listener.bus_failed("the connection to Redis was lost, and messages too")
                self.is_deaf = False
                success.works()

    async def _send(self, success: _Success) -> None:
        """Bring what is kept to Redis, as long as it takes it."""
        await self._client.ping()
        success.works()
        while True:
            self._has_work.clear()
            while self._backlog:
                batch = [self._backlog.popleft() for _ in range(min(len(self._backlog), MAX_BATCH))]
                self._backlog_size -= sum(len(message) + PER_MESSAGE for message in batch)
                await self._send_batch(batch)
            self._is_idle.set()
            await self._has_work.wait()

    async def _send_batch(self, batch: list[bytes]) -> None:
        pipeline = self._client.pipeline(transaction=False)
        for message in batch:
            pipeline.publish(self._name, message)
        try:
            replies = await pipeline.execute(raise_on_error=False)
        except BaseException:
            self.dropped += len(batch)
            raise
        refused = [reply for reply in replies if isinstance(reply, RedisError)]
        if refused:
            self.dropped += len(refused)
            self._refusals += 1
            if is_worth_a_line(self._refusals):
                self._listener.bus_failed(f"Redis refuses what is sent: {refused[0]}")


class _Success:
    """Whether something works: what has become of it is told once, and not with each attempt."""

    def __init__(self, listener: BusListener, what: str) -> None:
        self._listener = listener
        self._what = what
        self._is_failing = False
        self._backoff = Backoff(FIRST_RETRY, LAST_RETRY)

    def works(self) -> None:
        """It does."""
        if self._is_failing:
            _logger.info("%s works again", self._what)
        self._is_failing = False
        self._backoff.reset()

    def failed(self, error: BaseException) -> None:
        """It does not any more."""
        if not self._is_failing:
            self._is_failing = True
            self._listener.bus_failed(f"{self._what} does not work, messages are lost: {error!r}")

    def pause(self) -> float:
        """Seconds until it is tried again."""
        return self._backoff.pause()
