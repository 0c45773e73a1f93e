"""Registration of handlers, as every object with events offers it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, overload

from sockwave.engine.core.handlers import (
    NO_HANDLERS,
    Handler,
    HandlerTable,
    add_handler,
    add_once,
    check_event,
    check_handler,
    listeners_of,
    remove_handler,
)

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Emitter"]

F = TypeVar("F", bound=Handler)


class Emitter:
    """Handlers by event; several for one, in the order of registration.

    It has no slots, so that it goes beside any other base; who builds on it has the attribute
    `_handlers`, and sets it to `NO_HANDLERS`.
    """

    __slots__ = ()

    _handlers: HandlerTable

    @overload
    def on(self, event: str) -> Callable[[F], F]: ...
    @overload
    def on(self, event: str, handler: F) -> F: ...
    def on(self, event: str, handler: Handler | None = None) -> Any:
        """Handle an event, as a call or as a decorator; `def`, or with asyncio `async def`.

        Several handlers of an event run in the order in which they were registered. Which events
        there are, and what their handlers get, the description of the class says.

        Raises:
            TypeError: The name is no text, or the handler cannot be called.
            ValueError: There is no such event.
        """
        if handler is None:
            check_event(event, '@socket.on("message")')
            return lambda decorated: self.on(event, decorated)
        check_handler(event, handler)
        self._add(event, handler)
        return handler

    @overload
    def once(self, event: str) -> Callable[[F], F]: ...
    @overload
    def once(self, event: str, handler: F) -> F: ...
    def once(self, event: str, handler: Handler | None = None) -> Any:
        """Handle an event once: the handler is removed before it runs; otherwise as `on`."""
        if handler is None:
            check_event(event, '@socket.once("message")')
            return lambda decorated: self.once(event, decorated)
        check_handler(event, handler)
        self._add(event, handler, is_once=True)
        return handler

    def off(self, event: str | None = None, handler: Handler | None = None) -> None:
        """Remove a handler, all handlers of an event, or all.

        Of a handler that was registered several times the latest registration goes. What is not
        registered is no error.
        """
        remove_handler(self._handlers, event, handler)

    def listeners(self, event: str) -> list[Handler]:
        """Handlers of an event, as they were registered, in that order."""
        return listeners_of(self._handlers, event)

    def _add(self, event: str, handler: Handler, *, is_once: bool = False) -> None:
        """Register a handler that can be one; the table is made for the first."""
        if self._handlers is NO_HANDLERS:
            self._handlers = {}  # type: ignore[misc] # the slot is one level higher
        if is_once:
            add_once(self._handlers, event, handler)
        else:
            add_handler(self._handlers, event, handler)
