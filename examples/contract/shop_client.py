"""Tea shop 1.0.0: what the server says and hears at /socket.io.

Written by `sockwave contract python`: change the server instead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NotRequired, TypedDict, TypeVar, overload

from sockwave import raise_failure

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from sockwave import ClientSocket

R = TypeVar("R")


class Brewed(TypedDict):
    """A pot that is ready."""

    number: int
    tea: Literal["assam", "darjeeling", "sencha"]
    photo: bytes


class Order(TypedDict):
    """What one wants."""

    tea: Literal["assam", "darjeeling", "sencha"]
    cups: NotRequired[int]
    note: NotRequired[str | None]


class Placed(TypedDict):
    """An order that the kitchen has."""

    number: int
    minutes: float


class RefusedEvent(TypedDict):
    """An event of the client that was not admitted, and asked for no acknowledgement."""

    error: Literal["validation"]
    event: str
    path: str
    reason: str


class Client:
    """Namespace `/`, as a client has it.

    Attributes:
        socket: For everything else.
    """

    __slots__ = ("socket",)

    def __init__(self, socket: ClientSocket) -> None:
        self.socket = socket

    # Place an order.
    @overload
    def emit(self, event: Literal["place"], order: Order, /) -> None: ...

    # Say how an order was.
    @overload
    def emit(self, event: Literal["rate"], number: int, /) -> None: ...

    # Say how an order was.
    @overload
    def emit(self, event: Literal["rate"], number: int, stars: int | None, /) -> None: ...

    def emit(self, event: str, /, *args: Any) -> None:
        """Send an event; it is queued."""
        self.socket.emit(event, *args)

    # Place an order.
    @overload
    async def emit_with_ack(
        self,
        event: Literal["place"],
        order: Order,
        /,
        *,
        timeout: float | None = None,
    ) -> Placed: ...

    # Say how an order was.
    @overload
    async def emit_with_ack(
        self,
        event: Literal["rate"],
        number: int,
        /,
        *,
        timeout: float | None = None,
    ) -> None: ...

    # Say how an order was.
    @overload
    async def emit_with_ack(
        self,
        event: Literal["rate"],
        number: int,
        stars: int | None,
        /,
        *,
        timeout: float | None = None,
    ) -> None: ...

    async def emit_with_ack(self, event: str, /, *args: Any, timeout: float | None = None) -> Any:
        """Send an event and wait for its answer; raises `EventError` for a failure."""
        answer: Any = await self.socket.emit_with_ack(event, *args, timeout=timeout)
        return raise_failure(answer)

    # A pot is ready.
    @overload
    def on(
        self,
        event: Literal["brewed"],
        /,
    ) -> Callable[[Callable[[Brewed], R]], Callable[[Brewed], R]]: ...

    # An event was not admitted, and asked for no acknowledgement.
    @overload
    def on(
        self,
        event: Literal["error"],
        /,
    ) -> Callable[[Callable[[RefusedEvent], R]], Callable[[RefusedEvent], R]]: ...

    # Somebody has said how an order was.
    @overload
    def on(
        self,
        event: Literal["rated"],
        /,
    ) -> Callable[[Callable[[int, int], R]], Callable[[int, int], R]]: ...

    def on(self, event: str, /) -> Any:
        """Handle an event: a decorator, as in `@client.on("...")`."""
        return self.socket.on(event)

    # A pot is ready.
    @overload
    def once(
        self,
        event: Literal["brewed"],
        /,
    ) -> Callable[[Callable[[Brewed], R]], Callable[[Brewed], R]]: ...

    # An event was not admitted, and asked for no acknowledgement.
    @overload
    def once(
        self,
        event: Literal["error"],
        /,
    ) -> Callable[[Callable[[RefusedEvent], R]], Callable[[RefusedEvent], R]]: ...

    # Somebody has said how an order was.
    @overload
    def once(
        self,
        event: Literal["rated"],
        /,
    ) -> Callable[[Callable[[int, int], R]], Callable[[int, int], R]]: ...

    def once(self, event: str, /) -> Any:
        """Handle an event once: a decorator, as in `@client.once("...")`."""
        return self.socket.once(event)

    # A pot is ready.
    @overload
    def events(self, event: Literal["brewed"], /) -> AsyncIterator[tuple[Brewed]]: ...

    # An event was not admitted, and asked for no acknowledgement.
    @overload
    def events(self, event: Literal["error"], /) -> AsyncIterator[tuple[RefusedEvent]]: ...

    # Somebody has said how an order was.
    @overload
    def events(self, event: Literal["rated"], /) -> AsyncIterator[tuple[int, int]]: ...

    def events(self, event: str, /) -> Any:
        """Iterate over the arguments of an event."""
        return self.socket.events(event)


class Emits:
    """Namespace `/`, as its server sends in it.

    Attributes:
        target: A server, a namespace, a socket, or what `to("room")` of them gives.
    """

    __slots__ = ("target",)

    def __init__(self, target: Any) -> None:
        self.target = target

    # A pot is ready.
    @overload
    def emit(self, event: Literal["brewed"], pot: Brewed, /) -> None: ...

    # An event was not admitted, and asked for no acknowledgement.
    @overload
    def emit(self, event: Literal["error"], refused: RefusedEvent, /) -> None: ...

    # Somebody has said how an order was.
    @overload
    def emit(self, event: Literal["rated"], number: int, stars: int, /) -> None: ...

    def emit(self, event: str, /, *args: Any) -> None:
        """Send an event; it is queued."""
        self.target.emit(event, *args)
