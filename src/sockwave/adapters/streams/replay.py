"""What a lost socket has missed: the entries of the stream since, looked at one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sockwave.adapters.events import read_event
from sockwave.adapters.messages import Message, MessageType, decode_options, rooms_of
from sockwave.adapters.streams.positions import entry_id
from sockwave.errors import SockwaveError
from sockwave.socketio.core.encoded_event import EncodedEvent
from sockwave.socketio.core.membership import Membership
from sockwave.socketio.core.packet_log import LogEntry

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from sockwave.adapters.streams.contract import Entry
    from sockwave.adapters.streams.sessions import StoredSession
    from sockwave.socketio.core.adapter import BroadcastOptions
    from sockwave.socketio.core.outgoing import EncodedPacket
    from sockwave.socketio.core.parser import Parser
    from sockwave.types import NamespaceName, Room

__all__ = ["Replay", "is_meant"]

_OPERATIONS: Final = frozenset({4, 5, 6})


def is_meant(rooms: AbstractSet[Room], options: BroadcastOptions) -> bool:
    """Whether something is for a socket in these rooms, that of its id included."""
    if options.rooms is not None and rooms.isdisjoint(options.rooms):
        return False
    return rooms.isdisjoint(options.excluded)


class Replay:
    """The way of one lost socket from its loss until it is let in again.

    Its rooms change on the way, as others have changed them while it was away.

    Args:
        session: What was kept of it.
        namespace: Its namespace.
        parser: Of that; None is the default one.
        begin: The place of the first entry that its client may have missed.
        lost_at: Monotonic seconds of its loss.

    Attributes:
        member: Where it was when.
        missed: Packets with their places.
        size: Bytes of all these.
        upto: The last entry that was looked at.
        is_over: It was disconnected while it was away, or nobody knows what it has seen: its client
            is a new one.
        numbers: Of the last entry of each sender of ours.
    """

    def __init__(
        self,
        session: StoredSession,
        namespace: NamespaceName,
        parser: Parser | None,
        begin: int,
        lost_at: float,
    ) -> None:
        # What a server in JavaScript has kept does not tell where in the stream the loss was:
        # changes of rooms may be those that it has seen itself.
        self._has_places = session.member is not None
        self._owner = session.owner
        self._suspects = {session.owner, session.suspect} - {""}
        self.member: Membership = session.member or Membership(
            session.id, (session.id, *session.rooms), 1
        )
        if self.member.lost is None:
            self.member.lost = begin, lost_at
        self.member.start = begin
        self.missed: list[tuple[int, EncodedPacket]] = []
        self.size: int = 0
        self.upto: int = begin - 1
        self.is_over: bool = False
        self.numbers: dict[bytes, int] = {}
        self._id = session.id
        self._namespace = namespace
        self._parser = parser

    def take(self, entry: Entry) -> None:
        """Look at the next entry; one that was looked at already changes nothing."""
        if entry.position <= self.upto:
            return
        self.upto = entry.position
        if entry.namespace != self._namespace:
            return
        if entry.number is not None:
            if entry.number <= self.numbers.get(entry.sender, -1):
                return  # it was written twice, as who reads the stream knows, too
            self.numbers[entry.sender] = entry.number
        try:
            message = entry.message()
            if message.type in (MessageType.BROADCAST, MessageType.ENCODED_BROADCAST):
                self._event(entry.position, message)
            elif message.type in _OPERATIONS:
                self._operation(entry.position, message)
        except SockwaveError:
            return  # whoever reads the stream has told of it

    def _event(self, position: int, message: Message) -> None:
        data = message.data
        options = decode_options(data)
        # Volatile events have been sent to others without an offset: they may be missed.
        if "requestId" in data or options.flags.volatile:
            return
        entry = LogEntry(0.0, None, options.rooms, options.excluded)
        if not self.member.was_reached(position, entry):
            return
        if message.sender in self._suspects:
            # Its process may have sent it without an offset: nobody knows whether it was seen.
            self.is_over = True
            return
        event: Any = read_event(data, self._namespace, self._parser)
        if not isinstance(event, EncodedEvent):
            event = EncodedEvent(tuple(event), self._namespace, self._parser)
        packet = event.packet(offset=entry_id(position), compress=options.flags.compress)
        self.missed.append((position, packet))
        self.size += packet.size

    def _operation(self, position: int, message: Message) -> None:
        lost = self.member.lost
        options = decode_options(message.data)
        if (lost is not None and position < lost[0]) or not is_meant(
            {self._id, *self.member.rooms}, options
        ):
            return
        if message.type == MessageType.DISCONNECT_SOCKETS:
            self.is_over = True
        elif not self._has_places or message.sender == self._owner:
            return  # what was kept has it already
        elif message.type == MessageType.SOCKETS_JOIN:
            self.member.join(rooms_of(message.data.get("rooms")), position + 1)
        else:
            for room in rooms_of(message.data.get("rooms")):
                self.member.leave(room, position, 0)

    def finish(self) -> list[EncodedPacket]:
        """It is let in: what it has missed."""
        member = self.member
        member.lost = None
        if self.missed:
            member.sent = self.missed[-1][0]
        missed, self.missed = self.missed, []
        return [packet for _, packet in missed]

    def suspend(self) -> None:
        """It is lost again before it was let in: the next time it goes on from here."""
        member = self.member
        if member.lost is not None:
            member.lost = self.upto + 1, member.lost[1]
        if self.missed:  # else nothing was, between the loss and here
            member.sent = max(member.sent, self.missed[-1][0])
