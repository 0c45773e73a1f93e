"""The adapter: rooms and broadcasts of one namespace. Here the contract, and the one in memory.

Theory. The namespace has the sockets by id (`AdapterHost.sockets`); the adapter has only ids, and
which of them are in which rooms. The two do not always agree: a socket may join rooms while
middlewares are asked about it, and one that comes back is in its rooms before it is let in. Who is
reached by a broadcast is in both, so nobody gets an event who is not in the namespace.

A broadcast is encoded once, and each socket gets the same bytes. Who gets it is decided before the
first one does, in a list of its own, for what runs on the way (hooks for outgoing events) may join,
leave and disconnect. Nothing here waits: all is done within the call, on the thread of the event
loop, and so broadcasts and events of single sockets keep their order.

An adapter of a cluster builds on this one: it has the sockets of its own process here, and adds
what goes to the other processes and comes from them. What only some adapters can do is a contract
of its own, which the namespace asks for by `isinstance` (`SupportsServerEvents`, and those in
`recovery_contract.py`).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar, runtime_checkable

from sockwave.engine.core.handlers import (
    Handler,
    HandlerTable,
    add_handler,
    check_handler,
    remove_handler,
)
from sockwave.engine.core.option_checks import MAX_TIMEOUT, check_number
from sockwave.engine.core.transport import SharedPacket
from sockwave.observe import Broadcast
from sockwave.observe.observers import NOBODY, Observers
from sockwave.socketio.core.encoded_event import EncodedEvent
from sockwave.socketio.core.outgoing import encode_shared
from sockwave.socketio.core.rooms import RoomTable
from sockwave.types import SocketId

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from sockwave.engine.core.broadcast_write import BroadcastWrite
    from sockwave.engine.core.session_queue import SessionQueue
    from sockwave.socketio.core.acks import AckResult
    from sockwave.socketio.core.outgoing import EncodedPacket
    from sockwave.socketio.core.parser import Parser
    from sockwave.types import NamespaceName, Room

__all__ = [
    "Adapter",
    "AdapterHost",
    "BroadcastFlags",
    "BroadcastOptions",
    "InMemoryAdapter",
    "LocalSocket",
    "SupportsServerEvents",
]

F = TypeVar("F", bound=Handler)
_logger: Final = logging.getLogger("sockwave.adapters")

_MANY: Final = 8
"""Receivers from which on the short way is worth a look at each."""

ROOM_EVENTS: Final = frozenset({"create_room", "join_room", "leave_room", "delete_room"})


@dataclass(frozen=True, slots=True)
class BroadcastFlags:
    """How a broadcast is sent.

    Attributes:
        volatile: Left out for sockets that could not take it at once.
        compress: Whether transports may compress it.
        local: Only to sockets of this process.
        timeout: Seconds to wait for acknowledgements, or for what other processes answer.
    """

    volatile: bool = False
    compress: bool = True
    local: bool = False
    timeout: float | None = None

    def __post_init__(self) -> None:
        if self.timeout is not None:
            check_number("timeout", self.timeout, 0, MAX_TIMEOUT)


@dataclass(frozen=True, slots=True)
class BroadcastOptions:
    """Whom a broadcast reaches: everybody without rooms, else their union, each socket once.

    Attributes:
        rooms: Of any of these; a socket's id is a room. None stands for everybody.
        excluded: And of none of these.
    """

    rooms: tuple[Room, ...] | None = None
    excluded: tuple[Room, ...] = ()
    flags: BroadcastFlags = field(default_factory=BroadcastFlags)


class LocalSocket(Protocol):
    """What an adapter sees of a connected socket of this process."""

    id: SocketId

    @property
    def plain(self) -> SessionQueue | None:
        """Where a packet of text may be queued without `deliver`; None if something looks at it."""

    def deliver(self, packet: EncodedPacket, args: Sequence[Any], flags: BroadcastFlags) -> None:
        """Send an event that is encoded already."""

    def expect_ack(self, id_: int, done: Callable[[AckResult], None]) -> None:
        """Call back with the answer to this id, or with an error when the socket leaves."""

    def forget_ack(self, id_: int) -> None:
        """Do not wait for it any longer."""


class AdapterHost(Protocol):
    """What an adapter sees of its namespace."""

    name: NamespaceName
    event_prefix: bytes
    parser: Parser | None

    @property
    def sockets(self) -> Mapping[SocketId, LocalSocket]:
        """Connected sockets of this process, in the order of connection."""

    @property
    def broadcast_write(self) -> BroadcastWrite:
        """The short way for a broadcast to many."""


class Adapter(Protocol):
    """Rooms and broadcasts of one namespace."""

    def add(self, id_: SocketId, rooms: Iterable[Room]) -> None:
        """Put a socket of this process into rooms."""

    def remove(self, id_: SocketId, room: Room) -> None:
        """Take it out of a room."""

    def remove_all(self, id_: SocketId) -> None:
        """Take it out of all its rooms: it is gone."""

    def rooms_of(self, id_: SocketId) -> set[Room]:
        """Its rooms, the one of its own id included."""

    def broadcast(self, args: Sequence[Any], options: BroadcastOptions) -> None:
        """Send an event; order among the broadcasts of one process is kept.

        Args:
            args: Its name and arguments: a tuple, or an `EncodedEvent` from another thread.
        """

    def broadcast_with_ack(
        self,
        args: Sequence[Any],
        options: BroadcastOptions,
        id_: int,
        done: Callable[[SocketId, AckResult], None],
    ) -> list[LocalSocket]:
        """Send an event that asks sockets of this process for answers.

        Returns:
            Who was asked; `done` is called once for each of them, with its id, unless they are told
            to forget.
        """

    def select(self, options: BroadcastOptions) -> list[LocalSocket]:
        """The sockets of this process that a broadcast would reach."""

    def close(self) -> None:
        """The namespace is closed."""

    def on(self, event: str, handler: F) -> F:
        """Hear of the rooms of this process; see `InMemoryAdapter.on`."""

    def off(self, event: str | None = None, handler: Handler | None = None) -> None:
        """Hear no longer."""


@runtime_checkable
class SupportsServerEvents(Protocol):
    """What an adapter of a cluster offers beyond `Adapter`: events between servers."""

    def server_side_emit(self, args: tuple[Any, ...]) -> None:
        """Send name and arguments to the same namespace of the other servers."""

    async def server_side_emit_with_ack(self, args: tuple[Any, ...], timeout: float) -> list[Any]:
        """The same, and collect one answer of each.

        Raises:
            AckTimeout: Some did not answer; with the answers that came.
        """


class InMemoryAdapter:
    """The adapter of a single process; those of a cluster build on it.

    Attributes:
        observers: Who is told of broadcasts; the server sets it.
    """

    observers: Observers = NOBODY

    def __init__(self, host: AdapterHost) -> None:
        self._host = host
        self._table = RoomTable()
        self._handlers: HandlerTable = {}

    def on(self, event: str, handler: F) -> F:
        """Hear of rooms: `create_room` (room), `join_room` (room, id), `leave_room` (room, id) and
        `delete_room` (room).

        The room of a socket's own id is not among them: `connection` and `disconnect` tell of it.
        Handlers must be plain functions; they run before `join` or `leave` returns.

        Raises:
            ValueError: Unknown event.
        """
        if event not in ROOM_EVENTS:
            raise ValueError(f"an adapter has no event {event!r}")
        check_handler(event, handler)
        add_handler(self._handlers, event, handler)
        return handler

    def off(self, event: str | None = None, handler: Handler | None = None) -> None:
        """Remove a handler, all of an event, or all."""
        remove_handler(self._handlers, event, handler)

    @property
    def rooms(self) -> Mapping[Room, frozenset[SocketId]]:
        """A snapshot of all rooms but those of sockets' own ids."""
        return {room: frozenset(self._table.members(room)) for room in self._table}

    def add(self, id_: SocketId, rooms: Iterable[Room]) -> None:
        """Put a socket into rooms."""
        if not self._handlers:  # nobody wants to know which of them are new
            self._table.add(id_, rooms)
            return
        for room in rooms:
            if room == id_ or room in self._table.of(id_):
                continue
            is_new = room not in self._table
            self._table.add(id_, (room,))
            if is_new:
                self._tell("create_room", room)
            self._tell("join_room", room, id_)

    def remove(self, id_: SocketId, room: Room) -> None:
        """Take it out of a room."""
        was_in = bool(self._handlers) and room != id_ and room in self._table.of(id_)
        self._table.remove(id_, room)
        if was_in:
            self._tell("leave_room", room, id_)
            if room not in self._table:
                self._tell("delete_room", room)

    def remove_all(self, id_: SocketId) -> None:
        """Take it out of all its rooms."""
        if self._handlers:
            for room in self._table.of(id_) - {id_}:
                # Not `self.remove`: for an adapter that builds on this one, it goes all at once.
                InMemoryAdapter.remove(self, id_, room)
        self._table.remove_all(id_)

    def _tell(self, event: str, *args: object) -> None:
        for handler in self._handlers.get(event, ()):
            try:
                handler(*args)
            except Exception:
                _logger.exception("a handler of the adapter event %r failed", event)

    def rooms_of(self, id_: SocketId) -> set[Room]:
        """Its rooms, the one of its own id included."""
        return self._table.of(id_)

    def broadcast(self, args: Sequence[Any], options: BroadcastOptions) -> None:
        """Encode once, and hand the same bytes to each socket."""
        flags, sockets = options.flags, self.select(options)
        if not sockets and type(args) is EncodedEvent:  # which is known to be one that can be sent
            return
        packet = self._encoded(args, None, flags)
        if self.observers.broadcast:
            self.tell_broadcast(args, packet, len(sockets))
        if flags.volatile or packet.attachments:
            for socket in sockets:
                socket.deliver(packet, args, flags)
            return
        text, size = packet.text, packet.size
        if len(sockets) >= _MANY and isinstance(text, SharedPacket):
            sockets = self._write(text, size, sockets)
        # The same as `deliver`, without a call for each.
        for socket in sockets:
            if (session := socket.plain) is None:
                socket.deliver(packet, args, flags)
            else:
                session.send_packet(text, size)

    def tell_broadcast(
        self,
        args: Sequence[Any],
        packet: EncodedPacket,
        receivers: int,
        *,
        wants_ack: bool = False,
    ) -> None:
        """Tell who observes broadcasts."""
        name = self._host.name
        seen = Broadcast(name, str(args[0]), receivers, packet.wire_size, wants_ack)
        self.observers.tell(self.observers.broadcast, seen)

    def _write(
        self, text: SharedPacket, size: int, sockets: list[LocalSocket]
    ) -> list[LocalSocket]:
        """Take the short way to connections with nothing before it; who is left."""
        write = self._host.broadcast_write
        if not write.may_take(len(sockets), size):
            return sockets
        receivers: list[SessionQueue] = []
        others: list[LocalSocket] = []
        for socket in sockets:
            session = socket.plain
            if session is None or session.pending or session.transport.direct is None:
                others.append(socket)
            else:
                receivers.append(session)
        if receivers:
            write.take(text, size, receivers)
        return others

    def broadcast_with_ack(
        self,
        args: Sequence[Any],
        options: BroadcastOptions,
        id_: int,
        done: Callable[[SocketId, AckResult], None],
    ) -> list[LocalSocket]:
        """Send an event that asks each socket for an answer, with one id for all."""
        flags = options.flags
        packet = self._encoded(args, id_, flags)
        asked = self.select(options)
        if self.observers.broadcast:
            self.tell_broadcast(args, packet, len(asked), wants_ack=True)
        for socket in asked:
            socket.expect_ack(id_, partial(done, socket.id))
            socket.deliver(packet, args, flags)
        return asked

    def _encoded(
        self,
        args: Sequence[Any],
        id_: int | None,
        flags: BroadcastFlags,
        offset: str | None = None,
    ) -> EncodedPacket:
        if type(args) is EncodedEvent:
            return args.packet(id_, offset=offset, compress=flags.compress, is_shared=True)
        host = self._host
        return encode_shared(
            host.event_prefix,
            host.name,
            id_,
            tuple(args) if offset is None else (*args, offset),
            compress=flags.compress,
            parser=host.parser,
        )

    def select(self, options: BroadcastOptions) -> list[LocalSocket]:
        """Sockets in the order of rooms and of joining, each once; a snapshot."""
        sockets = self._host.sockets
        if options.rooms is None and not options.excluded:
            return list(sockets.values())
        ids: Iterable[SocketId] = sockets
        if options.rooms is not None:
            ids = dict.fromkeys(self._reached(options.rooms))
        excluded = set(self._reached(options.excluded))
        return [sockets[id_] for id_ in ids if id_ not in excluded and id_ in sockets]

    def _reached(self, rooms: tuple[Room, ...]) -> Iterator[SocketId]:
        """Ids in rooms; a room is also the socket of that id, whoever else joined it."""
        for room in rooms:
            yield SocketId(room)
            yield from self._table.members(room)

    def close(self) -> None:
        """Forget everything."""
        self._table = RoomTable()
