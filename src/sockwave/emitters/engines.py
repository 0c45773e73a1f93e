"""What an emitter needs of an engine, and the emitters of asyncio on top of it.

An engine has three parts: `encode` makes of a message what goes to it, at the call and without any
I/O; `send` brings it there; and `listen` and `count` are for questions (`asking.py`). The blocking
emitters (`sockwave.sync`) use the same first part.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Generic, Protocol, Self, TypeVar

from sockwave.emitters.asking import AnswerEngine, Asker
from sockwave.emitters.inquiries import ACK_TIMEOUT
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

    def encode(self, message: Message) -> E:
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
    """

    def __init__(self, engine: Engine[E], ack_timeout: float = ACK_TIMEOUT) -> None:
        check_number("ack_timeout", ack_timeout, 0, MAX_TIMEOUT)
        self.ack_timeout = ack_timeout
        self._engine = engine
        self._asker = Asker(engine)

    def carry(self, message: Message) -> Awaited:
        """Encode now; it is sent as it is awaited."""
        return self._engine.send(self._engine.encode(message))

    async def carry_nothing(self) -> None:
        """There is nothing to be sent."""

    def ask(self, inquiry: Inquiry[T]) -> Coroutine[Any, Any, T]:
        """Encode now; it is asked as it is awaited."""
        if inquiry.is_over:  # it is for nobody
            return _answered(inquiry)
        encoded = self._engine.encode(inquiry.message)
        return self._asker.ask(inquiry, partial(self._engine.send, encoded))

    async def count_servers(self, namespace: NamespaceName) -> int:
        """How many servers have a namespace."""
        return await self._asker.count_servers(namespace, self.ask)

    async def aclose(self) -> None:
        """End what is asked, and disconnect."""
        await self._asker.aclose()
        await self._engine.aclose()


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
