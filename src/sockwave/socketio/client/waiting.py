"""Tasks that wait for the same thing to happen."""

from __future__ import annotations

import asyncio

__all__ = ["Waiters"]


class Waiters:
    """Lets tasks of one event loop wait until somebody wakes them, or tells why that is in vain.

    Attributes:
        futures: Of those that wait, in the order of their coming.
    """

    __slots__ = ("futures",)

    def __init__(self) -> None:
        self.futures: list[asyncio.Future[None]] = []

    async def wait(self) -> None:
        """Wait; raises what `fail` is given. Cancelling is safe."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.futures.append(future)
        try:
            await future
        finally:
            if future in self.futures:
                self.futures.remove(future)

    def wake(self) -> None:
        """It has happened."""
        for future in self._take():
            if not future.done():
                future.set_result(None)

    def fail(self, error: Exception) -> None:
        """It will not happen."""
        for future in self._take():
            if not future.done():
                future.set_exception(error)

    def forget(self) -> None:
        """Their event loop has ended, and they with it."""
        self.futures.clear()

    def _take(self) -> list[asyncio.Future[None]]:
        futures, self.futures = self.futures, []
        return futures
