"""Whom an emitter reaches and how, built up step by step; each step is a new value.

Names and meaning are those of the server's broadcast operators. What a call gives is the carrier's
business: of the asyncio emitters something to be awaited, of the blocking ones nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, Self, TypeVar, overload

from sockwave.adapters.messages import EMITTER, Message, MessageType, encode_options
from sockwave.emitters.inquiries import AckInquiry
from sockwave.socketio.core.adapter import BroadcastOptions
from sockwave.socketio.core.events import Args, packed
from sockwave.socketio.core.outgoing import check_event_name
from sockwave.socketio.core.rooms import as_rooms

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sockwave.socketio.core.events import Args, Event
    from sockwave.types import Json, NamespaceName, Room

__all__ = ["Carrier", "Operator", "Reach", "namespace_name"]

R = TypeVar("R", covariant=True)
W = TypeVar("W", bound="Operator[Any]", covariant=True)

_OF_SERVERS: Final = frozenset(
    {"connect", "connection", "new_namespace", "node_joined", "node_left", "cluster_error"}
)
"""Events that servers have of their own: from an emitter they would pass for these."""


class Carrier(Protocol[R]):
    """Brings messages to the servers."""

    @property
    def ack_timeout(self) -> float:
        """Seconds that answers of clients are waited for where nobody says."""

    def carry(self, message: Message) -> R:
        """Encode now, and send.

        Raises:
            EncodeError: Something in it cannot be sent.
        """

    def carry_nothing(self) -> R:
        """There is nothing to be sent, since nobody is meant."""


@dataclass(frozen=True, slots=True)
class Operator(Generic[R]):
    """Reaches sockets of a namespace on all servers; made by `to`, `except_`, `volatile`, ...

    Immutable: keep one and use it again. A socket in several of the rooms is reached once.
    """

    _carrier: Carrier[R]
    _namespace: NamespaceName
    _options: BroadcastOptions = field(default_factory=BroadcastOptions)

    def to(self, *rooms: Room | Iterable[Room]) -> Self:
        """Reach the sockets of these rooms too; a socket's id is a room.

        Without any room it reaches nobody: a list that happens to be empty is not everybody.
        """
        options = self._options
        return self._with(replace(options, rooms=(options.rooms or ()) + as_rooms(rooms)))

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

    def compress(self, compress: bool) -> Self:
        """Let transports compress the event, or not."""
        return self._flag(compress=compress)

    def timeout(self, seconds: float) -> Self:
        """How long `emit_with_ack` and `fetch_sockets` wait.

        Raises:
            TypeError, ValueError: It is no number of seconds.
        """
        return self._flag(timeout=seconds)

    @overload
    def emit(self, event: Event[*Args], *args: *Args) -> R: ...
    @overload
    def emit(self, event: str, *args: Json) -> R: ...
    def emit(self, event: Any, *args: Any) -> R:  # type: ignore[misc] # see `AnyEvent`
        """Send an event; it is encoded at the call.

        It is over when the engine has taken it, which says nothing of the clients. Delivery: at
        most once.

        Args:
            args: JSON values; `bytes` anywhere inside become attachments.

        Raises:
            ValueError: The name is reserved.
            EncodeError: An argument cannot be sent.
            TransportError: The engine did not take it, or nobody knows whether it did.
        """
        check_event_name(event)
        data = [event, *args] if event.__class__ is str else list(packed((event, *args)))
        packet = {"type": 2, "data": data, "nsp": self._namespace}
        opts = encode_options(self._options)
        opts["except"] = opts.pop("except")  # to the end, as the reference has it
        return self._send(MessageType.BROADCAST, {"packet": packet, "opts": opts})

    def sockets_join(self, *rooms: Room | Iterable[Room]) -> R:
        """Put the sockets that an event would reach into rooms.

        Raises:
            TransportError: The engine did not take it, or nobody knows whether it did.
        """
        return self._about(MessageType.SOCKETS_JOIN, {"rooms": list(as_rooms(rooms))})

    def sockets_leave(self, *rooms: Room | Iterable[Room]) -> R:
        """Take the sockets that an event would reach out of rooms.

        Raises:
            TransportError: The engine did not take it, or nobody knows whether it did.
        """
        return self._about(MessageType.SOCKETS_LEAVE, {"rooms": list(as_rooms(rooms))})

    def disconnect_sockets(self, *, close: bool = False) -> R:
        """Disconnect the sockets that an event would reach.

        Args:
            close: End their whole connections, with the sockets of other namespaces on them.

        Raises:
            TransportError: The engine did not take it, or nobody knows whether it did.
        """
        return self._about(MessageType.DISCONNECT_SOCKETS, {"close": close})

    def _question(self, event: str, args: tuple[Json, ...], timeout: float | None) -> AckInquiry:
        check_event_name(event)
        if event.__class__ is not str:
            packing = packed((event, *args))
            event, args = packing[0], packing[1:]
        options = self._options
        if timeout is not None:
            options = replace(options, flags=replace(options.flags, timeout=timeout))
        return AckInquiry(event, args, options, self._namespace, self._carrier.ack_timeout)

    def _about(self, type_: MessageType, data: dict[str, Any]) -> R:
        return self._send(type_, {"opts": encode_options(self._options), **data})

    def _send(self, type_: MessageType, data: dict[str, Any]) -> R:
        if self._options.rooms == ():
            return self._carrier.carry_nothing()
        return self._carrier.carry(Message(type_, data, EMITTER, self._namespace))

    def _flag(self, **changes: Any) -> Self:
        options = self._options
        return self._with(replace(options, flags=replace(options.flags, **changes)))

    def _with(self, options: BroadcastOptions) -> Self:
        return replace(self, _options=options)


def namespace_name(name: NamespaceName) -> NamespaceName:
    """A name with the slash in front, which may be left out.

    Raises:
        TypeError: It is no text.
    """
    if not isinstance(name, str):
        raise TypeError(f"a namespace must be text, not {type(name).__name__}")
    return name if name.startswith("/") else f"/{name}"


class Reach(Generic[R, W]):
    """Reaches all sockets of a namespace on all servers, or begins to choose some.

    The types in brackets are what a call gives, and whom it reaches once some are chosen.

    Args:
        carrier: Brings messages to the servers.
        namespace: Its name.
        everybody: Reaches all of them.

    Attributes:
        namespace: Its name.
    """

    def __init__(self, carrier: Carrier[R], namespace: NamespaceName, everybody: W) -> None:
        self.namespace = namespace
        self._carrier = carrier
        self._everybody = everybody
        self._all: Operator[R] = everybody

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.namespace}>"

    def to(self, *rooms: Room | Iterable[Room]) -> W:
        """Reach the sockets of rooms; a socket's id is a room."""
        return self._everybody.to(*rooms)

    def in_(self, *rooms: Room | Iterable[Room]) -> W:
        """Reach the sockets of rooms: another name of `to`."""
        return self._everybody.to(*rooms)

    def except_(self, *rooms: Room | Iterable[Room]) -> W:
        """Reach all but the sockets of rooms."""
        return self._everybody.except_(*rooms)

    @property
    def volatile(self) -> W:
        """Drop the event for sockets that cannot take it at once."""
        return self._everybody.volatile

    def compress(self, compress: bool) -> W:
        """Let transports compress the event, or not."""
        return self._everybody.compress(compress)

    def timeout(self, seconds: float) -> W:
        """How long `emit_with_ack` and `fetch_sockets` wait.

        Raises:
            TypeError, ValueError: It is no number of seconds.
        """
        return self._everybody.timeout(seconds)

    @overload
    def emit(self, event: Event[*Args], *args: *Args) -> R: ...
    @overload
    def emit(self, event: str, *args: Json) -> R: ...
    def emit(self, event: Any, *args: Any) -> R:  # type: ignore[misc] # see `AnyEvent`
        """Send an event to all sockets of the namespace; it is encoded at the call.

        It is over when the engine has taken it, which says nothing of the clients. Delivery: at
        most once.

        Args:
            args: JSON values; `bytes` anywhere inside become attachments.

        Raises:
            ValueError: The name is reserved.
            EncodeError: An argument cannot be sent.
            TransportError: The engine did not take it, or nobody knows whether it did.
        """
        return self._all.emit(event, *args)

    def sockets_join(self, *rooms: Room | Iterable[Room]) -> R:
        """Put all sockets of the namespace into rooms.

        Raises:
            TransportError: The engine did not take it, or nobody knows whether it did.
        """
        return self._all.sockets_join(*rooms)

    def sockets_leave(self, *rooms: Room | Iterable[Room]) -> R:
        """Take all sockets of the namespace out of rooms.

        Raises:
            TransportError: The engine did not take it, or nobody knows whether it did.
        """
        return self._all.sockets_leave(*rooms)

    def disconnect_sockets(self, *, close: bool = False) -> R:
        """Disconnect all sockets of the namespace.

        Args:
            close: End their whole connections, with the sockets of other namespaces on them.

        Raises:
            TransportError: The engine did not take it, or nobody knows whether it did.
        """
        return self._all.disconnect_sockets(close=close)

    def server_side_emit(self, event: str, *args: Json) -> R:
        """Send an event to all servers, for their handlers of `on`; no answer is to be had.

        Raises:
            ValueError: The name is reserved.
            TypeError: There is a function among the arguments: nobody would call it.
            EncodeError: An argument cannot be sent.
            TransportError: The engine did not take it, or nobody knows whether it did.
        """
        if not isinstance(event, str):
            raise TypeError(f"the name of an event must be text, not {type(event).__name__}")
        if event in _OF_SERVERS:
            raise ValueError(f'"{event}" is a reserved event name')
        if any(map(callable, args)):
            raise TypeError("Acknowledgements are not supported")
        data = {"packet": [event, *args]}
        message = Message(MessageType.SERVER_SIDE_EMIT, data, EMITTER, self.namespace)
        return self._carrier.carry(message)
