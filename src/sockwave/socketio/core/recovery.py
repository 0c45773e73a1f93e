"""Connection state recovery without I/O: what was sent in a namespace, and who was there to get it.

Theory. Every logged event has a position in the log of its namespace: 0, 1, 2, ... It travels with
the event as its offset, a text of the log's epoch and the position; the epoch is random, so that no
other log, and no process after this one, takes it for one of its own. A client tells the offset of
the last event that it has seen.

For each socket a `Membership` keeps in which rooms it was from which position to which. So whether
an event was meant for it is judged by the rooms at that moment, not by those at the time of the
loss. A replay is the events behind the client's offset that were meant for the socket. It is whole
or there is none: as soon as one position in question has left the log, nothing is recovered.

A socket that had got all that was sent to it before the loss needs only what came after the loss.
So a client that was in a quiet room for an hour can be recovered in a busy namespace.
"""

from __future__ import annotations

import secrets
from bisect import bisect_right
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, runtime_checkable

from sockwave.engine.core.options import MAX_TIMEOUT, check_bool, check_integer, check_number
from sockwave.socketio.core.adapter import InMemoryAdapter
from sockwave.socketio.core.outgoing import encode_shared

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from sockwave.socketio.core.acks import AckClock
    from sockwave.socketio.core.adapter import AdapterHost, BroadcastOptions
    from sockwave.socketio.core.outgoing import EncodedPacket
    from sockwave.types import Room, SocketId

__all__ = ["PacketLog", "Recovery", "RecoveryAdapter", "SavedSession", "SupportsRecovery"]

ENTRY_BYTES: Final = 512
"""What an entry counts beyond its packet."""

MAX_PAST: Final = 1_000
"""Stays in rooms that are over, kept for one socket. Each of them was long enough for an event."""

SWEEP_INTERVAL: Final = 60.0
"""Seconds between two looks for what has expired; a restore looks for itself."""


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
        check_bool("skip_middlewares", self.skip_middlewares)
        for name in ("max_packets", "max_bytes", "max_sessions"):
            check_integer(name, getattr(self, name), 1)


@dataclass(frozen=True, slots=True)
class SavedSession:
    """A socket that was lost and may come back.

    Attributes:
        id: Of the socket.
        pid: Its secret: whoever knows it is the client.
        rooms: At the moment of the loss, without the one of its own id.
        data: Of the application; the object itself.
    """

    id: SocketId
    pid: str
    rooms: tuple[Room, ...]
    data: dict[str, Any]


@runtime_checkable
class SupportsRecovery(Protocol):
    """What an adapter offers beyond `Adapter` where sockets can be recovered."""

    def begin(self, id_: SocketId) -> None:
        """A new socket is let in: log what is sent to it from now on."""

    def save(self, session: SavedSession) -> None:
        """A socket is lost, or was lost again before it was let in; it is still in its rooms."""

    def restore(
        self, pid: str, offset: str
    ) -> SavedSession | Awaitable[SavedSession | None] | None:
        """Take a session out, if all that its client has missed is still there.

        The socket is in its rooms again but gets nothing until `replay`. None means that nothing of
        the session is kept any longer.
        """

    def replay(self, id_: SocketId) -> list[EncodedPacket] | None:
        """What a restored socket has missed until now: it is let in, and gets all that follows.

        Returns:
            None when some of it has left the log meanwhile.
        """


class _Entry(NamedTuple):
    time: float
    packet: EncodedPacket
    size: int
    rooms: tuple[Room, ...] | None
    excluded: tuple[Room, ...]


