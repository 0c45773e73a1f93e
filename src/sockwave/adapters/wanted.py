"""Rooms that this process wants to hear of, from several tables: of sockets that are here, that are
lost, and that are on their way."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sockwave.socketio.core.rooms import RoomTable
    from sockwave.types import Room

__all__ = ["WantedRooms"]


class WantedRooms:
    """The rooms of all tables that are watched; see `RoomSet`.

    Args:
        changed: Called when a room is wanted (True) or is no longer.
    """

    def __init__(self, changed: Callable[[Room, bool], None]) -> None:
        self._changed = changed
        self._counts: dict[Room, int] = {}
        self._held: dict[Room, None] | None = None

    def __len__(self) -> int:
        return len(self._counts)

    def __iter__(self) -> Iterator[Room]:
        return iter(self._counts)

    def watch(self, table: RoomTable) -> None:
        """Rooms of this table are wanted, now and when they come."""
        table.watch = self._count
        for room in table:
            self._count(room, True)

    def unwatch(self, table: RoomTable) -> None:
        """They are wanted for its sake no longer."""
        table.watch = None
        for room in table:
            self._count(room, False)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Sockets move from one table to another within this: no room is dropped between."""
        held: dict[Room, None] = {}
        self._held = held
        try:
            yield
        finally:
            self._held = None
            for room in held:
                if room not in self._counts:
                    self._changed(room, False)

    def _count(self, room: Room, is_there: bool) -> None:
        count = self._counts.get(room, 0) + (1 if is_there else -1)
        if count:
            self._counts[room] = count
        else:
            del self._counts[room]
        if count != (1 if is_there else 0):
            return
        if self._held is None:
            self._changed(room, is_there)
        elif not is_there:
            self._held[room] = None
        elif room not in self._held:
            self._changed(room, True)
