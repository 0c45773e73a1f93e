"""What an emitter needs of an engine, and the emitters of asyncio on top of it.

An engine has two parts: `encode` makes of a message what goes to it, at the call and without any
I/O, and `send` brings it there. The blocking emitters (`sockwave.sync`) use the same first part.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, Protocol, Self, TypeAlias, TypeVar

from sockwave.emitters.operators import NamespaceEmitter, namespace_name

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from types import TracebackType

    from sockwave.adapters.messages import Message
    from sockwave.types import NamespaceName

__all__ = ["AsyncEmitter", "Awaited", "Engine"]

E = TypeVar("E")

Awaited: TypeAlias = "Coroutine[Any, Any, None]"


class Engine(Protocol[E]):
    """Brings messages of an emitter to the servers, in one event loop."""

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


class _Carrier(Generic[E]):
    def __init__(self, engine: Engine[E]) -> None:
        self._engine = engine

    def carry(self, message: Message) -> Awaited:
        return self._engine.send(self._engine.encode(message))

    async def carry_nothing(self) -> None: ...


class AsyncEmitter(NamespaceEmitter[Awaited], Generic[E]):
    """An emitter whose calls are awaited.

    Args:
        engine: Which carries.
        namespace: The namespace that is reached without `of`.
    """

    def __init__(self, engine: Engine[E], namespace: NamespaceName) -> None:
        super().__init__(_Carrier(engine), namespace_name(namespace))
        self._engine = engine

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
        """Disconnect; what is emitted afterwards fails, or connects again."""
        await self._engine.aclose()
