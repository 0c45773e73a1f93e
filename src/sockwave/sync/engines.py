"""Engines of blocking emitters: an asyncio engine behind calls that block, in every process anew.

Theory. Programs fork: Celery and gunicorn import the application and then make their workers. A
connection, and the thread of an event loop, belong to the process that made them. So nothing is
made before the first event, and in a forked child nothing of the parent's is used: its first event
makes its own. What the child has inherited is never touched, nor collected, as that would reach
into the parent's connection.
"""

from __future__ import annotations

import threading
import weakref
from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar

from sockwave.emitters.engines import AsyncCarrier
from sockwave.platform import after_fork_in_child, keep_for_ever
from sockwave.sync.portal import Portal

if TYPE_CHECKING:
    from collections.abc import Callable

    from sockwave.adapters.messages import Message
    from sockwave.emitters.engines import Engine
    from sockwave.emitters.inquiries import Inquiry
    from sockwave.types import NamespaceName

__all__ = ["BlockingEngine", "PortalEngine"]

E = TypeVar("E")
T = TypeVar("T")


class BlockingEngine(Protocol[E]):
    """Brings messages of an emitter to the servers, and answers back; from any thread."""

    def encode(self, message: Message, /) -> E:
        """What `send` takes.

        Raises:
            EncodeError: Something in it cannot be sent.
        """

    def send(self, encoded: E) -> None:
        """Send; connects, where it is not connected.

        Raises:
            TransportError: The engine did not take it, or nobody knows whether it did.
        """

    def ask(self, inquiry: Inquiry[T]) -> T:
        """Ask, and wait for the answers.

        Raises:
            SockwaveError: See `Inquiry.result`; or it could not be asked.
        """

    def count_servers(self, namespace: NamespaceName) -> int:
        """How many servers have a namespace.

        Raises:
            TransportError: The engine cannot be reached.
        """

    def close(self) -> None:
        """Disconnect."""


_all: Final[weakref.WeakSet[PortalEngine]] = weakref.WeakSet()  # type: ignore[type-arg] # of any


class PortalEngine(Generic[E]):
    """An asyncio engine in a thread of its own; see `BlockingEngine`.

    Args:
        engine: Encodes, and is never connected.
        make: Makes the engines that are, one for each process.
        name: Of the emitter, for people.
    """

    def __init__(self, engine: Engine[E], make: Callable[[], Engine[E]], name: str) -> None:
        self.encode: Callable[[Message], E] = engine.encode
        self._make = make
        self._name = name
        self._lock = threading.Lock()
        self._life: tuple[Portal, AsyncCarrier[E]] | None = None
        self._is_closed = False
        _all.add(self)

    def send(self, encoded: E) -> None:
        """Send; Ctrl-C cancels it."""
        portal, carrier = self._alive()
        portal.call(carrier.send(encoded))

    def ask(self, inquiry: Inquiry[T]) -> T:
        """Ask; Ctrl-C cancels it."""
        if inquiry.is_over:
            return inquiry.result()
        portal, carrier = self._alive()
        return portal.call(carrier.ask(inquiry))

    def count_servers(self, namespace: NamespaceName) -> int:
        """How many servers have a namespace; Ctrl-C cancels it."""
        portal, carrier = self._alive()
        return portal.call(carrier.count_servers(namespace))

    def _alive(self) -> tuple[Portal, AsyncCarrier[E]]:
        with self._lock:
            if self._is_closed:
                raise RuntimeError("the emitter is closed")
            if self._life is None:
                portal = Portal(0)
                carrier = portal.run(lambda: AsyncCarrier(self._make()))
                portal.on_close(carrier.aclose)
                portal.close_with(self, self._name)
                self._life = portal, carrier
            return self._life

    def forked(self) -> None:
        """This process is a child of the one whose connection this is."""
        if self._life is not None:
            keep_for_ever(self._life)
        self._life = None
        self._lock = threading.Lock()  # another thread of the parent may have held it

    def close(self) -> None:
        """Disconnect, and end the thread."""
        with self._lock:
            self._is_closed = True
            life, self._life = self._life, None
        if life is not None:
            life[0].close()


def _forked() -> None:
    for engine in list(_all):
        engine.forked()


after_fork_in_child(_forked)
