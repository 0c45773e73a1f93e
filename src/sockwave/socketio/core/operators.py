"""Broadcast operators: whom to reach and how, built up step by step; each step is a new value."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Generic, Protocol, Self, TypeVar, cast, overload

from sockwave.socketio.core.adapter import BroadcastOptions
from sockwave.socketio.core.broadcast_answers import all_answered
from sockwave.socketio.core.outgoing import check_event_name
from sockwave.socketio.core.remote_socket import SelectionTarget
from sockwave.socketio.core.rooms import as_rooms

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable

    from sockwave.errors import EventError
    from sockwave.socketio.core.broadcast_answers import BroadcastAnswers
    from sockwave.socketio.core.events import AckEvent, Answer, Args, Event
    from sockwave.socketio.core.remote_socket import RemoteSocket
    from sockwave.types import Json, Room

__all__ = ["BroadcastOperator", "BroadcastTarget"]

T = TypeVar("T")
S = TypeVar("S", covariant=True)
L = TypeVar("L")


class BroadcastTarget(SelectionTarget, Protocol[T]):
    """The namespace behind an operator."""

    async def fetch_selected(self, options: BroadcastOptions) -> list[T]:
        """The sockets that a broadcast would reach; in any loop."""

    async def count_selected(self, options: BroadcastOptions) -> int:
        """How many they are; in any loop."""


@dataclass(frozen=True, slots=True)
class BroadcastOperator(Generic[S]):
    """Reaches many sockets of a namespace at once; made by `to`, `except_`, `volatile`, and so on.

    Immutable: keep one and use it again. A socket in several of the rooms is reached once. In a
    cluster it reaches sockets of all processes, unless it is `local`.

    The type in brackets is that of the sockets that it fetches: `Socket | RemoteSocket`, or
    `Socket` where it is `local`.
    """

    _target: BroadcastTarget[S]
    _options: BroadcastOptions = field(default_factory=BroadcastOptions)

    def to(self, *rooms: Room | Iterable[Room]) -> Self:
        """Reach the sockets of these rooms too; a socket's id is a room.

        Without any room it reaches nobody: a list that happens to be empty is not everybody.
        """
        options = self._options  # `replace` takes four times as long, and this is for each event
        rooms = (options.rooms or ()) + as_rooms(rooms)
        return self._with(BroadcastOptions(rooms, options.excluded, options.flags))

    def in_(self, *rooms: Room | Iterable[Room]) -> Self:
        """Reach the sockets of rooms: another name of `to`."""
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
    def local(self: BroadcastOperator[L | RemoteSocket]) -> BroadcastOperator[L]:
        """Reach only sockets of this process; no other one is asked for anything."""
        return cast("BroadcastOperator[L]", self._flag(local=True))

    def compress(self, compress: bool) -> Self:
        """Let transports compress the event, or not."""
        return self._flag(compress=compress)

    def timeout(self, seconds: float) -> Self:
        """How long `emit_with_ack`, `fetch_sockets` and `count` wait."""
        return self._flag(timeout=seconds)

    @overload
    def emit(self, event: Event[*Args], *args: *Args) -> None: ...
    @overload
    def emit(self, event: str, *args: Json) -> None: ...
    def emit(self, event: Any, *args: Any) -> None:  # type: ignore[misc] # see `AnyEvent`
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

    @overload
    def emit_with_ack(
        self, event: AckEvent[*Args, Answer], *args: *Args, timeout: float | None = None
    ) -> Coroutine[Any, Any, BroadcastAnswers[Answer | EventError]]: ...
    @overload
    def emit_with_ack(
        self, event: str, *args: Json, timeout: float | None = None
    ) -> Coroutine[Any, Any, BroadcastAnswers]: ...
    def emit_with_ack(  # type: ignore[misc] # see `AnyEvent`
        self, event: Any, *args: Any, timeout: float | None = None
    ) -> Coroutine[Any, Any, BroadcastAnswers]:
        """Send an event and wait for the answers of all sockets that it reaches.

        The arguments are encoded at the call; the event is sent when the result is awaited.

        Args:
            timeout: Seconds; by default what `timeout()` set, else the server's `ack_timeout`.

        Returns:
            One answer per socket in order of arrival, each in the form of `socket.emit_with_ack`;
            empty when no socket is reached. A list that also tells whose they are: `by_socket`.

        Raises:
            AckTimeout: Somebody did not answer, or left; `responses` has the answers that came, and
                `missing` and `missing_servers` tell who did not.
            LimitExceeded: Too many questions to other processes of a cluster are open.
        """
        check_event_name(event)
        options = self._options
        if timeout is not None:
            options = replace(options, flags=replace(options.flags, timeout=timeout))
        asking = self._target.broadcast_with_ack((event, *args), options)
        return asking if event.__class__ is str else all_answered(event, asking)

    async def fetch_sockets(self) -> list[S]:
        """The sockets that an event would reach.

        Those of this process as they are, those of others as `RemoteSocket`. To know how many there
        are, `count` is cheaper by far. May be awaited in any event loop, in any thread.

        Raises:
            ClusterTimeout: Another process did not answer within 5 seconds, or what `timeout()`
                set, or went away; `arrived` has the sockets that are known.
        """
        return await self._target.fetch_selected(self._options)

    async def count(self) -> int:
        """How many sockets an event would reach; between processes only numbers travel.

        May be awaited in any event loop, in any thread.

        Raises:
            ClusterTimeout: Another process did not answer within 5 seconds, or what `timeout()`
                set, or went away; `arrived` is the number without it.
        """
        return await self._target.count_selected(self._options)

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
        return type(self)(self._target, options)
