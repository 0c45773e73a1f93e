"""Which rooms each process of a cluster has, so that nobody is sent what it does not want.

Theory. Each process counts the versions of its set of rooms and tells the others what changed from
one to the next. Who has seen all changes knows the set; who has missed one asks for all of it, and
takes the other for one that may have any room meanwhile. Heartbeats carry the version, so that a
change that was lost is found out at the next one.

Above some thousands of rooms the set is told as a filter (`bloom.py`). Rooms that come are added to
it by name; those that go stay in it until it is made anew, as soon as half of it is out of date.

What is never announced are rooms that look like the id of a socket: there is one for each socket,
and most are used rarely. They may be anywhere (`is_private`).

What must never happen: that a room is taken for absent where it is there and was announced. The
opposite costs a message.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, Protocol

from sockwave.adapters.bloom import RoomFilter
from sockwave.adapters.messages import number_of, rooms_of
from sockwave.errors import PacketError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from sockwave.types import Room

__all__ = ["OwnInterest", "PeerInterest", "RoomSet", "is_private"]

MAX_ROOMS: Final = 65_536
"""Names that are kept for a peer; who has more has everything, until it sends a summary."""

MAX_ASSUMED: Final = 4_096
"""Rooms that a peer is believed to have got, before it says so itself."""

_ID: Final = re.compile(r"[\w-]{20}", re.ASCII)


def is_private(room: Room) -> bool:
    """Whether a room is, from its look, the one of a socket's id."""
    return len(room) == 20 and _ID.fullmatch(room) is not None


class RoomSet(Protocol):
    """All rooms of this process."""

    def __len__(self) -> int:
        """How many there are."""

    def __iter__(self) -> Iterator[Room]:
        """Their names."""


