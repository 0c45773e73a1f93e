"""Events of an object on this side only: its handlers are called where the event happens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sockwave.engine.core.emitter import Emitter
from sockwave.engine.core.handlers import fit, is_closed
from sockwave.engine.io.loop import is_cancelled

if TYPE_CHECKING:
    from collections.abc import Coroutine

__all__ = ["LocalEvents"]


class LocalEvents(Emitter):
    """Calls handlers one after the other; one that fails keeps the others from nothing."""

    __slots__ = ()

    def emit_local(self, event: str, *args: Any) -> None:
        """Call the handlers of an event, on this side only; what an `async def` does, goes on."""
        for handler in self._handlers.get(event, ()):
            try:
                result = handler(*fit(handler, args))
                if hasattr(result, "__await__"):
                    self._go_on(self._guarded(result, event))
            except BaseException as error:
                self._local_handler_failed(event, error)

    async def _guarded(self, awaitable: Any, event: str) -> None:
        try:
            await awaitable
        except BaseException as error:
            if is_closed(error) or is_cancelled():
                raise
            self._local_handler_failed(event, error)

    def _go_on(self, running: Coroutine[Any, Any, None]) -> None:
        """Run what waits, and own it."""
        raise NotImplementedError

    def _local_handler_failed(self, event: str, error: BaseException) -> None:
        """Log it, called where the error is handled; some end the program."""
        raise NotImplementedError
