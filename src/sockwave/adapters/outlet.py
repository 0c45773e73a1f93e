"""Messages on their way to the carrier."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from sockwave.adapters.floods import is_worth_a_line
from sockwave.adapters.message_driver import MessageDriver
from sockwave.adapters.messages import CONTEXT_KEY, MessageType, encode_message, kind_of
from sockwave.debug import known
from sockwave.observe import ClusterMessageSent
from sockwave.observe.observers import NOBODY, Observers

if TYPE_CHECKING:
    from collections.abc import Callable

    from sockwave.adapters.driver import Driver
    from sockwave.adapters.messages import Message
    from sockwave.types import Room

__all__ = ["Outlet"]

_logger: Final = logging.getLogger("sockwave.adapters")

_OF_EVENTS: Final = frozenset(
    (MessageType.BROADCAST, MessageType.ENCODED_BROADCAST, MessageType.SERVER_SIDE_EMIT)
)
"""What is said in the context of a trace."""


def _publisher(
    driver: Driver | MessageDriver, channel: str
) -> Callable[[Message, frozenset[str] | None], None]:
    """How a message gets to a driver: as it is, or as bytes."""
    if isinstance(driver, MessageDriver):
        return lambda message, to: driver.publish_message(channel, message, to=to)
    as_text = driver.capabilities.is_text
    return lambda message, to: driver.publish(
        channel, encode_message(message, as_text=as_text), to=to
    )


class Outlet:
    """Encodes messages and gives them to the driver; see `WayOut`.

    Args:
        driver: The carrier.
        channel: Of the namespace.
        observers: Who is told of messages.
    """

    def __init__(
        self, driver: Driver | MessageDriver, channel: str, observers: Observers = NOBODY
    ) -> None:
        self._observers = observers
        self._driver = driver
        self._channel = channel
        self._tasks: set[asyncio.Task[None]] = set()
        can = driver.capabilities
        self.is_selective: bool = can.is_selective
        self.has_strangers: bool = can.has_strangers
        self.echoes: bool = can.echoes
        self.is_ordered: bool = can.is_ordered
        self.mode: str = can.mode
        self._uncounted = 0
        self._publish = _publisher(driver, channel)

    def send(self, message: Message, to: frozenset[str] | None) -> None:
        """Send to all, or to these at least."""
        if (contexts := self._observers.contexts) is not None and message.type in _OF_EVENTS:
            context = contexts.current()
            if context is not None:
                message.data[CONTEXT_KEY] = context
        self._publish(message, to)
        if functions := self._observers.cluster_message_sent:
            self._observers.tell(functions, ClusterMessageSent(self._channel, kind_of(message)))

    def room_added(self, room: Room) -> None:
        """Tell a carrier that has a channel for each room."""
        if isinstance(self._driver, MessageDriver):
            self._driver.room_added(self._channel, room)

    def room_dropped(self, room: Room) -> None:
        """Tell it that nobody is there any more."""
        if isinstance(self._driver, MessageDriver):
            self._driver.room_dropped(self._channel, room)

    def count_others(self, counted: Callable[[int], None]) -> None:
        """Find out how many others there are.

        Where the carrier cannot count, or fails, those that are known are all. Where it can, and
        says that it does not know now, nothing is called: nobody knows whether all have answered.
        """
        task = asyncio.get_running_loop().create_task(self._count_others(counted))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _count_others(self, counted: Callable[[int], None]) -> None:
        driver = self._driver
        try:
            count = await driver.count(self._channel)
        except Exception as error:
            self._uncounted += 1
            if is_worth_a_line(self._uncounted):
                _logger.warning(
                    "the carrier does not say how many servers there are: %r",
                    error,
                    extra=known(reason=error),
                )
            counted(0)
            return
        if count is not None:
            counted(max(count - 1, 0))
        elif not driver.capabilities.counts:
            counted(0)

    def close(self) -> None:
        """Nobody wants to know any more."""
        for task in self._tasks:
            task.cancel()
