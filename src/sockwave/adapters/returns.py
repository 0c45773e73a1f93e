"""Clients that come back to another process than the one that has what is kept for them.

Theory. This process, X, asks all others who has the session (SESSION_WANTED, SESSION_FOUND). H, who
has it, says in which rooms it is. Then, so that nothing falls between:

1. X counts as interested in these rooms, and keeps what comes for them. It tells all
   (SESSION_COMING). Whatever somebody sends from now on reaches X.
2. Each other member tells H (FLUSHED), behind all that it has sent there. So what somebody has sent
   before, to H alone, is there.
3. When H has heard all, it forgets the session, and hands it over with all that its client has
   missed, and with the number of the latest message of each member that it has acted on (SESSION).
   X adds what it has got itself beyond these numbers.

If anything goes wrong on the way, or takes longer than `PATIENCE`, the client is a new one. A
session that was put into other rooms meanwhile is asked for again: somebody might send to these
rooms, and not know that X wants it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from sockwave.adapters.holding import is_meant, read_entry
from sockwave.adapters.messages import (
    Message,
    MessageType,
    decode_options,
    number_of,
    rooms_of,
    text_of,
)
from sockwave.adapters.replica import Waiting
from sockwave.errors import PacketError
from sockwave.socketio.core.rooms import RoomTable
from sockwave.types import SocketId

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from sockwave.adapters.holding import Place
    from sockwave.adapters.sides import RoomsWanted, Sender
    from sockwave.socketio.core.packet_log import LogEntry
    from sockwave.types import Room

__all__ = ["Returned", "Returns"]

PATIENCE: Final = 5.0
"""Seconds that a client waits for its session, at most: longer than a busy process takes."""

MAX_OPEN: Final = 10_000
"""Clients that may wait at a time; those beyond are new ones."""

_BROADCASTS: Final = frozenset({MessageType.BROADCAST, MessageType.ENCODED_BROADCAST})


@dataclass(slots=True)
class Returned:
    """A session that was handed over.

    Attributes:
        id: Of the socket.
        pid: Its secret.
        rooms: That it is in, without the one of its own id.
        data: Of the application, as msgpack.
        age: Seconds since its loss.
        missed: What its client has to get.
        heard: Number of the latest message of each member whose effect is in it.
    """

    id: SocketId
    pid: str
    rooms: tuple[Room, ...]
    data: bytes
    age: float
    missed: list[LogEntry]
    heard: dict[str, int]


@dataclass(slots=True)
class _Arrival:
    """A client that waits here.

    Attributes:
        request: Of the question that is open for it.
        deadline: When it is a new one.
        done: Gets what was found, once.
        asked: Members that have not answered.
        mirrors: Those that have only a copy, and of whom.
        holder: Who has it, when that is known.
        waiting: What was heard since the others were told.
        rooms: Those of the session, as rooms that are wanted here.
    """

    request: str
    pid: str
    offset: str | None
    deadline: float
    done: Callable[[Returned | None], None]
    asked: set[str] = field(default_factory=set)
    mirrors: dict[str, str] = field(default_factory=dict)
    holder: str | None = None
    waiting: Waiting | None = None
    rooms: RoomTable = field(default_factory=RoomTable)


class Returns:
    """The side of those who ask.

    Args:
        id_: Of this member.
        place: See there.
        send: To the others.
        wanted: Rooms that are wanted here.
        make_id: Makes ids of questions.
        clock: Of the logs.
    """

    def __init__(
        self,
        id_: str,
        place: Place,
        send: Sender,
        wanted: RoomsWanted,
        make_id: Callable[[], str],
        clock: Callable[[], float],
    ) -> None:
        self._id = id_
        self._place = place
        self._send = send
        self._wanted = wanted
        self._make_id = make_id
        self._clock = clock
        self._arrivals: dict[str, _Arrival] = {}

    def __len__(self) -> int:
        return len(self._arrivals)

    def ask(
        self,
        pid: str,
        offset: str | None,
        members: Collection[str],
        copy_of: str | None,
        now: float,
        done: Callable[[Returned | None], None],
    ) -> None:
        """Look for a session elsewhere.

        Args:
            members: Who may have it.
            copy_of: Of whom there is a copy here that has it.
            done: Called once, maybe at once.
        """
        if len(self._arrivals) >= MAX_OPEN or not (members or copy_of):
            done(None)
            return
        self._ask(_Arrival("", pid, offset, now + PATIENCE, done), members, copy_of)

    def _ask(self, arrival: _Arrival, members: Collection[str], copy_of: str | None) -> None:
        arrival.request = self._make_id()
        arrival.asked = set(members)
        arrival.mirrors = {} if copy_of is None else {self._id: copy_of}
        arrival.holder = arrival.waiting = None
        self._arrivals[arrival.request] = arrival
        if members:
            data = {"requestId": arrival.request, "pid": arrival.pid}
            self._send(MessageType.SESSION_WANTED, data, frozenset(members))

    def found(self, member: str, data: dict[str, Any]) -> None:
        """Somebody has the session, a copy of it, or does not.

        Raises:
            PacketError: Malformed.
        """
        arrival = self._arrivals.get(text_of(data, "requestId"))
        if arrival is None or arrival.holder is not None:
            return
        if data.get("found") is True:
            self._come(arrival, member, SocketId(text_of(data, "id")), rooms_of(data.get("rooms")))
            return
        arrival.asked.discard(member)
        if "of" in data:
            arrival.mirrors[member] = text_of(data, "of")
        else:
            arrival.mirrors.pop(member, None)
        # Who is alive and does not have it says so; then no copy of it counts.
        for mirror, owner in list(arrival.mirrors.items()):
            if owner == member:
                del arrival.mirrors[mirror]
        self._look(arrival)

    def _look(self, arrival: _Arrival) -> None:
        if not arrival.asked and not arrival.mirrors:
            self._end(arrival, None)

    def _come(self, arrival: _Arrival, holder: str, id_: SocketId, rooms: tuple[Room, ...]) -> None:
        options = self._place.options
        arrival.holder = holder
        arrival.waiting = Waiting(options.max_packets, options.max_bytes)
        arrival.rooms.add(id_, rooms)
        self._wanted.watch(arrival.rooms)
        data = {
            "requestId": arrival.request,
            "holder": holder,
            "pid": arrival.pid,
            "offset": arrival.offset,
            "rooms": list(rooms),
        }
        # Rooms that are wanted now are told before it.
        self._send(MessageType.SESSION_COMING, data, None)

    def heard(self, message: Message) -> None:
        """A message about sockets was sent, or has come."""
        for arrival in self._arrivals.values():
            if arrival.waiting is not None:
                arrival.waiting.add(message)

    def handed_over(self, member: str, data: dict[str, Any], members: Collection[str]) -> None:
        """The session is here.

        Raises:
            PacketError: Malformed.
        """
        arrival = self._arrivals.get(text_of(data, "requestId"))
        if arrival is None or arrival.holder != member:
            return
        if data.get("again") is True:
            self._leave(arrival)
            self._ask(arrival, members, None)
            return
        try:
            returned = self._returned(arrival, data) if "id" in data else None
        except PacketError:
            self._end(arrival, None)
            raise
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            self._end(arrival, None)
            raise PacketError("invalid payload", f"no session: {error!r}") from error
        self._end(arrival, returned)

    def _returned(self, arrival: _Arrival, data: dict[str, Any]) -> Returned | None:
        assert arrival.waiting is not None
        if arrival.waiting.is_full or arrival.pid != text_of(data, "pid"):
            return None
        now = self._clock()
        heard = {str(sender): number_of(data["heard"], sender) for sender in data["heard"]}
        id_ = SocketId(text_of(data, "id"))
        rooms = dict.fromkeys(rooms_of(data.get("rooms")))
        missed = [read_entry(fields, self._place, now) for fields in data["missed"]]
        for message in arrival.waiting.not_heard(heard):
            options = decode_options(message.data)
            if not is_meant((id_, *rooms), options):
                continue
            if message.type in _BROADCASTS:
                fields = {
                    **message.data,
                    "age": 0.0,
                    "rooms": None,
                    "except": [],
                    "compress": options.flags.compress,
                }
                missed.append(read_entry(fields, self._place, now))
            elif message.type == MessageType.SOCKETS_JOIN:
                rooms.update(dict.fromkeys(rooms_of(message.data.get("rooms"))))
            elif message.type == MessageType.SOCKETS_LEAVE:
                for room in rooms_of(message.data.get("rooms")):
                    rooms.pop(room, None)
            else:
                return None
        return Returned(id_, arrival.pid, tuple(rooms), data["data"], data["age"], missed, heard)

    def _leave(self, arrival: _Arrival) -> None:
        del self._arrivals[arrival.request]
        if arrival.waiting is not None:
            self._wanted.unwatch(arrival.rooms)
            arrival.rooms = RoomTable()

    def _end(self, arrival: _Arrival, returned: Returned | None) -> None:
        try:
            arrival.done(returned)  # first: it is in its rooms then, which are wanted all the time
        finally:
            self._leave(arrival)

    # --- ends -------------------------------------------------------------------------------------

    def member_left(self, id_: str, members: Collection[str]) -> None:
        """One is gone: what it had may be elsewhere now."""
        for arrival in list(self._arrivals.values()):
            arrival.asked.discard(id_)
            arrival.mirrors.pop(id_, None)
            if arrival.holder == id_:
                self._leave(arrival)
                self._ask(arrival, members, None)
            self._look(arrival)

    def inherited(self, owner: str, take: Callable[[str, str | None], Returned | None]) -> None:
        """What this process had a copy of is its own now.

        Args:
            take: Takes a session by its secret and offset.
        """
        for arrival in list(self._arrivals.values()):
            if arrival.holder is None and arrival.mirrors.get(self._id) == owner:
                del arrival.mirrors[self._id]
                with self._wanted.held():
                    returned = take(arrival.pid, arrival.offset)
                    if returned is not None:
                        self._end(arrival, returned)
                if returned is None:
                    self._look(arrival)

    def next_deadline(self) -> float:
        """When somebody has waited long enough."""
        return min((each.deadline for each in self._arrivals.values()), default=float("inf"))

    def expire(self, now: float) -> None:
        """Who has waited too long is a new client."""
        for arrival in list(self._arrivals.values()):
            if arrival.deadline <= now:
                self._end(arrival, None)

    def end_all(self) -> None:
        """Nobody waits any more."""
        for arrival in list(self._arrivals.values()):
            self._end(arrival, None)