class PacketLog:
    """The latest events of a namespace by position.

    Args:
        max_packets: Bound of their number.
        max_bytes: Bound of their size.

    Attributes:
        first: Position of the oldest one that is still there.
    """

    __slots__ = ("_bytes", "_entries", "_epoch", "_max_bytes", "_max_packets", "first")

    def __init__(self, max_packets: int, max_bytes: int) -> None:
        self.first = 0
        self._entries: deque[_Entry] = deque()
        self._bytes = 0
        self._max_packets = max_packets
        self._max_bytes = max_bytes
        self._epoch = secrets.token_urlsafe(9) + "."

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def next(self) -> int:
        """Position of the next event."""
        return self.first + len(self._entries)

    def offset(self, position: int) -> str:
        """How clients name a position."""
        return f"{self._epoch}{position:x}"

    def position(self, offset: str) -> int | None:
        """Position that an offset names, or None for what this log has never given out."""
        if not offset.startswith(self._epoch) or len(offset) > len(self._epoch) + 16:
            return None
        try:
            position = int(offset[len(self._epoch) :], 16)
        except ValueError:
            return None
        if not 0 <= position < self.next or self.offset(position) != offset:
            return None
        return position

    def append(
        self,
        packet: EncodedPacket,
        rooms: tuple[Room, ...] | None,
        excluded: tuple[Room, ...],
        now: float,
    ) -> None:
        """Keep an event; those that are too many or too large together go."""
        # Text and frame for WebSocket are kept, so the packet counts twice.
        size = 2 * packet.size + ENTRY_BYTES
        self._entries.append(_Entry(now, packet, size, rooms, excluded))
        self._bytes += size
        while len(self._entries) > self._max_packets or self._bytes > self._max_bytes:
            self._drop()

    def expire(self, before: float) -> None:
        """Drop what is as old as that."""
        while self._entries and self._entries[0].time <= before:
            self._drop()

    def _drop(self) -> None:
        self._bytes -= self._entries.popleft().size
        self.first += 1

    def since(self, position: int) -> Iterable[tuple[int, _Entry]]:
        """Events from a position on, which must not be before `first`."""
        for at in range(position - self.first, len(self._entries)):
            yield self.first + at, self._entries[at]


