"""Sockets that are connected here, as they are kept for the case that this process dies.

Theory. What is kept of a connected socket is what is kept of a lost one (`sessions.py`): its rooms
by place in the stream, and its data, with the place up to which that is true. It is written at the
end of the turn of the event loop in which the socket came or its rooms changed, for all of them
together, and a moment after its data was used. Nothing is done for a message. All that a process
has lives on by one command in a while; when the process has died, whoever its clients come to takes
them out (`finding.py`), as long as that is.

Where its client stands only the client knows. So whatever it is sent must have an offset, or be
known for what may have had none: events of the process that has died (`own_events.py`). Whoever may
have missed one of those is a new client. A socket that must not come back gets no more offsets: its
client stands where it was, and what it may have missed since is gone from the stream.

Who has died? A process that was killed does not listen any more, which the carrier sees at once.
One that is cut off does not either, and may go on: its clients have come to somebody else by
themselves, and when it hears again, it hears that they were taken, ends them, and keeps nothing.
Where somebody has taken a socket, its process cannot keep it, nor put it where lost ones are.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from enum import IntEnum
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from sockwave.adapters.floods import is_worth_a_line
from sockwave.adapters.messages import encode_value
from sockwave.adapters.streams.contract import KeepsConnected, StreamRefused
from sockwave.adapters.streams.sessions import encode_session
from sockwave.debug import known
from sockwave.errors import EncodeError
from sockwave.socketio.core.saved_session import SavedSession

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from sockwave.adapters.streams.contract import ConnectedStore, StreamCarrier
    from sockwave.socketio.core.membership import Membership
    from sockwave.socketio.core.recovery_contract import MirroredSocket, RecoveryMeans
    from sockwave.types import NamespaceName, SocketId

__all__ = ["KeptHere", "Whereabouts", "connected_store"]

TOGETHER: Final = 256
"""Sockets that are written at once; more follow in the next turn."""

MOST_UNDER_WAY: Final = 4
"""Writes that may be unanswered; what changes meanwhile is written together."""

LATE: Final = 0.1
"""Seconds after which data is looked at that was used, and more is written where too much was."""

RENEWAL: Final = 5.0
"""Seconds between two signs that all live on, or a quarter of the time that they are kept."""

MAX_BYTES: Final = 64 * 1024
"""Of one socket: one that is larger is not kept."""

NOTHING: Final = b""

_logger: Final = logging.getLogger("sockwave.adapters")


def connected_store(streams: StreamCarrier, namespace: NamespaceName) -> ConnectedStore | None:
    """Where connected sockets are kept; None where they are not."""
    latest = streams.latest
    return latest.connected(namespace) if isinstance(latest, KeepsConnected) else None


class _Why(IntEnum):
    """Why a socket is to be written; the highest counts."""

    DATA = 0
    """Its data was used, and may be the same."""
    CHANGED = 1
    NEW = 2
    """It is here for the first time, or again after it was elsewhere."""


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """What the adapter knows of its sockets.

    Attributes:
        member: Where one was when; None where that is not known.
        is_leaving: Whether it has left a room, and that is not noted yet.
        suspect: See `StoredSession`.
        place: Of the next entry that is read.
    """

    member: Callable[[SocketId], Membership | None]
    is_leaving: Callable[[SocketId], bool]
    suspect: Callable[[SocketId], str]
    place: Callable[[], int]


class KeptHere:
    """Those of one namespace.

    Args:
        namespace: Its name.
        streams: The carrier.
        means: Bounds, and the clock.
        whereabouts: See there.
    """

    def __init__(
        self,
        namespace: NamespaceName,
        streams: StreamCarrier,
        means: RecoveryMeans,
        whereabouts: Whereabouts,
    ) -> None:
        self._namespace = namespace
        self._streams = streams
        self._means = means
        self._whereabouts = whereabouts
        self._address = ""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._store: ConnectedStore | None = None
        self._sockets: dict[SocketId, MirroredSocket] = {}
        self._changed: dict[SocketId, _Why] = {}
        # Secrets of those that were written, and what marks their data.
        self._kept: dict[SocketId, tuple[str, int]] = {}
        self._left: dict[str, None] = {}
        self._is_due = False
        self._is_looking = False
        self._late: asyncio.TimerHandle | None = None
        self._under_way = 0
        # Whether any were written: whose were not, nobody can have taken.
        self._may_be_there = False
        self._has_failed = False
        self._unkept = 0
        self.wheel_slot = 0

    def begin(self, address: str, loop: asyncio.AbstractEventLoop) -> None:
        """The process goes by this name, in this loop."""
        self._address, self._loop = address, loop
        self._store = connected_store(self._streams, self._namespace)

    @property
    def is_on(self) -> bool:
        """Whether any are kept."""
        return self._store is not None

    def clear(self) -> None:
        """Forget them here; what was written ends by itself."""
        self._means.clock.cancel(self)
        if self._late is not None:
            self._late.cancel()
            self._late = None
        self._store = self._loop = None
        self._is_due = self._has_failed = self._may_be_there = False
        self._under_way = 0
        for each in (self._sockets, self._changed, self._kept, self._left):
            each.clear()

    # --- what happens to them ---------------------------------------------------------------------

    def watch(self, id_: SocketId, socket: MirroredSocket) -> None:
        """One was let in."""
        if self._store is None or socket.pid is None:
            return
        self._sockets[id_] = socket
        self._note(id_, _Why.NEW)
        if not self.wheel_slot:
            self._renew_later()

    def changed(self, id_: SocketId) -> None:
        """Its rooms are others, or it must not come back."""
        if id_ in self._sockets:
            self._note(id_, _Why.CHANGED)

    def touched(self, id_: SocketId) -> None:
        """Its data may be changed."""
        if id_ not in self._sockets or id_ in self._changed or self._is_looking:
            return
        self._changed[id_] = _Why.DATA
        self._flush_late()

    def all_changed(self) -> None:
        """Nobody knows what became of what was written."""
        for id_ in self._sockets:
            self._changed[id_] = max(self._changed.get(id_, _Why.CHANGED), _Why.CHANGED)

    def forget(self, id_: SocketId) -> None:
        """It has left, or was lost and is not kept."""
        self._sockets.pop(id_, None)
        self._changed.pop(id_, None)
        if (kept := self._kept.pop(id_, None)) is not None:
            self._left[kept[0]] = None
            self._flush_soon()

    def save(
        self, session: SavedSession, value: bytes, left: float, done: Callable[[Any], None]
    ) -> bool:
        """It is lost: keep it as such for so long; False if there is no room."""
        pid, store, plain = session.pid, self._store, self._streams.latest.save
        was_kept = self._kept.pop(session.id, None) is not None
        self._sockets.pop(session.id, None)
        self._changed.pop(session.id, None)
        if store is None or not was_kept or not (self._may_be_there or self._under_way):
            if was_kept:
                self._left[pid] = None
            return plain(self._namespace, pid, value, left, done)

        def saved(reply: Any) -> None:
            if isinstance(reply, StreamRefused):
                self._left[pid] = None
                if plain(self._namespace, pid, value, left, done):
                    return
            done(reply)

        return store.save(self._address, pid, value, left, saved)

    # --- writing ----------------------------------------------------------------------------------

    def _note(self, id_: SocketId, why: _Why) -> None:
        self._changed[id_] = max(self._changed.get(id_, why), why)
        self._flush_soon()

    def _flush_soon(self) -> None:
        loop = self._loop
        if not self._is_due and loop is not None and not loop.is_closed():
            self._is_due = True
            loop.call_soon(self.flush)

    def _flush_late(self) -> None:
        loop = self._loop
        if self._late is None and loop is not None and not loop.is_closed():
            self._late = loop.call_later(LATE, self.flush)

    def flush(self) -> None:
        """Write what has changed."""
        self._is_due = False
        if self._late is not None:
            self._late.cancel()
            self._late = None
        if self._has_failed or not (self._left or self._changed):
            return  # with the next sign of life
        if self._under_way >= MOST_UNDER_WAY:
            self._flush_late()
            return
        has_some = bool(self._kept)
        if changes := self._some():
            self._write(changes, has_some)
        if self._left or self._changed:
            self._flush_soon()

    def _some(self) -> list[tuple[str, bytes]]:
        """Take out some of what has changed."""
        changes: list[tuple[str, bytes]] = []
        for pid in list(self._left)[:TOGETHER]:
            del self._left[pid]
            changes.append((pid, NOTHING))
        self._is_looking = True
        try:
            for id_ in list(self._changed)[: TOGETHER - len(changes)]:
                changes += self._change(id_, self._changed.pop(id_))
        finally:
            self._is_looking = False
        return changes

    def _change(self, id_: SocketId, why: _Why) -> list[tuple[str, bytes]]:
        socket, kept = self._sockets[id_], self._kept.get(id_)
        pid, member = socket.pid, self._whereabouts.member(id_)
        if self._whereabouts.is_leaving(id_):
            return []  # it is written when that is noted
        value, mark = NOTHING, 0
        if pid is not None and member is not None and not member.is_void:
            found = self._value(id_, pid, socket, member, why)
            if found is None:
                return []
            value, mark = found
        if pid is None or value == NOTHING:
            self._kept.pop(id_, None)
            return [] if kept is None else [(kept[0], NOTHING)]
        self._kept[id_] = pid, mark
        # Where it was taken by somebody else before, it is here again.
        return [(pid, NOTHING), (pid, value)] if why is _Why.NEW else [(pid, value)]

    def _value(
        self, id_: SocketId, pid: str, socket: MirroredSocket, member: Membership, why: _Why
    ) -> tuple[bytes, int] | None:
        """What is kept of it, nothing where it cannot be; with what marks its data. None where all
        of that is as it was."""
        kept = self._kept.get(id_)
        if kept is None and len(self._kept) >= self._means.options.max_sessions:
            return NOTHING, 0
        try:
            mark = hash(encode_value(socket.data))
            if why is _Why.DATA and kept is not None and kept[1] == mark:
                return None
            session = SavedSession(id_, pid, member.rooms, socket.data, socket.conn.id)
            suspect, place = self._whereabouts.suspect(id_), self._whereabouts.place()
            value = encode_session(session, member, 0, suspect, place)
        except EncodeError as error:
            self._not_kept(f"its data cannot be sent: {error}")
            return NOTHING, 0
        if len(value) > MAX_BYTES:
            self._not_kept(f"it has {len(value)} bytes")
            return NOTHING, 0
        return value, mark

    def _write(self, changes: list[tuple[str, bytes]], has_some: bool) -> None:
        """Write what has changed, or only that all live on."""
        store = self._store
        if store is None:
            return
        seconds = self._means.options.max_disconnection_duration
        done = partial(self._written, self._address, has_some, changes)
        if store.keep(self._address, changes, seconds, done):
            self._under_way += 1
        else:
            self._failed(changes, "too much waits to be sent")

    def _written(
        self, address: str, has_some: bool, changes: list[tuple[str, bytes]], reply: Any
    ) -> None:
        if address != self._address or self._store is None:
            return
        self._under_way -= 1
        if isinstance(reply, StreamRefused):
            self._failed(changes, f"the answer was {reply}")
            return
        if isinstance(reply, Exception):
            # The carrier is away, as others tell.
            self._again(changes)
            self._flush_late()
            return
        self._may_be_there = True
        if has_some and not reply:
            # All that was there has ended meanwhile.
            self.all_changed()
            self._flush_soon()

    def _failed(self, changes: list[tuple[str, bytes]], why: str) -> None:
        """It is not known what is there: all of it is written again, after a while."""
        if not self._has_failed:
            self._has_failed = True
            self._not_kept(why)
        self._again(changes)

    def _again(self, changes: list[tuple[str, bytes]]) -> None:
        after = dict(changes)
        self._left.update(dict.fromkeys(pid for pid in after if after[pid] == NOTHING))
        self.all_changed()

    def _not_kept(self, why: str) -> None:
        self._unkept += 1
        if is_worth_a_line(self._unkept):
            what = "connected clients of this process could not come back if it died, %d times: %s"
            _logger.warning(what, self._unkept, why, extra=known(reason=why))

    # --- in a while -------------------------------------------------------------------------------

    def _renew_later(self) -> None:
        interval = min(RENEWAL, self._means.options.max_disconnection_duration / 4)
        self._means.clock.schedule(self, self._means.clock.clock() + interval)

    def handle_timeout(self, now: float) -> None:
        """Say that all live on."""
        if not self._sockets and not self._left:
            return
        if not self._under_way:
            self._has_failed = False
            has_some = bool(self._kept)
            self._write(self._some(), has_some)
            if self._left or self._changed:
                self._flush_soon()
        self._renew_later()
