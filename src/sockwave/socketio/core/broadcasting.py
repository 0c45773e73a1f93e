"""Reaching the sockets of a namespace: all of them, or some, chosen by an operator.

Namespaces have these methods, and servers for their main namespace.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, overload

from sockwave.socketio.core.operators import BroadcastOperator, BroadcastTarget

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable

    from sockwave.errors import EventError
    from sockwave.socketio.core.broadcast_answers import BroadcastAnswers
    from sockwave.socketio.core.events import AckEvent, Answer, Args, Event
    from sockwave.socketio.core.remote_socket import RemoteSocket
    from sockwave.types import Json, Room

__all__ = ["Broadcasting", "NamespaceTarget"]

T = TypeVar("T")
S = TypeVar("S", covariant=True)
L = TypeVar("L")


class NamespaceTarget(BroadcastTarget[T], Protocol[T]):
    """The namespace whose sockets are reached, on this server and on others."""

    def tell_servers(self, args: tuple[Any, ...]) -> None:
        """Send an event to the other servers; from any thread."""

    def ask_servers(
        self, args: tuple[Any, ...], timeout: float | None
    ) -> Coroutine[Any, Any, list[Any]]:
        """Take the event as it is now; then, as it is awaited, send it and collect answers."""


class Broadcasting(Generic[S]):
    """Reaches all sockets of a namespace, or begins to choose some."""

    def __init__(self, target: NamespaceTarget[S]) -> None:
        self._target = target
        self._everybody = BroadcastOperator(target)

    @overload
    def emit(self, event: Event[*Args], *args: *Args) -> None: ...
    @overload
    def emit(self, event: str, *args: Json) -> None: ...
    def emit(self, event: Any, *args: Any) -> None:  # type: ignore[misc] # see `AnyEvent`
        """Send an event to all sockets of the namespace.

        It is queued, and goes out at the end of this turn of the loop. Order: a socket gets events
        in the order of the calls, from here and from `socket.emit`. Delivery: at most once. May be
        called from any thread.

        Args:
            args: JSON values; `bytes` anywhere inside become attachments.

        Raises:
            ValueError: The name is reserved.
            EncodeError: An argument cannot be sent.
        """
        self._everybody.emit(event, *args)

    def send(self, *args: Json) -> None:
        """Send a `message` event to all sockets of the namespace; see `emit`."""
        self._everybody.emit("message", *args)

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
        """Send an event to all sockets of the namespace and wait for their answers.

        The arguments are encoded at the call; the event is sent when the result is awaited.

        Args:
            timeout: Seconds; by default the server's `ack_timeout`.

        Returns:
            One answer per socket in order of arrival, each in the form of `socket.emit_with_ack`;
            empty when there is no socket. A list that also tells whose they are: `by_socket`.

        Raises:
            AckTimeout: Somebody did not answer, or left; `responses` has the answers that came, and
                `missing` and `missing_servers` tell who did not.
            LimitExceeded: Too many questions to other processes of a cluster are open.
        """
        return self._everybody.emit_with_ack(event, *args, timeout=timeout)

    def to(self, *rooms: Room | Iterable[Room]) -> BroadcastOperator[S]:
        """Reach the sockets of rooms; a socket's id is a room."""
        return self._everybody.to(*rooms)

    def in_(self, *rooms: Room | Iterable[Room]) -> BroadcastOperator[S]:
        """Reach the sockets of rooms: another name of `to`."""
        return self._everybody.to(*rooms)

    def except_(self, *rooms: Room | Iterable[Room]) -> BroadcastOperator[S]:
        """Reach all but the sockets of rooms."""
        return self._everybody.except_(*rooms)

    @property
    def volatile(self) -> BroadcastOperator[S]:
        """Drop the event for sockets that cannot take it at once."""
        return self._everybody.volatile

    @property
    def local(self: Broadcasting[L | RemoteSocket]) -> BroadcastOperator[L]:
        """Reach only sockets of this process; no other one is asked for anything."""
        return self._everybody.local

    def compress(self, compress: bool) -> BroadcastOperator[S]:
        """Let transports compress the event, or not."""
        return self._everybody.compress(compress)

    def timeout(self, seconds: float) -> BroadcastOperator[S]:
        """How long `emit_with_ack`, `fetch_sockets` and `count` wait."""
        return self._everybody.timeout(seconds)

    async def fetch_sockets(self) -> list[S]:
        """The sockets of the namespace.

        Those of this process as they are, those of others as `RemoteSocket`. To know how many there
        are, `count` is cheaper by far. May be awaited in any event loop, in any thread.

        Raises:
            ClusterTimeout: Another process did not answer within 5 seconds, or went away; `arrived`
                has the sockets that are known.
        """
        return await self._everybody.fetch_sockets()

    async def count(self) -> int:
        """How many sockets the namespace has; between processes only numbers travel.

        May be awaited in any event loop, in any thread.

        Raises:
            ClusterTimeout: Another process did not answer within 5 seconds, or went away; `arrived`
                is the number without it.
        """
        return await self._everybody.count()

    def sockets_join(self, *rooms: Room | Iterable[Room]) -> None:
        """Put all sockets of the namespace into rooms."""
        self._everybody.sockets_join(*rooms)

    def sockets_leave(self, *rooms: Room | Iterable[Room]) -> None:
        """Take all sockets of the namespace out of rooms."""
        self._everybody.sockets_leave(*rooms)

    def disconnect_sockets(self, *, close: bool = False) -> None:
        """Disconnect all sockets of the namespace.

        Args:
            close: End their whole connections, with the sockets of other namespaces on them.
        """
        self._everybody.disconnect_sockets(close=close)

    def server_side_emit(self, event: str, *args: Json) -> None:
        """Send an event to the other servers of a cluster, for their handlers of `on`.

        An adapter of a single process has no others: then the log says so, once.

        Raises:
            ValueError: The name is reserved.
        """
        self._target.tell_servers((event, *args))

    def server_side_emit_with_ack(
        self, event: str, *args: Json, timeout: float | None = None
    ) -> Coroutine[Any, Any, list[Any]]:
        """Send an event to the other servers of a cluster and wait for their answers.

        May be awaited in any event loop, in any thread.

        Args:
            timeout: Seconds; by default the server's `ack_timeout`.

        Returns:
            One answer per other server; empty with an adapter of a single process.

        Raises:
            AckTimeout: A server did not answer; `responses` has the answers that came.
        """
        return self._target.ask_servers((event, *args), timeout)
