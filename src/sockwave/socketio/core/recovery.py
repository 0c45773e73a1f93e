"""Connection state recovery in one process, without I/O: who was lost comes back as it was.

Theory. The log of the namespace (`packet_log.py`) has the latest events by position. For each
socket a membership (`membership.py`) has the rooms that it was in, from which position to which,
and goes with it through four states:

- *here*: `begin` has made it. Broadcasts log an event and note it as sent.
- *lost*: `save` has moved it, with the socket's id, rooms and data, from `_members` to `_saved`.
  Its rooms can still change: `add` and `remove` find it there.
- *returning*: `restore` has taken it out of `_saved`, so a second client with the same secret finds
  nothing. It is in its rooms and in `_members` again, but not among the sockets of the host, so no
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

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sockwave.engine.core.option_checks import (
    MAX_TIMEOUT,
    check_bool,
    check_integer,
    check_number,
    warn_of_milliseconds,
)
from sockwave.engine.core.option_names import strict_options
from sockwave.socketio.core.adapter import InMemoryAdapter
from sockwave.socketio.core.lost_sockets import LostSockets
from sockwave.socketio.core.membership import Membership
from sockwave.socketio.core.packet_log import PacketLog
from sockwave.socketio.core.recovery_contract import SupportsRecovery, SupportsRevocation
from sockwave.socketio.core.saved_session import SavedSession

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from sockwave.socketio.core.acks import AckClock
    from sockwave.socketio.core.adapter import AdapterHost, BroadcastOptions
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


@strict_options
@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """Options of connection state recovery.

    Attributes:
        max_disconnection_duration: Seconds after the loss within which a client can come back.
        skip_middlewares: Let a recovered socket in without asking the middlewares, as the reference
            does; what they check may have changed while the client was away.
        max_packets: Events that each namespace keeps for clients that may come back; the oldest
            goes first, and who has missed it is not recovered.
        max_bytes: The same in bytes.
        max_sessions: Lost sockets that each namespace remembers; the oldest goes first.
    """

    max_disconnection_duration: float = 120.0
    skip_middlewares: bool = False
    max_packets: int = 10_000
    max_bytes: int = 64 * 1024 * 1024
    max_sessions: int = 100_000

    def __post_init__(self) -> None:
        duration = self.max_disconnection_duration
        check_number("max_disconnection_duration", duration, 0.001, MAX_TIMEOUT)
        # Hours may be meant here; the reference's documentation has 120,000, its two minutes.
        warn_of_milliseconds("max_disconnection_duration", duration, above=60_000.0)
        check_bool("skip_middlewares", self.skip_middlewares)
        for name in ("max_packets", "max_bytes", "max_sessions"):
            check_integer(name, getattr(self, name), 1)


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
        self._options = options
        self._max_age = options.max_disconnection_duration + grace
        self._max_replay = max_replay
        self._vacated = vacated
        self._log = PacketLog(options.max_packets, options.max_bytes)
        self._members: dict[SocketId, Membership] = {}
        self._saved: LostSockets[Membership] = LostSockets()
        self._returning: set[SocketId] = set()

    @property
    def epoch(self) -> str:
        """What the offsets of the log begin with."""
        return self._log.epoch

    @property
    def has_saved(self) -> bool:
        """Whether somebody may come back."""
        return bool(self._saved)

    # --- rooms ------------------------------------------------------------------------------------

    def add(self, id_: SocketId, rooms: Iterable[Room]) -> None:
        """Put a socket into rooms, also one that is away."""
        rooms = tuple(rooms)
        if id_ in self._saved:
            self._saved.join(id_, rooms)
            self._saved.kept(id_).join(rooms, self._log.next)
            return
        super().add(id_, rooms)
        if (member := self._members.get(id_)) is not None:
            member.join(rooms, self._log.next)

    def remove(self, id_: SocketId, room: Room) -> None:
        """Take it out of a room, also when it is away."""
        if id_ in self._saved:
            self._saved.leave(id_, room)
            self._saved.kept(id_).leave(room, self._log.next, self._log.first)
            return
        super().remove(id_, room)
        if (member := self._members.get(id_)) is not None:
            member.leave(room, self._log.next, self._log.first)

    def remove_all(self, id_: SocketId) -> None:
        """Take it out of all its rooms; what was saved stays."""
        super().remove_all(id_)
        self._members.pop(id_, None)
        self._returning.discard(id_)

    # --- sending ----------------------------------------------------------------------------------

    def broadcast(self, args: Sequence[Any], options: BroadcastOptions) -> None:
        """Log the event, and send it with its offset; a volatile one is only sent."""
        if options.flags.volatile:
            self._look_at_text(args, options)
            super().broadcast(args, options)
            return
        # Nobody is here, and nobody will come back: an event that nobody can miss takes no room.
        if not self._members and not self._saved:
            super().broadcast(args, options)
            return
        log, flags = self._log, options.flags
        position = log.next
        packet = self._encoded(args, None, flags, log.offset(position))
        now = self._clock.clock()
        log.expire(now - self._max_age)
        log.append(packet, options.rooms, options.excluded, now)
        self._sweep_later()
        for socket in self.select(options):
            if (member := self._members.get(socket.id)) is not None:
                member.sent = position
            socket.deliver(packet, args, flags)

    def _look_at_text(self, args: Sequence[Any], options: BroadcastOptions) -> None:
        """Clients take any text at the end of an event for an offset: see that it is none."""
        last = args[-1]
        if isinstance(last, str) and self._log.position(last) is not None:
            for socket in self.select(options):
                if (member := self._members.get(socket.id)) is not None:
                    member.is_void = True

    # --- sockets are lost and come back -----------------------------------------------------------

    def begin(self, id_: SocketId) -> None:
        """A new socket gets events from now on."""
        if id_ in self._saved:
            self._saved.discard(id_)
        self._members[id_] = Membership(id_, self._table.of(id_), self._log.next)

    def save(self, session: SavedSession) -> None:
        """Keep what belongs to a lost socket."""
        member = self._members.pop(session.id, None)
        if member is None or member.is_void:
            return
        # Else it was not let in, and has been away since then: its time is not prolonged by trying.
        if member.lost is None:
            member.lost = self._log.next, self._clock.clock()
        member.missed = []
        self._saved.add(session, member)
        if len(self._saved) > self._options.max_sessions:
            self._saved.discard(next(iter(self._saved)))
        self._sweep_later()

    def restore(self, pid: str, offset: str | None) -> SavedSession | None:
        """Take a session out. A second try with the same secret finds nothing."""
        # A look-up by hash tells nothing about how much of a wrong secret is right.
        saved = self._saved.pop(pid)
        if saved is None:
            return None
        session, member = saved
        assert member.lost is not None
        now, log = self._clock.clock(), self._log
        log.expire(now - self._max_age)
        # Without an offset nothing that was logged has arrived; `needed` knows where that began.
        position = -1 if offset is None else log.position(offset)
        if position is None or now - member.lost[1] > self._options.max_disconnection_duration:
            return None
        begin = member.needed(position, log.first)
        if begin is None:
            return None
        member.start = member.read = begin
        if not self._read(member):
            return None
        super().add(session.id, session.rooms)
        self._members[session.id] = member
        self._returning.add(session.id)
        return session

    def replay(self, id_: SocketId) -> list[EncodedPacket] | None:
        """What was missed, with what came while middlewares ran."""
        member = self._members[id_]
        if member.is_void or member.read < self._log.first or not self._read(member):
            return None
        self._returning.discard(id_)
        member.lost = None
        missed, member.missed = member.missed, []
        if missed:
            member.sent = missed[-1][0]
        return [packet for _, packet in missed]

    def _read(self, member: Membership) -> bool:
        """Add to what was missed what has come since; False if it is too much."""
        for position, entry in self._log.since(member.read):
            if member.was_reached(position, entry):
                member.missed.append((position, entry.packet))
        member.read = self._log.next
        return sum(packet.size for _, packet in member.missed) <= self._max_replay

    # --- while they are away ----------------------------------------------------------------------

    def may_return(self, id_: SocketId) -> bool:
        """Whether a socket is lost and may come back, or is back and not let in yet."""
        return id_ in self._saved or id_ in self._returning

    def select_lost(self, options: BroadcastOptions) -> list[SocketId]:
        """Which of those a broadcast would reach."""
        ids: Iterable[SocketId] = (*self._saved, *self._returning)
        if options.rooms is not None:
            ids = dict.fromkeys(self._lost_in(options.rooms))
        excluded = set(self._lost_in(options.excluded))
        return [id_ for id_ in ids if id_ not in excluded]

    def _lost_in(self, rooms: tuple[Room, ...]) -> Iterator[SocketId]:
        yield from self._saved.in_rooms(rooms)
        if self._returning:
            yield from (id_ for id_ in self._reached(rooms) if id_ in self._returning)

    def revoke(self, id_: SocketId) -> str | None:
        """One of those must not come back: its client is a new one."""
        if id_ in self._returning:
            self._members[id_].is_void = True
        elif id_ in self._saved:
            session = self._saved.discard(id_)
            if not self._saved:
                self._vacated()
            return session.connection
        return None

    def lost_with(self, connection: str) -> list[SocketId]:
        """Those that were lost with a connection and are not back."""
        return self._saved.of_connection(connection)

    # --- time -------------------------------------------------------------------------------------

    def _sweep_later(self) -> None:
        if not self.wheel_slot:
            delay = min(SWEEP_INTERVAL, self._max_age)
            self._clock.schedule(self, self._clock.clock() + delay)

    def handle_timeout(self, now: float) -> None:
        """Forget what is too old."""
        self._log.expire(now - self._max_age)
        had_saved = self.has_saved
        oldest = now - self._options.max_disconnection_duration
        for id_ in self._saved:
            lost = self._saved.kept(id_).lost
            if lost is not None and lost[1] > oldest:
                break
            self._saved.discard(id_)
        if self._log or self._saved:
            self._sweep_later()
        if had_saved and not self.has_saved:
            self._vacated()

    def close(self) -> None:
        """Forget everything, the epoch too."""
        super().close()
        self._clock.cancel(self)
        self._members = {}
        self._saved = LostSockets()
        self._returning = set()
        self._log = PacketLog(self._options.max_packets, self._options.max_bytes)
