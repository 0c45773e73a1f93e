"""Messages on their way to the carrier."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from sockwave.adapters.messages import encode_message

if TYPE_CHECKING:
    from collections.abc import Callable

    from sockwave.adapters.driver import Driver
    from sockwave.adapters.messages import Message

__all__ = ["Outlet"]

_logger: Final = logging.getLogger("sockwave.adapters")


class Outlet:
    """Encodes messages and gives them to the driver; see `WayOut`.

    Args:
        driver: The carrier.
        channel: Of the namespace.
    """

    def __init__(self, driver: Driver, channel: str) -> None:
        self._driver = driver
        self._channel = channel
        self._tasks: set[asyncio.Task[None]] = set()
        can = driver.capabilities
        self.is_selective = can.is_selective
        self.has_strangers = can.has_strangers
        self._is_text = can.is_text

    def send(self, message: Message, to: frozenset[str] | None) -> None:
        """Send to all, or to these at least."""
        self._driver.publish(self._channel, encode_message(message, as_text=self._is_text), to=to)

    def count_others(self, counted: Callable[[int], None]) -> None:
        """Find out how many others there are; where the carrier cannot say, those that are known
        are all."""
        task = asyncio.get_running_loop().create_task(self._count_others(counted))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _count_others(self, counted: Callable[[int], None]) -> None:
        try:
            count = await self._driver.count(self._channel)
        except Exception as error:
            _logger.warning("the carrier does not say how many servers there are: %r", error)
            count = None
        counted(0 if count is None else max(count - 1, 0))

    def close(self) -> None:
        """Nobody wants to know any more."""
        for task in self._tasks:
            task.cancel()
