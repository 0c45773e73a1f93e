"""Registration of handlers that run in worker threads."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from sockwave.engine.core.emitter import Emitter

if TYPE_CHECKING:
    from sockwave.engine.core.handlers import Handler
    from sockwave.sync.portal import Portal

__all__ = ["WorkerEmitter"]


class WorkerEmitter(Emitter, ABC):
    """Registers each handler, in a wrapping that hands it to a worker, with one of the loop's."""

    _portal: Portal

    @property
    @abstractmethod
    def _emitter(self) -> Emitter:
        """Whose events they are."""

    def off(self, event: str | None = None, handler: Handler | None = None) -> None:
        """Remove a handler, all handlers of an event, or all."""
        self._portal.check_process()
        self._emitter.off(event, handler)

    def listeners(self, event: str) -> list[Handler]:
        """Handlers of an event, as they were registered, in that order."""
        found = self._emitter.listeners(event)
        return [getattr(handler, "__wrapped__", handler) for handler in found]

    def _add(self, event: str, handler: Handler, *, is_once: bool = False) -> None:
        register = self._emitter.once if is_once else self._emitter.on
        register(event, self._portal.wrap(handler))
