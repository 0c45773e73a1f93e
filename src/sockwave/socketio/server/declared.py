"""A handler that was declared before there is a namespace for it, and what can be one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from sockwave.codec.socketio import RESERVED_EVENTS
from sockwave.engine.core.handlers import Handler, check_handler
from sockwave.socketio.server.threads import check_threaded

if TYPE_CHECKING:
    from sockwave.socketio.core.order import Order
    from sockwave.socketio.server.checking import Validate
    from sockwave.socketio.server.exceptions import ExceptionTable

__all__ = ["LIFE_CYCLE", "OWN_EVENTS", "Declared", "check_declared"]

LIFE_CYCLE: Final = ("connection", "connect")
"""Two names of one event."""

OWN_EVENTS: Final = frozenset((*LIFE_CYCLE, "disconnecting", "disconnect", "error"))
"""Events that a server has by itself: any number of handlers, and no prefix."""


@dataclass(frozen=True, slots=True)
class Declared:
    """What a router registers, in one place.

    Attributes:
        kind: The method of a namespace that takes it.
        name: Of the event; empty for a middleware.
        handler: The function.
        order: None where whoever includes it decides.
        thread: Whether it runs in a thread.
        namespace: None where whoever includes it decides.
        exceptions: Handlers of exceptions that are nearer than those of the namespace.
        validate: How its arguments are checked; None where the server decides.
        dependencies: Run before it: `Depends`.
    """

    kind: Literal["event", "on", "use"]
    name: str
    handler: Handler
    order: Order | None = None
    thread: bool = False
    namespace: str | None = None
    exceptions: ExceptionTable | None = None
    validate: Validate | None = None
    dependencies: tuple[Any, ...] = ()

    @property
    def is_alone(self) -> bool:
        """Whether no other handler of this event may be there."""
        return self.kind == "event" and self.name not in OWN_EVENTS

    @property
    def takes_socket(self) -> bool:
        """Whether it is called with a socket first; else it hears of other servers."""
        return self.kind != "on" or self.name in LIFE_CYCLE


def check_declared(name: str, handler: Handler, *, thread: bool) -> None:
    """Refuse what cannot be a handler of `event`.

    Raises:
        TypeError: It cannot be called, the name is no text, or `thread` with an `async` function.
        ValueError: The name is reserved, or `thread` with `connection`.
    """
    check_handler(name, handler)
    if name in LIFE_CYCLE:
        if thread:
            raise ValueError(
                "thread=True is not for connection: events would come before its handlers are "
                "there; call what blocks by asyncio.to_thread, after these are registered"
            )
    elif name in RESERVED_EVENTS - {"disconnect", "disconnecting"}:
        raise ValueError(f'"{name}" is a reserved event name')
    elif thread:
        check_threaded(handler)
