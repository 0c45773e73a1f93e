"""Events by way of the stream: sockets here get them when this process reads them, with their
offsets, in the order of the stream. What is done for recovery beyond that is in `recovery.py`,
which has the theory of both.

An event of this process goes to those who were meant when it was sent (`own_events.py`). Where it
takes too long, because the carrier is away or does not answer, they get it without an offset.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sockwave.adapters.cluster import Cluster
from sockwave.adapters.local import LocalSockets
from sockwave.adapters.streams.cluster import StreamsAdapter
from sockwave.adapters.streams.noting import NotingOutlet
from sockwave.adapters.streams.own_events import Floors, OwnEvent, OwnEvents
from sockwave.adapters.streams.positions import entry_id, position_of
from sockwave.errors import PacketError
from sockwave.socketio.core.encoded_event import EncodedEvent

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterable, Sequence

    from sockwave.adapters.options import ClusterOptions
    from sockwave.adapters.outlet import Outlet
    from sockwave.adapters.streams.contract import Entry, StreamCarrier
    from sockwave.socketio.core.acks import AckResult
    from sockwave.socketio.core.adapter import BroadcastOptions, LocalSocket
    from sockwave.socketio.core.cluster_contract import ClusterHost
    from sockwave.socketio.core.membership import Membership
    from sockwave.types import Room, SocketId

__all__ = ["StreamDelivery"]

HOLD: Final = 1.0
"""Seconds that an event waits for its offset; then clients get it without."""


class StreamDelivery(StreamsAdapter):
    """Reaches the sockets of all processes by way of the stream.

    Args:
        host: Its namespace.
        streams: The carrier.
        options: Times and bounds of the cluster.
    """

    def __init__(
        self,
        host: ClusterHost,
        streams: StreamCarrier,
        options: ClusterOptions | None = None,
    ) -> None:
        StreamsAdapter.__init__(self, host, streams, options)
        self._noting: NotingOutlet | None = None
        self._own = OwnEvents()
        self._floors = Floors()
        self._members: dict[SocketId, Membership] = {}
        # The place up to which a socket that came back has everything.
        self._has_all: dict[SocketId, int] = {}
        # Sockets that have left a room, which is noted behind what is on its way.
        self._leaving: dict[SocketId, int] = {}
        # Whether who must not come back gets no offsets, see `keeping.py`.
        self._withholds = False
        # Of the entry that is dealt with.
        self._at: int | None = None
        self._patience: asyncio.TimerHandle | None = None

    def _make_cluster(self, outlet: Outlet) -> tuple[LocalSockets, Cluster]:
        host, options = self._namespace, self._options
        self._forget()
        self._noting = NotingOutlet(outlet)
        local = LocalSockets(host, self, self._table, options.max_pending)
        cluster = Cluster(host.name, options, self._noting, local)
        self._streams.announce(host.name, cluster.id, self)
        return local, cluster

    def _forget(self) -> None:
        for member in self._members.values():  # of a loop that has ended
            member.is_void = True
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
        self._own.clear()
        self._floors.clear()
        self._has_all.clear()
        self._leaving.clear()

    def close(self) -> None:
        """Say goodbye to the others, and forget everything; what the carrier keeps stays there."""
        super().close()
        self._forget()
        self._members.clear()

    @property
    def _position(self) -> int:
        return self._streams.position(self._namespace.name)

    # --- rooms, by place --------------------------------------------------------------------------

    def add(self, id_: SocketId, rooms: Iterable[Room]) -> None:
        """Put a socket into rooms."""
        rooms = tuple(rooms)
        super().add(id_, rooms)
        if (member := self._members.get(id_)) is not None:
            member.join(rooms, self._position + 1)
            self._changed(id_)

    def remove(self, id_: SocketId, room: Room) -> None:
        """Take it out of a room."""
        super().remove(id_, room)
        if (member := self._members.get(id_)) is None:
            return

        def left() -> None:
            if self._leaving.get(id_, 0) > 1:
                self._leaving[id_] -= 1
            else:
                self._leaving.pop(id_, None)
            if room not in self._table.of(id_):
                member.leave(room, self._position + 1, 0)
            self._changed(id_)

        # What was sent to the room before, and has not come back, is for this socket, too.
        self._leaving[id_] = self._leaving.get(id_, 0) + 1
        if not self._own.behind(left):
            left()

    def _changed(self, id_: SocketId) -> None:
        """Its rooms are others, or it must not come back."""

    def remove_all(self, id_: SocketId) -> None:
        """Take it out of all its rooms."""
        super().remove_all(id_)
        self._members.pop(id_, None)
        self._has_all.pop(id_, None)
        self._leaving.pop(id_, None)
        self._floors.forget(id_)

    # --- sending ----------------------------------------------------------------------------------

    def broadcast(self, args: Sequence[Any], options: BroadcastOptions) -> None:
        """Write an event to the stream; sockets here get it when it is read, in that order."""
        life = self._alive()
        if life is None or self._noting is None or options.flags.local or options.rooms == ():
            self._send_unlogged(args, options)
            return
        if not isinstance(args, EncodedEvent):
            args = EncodedEvent(tuple(args), self._namespace.name, self._namespace.parser).frozen()
        self._noting.forget()
        life.cluster.broadcast(args, options, life.loop.time())
        number = self._noting.number
        if number is None:  # nobody is meant elsewhere
            self._send_unlogged(args, options)
            return
        # Rooms are as they are now, whatever happens until it is read.
        ids = dict.fromkeys(socket.id for socket in self.select(options))
        event = OwnEvent(number, args, options, ids, life.loop.time())
        self._own.put(event)
        if self._streams.is_away:
            self._send_early(event, list(ids))
        elif self._patience is None:
            self._patience = life.loop.call_later(HOLD, self._waited, life.loop)

    def _waited(self, loop: asyncio.AbstractEventLoop) -> None:
        """What has waited for long enough is sent."""
        self._patience = None
        for event in self._own:
            if event.since > loop.time() - HOLD / 2:
                self._patience = loop.call_later(HOLD, self._waited, loop)
                return
            self._send_early(event, list(event.ids))

    def broadcast_with_ack(
        self,
        args: Sequence[Any],
        options: BroadcastOptions,
        id_: int,
        done: Callable[[SocketId, AckResult], None],
    ) -> list[LocalSocket]:
        """Send an event that asks sockets of this process for answers, behind all others."""
        if self._own:
            for socket in self.select(options):
                self.hasten(socket.id)
        return super().broadcast_with_ack(args, options, id_, done)

    def hasten(self, id_: SocketId) -> None:
        """Something goes directly to a socket: it gets what was sent to it before, at once."""
        for event in self._own:
            if id_ in event.ids:
                self._send_early(event, [id_])

    def deliver_here(self, args: Sequence[Any], options: BroadcastOptions) -> None:
        """Send an event of another process to sockets of this one."""
        if self._at is None:
            self._send_unlogged(args, options)
        else:
            self._send(args, options, [socket.id for socket in self.select(options)], self._at)

    def _send_unlogged(self, args: Sequence[Any], options: BroadcastOptions) -> None:
        self._look_at_text(args, [socket.id for socket in self.select(options)])
        super().deliver_here(args, options)

    def _send(
        self,
        args: Sequence[Any],
        options: BroadcastOptions,
        ids: Sequence[SocketId],
        place: int | None,
    ) -> list[SocketId]:
        """Send it to these, as far as they are here; with its offset, if it has one.

        Returns:
            Those who were sent it.
        """
        sockets, flags = self._host.sockets, options.flags
        if flags.volatile:
            place = None
        if place is None:
            self._look_at_text(args, ids)
        offset = None if place is None else entry_id(place)
        packet = self._encoded(args, None, flags, offset)
        sent: list[SocketId] = []
        for id_ in ids:
            socket = sockets.get(id_)
            if socket is None or (self._at is not None and self._at <= self._has_all.get(id_, -1)):
                continue
            member = self._members.get(id_)
            if member is not None and place is not None:
                member.sent = place
                if member.is_void and self._withholds:
                    socket.deliver(self._encoded(args, None, flags), args, flags)
                    sent.append(id_)
                    continue
            socket.deliver(packet, args, flags)
            sent.append(id_)
        # One for a single socket is most likely of `socket.emit`, and was told as such.
        if sent and self.observers.broadcast and options.rooms != (sent[0],):
            self.tell_broadcast(args, packet, len(sent))
        return sent

    def _look_at_text(self, args: Sequence[Any], ids: Iterable[SocketId]) -> None:
        """Clients take any text at the end of an event for an offset: see that it is none."""
        last = args[-1]
        if isinstance(last, str) and len(args) > 1 and position_of(last) is not None:
            for id_ in ids:
                if (member := self._members.get(id_)) is not None:
                    member.is_void = True
                    self._changed(id_)

    def _send_early(self, event: OwnEvent, ids: list[SocketId]) -> None:
        """Send it to these now, without an offset; its place is known later, or never."""
        for id_ in ids:
            del event.ids[id_]
        sent = self._send(event.event, event.options, ids, None)
        if event.options.flags.volatile:
            return
        for id_ in sent:
            self._floors.open(id_)
        event.early += sent

    # --- what is read from the stream -------------------------------------------------------------

    def entry_read(self, entry: Entry) -> None:
        """Another process has written something."""
        self._listen(entry)
        self._at = entry.position
        try:
            message = entry.message()
        except PacketError as error:
            self.refused(error.detail or str(error))
        else:
            self.decoded(message)
        finally:
            self._at = None

    def own_entry_read(self, entry: Entry) -> None:
        """What this process has written is in the stream."""
        self._listen(entry)
        number = entry.number
        if number is None:
            return
        for event in self._own.until(number):
            self._settle(event, entry.position if event.number == number else event.written)

    def _listen(self, entry: Entry) -> None:
        """An entry was read, and is not dealt with yet."""

    def _settle(self, event: OwnEvent, place: int | None) -> None:
        """An event of this process is in the stream at a place, or will not be there."""
        if place is None:
            self._send_early(event, list(event.ids))
        else:
            self._at = place
            try:
                self._send(event.event, event.options, list(event.ids), place)
            finally:
                self._at = None
        for id_ in event.early:
            self._floors.close(id_, self._position + 1 if place is None else place)
        for act in event.then:
            act()

    def entry_written(self, number: int, place: int) -> None:
        """Where it is, is known."""
        self._own.written(number, place)

    def entry_refused(self, number: int) -> None:
        """The carrier has not taken it."""
        self._own.refused(number)
        for event in self._own.until(None):
            self._settle(event, None)

    def carrier_away(self) -> None:
        """Nobody knows how long: what waits is sent."""
        for event in self._own:
            self._send_early(event, list(event.ids))

    def entries_missed(self) -> None:
        """Nobody who is here may be recovered: nobody knows what was for whom."""
        for id_, member in self._members.items():
            member.is_void = True
            self._changed(id_)
        self.carrier_away()
