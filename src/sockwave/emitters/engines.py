"""What an emitter needs of an engine, and the emitters of asyncio on top of it.

An engine has three parts: `encode` makes of a message what goes to it, at the call and without any
I/O; `send` brings it there; and `listen` and `count` are for questions (`asking.py`). The blocking
emitters (`sockwave.sync`) use the same first part.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, Protocol, Self, TypeVar

from sockwave.emitters.asking import AnswerEngine, Asker, too_late
from sockwave.emitters.inquiries import ACK_TIMEOUT, SEND_TIMEOUT
from sockwave.emitters.operators import namespace_name
from sockwave.emitters.reaching import NamespaceEmitter
from sockwave.engine.core.option_checks import MAX_TIMEOUT, check_number

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from types import TracebackType

    from sockwave.adapters.messages import Message
    from sockwave.emitters.inquiries import Inquiry
    from sockwave.emitters.reaching import Awaited
    from sockwave.types import NamespaceName

__all__ = ["AsyncCarrier", "AsyncEmitter", "Engine"]

E = TypeVar("E")
T = TypeVar("T")


class Engine(AnswerEngine, Protocol[E]):
    """Brings messages of an emitter to the servers, and answers back, in one event loop."""

    @property
    def name(self) -> str:
        """What it is and where, for people: without a password."""

    def encode(self, message: Message, /) -> E:
        """What `send` takes; from any thread.

        Raises:
            EncodeError: Something in it cannot be sent.
        """

    async def send(self, encoded: E) -> None:
        """Send; connects, where it is not connected.

        Raises:
            TransportError: The engine did not take it, or nobody knows whether it did.
        """

    async def aclose(self) -> None:
        """Disconnect."""


class AsyncCarrier(Generic[E]):
    """Carries what an emitter sends and asks; see `AskingCarrier`.

    Args:
        engine: Over which.
        ack_timeout: Seconds that answers of clients are waited for where nobody says.

    Attributes:
        ack_timeout: See above.
        taken: When the engine took the last message, by the clock of the loop.
    """

    def __init__(self, engine: Engine[E], ack_timeout: float = ACK_TIMEOUT) -> None:
        check_number("ack_timeout", ack_timeout, 0, MAX_TIMEOUT)
        self.ack_timeout = ack_timeout
        self._engine = engine
        self._asker = Asker(engine)
        self._loop: asyncio.AbstractEventLoop | None = None
        self.taken: float = 0.0

    def carry(self, message: Message) -> Awaited:
        """Encode now; it is sent as it is awaited."""
        return self.send(self._engine.encode(message))

    async def send(self, encoded: E) -> None:
        """Send, within `SEND_TIMEOUT`; where many are sent at once, since the last one was taken.

        Raises:
            TransportError: The engine did not take it, or nobody knows whether it did.
            RuntimeError: It has connections in another event loop.
        """
        loop = self._check_loop()
        began = loop.time()
        try:
            async with asyncio.timeout(None) as limit:
                looking = _Look(self, limit, began)
                try:
                    await self._engine.send(encoded)
                finally:
                    looking.end()
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise too_late(SEND_TIMEOUT, self._engine.name) from error
        self.taken = loop.time()

    def _check_loop(self) -> asyncio.AbstractEventLoop:
        loop = asyncio.get_running_loop()
        if self._loop is None:
            self._loop = loop
        elif self._loop is not loop:
            raise RuntimeError(
                "an emitter belongs to the event loop in which it was used first: make one in each"
                " asyncio.run, or close it before with aclose()"
            )
        return loop

    async def carry_nothing(self) -> None:
        """There is nothing to be sent."""

    def ask(self, inquiry: Inquiry[T]) -> Coroutine[Any, Any, T]:
        """Encode now; it is asked as it is awaited."""
        if inquiry.is_over:  # it is for nobody
            return _answered(inquiry)
        encoded = self._engine.encode(inquiry.message)
        return self._ask(inquiry, encoded)

    async def _ask(self, inquiry: Inquiry[T], encoded: E) -> T:
        self._check_loop()
        return await self._asker.ask(inquiry, partial(self._engine.send, encoded))

    async def count_servers(self, namespace: NamespaceName) -> int:
        """How many servers have a namespace."""
        self._check_loop()
        return await self._asker.count_servers(namespace, self.ask)

    async def aclose(self) -> None:
        """End what is asked, and disconnect; what another event loop had has ended with it."""
        if self._loop is not None and self._loop is not asyncio.get_running_loop():
            return
        await self._asker.aclose()
        await self._engine.aclose()
        self._loop = None


class _Look:
    """Ends a wait in which the engine has taken nothing for `SEND_TIMEOUT`.

    Args:
        carrier: Knows when it took something.
        limit: Of the wait.
        began: When that began.
    """

    def __init__(self, carrier: AsyncCarrier[Any], limit: asyncio.Timeout, began: float) -> None:
        self._carrier = carrier
        self._limit = limit
        self._began = began
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_at(began + SEND_TIMEOUT, self._look)

    def _look(self) -> None:
        due = max(self._began, self._carrier.taken) + SEND_TIMEOUT
        if due > self._loop.time():
            self._timer = self._loop.call_at(due, self._look)
        else:
            self._limit.reschedule(due)

    def end(self) -> None:
        """It is over."""
        self._timer.cancel()


async def _answered(inquiry: Inquiry[T]) -> T:
    return inquiry.result()


class AsyncEmitter(NamespaceEmitter, Generic[E]):
    """An emitter whose calls are awaited.

    Args:
        engine: Which carries.
        namespace: The namespace that is reached without `of`.
        ack_timeout: Seconds that `emit_with_ack` waits for clients where no other time is given.
    """

    def __init__(
        self, engine: Engine[E], namespace: NamespaceName, ack_timeout: float = ACK_TIMEOUT
    ) -> None:
        self._own_carrier = AsyncCarrier(engine, ack_timeout)
        super().__init__(self._own_carrier, namespace_name(namespace))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Disconnect; questions that are open end with a `TransportError`.

        What is emitted afterwards fails, or connects again.
        """
        await self._own_carrier.aclose()
