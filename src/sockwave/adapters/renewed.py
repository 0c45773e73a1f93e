"""A driver that is made in the event loop, and anew in the next one.

Adapters are made when a program is imported, where no loop runs, and maybe before it forks; what a
driver has, such as connections, belongs to one loop of one process.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Set as AbstractSet

    from sockwave.adapters.driver import Capabilities
    from sockwave.adapters.message_driver import MessageDriver, MessageReceiver
    from sockwave.adapters.messages import Message
    from sockwave.types import Room

__all__ = ["RenewedDriver"]


class RenewedDriver:
    """Stands for the driver of the running loop; see `MessageDriver`.

    Args:
        make: Makes a driver.
        capabilities: Of all that it makes.
    """

    def __init__(self, make: Callable[[], MessageDriver], capabilities: Capabilities) -> None:
        self.capabilities = capabilities
        self._make = make
        self._inner: MessageDriver | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def _current(self) -> MessageDriver:
        loop = asyncio.get_running_loop()
        if self._inner is None or self._loop is not loop:
            self._inner, self._loop = self._make(), loop
        return self._inner

    async def start(self) -> None:
        """Connect."""
        await self._current().start()

    async def subscribe(self, channel: str, address: str, receiver: MessageReceiver) -> None:
        """Listen."""
        await self._current().subscribe(channel, address, receiver)

    def unsubscribe(self, channel: str, address: str) -> None:
        """Listen no longer; in another loop than that of the driver, it has ended anyway."""
        if self._inner is not None and self._is_here():
            self._inner.unsubscribe(channel, address)

    def publish_message(
        self, channel: str, message: Message, *, to: AbstractSet[str] | None = None
    ) -> None:
        """Send a message."""
        self._current().publish_message(channel, message, to=to)

    def room_added(self, channel: str, room: Room) -> None:
        """Somebody is in a room."""
        self._current().room_added(channel, room)

    def room_dropped(self, channel: str, room: Room) -> None:
        """Nobody is there any more."""
        if self._inner is not None and self._is_here():
            self._inner.room_dropped(channel, room)

    async def count(self, channel: str) -> int | None:
        """How many processes listen to a channel, this one included."""
        return await self._current().count(channel)

    def _is_here(self) -> bool:
        try:
            return asyncio.get_running_loop() is self._loop
        except RuntimeError:
            return False

    async def aclose(self) -> None:
        """Disconnect; the next `start` connects again."""
        if self._inner is not None and self._is_here():
            inner, self._inner = self._inner, None
            await inner.aclose()
