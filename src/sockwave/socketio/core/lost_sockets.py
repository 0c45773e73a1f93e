"""Sockets that are lost and may come back: found by secret, by id, and by room."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Generic, TypeVar

from sockwave.socketio.core.rooms import RoomTable
from sockwave.types import SocketId

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sockwave.socketio.core.saved_session import SavedSession
    from sockwave.types import Room

__all__ = ["LostSockets"]

M = TypeVar("M")


class LostSockets(Generic[M]):
    """Those of one namespace in the order of their loss, each with what its adapter keeps of it.

    Their rooms can change while they are away: a client that is taken out of a room must not be
    in it again when it comes back.
    """

    __slots__ = ("_by_pid", "_connections", "_pids", "_rooms")

    def __init__(self) -> None:
        self._by_pid: dict[str, tuple[SavedSession, M]] = {}
        self._pids: dict[SocketId, str] = {}
        self._rooms = RoomTable()
        # Those of one connection, as if it were a room.
        self._connections = RoomTable()

    def __len__(self) -> int:
        return len(self._by_pid)

    def __iter__(self) -> Iterator[SocketId]:
        return iter(tuple(self._pids))

    def __contains__(self, id_: SocketId) -> bool:
        return id_ in self._pids

    @property
    def rooms(self) -> RoomTable:
        """Who of them is in which room."""
        return self._rooms

    def select(
        self, rooms: tuple[Room, ...] | None, excluded: tuple[Room, ...]
    ) -> Iterator[SocketId]:
        """Those that a broadcast would reach, each once."""
        ids = self if rooms is None else dict.fromkeys(self.in_rooms(rooms))
        left_out = set(self.in_rooms(excluded))
        return (id_ for id_ in ids if id_ not in left_out)

    def add(self, session: SavedSession, kept: M) -> None:
        """A socket is lost."""
        self._by_pid[session.pid] = session, kept
        self._pids[session.id] = session.pid
        self._rooms.add(session.id, session.rooms)
        if session.connection:
            self._connections.add(session.id, (session.connection,))

    def find(self, pid: str) -> tuple[SavedSession, M] | None:
        """One by its secret, without taking it out; its rooms are those of its loss."""
        return self._by_pid.get(pid)

    def session(self, id_: SocketId) -> SavedSession:
        """One that is there; its rooms are those of its loss."""
        return self._by_pid[self._pids[id_]][0]

    def kept(self, id_: SocketId) -> M:
        """What is kept of one that is there."""
        return self._by_pid[self._pids[id_]][1]

    def pop(self, pid: str) -> tuple[SavedSession, M] | None:
        """Take one out by its secret, with the rooms that it is in now."""
        found = self._by_pid.pop(pid, None)
        if found is None:
            return None
        session, kept = found
        rooms = self._rooms.of(session.id) - {session.id}
        del self._pids[session.id]
        self._rooms.remove_all(session.id)
        self._connections.remove_all(session.id)
        return replace(session, rooms=tuple(rooms)), kept

    def discard(self, id_: SocketId) -> SavedSession:
        """Forget one that is there."""
        pid = self._pids[id_]
        session, _ = self._by_pid[pid]
        self.pop(pid)
        return session

    def of_connection(self, connection: str) -> list[SocketId]:
        """Those that were lost with it."""
        return list(self._connections.members(connection))

    def join(self, id_: SocketId, rooms: Iterable[Room]) -> None:
        """Put one that is there into rooms."""
        self._rooms.add(id_, rooms)

    def leave(self, id_: SocketId, room: Room) -> None:
        """Take one out of a room."""
        self._rooms.remove(id_, room)

    def in_rooms(self, rooms: Iterable[Room]) -> Iterator[SocketId]:
        """Those in any of these rooms, a socket's id among them, maybe more than once."""
        for room in rooms:
            if SocketId(room) in self._pids:
                yield SocketId(room)
            yield from self._rooms.members(room)
