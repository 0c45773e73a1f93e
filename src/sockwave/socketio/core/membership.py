"""In which rooms one socket was when, by positions in the log of its namespace.

Whether an event was meant for a socket is judged by the rooms at that moment, not by those at the
time of the loss: who left a room must not get, on its return, what was said there afterwards, and
who joined one not what was said before.

Three things may be true of the client's side of the log at once:

- It needs nothing before `start`: there it came in, or a replay before has brought it that far.
- Where it has not got everything that was sent to it (`sent`), it needs what is behind its offset.
- Where it has, it needs only what came after its loss. So a client that was in a quiet room for an
  hour is recovered in a busy namespace, although all that the others said meanwhile has left the
  log.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, Any, Final, Self

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sockwave.socketio.core.packet_log import LogEntry
    from sockwave.types import Room, SocketId

__all__ = ["Membership"]

MAX_PAST: Final = 1_000
"""Stays in rooms that are over, kept for one socket. Each of them was long enough for an event: a
client that joins and leaves as it likes makes none as long as nobody says anything."""


class Membership:
    """Where one socket was, by position in the log.

    Attributes:
        start: Position before which the client needs nothing.
        sent: Position of the latest event sent to it; `start - 1` for none.
        lost: Position and time of its loss, while it is lost.
        missed: While it waits to be let in: what it has missed before `read`.
        read: See `missed`.
        is_void: It must not come back: the client may have taken another text for an offset, or was
            disconnected while it was away.
        foreign: The offset with which its client has come from another process. It stands for what
            that one had sent, until the client has seen an offset of this log.
    """

    __slots__ = (
        "_count",
        "_floor",
        "_id",
        "_past",
        "_rooms",
        "foreign",
        "is_void",
        "lost",
        "missed",
        "read",
        "sent",
        "start",
    )

    def __init__(self, id_: SocketId, rooms: Iterable[Room], start: int) -> None:
        self.start: int = start
        self.sent: int = start - 1
        self.lost: tuple[int, float] | None = None
        self.missed: list[tuple[int, LogEntry]] = []
        self.read: int = start
        self.is_void: bool = False
        self.foreign: str | None = None
        self._id = id_
        self._rooms = dict.fromkeys(rooms, start)
        # Stays that are over, of each room in order: from, until.
        self._past: dict[Room, list[tuple[int, int]]] | None = None
        self._count = 0
        # Position before which nothing is known of its rooms any more.
        self._floor = start

    @property
    def rooms(self) -> tuple[Room, ...]:
        """Those that it is in, without the one of its own id."""
        return tuple(room for room in self._rooms if room != self._id)

    def state(self, now: float) -> dict[str, Any]:
        """All of it, as plain values for another process; `of_state` reads them."""
        return {
            "start": self.start,
            "sent": self.sent,
            "lost": None if self.lost is None else [self.lost[0], now - self.lost[1]],
            "foreign": self.foreign,
            "rooms": self._rooms,
            "past": self._past,
            "floor": self._floor,
        }

    @classmethod
    def of_state(cls, id_: SocketId, state: dict[str, Any], now: float) -> Self:
        """One that another process has told."""
        member = cls(id_, (), state["start"])
        member.sent, member.foreign = state["sent"], state["foreign"]
        if state["lost"] is not None:
            position, age = state["lost"]
            member.lost = position, now - age
        member._rooms = dict(state["rooms"])
        if state["past"] is not None:
            member._past = {
                room: [(since, until) for since, until in stays]
                for room, stays in state["past"].items()
            }
            member._count = sum(map(len, member._past.values()))
        member._floor = state["floor"]
        return member

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
        """Forget the stays that have left the log, and all of them if that is not enough.

        Enough is half of the bound, or this would be done again at the next stay. Who has missed
        something from a time that is forgotten is not recovered: nothing is guessed.
        """
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
        # With all that was sent to it, it has missed only what came after the loss; what was logged
        # between was for others, and may have left the log.
        begin = seen + 1 if seen < self.sent else max(seen + 1, self.lost[0])
        return begin if begin >= max(first, self._floor) else None

    def was_reached(self, position: int, entry: LogEntry) -> bool:
        """Whether an event was meant for it, by its rooms at that moment."""
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
