"""Connection state recovery in one process, without I/O: who was lost comes back as it was.

Theory. The log of the namespace (`packet_log.py`) has the latest events by position. For each
socket a membership (`membership.py`) has the rooms that it was in, from which position to which,
and goes with it through four states:

- *here*: `begin` has made it. Broadcasts log an event and note it as sent.
- *lost*: `save` has moved it, with the socket's id, rooms and data, from `members` to `saved`.
  Its rooms can still change: `add` and `remove` find it there.
- *returning*: `restore` has taken it out of `saved`, so a second client with the same secret finds
  nothing. It is in its rooms and in `members` again, but not among the sockets of the host, so no
  broadcast reaches it: what is sent meanwhile is read from the log.
- *here* again, with `replay`: its caller puts the socket among those of the host before anything
  else can be sent, so nothing falls between what was read from the log and what comes by itself.

A replay is the events behind the client's offset that were meant for the socket. It is whole or
there is none: as soon as one position in question has left the log, the client gets a new socket.
What must never happen: a gap that the client does not hear of, an event twice, an event of a room
that the socket was not in, or a return of who was disconnected while away.

Not logged are volatile events, which may be missed, and those that ask for acknowledgements, whose
sender has heard of the loss. So it is in the reference (socket.io-adapter 2.5,
`SessionAwareAdapter`; the protocol has no word about recovery), which judges all that was missed by
the rooms at the time of the loss.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sockwave.socketio.core.adapter import InMemoryAdapter
from sockwave.socketio.core.packet_log import LogEntry, PacketLog
from sockwave.socketio.core.recovery_contract import SupportsRecovery, SupportsRevocation
from sockwave.socketio.core.recovery_options import Recovery
from sockwave.socketio.core.recovery_store import RecoveryStore
from sockwave.socketio.core.saved_session import SavedSession

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence

    from sockwave.socketio.core.acks import AckClock
    from sockwave.socketio.core.adapter import AdapterHost, BroadcastOptions
    from sockwave.socketio.core.encoded_event import EncodedEvent
    from sockwave.socketio.core.membership import Membership
    from sockwave.socketio.core.outgoing import EncodedPacket
    from sockwave.types import Room, SocketId

__all__ = [
    "PacketLog",
    "Recovery",
    "RecoveryAdapter",
    "SavedSession",
    "SupportsRecovery",
    "SupportsRevocation",
]

SWEEP_INTERVAL: Final = 60.0
"""Seconds between two looks for what has expired; a restore looks for itself."""


class RecoveryAdapter(InMemoryAdapter):
    """The adapter of a single process that can recover sockets.

    Args:
        host: Its namespace.
        clock: Monotonic time and deadlines.
        options: Bounds.
        grace: Seconds that events are kept beyond `max_disconnection_duration`: for those sent
            after a connection broke and before the server noticed.
        max_replay: Bytes that may be sent to one client at once; who has missed more is not
            recovered.
        vacated: Called when the last session that was kept has expired.
    """

    def __init__(
        self,
        host: AdapterHost,
        clock: AckClock,
        options: Recovery,
        *,
        grace: float,
        max_replay: int,
        vacated: Callable[[], None],
    ) -> None:
        super().__init__(host)
        self.wheel_slot = 0
        self._clock = clock
        self._bounds = options
        self._max_age = options.max_disconnection_duration + grace
        self._max_replay = max_replay
        self._vacated = vacated
        self._store = RecoveryStore(options, self._max_age)
        self._returning: set[SocketId] = set()

    @property
    def epoch(self) -> str:
        """What the offsets of the log begin with."""
        return self._store.log.epoch

    @property
    def has_saved(self) -> bool:
        """Whether somebody may come back."""
        return bool(self._store.saved)

    # --- rooms ------------------------------------------------------------------------------------

    def add(self, id_: SocketId, rooms: Iterable[Room]) -> None:
        """Put a socket into rooms, also one that is away."""
        rooms = tuple(rooms)
        if id_ not in self._store.saved:
            super().add(id_, rooms)
        self._store.join(id_, rooms)

    def remove(self, id_: SocketId, room: Room) -> None:
        """Take it out of a room, also when it is away."""
        if id_ not in self._store.saved:
            super().remove(id_, room)
        self._store.leave(id_, room)

    def remove_all(self, id_: SocketId) -> None:
        """Take it out of all its rooms; what was saved stays."""
        super().remove_all(id_)
        self._store.remove(id_)
        self._returning.discard(id_)

    # --- sending ----------------------------------------------------------------------------------

    def broadcast(self, args: Sequence[Any], options: BroadcastOptions) -> None:
        """Log the event, and send it with its offset; a volatile one is only sent."""
        if options.flags.volatile:
            self._look_at_text(args, options)
            super().broadcast(args, options)
            return
        # Nobody is here, and nobody will come back: an event that nobody can miss takes no room.
        if not self._is_missed(options):
            super().broadcast(args, options)
            return
        log, flags, members = self._store.log, options.flags, self._store.members
        position = log.next
        packet = self._encoded(args, None, flags, log.offset(position))
        self._append(
            LogEntry(
                self._clock.clock(),
                packet,
                options.rooms,
                options.excluded,
                self._kept(args),
                flags.compress,
            ),
            is_local=flags.local,
        )
        self._sweep_later()
        sockets = self.select(options)
        if self.observers.broadcast:
            self.tell_broadcast(args, packet, len(sockets))
        for socket in sockets:
            if (member := members.get(socket.id)) is not None:
                member.sent = position
            socket.deliver(packet, args, flags)

    def _is_missed(self, options: BroadcastOptions) -> bool:
        """Whether an event can be missed by anybody."""
        return bool(self._store.members or self._store.saved)

    def _kept(self, args: Sequence[Any]) -> EncodedEvent | None:
        """What is kept of an event beside its packet."""
        return None

    def _append(self, entry: LogEntry, *, is_local: bool) -> None:
        """Log an event; with `is_local` it is for sockets of this process only."""
        self._store.append(entry)

    def _look_at_text(self, args: Sequence[Any], options: BroadcastOptions) -> None:
        """Clients take any text at the end of an event for an offset: see that it is none."""
        last = args[-1]
        if isinstance(last, str) and self._is_offset(last):
            for socket in self.select(options):
                self._store.make_void(socket.id)

    def _is_offset(self, text: str) -> bool:
        return self._store.log.position(text) is not None

    # --- sockets are lost and come back -----------------------------------------------------------

    def begin(self, id_: SocketId) -> None:
        """A new socket gets events from now on."""
        self._store.begin(id_, self._table.of(id_))

    def save(self, session: SavedSession) -> None:
        """Keep what belongs to a lost socket."""
        if self._store.save(session, self._clock.clock()):
            self._sweep_later()

    def restore(
        self, pid: str, offset: str | None
    ) -> SavedSession | Awaitable[SavedSession | None] | None:
        """Take a session out. A second try with the same secret finds nothing."""
        # A look-up by hash tells nothing about how much of a wrong secret is right.
        saved = self._store.saved.pop(pid)
        if saved is None:
            return None
        session, member = saved
        if not self._store.collect(member, offset, self._clock.clock()) or self._is_much(member):
            return None
        self._come_back(session, member)
        return session

    def _come_back(self, session: SavedSession, member: Membership) -> None:
        super().add(session.id, session.rooms)
        self._store.come_back(session.id, member)
        self._returning.add(session.id)

    def replay(self, id_: SocketId) -> list[EncodedPacket] | None:
        """What was missed, with what came while middlewares ran."""
        store = self._store
        member = store.members[id_]
        if member.is_void or member.read < store.log.first:
            return None
        store.read(member)
        if self._is_much(member):
            return None
        self._returning.discard(id_)
        member.lost = None
        missed, member.missed = member.missed, []
        if missed:
            member.sent = missed[-1][0]
        return [entry.packet for _, entry in missed if entry.packet is not None]

    def _is_much(self, member: Membership) -> bool:
        """Whether it has missed more than can be sent at once."""
        packets = (entry.packet for _, entry in member.missed)
        return sum(packet.size for packet in packets if packet is not None) > self._max_replay

    # --- while they are away ----------------------------------------------------------------------

    def may_return(self, id_: SocketId) -> bool:
        """Whether a socket is lost and may come back, or is back and not let in yet."""
        return id_ in self._store.saved or id_ in self._returning

    def select_lost(self, options: BroadcastOptions) -> list[SocketId]:
        """Which of those a broadcast would reach."""
        ids: Iterable[SocketId] = (*self._store.saved, *self._returning)
        if options.rooms is not None:
            ids = dict.fromkeys(self._lost_in(options.rooms))
        excluded = set(self._lost_in(options.excluded))
        return [id_ for id_ in ids if id_ not in excluded]

    def _lost_in(self, rooms: tuple[Room, ...]) -> Iterator[SocketId]:
        yield from self._store.saved.in_rooms(rooms)
        if self._returning:
            yield from (id_ for id_ in self._reached(rooms) if id_ in self._returning)

    def revoke(self, id_: SocketId) -> str | None:
        """One of those must not come back: its client is a new one."""
        if id_ in self._returning:
            self._store.make_void(id_)
        elif id_ in self._store.saved:
            session = self._store.discard(id_)
            if not self.has_saved:
                self._vacated()
            return session.connection
        return None

    def lost_with(self, connection: str) -> list[SocketId]:
        """Those that were lost with a connection and are not back."""
        return self._store.saved.of_connection(connection)

    # --- time -------------------------------------------------------------------------------------

    def _sweep_later(self) -> None:
        if not self.wheel_slot:
            delay = min(SWEEP_INTERVAL, self._max_age)
            self._clock.schedule(self, self._clock.clock() + delay)

    def handle_timeout(self, now: float) -> None:
        """Forget what is too old."""
        had_saved = self.has_saved
        self._expire(now)
        if self._store.log or self.has_saved:
            self._sweep_later()
        if had_saved and not self.has_saved:
            self._vacated()

    def _expire(self, now: float) -> None:
        self._store.expire(now)

    def close(self) -> None:
        """Forget everything, the epoch too."""
        super().close()
        self._clock.cancel(self)
        self._returning = set()
        self._store = RecoveryStore(self._bounds, self._max_age)
