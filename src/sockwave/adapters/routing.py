"""To whom a message goes, and in which form: the way out of a member.

Theory. A message about rooms goes to members that may have one of them, and to nobody when nobody
has. Members in JavaScript announce nothing and get everything. As long as others may be there who
were not heard yet, and on carriers where some never are, all messages go to all. Who gets more than
it needs does nothing with it.

Members of ours with the same parser get the bytes for clients (ENCODED_BROADCAST); others the
packet. Messages are numbered, so that one that a carrier brings twice is acted on once. Changes of
rooms are told before the next message of any other kind, so that who hears an event has heard of
the rooms that its sender had.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sockwave.adapters.events import encoded_fields, values_of
from sockwave.adapters.interest import OwnInterest
from sockwave.adapters.messages import Message, MessageType, encode_options

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sockwave.adapters.members import Member, Members
    from sockwave.adapters.sides import LocalSide, WayOut
    from sockwave.socketio.core.adapter import BroadcastOptions
    from sockwave.socketio.core.encoded_event import EncodedEvent
    from sockwave.types import Room

__all__ = ["Router", "is_for_nobody"]


def is_for_nobody(options: BroadcastOptions) -> bool:
    """Whether no other process is meant: it is local, or for the rooms of an empty list.

    Neither has a form on the wire, where an empty list is everybody.
    """
    return options.flags.local or (options.rooms is not None and not options.rooms)


class Router:
    """Sends messages of one member.

    Args:
        id_: Of the member.
        namespace: Its namespace.
        out: Carries the messages.
        local: The sockets here, whose rooms are told.
        members: The others.
        most: Rooms that are told by name.

    Attributes:
        interest: What was told of rooms here.
        settled_at: When everybody who is there should have been heard.
        sent: Hears what was sent about sockets, where lost ones are kept.
    """

    def __init__(
        self,
        id_: str,
        namespace: str,
        out: WayOut,
        local: LocalSide,
        members: Members,
        most: int,
    ) -> None:
        self.interest: OwnInterest = OwnInterest(most)
        self.settled_at: float = float("inf")
        self.sent: Callable[[Message], None] | None = None
        self._id = id_
        self._namespace = namespace
        self._out = out
        self._local = local
        self._members = members
        self._number = 0
        self._sequence = 0

    def is_wanted(self, options: BroadcastOptions, now: float) -> bool:
        """Whether anything is to be sent at all."""
        if is_for_nobody(options):
            return False
        return not self._is_settled(now) or bool(self.wanted(options, now))

    def wanted(self, options: BroadcastOptions, now: float) -> list[Member]:
        """Members that may have somebody who is meant; none where all goes to all in any case."""
        rooms = options.rooms
        if self._out.has_strangers or is_for_nobody(options):
            return []
        if rooms is None:
            return list(self._members)
        return [
            member
            for member in self._members
            if member.interest is None or member.interest.may_have(rooms, now)
        ]

    def _is_settled(self, now: float) -> bool:
        """Whether everybody who listens is among the members."""
        if now < self.settled_at or self._members.is_full:
            return False
        return not self._out.has_strangers

    # --- about sockets ----------------------------------------------------------------------------

    def publish(
        self,
        event: EncodedEvent,
        options: BroadcastOptions,
        data: dict[str, Any],
        wanted: Sequence[Member],
        now: float,
    ) -> None:
        """Send an event, as bytes to those who can do with them, as a packet to others.

        Raises:
            EncodeError: It cannot be sent.
        """
        if self._out.has_strangers:  # who read packets only
            self._packet(event, options, data, (), now)
            return
        if "requestId" not in data:
            wanted, data = self._and_mirrors(wanted, data, now)
        alike = [member for member in wanted if member.encodes_alike]
        encoded = encoded_fields(event, is_question="requestId" in data) if alike else None
        # Where lost sockets are kept, an event has one number for all who get it.
        is_split = len(alike) < len(wanted)
        if (
            encoded is None
            or not self._may_split(alike, now)
            or (is_split and self.sent is not None)
        ):
            self._packet(event, options, data, wanted, now)
            return
        if is_split:
            others = [member for member in wanted if not member.encodes_alike]
            self._packet(event, options, data, others, now)
        data = {**encoded, **data}
        self.send_about(MessageType.ENCODED_BROADCAST, options, data, alike, now)

    def _packet(
        self,
        event: EncodedEvent,
        options: BroadcastOptions,
        data: dict[str, Any],
        to: Sequence[Member],
        now: float,
    ) -> None:
        packet = {"type": 2, "data": values_of(event)}
        self.send_about(MessageType.BROADCAST, options, {"packet": packet, **data}, to, now)

    def _may_split(self, alike: Sequence[Member], now: float) -> bool:
        """Whether bytes for clients can go to those alone who can read them."""
        if not alike or not self._is_settled(now):
            return False
        return self._out.is_selective or all(member.encodes_alike for member in self._members)

    def send_about(
        self,
        type_: MessageType,
        options: BroadcastOptions,
        data: dict[str, Any],
        wanted: Sequence[Member],
        now: float,
    ) -> None:
        """Send something about sockets to members that may have them.

        Raises:
            EncodeError: It cannot be sent.
        """
        is_settled = self._is_settled(now)
        if is_for_nobody(options) or (is_settled and not wanted):
            return
        if "requestId" not in data and "owners" not in data:
            wanted, data = self._and_mirrors(wanted, data, now)
        data = {**data, "opts": encode_options(options)}
        if not is_settled or len(wanted) == len(self._members):
            message = self.send(type_, data, None)
        else:
            message = self.send(type_, data, frozenset(member.id for member in wanted))
        if self.sent is not None and "requestId" not in data and not options.flags.volatile:
            self.sent(message)

    def _and_mirrors(
        self, wanted: Sequence[Member], data: dict[str, Any], now: float
    ) -> tuple[Sequence[Member], dict[str, Any]]:
        """Add those who keep copies of some: they keep it until it was acted on there.

        `owners` says where that will be.
        """
        if self.sent is None or not self._is_settled(now):
            return wanted, data
        owners: list[str] = []
        mirrors: set[str] = set()
        for member in wanted:
            owners.append(member.id)
            mirrors.update(member.mirrors)
            if member.interest is not None:
                owners += member.interest.inherited
        added = [each for each in self._members if each.id in mirrors and each.id not in owners]
        return [*wanted, *added], {**data, "owners": owners}

    # --- all others -------------------------------------------------------------------------------

    def respond(self, type_: MessageType, data: dict[str, Any], to: str) -> None:
        """Send to one member.

        Raises:
            EncodeError: It cannot be sent.
        """
        self.send(type_, data, frozenset({to}))

    def send(self, type_: MessageType, data: dict[str, Any], to: frozenset[str] | None) -> Message:
        """Send to all, or to some members.

        Raises:
            EncodeError: It cannot be sent.
        """
        if type_ is not MessageType.INTEREST:
            self.tell_rooms()
        number, sequence = self._number + 1, self._sequence + 1
        counted = sequence if to is None else None
        message = Message(type_, data, self._id, self._namespace, number, counted)
        self._out.send(message, to)  # what cannot be sent has no number: nobody misses it
        self._number = number
        if to is None:
            self._sequence = sequence
        return message

    def room_added(self, room: Room) -> None:
        """A room has got its first socket here. Others are told of it only where that decides who
        gets what: where strangers may listen everything goes to all."""
        if not self._out.has_strangers:
            self.interest.added(room)

    def room_dropped(self, room: Room) -> None:
        """It has lost its last one."""
        if not self._out.has_strangers:
            self.interest.dropped(room)

    def tell_rooms(self) -> None:
        """Tell the others which rooms came and went."""
        if not self.interest.has_changed:
            return
        told = self.interest.changes(self._local.rooms)
        if told is not None:
            self._tell(told)

    def tell_all_rooms(self) -> None:
        """Tell the others all of them: something that was told may have been lost."""
        if self._out.has_strangers:
            return
        self._tell(self.interest.renewed(self._local.rooms))

    def _tell(self, told: dict[str, Any]) -> None:
        ours = frozenset(member.id for member in self._members if member.interest is not None)
        if len(ours) == len(self._members):
            # Also to those who were not heard yet, or are taken for gone and are not.
            self.send(MessageType.INTEREST, told, None)
        elif ours:
            self.send(MessageType.INTEREST, told, ours)
