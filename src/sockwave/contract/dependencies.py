"""What handlers say they want beside the arguments of an event."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NewType

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Depends", "EventName", "FromData"]

EventName = NewType("EventName", str)
"""The name of the event that a handler handles: for one that handles several."""


@dataclass(frozen=True, slots=True)
class Depends:
    """Has a function called before a handler, which gets what it returns.

        def store(socket: Socket) -> Store: ...

        @io.event
        async def place(socket: Socket, order: Order, store: Annotated[Store, Depends(store)]): ...

    The function may want what handlers may: `Socket`, `Namespace`, `Server`, `Handshake`,
    `EventName`, other dependencies; no arguments of the event. It may be `async`, or a generator
    that yields once: what stands behind `yield` runs when the handler has ended, in the reverse
    order, and an exception of the handler is raised there. What it raises ends the event as if the
    handler had raised it: `EventError` is an answer.

    Args:
        function: Called with what its parameters ask for.
        scope: `event`: once for each event, however many ask for it. `connection`: once for each
            socket; what stands behind `yield` runs when the socket has left.
    """

    function: Callable[..., Any]
    scope: Literal["event", "connection"] = "event"

    def __post_init__(self) -> None:
        """Refuse what is no dependency."""
        if not callable(self.function):
            raise TypeError(f"Depends takes a function, not {self.function!r}")
        if self.scope not in ("event", "connection"):
            raise ValueError(f"scope must be 'event' or 'connection', not {self.scope!r}")


@dataclass(frozen=True, slots=True)
class FromData:
    """Gives a handler what a middleware has put into `socket.data`.

        @io.event
        def whoami(socket: Socket, user: Annotated[User, FromData()]) -> str: ...

    It is given as it is, and not checked. Where there is nothing the default of the parameter is
    taken; without one it is an error of the server, which the client is not told more of.

    Args:
        key: In `socket.data`; by default the name of the parameter.
    """

    key: str | None = None
