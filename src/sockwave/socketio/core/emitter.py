"""Registration of handlers, as every object with events offers it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, overload

from sockwave.engine.core.handlers import (
    Handler,
    HandlerTable,
    add_handler,
    check_handler,
    remove_handler,
)

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Emitter"]

F = TypeVar("F", bound=Handler)


class Emitter:
    """Handlers by event; several for one, in the order of registration."""

    __slots__ = ("_handlers",)

    def __init__(self) -> None:
        self._handlers: HandlerTable = {}

    @overload
    def on(self, event: str) -> Callable[[F], F]: ...
    @overload
    def on(self, event: str, handler: F) -> F: ...
    def on(self, event: str, handler: Handler | None = None) -> Any:
        """Handle an event, as a call or as a decorator; `def` or `async def`.

        Raises:
            TypeError: The name is no text, or the handler cannot be called.
        """
        if handler is None:
            return lambda decorated: self.on(event, decorated)
        check_handler(event, handler)
        add_handler(self._handlers, event, handler)
        return handler

    @overload
    def once(self, event: str) -> Callable[[F], F]: ...
    @overload
    def once(self, event: str, handler: F) -> F: ...
    def once(self, event: str, handler: Handler | None = None) -> Any:
        """Handle an event once; as a call or as a decorator."""
        if handler is None:
            return lambda decorated: self.once(event, decorated)
        check_handler(event, handler)
        wanted = handler

        def once(*args: Any) -> Any:
            self.off(event, once)
            return wanted(*args)

        once.__wrapped__ = handler  # type: ignore[attr-defined] # `off` finds it by this
        add_handler(self._handlers, event, once)
        return handler

    def off(self, event: str | None = None, handler: Handler | None = None) -> None:
        """Remove a handler, all handlers of an event, or all."""
        if event is None:
            self._handlers.clear()
        else:
            remove_handler(self._handlers, event, handler)

    def listeners(self, event: str) -> list[Handler]:
        """Handlers of an event."""
        return list(self._handlers.get(event, ()))
