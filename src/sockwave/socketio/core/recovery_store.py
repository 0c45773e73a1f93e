"""What is kept of one namespace of one process for clients that may come back: a state machine.

It has the log, the rooms of each socket by position, and the sockets that are lost. It acts only
when it is told to, with the time as an argument, and says to its watcher what it did: whoever does
the same in the same order has the same state. So another process can keep a copy of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from sockwave.socketio.core.lost_sockets import LostSockets
from sockwave.socketio.core.membership import Membership
from sockwave.socketio.core.packet_log import PacketLog

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sockwave.socketio.core.packet_log import LogEntry
    from sockwave.socketio.core.recovery_options import Recovery
    from sockwave.socketio.core.saved_session import SavedSession
    from sockwave.types import Room, SocketId

__all__ = ["RecoveryStore", "StoreWatcher"]


class StoreWatcher(Protocol):
    """Hears what was done to a store, after it was done."""

    def changed(self, store: RecoveryStore, what: str, id_: SocketId, *details: Any) -> None:
        """Something was done to a socket.

        Args:
            what: `join` (rooms), `leave` (room), `save`, `gone`, or `whole`, where all of its
                state is to be looked at.
        """


class RecoveryStore:
    """The log of a namespace, and the sockets that it is kept for.

    Args:
        options: Bounds.
        max_age: Seconds that events are kept.
        epoch: That of the store in another process of which this is a copy.

    Attributes:
        log: The events.
        members: Sockets that are here, or back and not let in yet.
        saved: Sockets that are lost.
        watcher: Hears what is done.
        limit: Position from which on no client has ever been told an offset of this log.
    """

    def __init__(
        self,
        options: Recovery,
        max_age: float,
        *,
        epoch: str = "",
    ) -> None:
        self.log: PacketLog = PacketLog(options.max_packets, options.max_bytes, epoch)
        self.members: dict[SocketId, Membership] = {}
        self.saved: LostSockets[Membership] = LostSockets()
        self.watcher: StoreWatcher | None = None
        self.limit: int | None = None
        self._options = options
        self._max_age = max_age

    def _tell(self, what: str, id_: SocketId, *details: Any) -> None:
        if self.watcher is not None:
            self.watcher.changed(self, what, id_, *details)

    # --- sockets and their rooms ------------------------------------------------------------------

    def begin(self, id_: SocketId, rooms: Iterable[Room]) -> None:
        """A new socket gets events from now on."""
        if id_ in self.saved:
            self.saved.discard(id_)
        self.members[id_] = Membership(id_, rooms, self.log.next)

    def join(self, id_: SocketId, rooms: tuple[Room, ...]) -> bool:
        """A socket is in rooms from now on; whether it is a lost one."""
        if is_lost := id_ in self.saved:
            self.saved.join(id_, rooms)
            self.saved.kept(id_).join(rooms, self.log.next)
        elif (member := self.members.get(id_)) is not None:
            member.join(rooms, self.log.next)
        else:
            return False
        self._tell("join", id_, rooms)
        return is_lost

    def leave(self, id_: SocketId, room: Room) -> bool:
        """A socket is in a room no longer; whether it is a lost one."""
        if is_lost := id_ in self.saved:
            self.saved.leave(id_, room)
            self.saved.kept(id_).leave(room, self.log.next, self.log.first)
        elif (member := self.members.get(id_)) is not None:
            member.leave(room, self.log.next, self.log.first)
        else:
            return False
        self._tell("leave", id_, room)
        return is_lost

    def make_void(self, id_: SocketId) -> None:
        """One that is here, or not let in yet, must not come back."""
        if (member := self.members.get(id_)) is not None:
            member.is_void = True
            self._tell("gone", id_)

    def come_back(self, id_: SocketId, member: Membership) -> None:
        """One that was lost is back, and not let in yet."""
        self.members[id_] = member
        self._tell("whole", id_)

    def described(self, id_: SocketId) -> None:
        """What belongs to one that is let in is known from now on."""
        self._tell("whole", id_)

    def remove(self, id_: SocketId) -> None:
        """One that is here is gone for good; what was saved stays."""
        if self.members.pop(id_, None) is not None:
            self._tell("gone", id_)

    # --- events -----------------------------------------------------------------------------------

    def append(self, entry: LogEntry) -> int:
        """Log an event; its position."""
        position = self.log.next
        self.log.expire(entry.time - self._max_age)
        self.log.append(entry)
        return position

    # --- sockets are lost and come back -----------------------------------------------------------

    def save(self, session: SavedSession, now: float) -> bool:
        """A socket is lost; whether it may come back."""
        member = self.members.pop(session.id, None)
        if member is None or member.is_void:
            return False
        # Else it was not let in, and has been away since then: its time is not prolonged by trying.
        is_old = member.lost is not None
        if member.lost is None:
            member.lost = self.log.next, now
        member.missed = []
        self.keep(session, member)
        if is_old:
            self._tell("whole", session.id)
        else:
            self._tell("save", session.id)
        return True

    def keep(self, session: SavedSession, member: Membership) -> None:
        """One that is lost already is kept here."""
        self.saved.add(session, member)
        if len(self.saved) > self._options.max_sessions:
            self.discard(next(iter(self.saved)))

    def discard(self, id_: SocketId) -> SavedSession:
        """One that is lost must not come back."""
        session = self.saved.discard(id_)
        self._tell("gone", id_)
        return session

    def collect(self, member: Membership, offset: str | None, now: float) -> bool:
        """Collect what a client that is back has missed; False if some of it is gone."""
        assert member.lost is not None
        self.log.expire(now - self._max_age)
        position: int | None
        if offset is None:
            # Nothing that was logged has arrived; `needed` knows where that began.
            position = -1
        elif offset == member.foreign:
            position = member.start - 1
        else:
            position = self.log.position(offset)
            if position is not None and self.limit is not None and position >= self.limit:
                position = None
        if position is None or now - member.lost[1] > self._options.max_disconnection_duration:
            return False
        begin = member.needed(position, self.log.first)
        if begin is None:
            return False
        if offset is not None and offset != member.foreign:
            member.foreign = None
        member.start = member.read = begin
        self.read(member)
        return True

    def read(self, member: Membership) -> None:
        """Add to what was missed what has come since."""
        for position, entry in self.log.since(member.read):
            if member.was_reached(position, entry):
                member.missed.append((position, entry))
        member.read = self.log.next

    # --- time -------------------------------------------------------------------------------------

    def expire(self, now: float) -> None:
        """Forget what is too old."""
        self.log.expire(now - self._max_age)
        oldest = now - self._options.max_disconnection_duration
        for id_ in self.saved:
            lost = self.saved.kept(id_).lost
            # Without a word: who keeps a copy has a clock of his own.
            if lost is not None and lost[1] > oldest:
                break
            self.saved.discard(id_)

    def lose_all(self) -> None:
        """Something may be missing: nobody comes back who is here or lost now."""
        for id_ in list(self.saved):
            self.discard(id_)
        for id_ in list(self.members):
            self.make_void(id_)
