"""A driver of bytes that is made in the event loop, and anew in the next one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Set as AbstractSet

    from sockwave.adapters.driver import Capabilities, Driver, Receiver

__all__ = ["RenewedBytesDriver"]


class RenewedBytesDriver:
    """Makes the real driver where it is used first; see `Driver`.

    Nothing of it is there before, so a program may be imported before its host forks, and may run
    one event loop after another.

    Args:
        make: Makes one; called in the event loop.
        capabilities: Of those.
    """

    def __init__(self, make: Callable[[], Driver], capabilities: Capabilities) -> None:
        self.capabilities = capabilities
        self._make = make
        self._inner: Driver | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def _current(self) -> Driver:
        loop = asyncio.get_running_loop()
        if self._inner is None or self._loop is not loop:
            self._inner, self._loop = self._make(), loop
        return self._inner

    def _of_this_loop(self) -> Driver | None:
        """The one that is there, if it is of the loop that runs."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return None
        return self._inner if self._loop is loop else None

    async def start(self) -> None:
        """Connect.

        Raises:
            OSError: There is nobody to connect to.
        """
        await self._current().start()

    async def subscribe(self, channel: str, address: str, receiver: Receiver) -> None:
        """Listen."""
        await self._current().subscribe(channel, address, receiver)

    def unsubscribe(self, channel: str, address: str) -> None:
        """Listen no longer; a loop that has ended took its driver along."""
        if (inner := self._of_this_loop()) is not None:
            inner.unsubscribe(channel, address)

    def publish(self, channel: str, message: bytes, *, to: AbstractSet[str] | None = None) -> None:
        """Send a message."""
        self._current().publish(channel, message, to=to)

    async def count(self, channel: str) -> int | None:
        """How many processes listen to a channel, this one included; None if it is not known."""
        return await self._current().count(channel)

    async def aclose(self) -> None:
        """Disconnect; the next `start` connects again."""
        inner, self._inner = self._of_this_loop(), None
        if inner is not None:
            await inner.aclose()
