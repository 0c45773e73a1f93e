"""Which socket is in which room of one namespace."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sockwave.types import Room, SocketId

__all__ = ["RoomTable", "as_rooms"]


def as_rooms(rooms: tuple[Room | Iterable[Room], ...]) -> tuple[Room, ...]:
    """Flatten `to("a", "b")` and `to(["a", "b"])`.

    Raises:
        TypeError: A room that is not text.
    """
    flat: list[Room] = []
    for entry in rooms:
        if isinstance(entry, str) or not isinstance(entry, Iterable):
            flat.append(entry)
        else:
            flat.extend(entry)
    for room in flat:
        if not isinstance(room, str):
            raise TypeError(f"a room must be text, not {type(room).__name__}")
    return tuple(flat)


class RoomTable:
    """Rooms with their members in the order of joining.

    A socket's own id is a room that holds only it; that room is implied and takes no space. Rooms
    come with their first member and go with their last.

    Attributes:
        watch: Called when a room has come (True) or gone; None for nobody.
    """

    __slots__ = ("_members", "_rooms", "watch")

    def __init__(self) -> None:
        self.watch: Callable[[Room, bool], None] | None = None
        # A single member stands for itself: most rooms are one user's, and a dict takes 200 bytes.
        self._members: dict[Room, SocketId | dict[SocketId, None]] = {}
        self._rooms: dict[SocketId, dict[Room, None]] = {}

    def __len__(self) -> int:
        return len(self._members)

    def __contains__(self, room: Room) -> bool:
        return room in self._members

    def __iter__(self) -> Iterator[Room]:
        return iter(self._members)

    def add(self, id_: SocketId, rooms: Iterable[Room]) -> None:
        """Put a socket into rooms."""
        joined = self._rooms.get(id_)
        for room in rooms:
            if room == id_:
                continue
            if joined is None:
                joined = self._rooms[id_] = {}
            joined[room] = None
            members = self._members.get(room)
            if members is None:
                self._members[room] = id_
                if self.watch is not None:
                    self.watch(room, True)
            elif isinstance(members, dict):
                members[id_] = None
            elif members != id_:
                self._members[room] = {members: None, id_: None}

    def remove(self, id_: SocketId, room: Room) -> None:
        """Take a socket out of a room; nothing happens when it is not in."""
        joined = self._rooms.get(id_)
        if joined is None or room not in joined:
            return
        del joined[room]
        if not joined:
            del self._rooms[id_]
        self._leave(id_, room)

    def remove_all(self, id_: SocketId) -> None:
        """Take a socket out of all its rooms."""
        for room in self._rooms.pop(id_, ()):
            self._leave(id_, room)

    def _leave(self, id_: SocketId, room: Room) -> None:
        members = self._members[room]
        if isinstance(members, dict):
            del members[id_]
            if members:
                return
        del self._members[room]
        if self.watch is not None:
            self.watch(room, False)

    def of(self, id_: SocketId) -> set[Room]:
        """The rooms of a socket, its own included."""
        return {id_, *self._rooms.get(id_, ())}

    def members(self, room: Room) -> Iterable[SocketId]:
        """Members in the order of joining, without the socket whose id the room is."""
        members = self._members.get(room, ())
        return (members,) if isinstance(members, str) else members
