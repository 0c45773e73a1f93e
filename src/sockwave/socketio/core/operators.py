"""Broadcast operators: whom to reach and how, built up step by step; each step is a new value."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Generic, Protocol, Self, TypeVar

from sockwave.socketio.core.adapter import BroadcastOptions
from sockwave.socketio.core.outgoing import check_event_name

if TYPE_CHECKING:
    from sockwave.types import Json, Room

__all__ = ["BroadcastOperator", "BroadcastTarget", "as_rooms"]

S = TypeVar("S")


def as_rooms(rooms: tuple[Room | Iterable[Room], ...]) -> tuple[Room, ...]:
    """Flatten `to("a", "b")` and `to(["a", "b"])`.

    Raises:
        TypeError: A room that is not text.
    """
    flat: list[Room] = []
    for entry in rooms:
        if isinstance(entry, str) or not isinstance(entry, Iterable):
            flat.append(entry)
        else:
            flat.extend(entry)
    for room in flat:
        if not isinstance(room, str):
            raise TypeError(f"a room must be text, not {type(room).__name__}")
    return tuple(flat)


class BroadcastTarget(Protocol[S]):
    """The namespace behind an operator; safe to call from any thread where it says so."""

    def broadcast(self, args: tuple[Any, ...], options: BroadcastOptions) -> None:
        """Send; from any thread."""

    async def broadcast_with_ack(
        self, args: tuple[Any, ...], options: BroadcastOptions
    ) -> list[Any]:
        """Send and collect answers."""

    async def fetch_selected(self, options: BroadcastOptions) -> list[S]:
        """The sockets that a broadcast would reach."""

    def join_selected(self, options: BroadcastOptions, rooms: tuple[Room, ...]) -> None:
        """Put them into rooms; from any thread."""

    def leave_selected(self, options: BroadcastOptions, rooms: tuple[Room, ...]) -> None:
        """Take them out of rooms; from any thread."""

    def disconnect_selected(self, options: BroadcastOptions, *, close: bool) -> None:
        """Disconnect them; from any thread."""


@dataclass(frozen=True, slots=True)
class BroadcastOperator(Generic[S]):
    """Reaches many sockets of a namespace at once; made by `to`, `except_`, `volatile`, and so on.

    Immutable: keep one and use it again. A socket in several of the rooms is reached once.
    """

    _target: BroadcastTarget[S]
    _options: BroadcastOptions = field(default_factory=BroadcastOptions)

    def to(self, *rooms: Room | Iterable[Room]) -> Self:
        """Reach the sockets of these rooms too; a socket's id is a room.

        Without any room it reaches nobody: a list that happens to be empty is not everybody.
        """
        options = self._options
        return self._with(replace(options, rooms=(options.rooms or ()) + as_rooms(rooms)))

    def in_(self, *rooms: Room | Iterable[Room]) -> Self:
        """The same as `to`."""
        return self.to(*rooms)

    def except_(self, *rooms: Room | Iterable[Room]) -> Self:
        """Leave out the sockets of these rooms."""
        options = self._options
        return self._with(replace(options, excluded=options.excluded + as_rooms(rooms)))

    @property
    def volatile(self) -> Self:
        """Drop the event for sockets that cannot take it at once: nothing is queued."""
        return self._flag(volatile=True)

    @property
    def local(self) -> Self:
        """Reach only sockets of this process."""
        return self._flag(local=True)

    def compress(self, compress: bool) -> Self:
        """Let transports compress the event, or not."""
        return self._flag(compress=compress)

    def timeout(self, seconds: float) -> Self:
        """How long `emit_with_ack` waits."""
        return self._flag(timeout=seconds)

    def emit(self, event: str, *args: Json) -> None:
        """Send an event; it is queued, and goes out at the end of this turn of the loop.

        Order: a socket gets events in the order of the calls, from here and from `socket.emit`.
        Delivery: at most once. May be called from any thread.

        Args:
            args: JSON values; `bytes` anywhere inside become attachments.

        Raises:
            ValueError: The name is reserved.
            EncodeError: An argument cannot be sent.
        """
        check_event_name(event)
        self._target.broadcast((event, *args), self._options)

    async def emit_with_ack(
        self, event: str, *args: Json, timeout: float | None = None
    ) -> list[Any]:
        """Send an event and wait for the answers of all sockets that it reaches.

        Args:
            timeout: Seconds; by default what `timeout()` set, else the server's `ack_timeout`.

        Returns:
            One answer per socket in order of arrival, each in the form of `socket.emit_with_ack`;
            empty when no socket is reached.

        Raises:
            AckTimeout: Somebody did not answer, or left; `responses` has the answers that came.
        """
        check_event_name(event)
        operator = self if timeout is None else self.timeout(timeout)
        return await self._target.broadcast_with_ack((event, *args), operator._options)

    async def fetch_sockets(self) -> list[S]:
        """The sockets that an event would reach."""
        return await self._target.fetch_selected(self._options)

    def sockets_join(self, *rooms: Room | Iterable[Room]) -> None:
        """Put the sockets that an event would reach into rooms."""
        self._target.join_selected(self._options, as_rooms(rooms))

    def sockets_leave(self, *rooms: Room | Iterable[Room]) -> None:
        """Take the sockets that an event would reach out of rooms."""
        self._target.leave_selected(self._options, as_rooms(rooms))

    def disconnect_sockets(self, *, close: bool = False) -> None:
        """Disconnect the sockets that an event would reach.

        Args:
            close: End their whole connections, with the sockets of other namespaces on them.
        """
        self._target.disconnect_selected(self._options, close=close)

    def _flag(self, **changes: Any) -> Self:
        options = self._options
        return self._with(replace(options, flags=replace(options.flags, **changes)))

    def _with(self, options: BroadcastOptions) -> Self:
        return replace(self, _options=options)
