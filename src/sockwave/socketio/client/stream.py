"""Events of a socket as an asynchronous iterator, with a bound."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from sockwave.engine.io.visit import wait_for_other
from sockwave.errors import LimitExceeded, SockwaveError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from sockwave.engine.client.runtime import Runtime

__all__ = ["EventStream", "Overflow"]

Overflow: TypeAlias = Literal["error", "drop_oldest", "drop_newest"]


class EventStream:
    """Iterates over events; made by `socket.events()`.

    Events are collected from the moment it is made, until it is closed or thrown away. The queue
    has a bound, because a server may send faster than the loop body takes: see `events`. Reading
    from the network does not wait for it, since acknowledgements come the same way.

    One task at a time may iterate, in any event loop. Cancelling loses no event.

    Attributes:
        dropped: Events that were left out because the queue was full.
    """

    __slots__ = (
        "__weakref__",
        "_end",
        "_forget",
        "_is_over",
        "_maxsize",
        "_names",
        "_overflow",
        "_queue",
        "_runtime",
        "_waiter",
        "dropped",
    )

    def __init__(
        self,
        names: tuple[str, ...],
        maxsize: int,
        overflow: Overflow,
        runtime: Runtime | None = None,
    ) -> None:
        self.dropped: int = 0
        self._names = names
        self._maxsize = maxsize
        self._overflow = overflow
        self._runtime = runtime
        self._queue: deque[tuple[Any, ...]] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._is_over = False
        self._end: SockwaveError | None = None
        self._forget: Callable[[], None] | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> tuple[Any, ...]:
        while not self._queue:
            if self._is_over:
                end, self._end = self._end, None
                if end is not None:
                    raise end
                raise StopAsyncIteration
            if self._waiter is not None:
                raise RuntimeError("another task iterates over these events already")
            if self._runtime is not None:
                self._runtime.check_process()
            self._waiter = waiter = asyncio.get_running_loop().create_future()
            try:
                await self._wait(waiter)
            finally:
                self._waiter = None
        return self._queue.popleft()

    async def _wait(self, waiter: asyncio.Future[None]) -> None:
        """Wait, maybe in another loop than the client's, which may end."""
        runtime = self._runtime
        if runtime is None or not runtime.is_elsewhere():
            await waiter
        elif not self._queue and not self._is_over:  # else it came before there was a waiter
            await wait_for_other(runtime.loop, waiter, "client")

    def pop(self) -> tuple[Any, ...] | None:
        """The next event if one waits already, else None; from any thread."""
        try:
            return self._queue.popleft()
        except IndexError:
            return None

    def close(self) -> None:
        """Collect nothing more; what is queued can still be read."""
        self.end(None)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self.close()

    # --- called by the socket ---------------------------------------------------------------------

    def wants(self, name: str) -> bool:
        """Whether events of this name are collected."""
        return not self._names or name in self._names

    def put(self, args: list[Any]) -> None:
        """Take an event, its name first."""
        if len(self._queue) >= self._maxsize:
            self.dropped += 1
            if self._overflow == "drop_newest":
                return
            if self._overflow == "error":
                text = f"{self._maxsize} events wait to be read"
                self.end(LimitExceeded(f"{text}: the rest is lost"))
                return
            self._queue.popleft()
        self._queue.append(tuple(args[1:] if len(self._names) == 1 else args))
        self._wake()

    def loop_changed(self) -> None:
        """Who waited in the loop before does not wait any more."""
        self._waiter = None

    def end(self, error: SockwaveError | None) -> None:
        """Nothing more will come."""
        if self._is_over:
            return
        self._is_over = True
        self._end = error
        if self._forget is not None:
            self._forget()
        self._wake()

    def on_end(self, forget: Callable[[], None]) -> None:
        """Call this when nothing more is collected."""
        self._forget = forget

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is None:
            return
        loop = waiter.get_loop()
        if loop is asyncio._get_running_loop():
            _finish(waiter)
        else:
            with contextlib.suppress(RuntimeError):  # closed: nobody waits any more
                loop.call_soon_threadsafe(_finish, waiter)


def _finish(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