class _Membership:
    """Where one socket was, by position in the log.

    Attributes:
        start: Position before which the client needs nothing.
        sent: Position of the latest event sent to it; `start - 1` for none.
        lost: Position and time of its loss, while it is lost.
        missed: While it waits to be let in: what it has missed before `read`.
        read: See `missed`.
        is_confused: The client may have taken another text for an offset.
    """

    __slots__ = (
        "_count",
        "_floor",
        "_id",
        "_past",
        "_rooms",
        "is_confused",
        "lost",
        "missed",
        "read",
        "sent",
        "start",
    )

    def __init__(self, id_: SocketId, rooms: Iterable[Room], start: int) -> None:
        self.start = start
        self.sent = start - 1
        self.lost: tuple[int, float] | None = None
        self.missed: list[tuple[int, EncodedPacket]] = []
        self.read = start
        self.is_confused = False
        self._id = id_
        self._rooms = dict.fromkeys(rooms, start)
        # Stays that are over, of each room in order: from, until.
        self._past: dict[Room, list[tuple[int, int]]] | None = None
        self._count = 0
        self._floor = start

    def join(self, rooms: Iterable[Room], position: int) -> None:
        """It is in these rooms from a position on."""
        for room in rooms:
            self._rooms.setdefault(room, position)

    def leave(self, room: Room, position: int, first: int) -> None:
        """It is not in a room any more."""
        since = self._rooms.pop(room, position)
        if since == position:
            return  # nothing was sent meanwhile
        if self._past is None:
            self._past = {}
        self._past.setdefault(room, []).append((since, position))
        self._count += 1
        if self._count > MAX_PAST:
            self._forget_past(first)

    def _forget_past(self, first: int) -> None:
        """Forget the stays that have left the log, and all of them if that is not enough."""
        past = self._past or {}
        kept = {room: [stay for stay in past[room] if stay[1] > first] for room in past}
        kept = {room: stays for room, stays in kept.items() if stays}
        count = sum(map(len, kept.values()))
        if count > MAX_PAST // 2:
            self._floor = max(stays[-1][1] for stays in kept.values())
            kept, count = {}, 0
        self._past, self._count = kept, count

    def needed(self, position: int, first: int) -> int | None:
        """Where the replay begins for a client that has seen an event; None if that is gone."""
        assert self.lost is not None
        # An offset from before `start` says that nothing has arrived since.
        seen = max(position, self.start - 1)
        begin = seen + 1 if seen < self.sent else max(seen + 1, self.lost[0])
        return begin if begin >= max(first, self._floor) else None

    def was_reached(self, position: int, entry: _Entry) -> bool:
        """Whether an event was meant for it."""
        if entry.rooms is not None and not any(
            self._was_in(room, position) for room in entry.rooms
        ):
            return False
        return not any(self._was_in(room, position) for room in entry.excluded)

    def _was_in(self, room: Room, position: int) -> bool:
        if room == self._id or self._rooms.get(room, position + 1) <= position:
            return True
        stays = self._past.get(room) if self._past is not None else None
        if not stays:
            return False
        at = bisect_right(stays, position, key=lambda stay: stay[0]) - 1
        return at >= 0 and position < stays[at][1]


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
        self._members: dict[SocketId, _Membership] = {}
        self._saved: dict[str, tuple[SavedSession, _Membership]] = {}

    @property
    def has_saved(self) -> bool:
        """Whether somebody may come back."""
        return bool(self._saved)

    # --- rooms ------------------------------------------------------------------------------------

    def add(self, id_: SocketId, rooms: Iterable[Room]) -> None:
        """Put a socket into rooms."""
        rooms = tuple(rooms)
        super().add(id_, rooms)
        if (member := self._members.get(id_)) is not None:
            member.join(rooms, self._log.next)

    def remove(self, id_: SocketId, room: Room) -> None:
        """Take it out of a room."""
        super().remove(id_, room)
        if (member := self._members.get(id_)) is not None:
            member.leave(room, self._log.next, self._log.first)

    def remove_all(self, id_: SocketId) -> None:
        """Take it out of all its rooms; what was saved stays."""
        super().remove_all(id_)
        self._members.pop(id_, None)

    # --- sending ----------------------------------------------------------------------------------

    def broadcast(self, args: tuple[Any, ...], options: BroadcastOptions) -> None:
        """Log the event, and send it with its offset; a volatile one is only sent."""
        if options.flags.volatile:
            self._look_at_text(args, options)
            super().broadcast(args, options)
            return
        if not self._members and not self._saved:  # nobody is here, and nobody will come back
            super().broadcast(args, options)
            return
        host, log, flags = self._host, self._log, options.flags
        position = log.next
        packet = encode_shared(
            host.event_prefix,
            host.name,
            None,
            (*args, log.offset(position)),
            compress=flags.compress,
            parser=host.parser,
        )
        now = self._clock.clock()
        log.expire(now - self._max_age)
        log.append(packet, options.rooms, options.excluded, now)
        self._sweep_later()
        for socket in self.select(options):
            if (member := self._members.get(socket.id)) is not None:
                member.sent = position
            socket.deliver(packet, args, flags)

    def _look_at_text(self, args: tuple[Any, ...], options: BroadcastOptions) -> None:
        """Clients take any text at the end of an event for an offset: see that it is none."""
        last = args[-1]
        if isinstance(last, str) and self._log.position(last) is not None:
            for socket in self.select(options):
                if (member := self._members.get(socket.id)) is not None:
                    member.is_confused = True

    # --- sockets are lost and come back -----------------------------------------------------------

    def begin(self, id_: SocketId) -> None:
        """A new socket gets events from now on."""
        self._members[id_] = _Membership(id_, self._table.of(id_), self._log.next)

    def save(self, session: SavedSession) -> None:
        """Keep what belongs to a lost socket."""
        member = self._members.pop(session.id, None)
        if member is None or member.is_confused:
            return
        if member.lost is None:  # else it was not let in, and has been away since then
            member.lost = self._log.next, self._clock.clock()
        member.missed = []
        self._saved[session.pid] = session, member
        if len(self._saved) > self._options.max_sessions:
            del self._saved[next(iter(self._saved))]
        self._sweep_later()

    def restore(self, pid: str, offset: str) -> SavedSession | None:
        """Take a session out. A second try with the same secret finds nothing."""
        # A look-up by hash tells nothing about how much of a wrong secret is right.
        saved = self._saved.pop(pid, None)
        if saved is None:
            return None
        session, member = saved
        assert member.lost is not None
        now, log = self._clock.clock(), self._log
        log.expire(now - self._max_age)
        position = log.position(offset)
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
        return session

    def replay(self, id_: SocketId) -> list[EncodedPacket] | None:
        """What was missed, with what came while middlewares ran."""
        member = self._members[id_]
        if member.read < self._log.first or not self._read(member):
            return None
        member.lost = None
        missed, member.missed = member.missed, []
        if missed:
            member.sent = missed[-1][0]
        return [packet for _, packet in missed]

    def _read(self, member: _Membership) -> bool:
        """Add to what was missed what has come since; False if it is too much."""
        for position, entry in self._log.since(member.read):
            if member.was_reached(position, entry):
                member.missed.append((position, entry.packet))
        member.read = self._log.next
        return sum(packet.size for _, packet in member.missed) <= self._max_replay

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
        for pid, (_, member) in list(self._saved.items()):
            if member.lost is not None and member.lost[1] > oldest:
                break
            del self._saved[pid]
        if self._log or self._saved:
            self._sweep_later()
        if had_saved and not self.has_saved:
            self._vacated()

    def close(self) -> None:
        """Forget everything, the epoch too."""
        super().close()
        self._clock.cancel(self)
        self._members = {}
        self._saved = {}
        self._log = PacketLog(self._options.max_packets, self._options.max_bytes)
