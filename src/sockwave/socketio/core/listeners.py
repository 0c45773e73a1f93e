"""Hooks on every event of a socket, in and out; the same for both roles."""

from __future__ import annotations

from typing import Final, TypeVar

from sockwave.engine.core.handlers import (
    Handler,
    HandlerTable,
    add_handler,
    check_handler,
    remove_handler,
)

__all__ = ["ANY", "ANY_OUTGOING", "AnyListeners"]

F = TypeVar("F", bound=Handler)

ANY: Final = "incoming"
ANY_OUTGOING: Final = "outgoing"


class AnyListeners:
    """Listeners of any event, in a table that no name of a peer's reaches."""

    __slots__ = ()

    _hooks: HandlerTable | None

    def on_any(self, handler: F) -> F:
        """Get every event that comes in as (event, *args), before its own handlers."""
        return self._hook(ANY, handler)

    def prepend_any(self, handler: F) -> F:
        """Get every event that comes in, like `on_any`, but before its other handlers."""
        return self._hook(ANY, handler, first=True)

    def off_any(self, handler: Handler | None = None) -> None:
        """Remove a handler that gets every event that comes in, or all such handlers."""
        self._unhook(ANY, handler)

    def listeners_any(self) -> list[Handler]:
        """Handlers that get every event that comes in, in the order in which they run."""
        return list((self._hooks or {}).get(ANY, ()))

    def on_any_outgoing(self, handler: F) -> F:
        """Get every event that goes out as (event, *args): on a server broadcasts too."""
        return self._hook(ANY_OUTGOING, handler)

    def prepend_any_outgoing(self, handler: F) -> F:
        """Get every event that goes out, like `on_any_outgoing`, but before its other handlers."""
        return self._hook(ANY_OUTGOING, handler, first=True)

    def off_any_outgoing(self, handler: Handler | None = None) -> None:
        """Remove a handler that gets every event that goes out, or all such handlers."""
        self._unhook(ANY_OUTGOING, handler)

    def listeners_any_outgoing(self) -> list[Handler]:
        """Handlers that get every event that goes out, in the order in which they run."""
        return list((self._hooks or {}).get(ANY_OUTGOING, ()))

    def _hook(self, key: str, handler: F, *, first: bool = False) -> F:
        check_handler(key, handler)
        add_handler(self._hooks_for(key), key, handler, first=first)
        return handler

    def _unhook(self, key: str, handler: Handler | None) -> None:
        if self._hooks is not None:
            remove_handler(self._hooks, key, handler)

    def _hooks_for(self, key: str) -> HandlerTable:
        """The table, made at first use; from now on such events take the long way."""
        raise NotImplementedError