class OwnInterest:
    """The rooms of this process, as the others are told of them.

    Args:
        most: Rooms that are told by name.

    Attributes:
        version: Of what was told last; 0 is the empty set.
    """

    __slots__ = ("_built", "_changes", "_filter", "_most", "_stale", "version")

    def __init__(self, most: int) -> None:
        self.version: int = 0
        self._most = most
        self._changes: dict[Room, bool] = {}
        self._filter: RoomFilter | None = None
        self._built = 0
        self._stale = 0

    @property
    def has_changed(self) -> bool:
        """Whether there is something to tell."""
        return bool(self._changes)

    def added(self, room: Room) -> None:
        """A room has got its first member."""
        self._change(room, True)

    def dropped(self, room: Room) -> None:
        """A room has lost its last member."""
        self._change(room, False)

    def _change(self, room: Room, is_there: bool) -> None:
        if is_private(room):
            return
        if self._changes.get(room, is_there) is is_there:
            self._changes[room] = is_there
        else:  # back to what was told
            del self._changes[room]

    def changes(self, rooms: RoomSet) -> dict[str, Any] | None:
        """What to tell all others now; None if they would gain nothing.

        Args:
            rooms: All that are there.
        """
        changes, self._changes = self._changes, {}
        added = [room for room, is_there in changes.items() if is_there]
        dropped = [room for room, is_there in changes.items() if not is_there]
        if self._filter is None:
            if len(rooms) > self._most:
                return self.renewed(rooms)
        else:
            self._stale += len(changes)
            if self._stale > self._built // 2:
                return self.renewed(rooms)
            for room in added:
                self._filter.add(room)
            dropped = []
        if not added and not dropped:
            return None
        self.version += 1
        told: dict[str, Any] = {"version": self.version, "since": self.version - 1}
        if added:
            told["add"] = added
        if dropped:
            told["drop"] = dropped
        return told

    def renewed(self, rooms: RoomSet) -> dict[str, Any]:
        """The same, but all of it under a new version: what was told may have been lost."""
        self.version += 1
        self._changes = {}
        # Back to names only when far fewer are left: a set at the limit would change all the time.
        most = self._most if self._filter is None else self._most // 2
        self._filter = None
        if len(rooms) > most:
            self._build(rooms)
        return self.whole(rooms)

    def _build(self, rooms: RoomSet | list[Room]) -> None:
        self._built = len(rooms)
        self._stale = 0
        self._filter = RoomFilter.of(rooms, len(rooms) * 5 // 4)  # some will be added

    def whole(self, rooms: RoomSet) -> dict[str, Any]:
        """All that was told until now, for somebody who has missed something."""
        if self._filter is None:
            # As they were then: changes since may still be taken back, and then are never told.
            changes = self._changes
            told = [room for room in rooms if room not in changes and not is_private(room)]
            told += [room for room, is_there in changes.items() if not is_there]
            if len(told) <= self._most:
                return {"version": self.version, "rooms": told}
            self._build(told)
        assert self._filter is not None
        return {"version": self.version, "filter": self._filter.data}


class PeerInterest:
    """The rooms of another process, as far as they are known."""

    __slots__ = ("_all_until", "_assumed", "_inherited", "_rooms", "_version")

    def __init__(self) -> None:
        self._inherited: dict[str, PeerInterest] = {}
        self._version: int | None = None
        self._rooms: set[Room] | RoomFilter = set()
        self._assumed: dict[Room, float] = {}
        self._all_until = 0.0

    @property
    def is_known(self) -> bool:
        """Whether nothing is missing."""
        return self._version is not None

    def may_have(self, rooms: Collection[Room], now: float) -> bool:
        """Whether it may have one of some rooms."""
        if self._version is None or now < self._all_until:
            return True
        known, assumed = self._rooms, self._assumed
        return any(
            room in known or is_private(room) or (room in assumed and now < assumed[room])
            for room in rooms
        ) or any(each.may_have(rooms, now) for each in self._inherited.values())

    @property
    def inherited(self) -> list[str]:
        """From whom it takes over, and may not know it yet."""
        return list(self._inherited)

    def inherit(self, owner: str, interest: PeerInterest) -> None:
        """It takes over the sockets of another process: it has their rooms, before it says so."""
        self._inherited[owner] = interest

    def has_told(self, owner: str) -> None:
        """It has said which rooms it has taken over from there."""
        self._inherited.pop(owner, None)

    def assume(self, rooms: Iterable[Room], now: float, until: float) -> None:
        """Its sockets were told to join rooms: it has them, before it says so.

        So what is sent to these rooms right behind that finds its way.
        """
        for room, end in list(self._assumed.items()):  # oldest first
            if end > now:
                break
            del self._assumed[room]
        for room in rooms:
            self._assumed.pop(room, None)
            self._assumed[room] = until
        if len(self._assumed) > MAX_ASSUMED:
            self._assumed.clear()
            self._all_until = until

    def forget(self) -> None:
        """Something may have been missed."""
        self._version = None
        self._rooms = set()

    def is_at(self, version: int) -> bool:
        """Whether this version, which the process says to have, or a later one is known."""
        if version == 0 and self._version is None:
            self._version = 0  # what everybody begins with: there is nothing to be asked for
        return self._version is not None and self._version >= version

    def is_beyond(self, version: int) -> bool:
        """Whether a later version is known than the process says to have: it has not told it."""
        return self._version is not None and self._version > version

    def told(self, data: dict[str, Any]) -> bool:
        """Take what it tells.

        Returns:
            Whether all of its rooms are known now; if not, it should be asked.

        Raises:
            PacketError: Malformed; nothing is known any more.
        """
        version = number_of(data, "version")
        if "since" in data:
            return self._changed(version, number_of(data, "since"), data)
        if self._version is not None and version < self._version:
            return True  # overtaken by what came later
        self.forget()
        if "filter" in data:
            bits = data["filter"]
            if not isinstance(bits, bytes):
                raise PacketError("invalid payload", "a filter that is not bytes")
            self._rooms = RoomFilter(bits)
        else:
            rooms = set(rooms_of(data.get("rooms")))
            if len(rooms) > MAX_ROOMS:
                raise PacketError("invalid payload", "too many rooms for a list")
            self._rooms = rooms
        self._version = version
        return True

    def _changed(self, version: int, since: int, data: dict[str, Any]) -> bool:
        if self._version is not None and version <= self._version:
            return True  # it comes late, or twice
        if self._version is None or since != self._version or version != since + 1:
            self.forget()
            return False
        known = self._rooms
        for room in rooms_of(data.get("add", [])):
            known.add(room)
        if isinstance(known, set):
            known.difference_update(rooms_of(data.get("drop", [])))
            if len(known) > MAX_ROOMS:
                self.forget()
                return False
        self._version = version
        return True
