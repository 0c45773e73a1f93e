"""A socket of another process, as users hold it: what it was when it was fetched, and reach."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, overload

from sockwave.errors import Disconnected
from sockwave.socketio.core.adapter import BroadcastFlags, BroadcastOptions
from sockwave.socketio.core.handshake import Handshake, read_handshake
from sockwave.socketio.core.outgoing import check_event_name
from sockwave.socketio.core.rooms import as_rooms

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable

    from sockwave.socketio.core.broadcast_answers import BroadcastAnswers
    from sockwave.socketio.core.cluster_contract import RemoteDetails
    from sockwave.socketio.core.events import AckEvent, Answer, Args, Event
    from sockwave.types import Json, Room, SocketId

__all__ = ["RemoteFacts", "RemoteOperator", "RemoteSocket", "SelectionTarget", "only_answer"]


class SelectionTarget(Protocol):
    """The namespace behind; safe to call from any thread."""

    def broadcast(self, args: tuple[Any, ...], options: BroadcastOptions) -> None:
        """Send; from any thread."""

    def broadcast_with_ack(
        self, args: tuple[Any, ...], options: BroadcastOptions
    ) -> Coroutine[Any, Any, BroadcastAnswers]:
        """Encode now; then, as it is awaited, send and collect answers."""

    def join_selected(self, options: BroadcastOptions, rooms: tuple[Room, ...]) -> None:
        """Put the sockets that the options select into rooms; from any thread."""

    def leave_selected(self, options: BroadcastOptions, rooms: tuple[Room, ...]) -> None:
        """Take them out of rooms; from any thread."""

    def disconnect_selected(self, options: BroadcastOptions, *, close: bool) -> None:
        """Disconnect them; from any thread."""


class RemoteFacts:
    """What is known of a socket of another process: as it was when that process was asked.

    Attributes:
        id: Of the socket.
        node: Id of its process, as in `io.cluster.nodes`.
        rooms: That it was in, its own id included.
        data: A copy of its `data`, as a client would get it; without what cannot be sent.
    """

    __slots__ = ("_details", "_handshake", "data", "id", "node", "rooms")

    def __init__(self, details: RemoteDetails) -> None:
        self._details = details.handshake
        self._handshake: Handshake | None = None
        self.id: SocketId = details.id
        self.node: str = details.member
        self.rooms: set[Room] = set(details.rooms)
        self.data: dict[str, Any] = details.data

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id}>"

    @property
    def handshake(self) -> Handshake:
        """The first request of the connection, and `auth`, as its process told them.

        Its `request` is made up from that: it has no scope, and nothing of what middlewares put
        into `state`.
        """
        if self._handshake is None:
            self._handshake = read_handshake(self._details)
        return self._handshake


class RemoteSocket(RemoteFacts):
    """A socket that is connected to another process of the cluster; `fetch_sockets` gives it.

    What it tells is as it was when that process was asked, and changing it changes nothing there.
    What is done to it travels to its process, in the order of the calls; nothing happens when the
    socket has left meanwhile. May be used from any thread.

    Attributes:
        id: Of the socket.
        node: Id of its process, as in `io.cluster.nodes`.
        rooms: That it was in, its own id included.
        data: A copy of its `data`, as a client would get it; without what cannot be sent.
    """

    __slots__ = ("_target",)

    def __init__(self, target: SelectionTarget, details: RemoteDetails) -> None:
        super().__init__(details)
        self._target = target

    @overload
    def emit(self, event: Event[*Args], *args: *Args) -> None: ...
    @overload
    def emit(self, event: str, *args: Json) -> None: ...
    def emit(self, event: Any, *args: Any) -> None:  # type: ignore[misc] # see `AnyEvent`
        """Send an event to this client.

        Order: it gets events in the order of the calls, from here and from operators. Delivery: at
        most once.

        Args:
            args: JSON values; `bytes` anywhere inside become attachments.

        Raises:
            ValueError: The name is reserved.
            EncodeError: An argument cannot be sent.
        """
        check_event_name(event)
        self._target.broadcast((event, *args), self._options())

    @overload
    def emit_with_ack(
        self, event: AckEvent[*Args, Answer], *args: *Args, timeout: float | None = None
    ) -> Coroutine[Any, Any, Answer]: ...
    @overload
    def emit_with_ack(
        self, event: str, *args: Json, timeout: float | None = None
    ) -> Coroutine[Any, Any, Any]: ...
    def emit_with_ack(  # type: ignore[misc] # see `AnyEvent`
        self, event: Any, *args: Any, timeout: float | None = None
    ) -> Coroutine[Any, Any, Any]:
        """Send an event and wait for the client's acknowledgement.

        The arguments are encoded at the call; the event is sent when the result is awaited.

        Args:
            timeout: Seconds until the wait ends, by default the server's `ack_timeout`.

        Returns:
            What the client acknowledged with: a single argument as itself, none as None, several as
            a tuple. Servers in JavaScript pass on only the first.

        Raises:
            AckTimeout: No acknowledgement in time, or the socket or its process went away first.
            Disconnected: The socket had left before.
            EncodeError: An argument cannot be sent.
        """
        check_event_name(event)
        asking = self._target.broadcast_with_ack((event, *args), self._options(timeout))
        return _only(asking)

    def timeout(self, seconds: float) -> RemoteOperator:
        """Set how long the acknowledgement of the next event is waited for."""
        return RemoteOperator(self, seconds)

    def join(self, *rooms: Room | Iterable[Room]) -> None:
        """Let the socket enter rooms, there; `rooms` does not change."""
        self._target.join_selected(self._options(), as_rooms(rooms))

    def leave(self, *rooms: Room | Iterable[Room]) -> None:
        """Let the socket leave rooms, there; `rooms` does not change."""
        self._target.leave_selected(self._options(), as_rooms(rooms))

    def disconnect(self, *, close: bool = False) -> None:
        """Take this client out of the namespace.

        Args:
            close: End the whole connection, with its sockets in other namespaces.
        """
        self._target.disconnect_selected(self._options(), close=close)

    def _options(self, timeout: float | None = None) -> BroadcastOptions:
        return BroadcastOptions((self.id,), flags=BroadcastFlags(timeout=timeout))


@dataclass(frozen=True, slots=True)
class RemoteOperator:
    """How long the acknowledgement of the next event is waited for; made by `timeout`."""

    _socket: RemoteSocket
    _timeout: float

    @overload
    def emit(self, event: Event[*Args], *args: *Args) -> None: ...
    @overload
    def emit(self, event: str, *args: Json) -> None: ...
    def emit(self, event: Any, *args: Any) -> None:  # type: ignore[misc] # see `AnyEvent`
        """Send an event; see `emit` of the socket."""
        self._socket.emit(event, *args)

    @overload
    def emit_with_ack(
        self, event: AckEvent[*Args, Answer], *args: *Args, timeout: float | None = None
    ) -> Coroutine[Any, Any, Answer]: ...
    @overload
    def emit_with_ack(
        self, event: str, *args: Json, timeout: float | None = None
    ) -> Coroutine[Any, Any, Any]: ...
    def emit_with_ack(  # type: ignore[misc] # see `AnyEvent`
        self, event: Any, *args: Any, timeout: float | None = None
    ) -> Coroutine[Any, Any, Any]:
        """Send an event and wait for its acknowledgement; see `emit_with_ack` of the socket."""
        timeout = self._timeout if timeout is None else timeout
        return self._socket.emit_with_ack(event, *args, timeout=timeout)


def only_answer(answers: BroadcastAnswers) -> Any:
    """The answer of the one socket that was asked.

    Raises:
        Disconnected: There was nobody to be asked.
    """
    if not answers:
        raise Disconnected("before the event arrived")
    return answers[0]


async def _only(asking: Coroutine[Any, Any, BroadcastAnswers]) -> Any:
    return only_answer(await asking)
