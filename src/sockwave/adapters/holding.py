"""What a process keeps of sockets of another one: a copy of its store, or what it has inherited.

As long as the other one lives, its operations are done here, too, in the same order. When it is
gone, all of its sockets are lost, and this process goes on with the log.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sockwave.adapters.events import encoded_fields, read_event, values_of
from sockwave.adapters.messages import (
    Message,
    MessageType,
    decode_options,
    rooms_of,
)
from sockwave.socketio.core.encoded_event import EncodedEvent
from sockwave.socketio.core.membership import Membership
from sockwave.socketio.core.packet_log import LogEntry
from sockwave.socketio.core.recovery_store import RecoveryStore
from sockwave.socketio.core.rooms import RoomTable
from sockwave.socketio.core.saved_session import SavedSession
from sockwave.types import SocketId

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sockwave.socketio.core.adapter import BroadcastOptions
    from sockwave.socketio.core.parser import Parser
    from sockwave.socketio.core.recovery_options import Recovery
    from sockwave.types import NamespaceName, Room

__all__ = ["Holding", "Identified", "Place", "entry_fields", "is_late", "is_meant", "read_entry"]


@dataclass(frozen=True, slots=True)
class Place:
    """Of which namespace all this is, and how much is kept.

    Attributes:
        namespace: Its name.
        parser: Of this process.
        options: Bounds.
        max_age: Seconds that events are kept.
        max_replay: Bytes that may be sent to one client at once.
    """

    namespace: NamespaceName
    parser: Parser | None
    options: Recovery
    max_age: float
    max_replay: int


@dataclass(slots=True)
class Identified:
    """What belongs to a socket beside its rooms.

    Attributes:
        pid: Its secret.
        connection: That it is on, or was lost with.
        data: Of the application, as msgpack; None where it cannot be sent to other processes.
    """

    pid: str
    connection: str
    data: bytes | None


def entry_fields(entry: LogEntry, now: float) -> dict[str, Any]:
    """An event of a log in the form of the wire."""
    assert entry.event is not None
    fields = encoded_fields(entry.event)
    if fields is None:
        fields = {"packet": values_of(entry.event)}
    return {
        **fields,
        "age": now - entry.time,
        "rooms": None if entry.rooms is None else list(entry.rooms),
        "except": list(entry.excluded),
        "compress": entry.compress,
    }


def read_entry(fields: dict[str, Any], place: Place, now: float) -> LogEntry:
    """What `entry_fields` has made.

    Raises:
        PacketError: It has not.
    """
    event = read_event(fields, place.namespace, place.parser)
    if not isinstance(event, EncodedEvent):
        event = EncodedEvent(tuple(event), place.namespace, place.parser)
    rooms = fields["rooms"]
    return LogEntry(
        now - fields["age"],
        None,
        None if rooms is None else rooms_of(rooms),
        rooms_of(fields["except"]),
        event,
        fields["compress"] is not False,
    )


def is_meant(rooms: Iterable[Room], options: BroadcastOptions) -> bool:
    """Whether a socket in these rooms is meant."""
    rooms = set(rooms)
    if options.rooms is not None and rooms.isdisjoint(options.rooms):
        return False
    return rooms.isdisjoint(options.excluded)


def is_late(message: Message, heard: dict[str, int]) -> bool:
    """Whether the effect of a message is there already."""
    return message.number is not None and message.number <= heard.get(message.sender, -1)


class Holding:
    """A store of another process.

    Args:
        place: See there.
        epoch: Of its log.
        first: Position of its next event.
        limit: See `RecoveryStore`.
        heard: Number of the latest message of each member whose effect is in it.

    Attributes:
        store: The copy.
        known: What belongs to its sockets.
        heard: See above; messages that come here later than that are none of its business.
        late: The same of single sockets that have come from elsewhere.
    """

    def __init__(
        self,
        place: Place,
        epoch: str,
        first: int,
        limit: int | None,
        heard: dict[str, int],
    ) -> None:
        self.heard = heard
        self.late: dict[SocketId, dict[str, int]] = {}
        self.store: RecoveryStore = RecoveryStore(place.options, place.max_age, epoch=epoch)
        self.store.log.first = first
        self.store.limit = limit
        self.known: dict[SocketId, Identified] = {}
        self._pids: dict[str, SocketId] = {}
        self._place = place
        self._here = RoomTable()

    # --- what the other process does --------------------------------------------------------------

    def whole(self, id_: SocketId, state: dict[str, Any], now: float) -> None:
        """All that there is to know of a socket, whatever was known before."""
        self.gone(id_)
        known = Identified(state["pid"], state["connection"], state["data"])
        self._know(id_, known)
        if state.get("late"):
            self.late[id_] = state["late"]
        member = Membership.of_state(id_, state["member"], now)
        if member.lost is None:
            self.store.members[id_] = member
            self._here.add(id_, member.rooms)
        else:
            self.store.keep(self._session(id_, member, known), member)

    def describe(self, id_: SocketId, pid: str, connection: str, data: bytes | None) -> None:
        """What belongs to a socket."""
        if id_ in self.store.members:
            self._forget(id_)
            self._know(id_, Identified(pid, connection, data))

    def _know(self, id_: SocketId, known: Identified) -> None:
        self.known[id_] = known
        self._pids[known.pid] = id_

    def _forget(self, id_: SocketId) -> None:
        if (known := self.known.pop(id_, None)) is not None:
            self._pids.pop(known.pid, None)

    def find(self, pid: str) -> SocketId | None:
        """A socket by its secret, here or lost."""
        id_ = self._pids.get(pid)
        if id_ is None or not (id_ in self.store.saved or id_ in self.store.members):
            return None
        return id_

    def join(self, id_: SocketId, rooms: tuple[Room, ...]) -> None:
        """A socket is in rooms."""
        if not self.store.join(id_, rooms) and id_ in self.store.members:
            self._here.add(id_, rooms)

    def leave(self, id_: SocketId, room: Room) -> None:
        """A socket has left a room."""
        if not self.store.leave(id_, room):
            self._here.remove(id_, room)

    def save(self, id_: SocketId, data: bytes | None, now: float) -> None:
        """A socket is lost."""
        member, known = self.store.members.get(id_), self.known.get(id_)
        self._here.remove_all(id_)
        if member is None:
            return
        if known is None:
            self.gone(id_)
            return
        known.data = data
        self.store.save(self._session(id_, member, known), now)

    def gone(self, id_: SocketId) -> None:
        """A socket does not come back, or not here."""
        self._here.remove_all(id_)
        self._forget(id_)
        self.late.pop(id_, None)
        if id_ in self.store.saved:
            self.store.discard(id_)
        self.store.members.pop(id_, None)

    def append(self, entry: LogEntry) -> None:
        """An event was logged, and sent to those who are there."""
        position = self.store.append(entry)
        members = self.store.members
        if entry.rooms is None and not entry.excluded:
            for member in members.values():
                member.sent = position
            return
        ids = members if entry.rooms is None else dict.fromkeys(self._in_rooms(entry.rooms))
        left_out = set(self._in_rooms(entry.excluded))
        for id_ in ids:
            if id_ not in left_out and id_ in members:
                members[id_].sent = position

    def _in_rooms(self, rooms: tuple[Room, ...]) -> Iterable[SocketId]:
        for room in rooms:
            yield SocketId(room)
            yield from self._here.members(room)

    def prepend(self, position: int, entry: LogEntry) -> None:
        """An older event, as the log there has it."""
        if position == self.store.log.first - 1:
            self.store.log.prepend(entry)

    def _session(self, id_: SocketId, member: Membership, known: Identified) -> SavedSession:
        return SavedSession(id_, known.pid, member.rooms, {}, known.connection)

    # --- when it is gone --------------------------------------------------------------------------

    def inherit(self, now: float) -> None:
        """The other process is gone: all its sockets are lost."""
        if self.store.limit is None:
            self.store.limit = self.store.log.next
        for id_ in list(self.store.members):
            known = self.known.get(id_)
            if known is None or known.data is None:
                self.gone(id_)
            else:
                self.save(id_, known.data, now)

    def message(self, message: Message, now: float) -> None:
        """Do with lost sockets what a message says that their own process has not acted on.

        Raises:
            PacketError: Malformed.
        """
        if is_late(message, self.heard):
            return
        data, saved = message.data, self.store.saved
        options = decode_options(data)
        late = [id_ for id_, heard in self.late.items() if is_late(message, heard)]
        if late:
            options = replace(options, excluded=(*options.excluded, *late))
        if message.type in (MessageType.BROADCAST, MessageType.ENCODED_BROADCAST):
            fields = {
                **data,
                "age": 0.0,
                "rooms": None if options.rooms is None else list(options.rooms),
                "except": list(options.excluded),
                "compress": options.flags.compress,
            }
            self.store.append(read_entry(fields, self._place, now))
            return
        meant = list(saved.select(options.rooms, options.excluded))
        for id_ in meant:
            if message.type == MessageType.SOCKETS_JOIN:
                self.store.join(id_, rooms_of(data.get("rooms")))
            elif message.type == MessageType.SOCKETS_LEAVE:
                for room in rooms_of(data.get("rooms")):
                    self.store.leave(id_, room)
            else:
                self.gone(id_)

    def expire(self, now: float) -> None:
        """Forget what is too old."""
        self.store.expire(now)
        if len(self.known) > len(self.store.saved) + len(self.store.members):
            for id_ in list(self.known):
                if id_ not in self.store.saved and id_ not in self.store.members:
                    self._forget(id_)

    def state(self, id_: SocketId, now: float) -> dict[str, Any] | None:
        """All that there is to know of a socket, for `whole`; None if there is none."""
        known = self.known.get(id_)
        lost = self.store.saved.kept(id_) if id_ in self.store.saved else None
        member = self.store.members.get(id_, lost)
        if known is None or member is None:
            return None
        return {
            "pid": known.pid,
            "connection": known.connection,
            "data": known.data,
            "member": member.state(now),
        }
