"""Questions of emitters in an event loop: all that are open, and who hears their answers.

Theory. An engine listens to a namespace as long as a question is open there, and no longer: the
address of answers is that of all emitters, and what others have asked is nobody's business here.
What comes is looked through for the ids of open questions before it is decoded. Each question has
one task, that of its caller, which owns all waiting; who listens calls plain functions.

When a connection that listens ends, answers are lost, and nobody knows which. So the questions end,
at once and with an error; the next one makes a connection of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from sockwave.emitters.inquiries import SEND_TIMEOUT, CountInquiry
from sockwave.errors import FailureCause, LimitExceeded, TransportError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from sockwave.adapters.messages import Message
    from sockwave.emitters.inquiries import Inquiry
    from sockwave.errors import SockwaveError
    from sockwave.types import NamespaceName

__all__ = ["MAX_OPEN", "AnswerEngine", "Asker", "Hearer", "Listening", "in_time", "too_late"]

T = TypeVar("T")

MAX_OPEN: Final = 1_000
"""Questions of an emitter that may be open at a time."""

CLOSE_PATIENCE: Final = 3.0
"""Seconds that those who ask may take to leave, when the emitter is closed."""


class Hearer(Protocol):
    """Who wants answers of a namespace; called in the thread of the event loop."""

    def came(self, data: bytes, decode: Callable[[bytes], Message | None]) -> None:
        """Something has come where servers answer.

        Args:
            decode: Makes a message of it, called only if it may be wanted; None for what is none of
                ours, and a PacketError for what is malformed.
        """

    def ended(self, error: SockwaveError) -> None:
        """Nothing comes any more; a second time changes nothing."""


class Listening(Protocol):
    """An engine that listens."""

    async def aclose(self) -> None:
        """Listen no longer; this does not raise, and takes no longer than a few seconds."""


@contextlib.asynccontextmanager
async def in_time(seconds: float, name: str, since: float | None = None) -> AsyncIterator[None]:
    """Let an engine do something within so many seconds.

    Args:
        name: Of the engine, and where it is.
        since: When they began, by the clock of the loop; now, if nobody says.

    Raises:
        TransportError: It has not; nobody knows what has arrived.
    """
    begin = asyncio.get_running_loop().time() if since is None else since
    try:
        async with asyncio.timeout_at(begin + seconds) as limit:
            yield
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise too_late(seconds, name) from error


def too_late(seconds: float, name: str) -> TransportError:
    """What to raise where an engine has not answered."""
    details = f"it has not answered within {seconds:g} seconds"
    return TransportError(name, details=details, cause=FailureCause.TIMEOUT)


class AnswerEngine(Protocol):
    """What an engine needs to ask."""

    @property
    def name(self) -> str:
        """What it is and where, for people: without a password."""

    async def listen(self, namespace: NamespaceName, hearer: Hearer) -> Listening:
        """Listen to what servers answer to emitters in a namespace.

        When this returns, what is answered from now on is heard.

        Raises:
            TransportError: That is not possible now.
        """

    async def count(self, namespace: NamespaceName) -> int | None:
        """How many servers have a namespace; None where the engine cannot know.

        Raises:
            TransportError: It does not tell.
        """


class _Open:
    """An open question, and who waits for it."""

    __slots__ = ("changed", "inquiry")

    def __init__(self, inquiry: Inquiry[Any]) -> None:
        self.inquiry = inquiry
        self.changed = asyncio.Event()


class _Ears:
    """Open questions of one namespace; see `Hearer`."""

    def __init__(self) -> None:
        self.open: dict[str, _Open] = {}
        self.users = 0
        self.listening: Listening | None = None
        self.error: SockwaveError | None = None

    def came(self, data: bytes, decode: Callable[[bytes], Message | None]) -> None:
        for asked in self.open.values():
            if asked.inquiry.came(data, decode):
                asked.changed.set()

    def ended(self, error: SockwaveError) -> None:
        if self.error is None:
            self.error = error
            for asked in self.open.values():
                asked.inquiry.fail(error)
                asked.changed.set()


class Asker:
    """Asks the servers over an engine, in one event loop.

    Args:
        engine: Listens and counts.
    """

    def __init__(self, engine: AnswerEngine) -> None:
        self._engine = engine
        self._ears: dict[NamespaceName, _Ears] = {}
        self._count = 0
        self._lock = asyncio.Lock()
        self._is_idle = asyncio.Event()
        self._is_idle.set()

    async def ask(self, inquiry: Inquiry[T], send: Callable[[], Awaitable[None]]) -> T:
        """Ask, and wait until all have answered or the time is over.

        Args:
            send: Sends the message.

        Raises:
            SockwaveError: See `Inquiry.result`; or it could not be asked.
        """
        if self._count >= MAX_OPEN:
            raise LimitExceeded(f"{MAX_OPEN} questions of this emitter are open")
        self._count += 1
        self._is_idle.clear()
        namespace = inquiry.message.namespace
        began = asyncio.get_running_loop().time()
        limit = min(inquiry.timeout, SEND_TIMEOUT)
        try:
            async with in_time(limit, self._engine.name, began):
                ears = await self._listen(namespace)
            asked = ears.open[inquiry.id] = _Open(inquiry)
            try:
                inquiry.begin(began)
                async with in_time(limit, self._engine.name, began):
                    await self._sent(asked, ears, send)
                await self._until_over(asked)
            finally:
                del ears.open[inquiry.id]
                await self._leave(namespace, ears)
        finally:
            self._count -= 1
            if not self._count:
                self._is_idle.set()
        return inquiry.result()

    async def count_servers(
        self, namespace: NamespaceName, ask: Callable[[CountInquiry], Awaitable[int]]
    ) -> int:
        """How many servers have a namespace.

        Args:
            ask: Asks them, where the engine does not know.

        Raises:
            TransportError: The engine cannot be reached.
        """
        async with in_time(SEND_TIMEOUT, self._engine.name):
            count = await self._engine.count(namespace)
        return await ask(CountInquiry(namespace)) if count is None else count

    async def _sent(self, asked: _Open, ears: _Ears, send: Callable[[], Awaitable[None]]) -> None:
        if ears.error is not None:
            raise ears.error
        await send()
        count = await self._engine.count(asked.inquiry.message.namespace)
        asked.inquiry.counted(count, asyncio.get_running_loop().time())

    async def _until_over(self, asked: _Open) -> None:
        loop, inquiry = asyncio.get_running_loop(), asked.inquiry
        while not inquiry.is_over:
            asked.changed.clear()
            try:
                async with asyncio.timeout_at(inquiry.next_deadline()):
                    await asked.changed.wait()
            except TimeoutError:
                inquiry.handle_timeout(loop.time())

    # --- who listens ------------------------------------------------------------------------------

    async def _listen(self, namespace: NamespaceName) -> _Ears:
        async with self._lock:
            ears = self._ears.get(namespace)
            if ears is None or ears.error is not None:
                ears = _Ears()
                ears.listening = await self._engine.listen(namespace, ears)
                self._ears[namespace] = ears
            ears.users += 1
            return ears

    async def _leave(self, namespace: NamespaceName, ears: _Ears) -> None:
        ears.users -= 1
        if ears.users:
            return
        if self._ears.get(namespace) is ears:
            del self._ears[namespace]
        if ears.listening is not None:
            await ears.listening.aclose()

    async def aclose(self) -> None:
        """End all questions, with an error for who waits, and let them put away what they have."""
        for ears in list(self._ears.values()):
            ears.ended(TransportError("the emitter is closed", cause=FailureCause.CLOSED))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_PATIENCE):
                await self._is_idle.wait()
