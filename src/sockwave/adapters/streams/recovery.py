"""The adapter of a namespace on a stream whose lost sockets come back to any process.

Theory. The stream is the log: the id of an entry is the offset of its event. Everybody gets an
event when this process reads it from the stream, its own ones too (`delivery.py`), so the order of
offsets is the order in which a client gets them, and what is behind its last one is what it has
missed. A lost socket is kept beside it, with the rooms that it was in by place in the stream
(`sessions.py`). Whoever takes it out reads the stream from its client's offset on, and then hears,
until it is let in, what this process reads (`replay.py`). What was read of the stream for the
replay, and is read by this process only afterwards, it gets once.

While the stream is away sockets here get events of this process at once, without an offset; the
stream has them when it is back.

Those that are connected are kept, too, as far as the carrier does that, in case their process dies
(`keeping.py`).

What must never happen: an event twice; a gap that is not noticed; a socket at two places.
"""

from __future__ import annotations

import asyncio
import logging
import re
from functools import partial
from typing import TYPE_CHECKING, Final

from sockwave.adapters.adapter import JOIN_LOOK
from sockwave.adapters.floods import is_worth_a_line
from sockwave.adapters.messages import MessageType, decode_options, text_of
from sockwave.adapters.streams.calling import Calling
from sockwave.adapters.streams.contract import StreamRefused
from sockwave.adapters.streams.delivery import StreamDelivery
from sockwave.adapters.streams.finding import Others, SessionFinder
from sockwave.adapters.streams.keeping import KeptHere, Whereabouts
from sockwave.adapters.streams.lost_here import LostHere
from sockwave.adapters.streams.positions import position_of
from sockwave.adapters.streams.replay import is_meant
from sockwave.debug import known
from sockwave.errors import PacketError
from sockwave.socketio.core.adapter import BroadcastOptions
from sockwave.socketio.core.membership import Membership
from sockwave.socketio.core.saved_session import SavedSession

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from sockwave.adapters.cluster import Cluster
    from sockwave.adapters.life import Life
    from sockwave.adapters.local import LocalSockets
    from sockwave.adapters.messages import Message
    from sockwave.adapters.options import ClusterOptions
    from sockwave.adapters.outlet import Outlet
    from sockwave.adapters.streams.contract import Entry, StreamCarrier
    from sockwave.adapters.streams.replay import Replay
    from sockwave.adapters.streams.sessions import StoredSession
    from sockwave.socketio.core.outgoing import EncodedPacket
    from sockwave.socketio.core.recovery_contract import (
        MirroredSocket,
        RecoveringHost,
        RecoveryMeans,
    )
    from sockwave.types import Room, SocketId

__all__ = ["StreamRecoveryAdapter"]

PATIENCE: Final = 5.0
"""Seconds that a client waits for what was kept of it; then it is a new one."""

_CALLS: Final = frozenset(
    {MessageType.SESSION_WANTED, MessageType.SESSION_FOUND, MessageType.SESSION_TAKEN}
)
_SECRET: Final = re.compile(r"[\w-]{1,64}", re.ASCII)

_logger: Final = logging.getLogger("sockwave.adapters")


def _nobody(pid: str) -> None:
    """No socket has this secret."""


class StreamRecoveryAdapter(StreamDelivery):
    """Reaches the sockets of all processes, and brings lost ones back.

    Args:
        host: Its namespace.
        streams: The carrier.
        means: What recovery needs of the server.
        options: Times and bounds of the cluster.
    """

    epoch: Final = ""

    def __init__(
        self,
        host: RecoveringHost,
        streams: StreamCarrier,
        means: RecoveryMeans,
        options: ClusterOptions | None = None,
    ) -> None:
        StreamDelivery.__init__(self, host, streams, options)
        self._means = means
        self._finder = SessionFinder(host, streams, means)
        whereabouts = Whereabouts(
            member=self._members.get,
            is_leaving=self._leaving.__contains__,
            suspect=self._suspect_of,
            place=lambda: self._position + 1,
        )
        self._kept = KeptHere(host.name, streams, means, whereabouts)
        self._lost = LostHere(means, self._kept)
        self._returning: dict[SocketId, Replay] = {}
        self._listening: list[list[Entry]] = []
        self._unfound = 0
        self._calling = Calling(self._give_up)
        self._is_wanted: Callable[[str], None] = _nobody
        # Sockets that were connected to a process which was taken for dead, with their secrets.
        self._suspects: dict[bytes, dict[SocketId, str]] = {}
        # The secret of a client that has come to another process, which has it already.
        self._taken: str | None = None

    def _make_cluster(self, outlet: Outlet) -> tuple[LocalSockets, Cluster]:
        local, cluster = super()._make_cluster(outlet)
        self._kept.begin(cluster.id, asyncio.get_running_loop())
        self._withholds = self._kept.is_on
        return local, cluster

    def _forget(self) -> None:
        super()._forget()
        self._returning.clear()
        self._kept.clear()
        self._suspects.clear()

    def close(self) -> None:
        """Say goodbye to the others, and forget everything; what the carrier keeps stays there."""
        self._kept.flush()
        super().close()
        self._lost.clear()

    # --- rooms ------------------------------------------------------------------------------------

    def add(self, id_: SocketId, rooms: Iterable[Room]) -> None:
        """Put a socket into rooms, also one that is away."""
        rooms = tuple(rooms)
        if not self._is_away(id_):
            super().add(id_, rooms)
        elif (life := self._alive()) is not None:
            life.cluster.join(BroadcastOptions(rooms=(id_,)), rooms, life.loop.time())

    def remove(self, id_: SocketId, room: Room) -> None:
        """Take it out of a room, also when it is away."""
        if not self._is_away(id_):
            super().remove(id_, room)
        elif (life := self._alive()) is not None:
            life.cluster.leave(BroadcastOptions(rooms=(id_,)), (room,), life.loop.time())

    def remove_all(self, id_: SocketId) -> None:
        """Take it out of all its rooms; what was saved stays."""
        super().remove_all(id_)
        self._returning.pop(id_, None)
        self._kept.forget(id_)
        for owner, suspects in list(self._suspects.items()):
            if suspects.pop(id_, None) is not None and not suspects:
                del self._suspects[owner]

    def _changed(self, id_: SocketId) -> None:
        self._kept.changed(id_)

    def watch(self, id_: SocketId, socket: MirroredSocket) -> None:
        """A socket was let in: it is kept for the case that this process dies."""
        self._kept.watch(id_, socket)

    def touched(self, id_: SocketId) -> None:
        """The application was given the data of a socket, and may change it."""
        self._kept.touched(id_)

    # --- what is read -----------------------------------------------------------------------------

    def _listen(self, entry: Entry) -> None:
        for entries in self._listening:
            entries.append(entry)
        for replay in self._returning.values():
            if replay.size <= self._means.max_replay:  # else it is not let in anyway
                replay.take(entry)

    def entry_read(self, entry: Entry) -> None:
        """Another process has written something."""
        if (suspects := self._suspects.get(entry.sender)) is not None:
            self._look_at(entry, suspects)
        super().entry_read(entry)

    def _look_at(self, entry: Entry, suspects: dict[SocketId, str]) -> None:
        """One that was taken for dead has written this: clients that were with it may have it
        already, and nobody knows. They are new ones."""
        try:
            message = entry.message()
            if message.type not in (MessageType.BROADCAST, MessageType.ENCODED_BROADCAST):
                return
            options = decode_options(message.data)
        except PacketError:
            return
        if options.flags.volatile:
            return
        for id_, pid in list(suspects.items()):
            if is_meant(self._table.of(id_) | {id_}, options):
                if (member := self._members.get(id_)) is not None:
                    member.is_void = True
                self._is_wanted(pid)

    def entries_missed(self) -> None:
        """Nobody who is here, or about to be, may be recovered."""
        super().entries_missed()
        for replay in self._returning.values():
            replay.is_over = True

    def carrier_away(self) -> None:
        """Nobody knows how long: what waits is sent, and what is kept is written again."""
        super().carrier_away()
        self._kept.all_changed()

    # --- sockets are lost -------------------------------------------------------------------------

    def begin(self, id_: SocketId) -> None:
        """A new socket gets events from now on."""
        self._alive()
        self._members[id_] = Membership(id_, self._table.of(id_), self._position + 1)

    def save(self, session: SavedSession) -> None:
        """Keep a lost socket."""
        id_ = session.id
        replay = self._returning.pop(id_, None)
        member = self._members.pop(id_, None)
        floor = self._floors.of(id_)
        if replay is not None:
            replay.suspend()
        elif member is not None:
            member.lost = self._position + 1, self._means.clock.clock()
        is_over = replay is not None and replay.is_over
        if member is None or member.is_void or is_over or session.pid == self._taken:
            return
        # Else it is not known where its client stands, or which rooms were its last.
        if floor is not None and not self._leaving.get(id_):
            self._lost.keep(session, member, floor, self._suspect_of(id_))

    def _suspect_of(self, id_: SocketId) -> str:
        owners = [owner for owner, suspects in self._suspects.items() if id_ in suspects]
        return owners[-1].decode() if owners else ""

    def when_wanted(self, wanted: Callable[[str], None]) -> None:
        """Call back with the secret of a client that has come to another process."""
        self._is_wanted = wanted

    def _give_up(self, pid: str) -> bool:
        self._is_wanted(pid)
        return self._lost.has_just_kept(pid)

    def decoded(self, message: Message) -> None:
        """Take a message of another process."""
        super().decoded(message)  # where it counts, as all others do: else it would be missed
        life = self._life
        if message.type in _CALLS and life is not None and message.sender != self.id:
            try:
                if message.type == MessageType.SESSION_TAKEN:
                    self._end_taken(text_of(message.data, "pid"))
                else:
                    self._calling.received(message, life.cluster.send)
            except PacketError as error:
                self.refused(error.detail or str(error))

    def _end_taken(self, pid: str) -> None:
        """Others took this process for dead, and a client is there: nothing is kept of it here."""
        self._taken = pid
        try:
            self._is_wanted(pid)
        finally:
            self._taken = None

    # --- and come back ----------------------------------------------------------------------------

    def restore(self, pid: str, offset: str | None) -> Awaitable[SavedSession | None] | None:
        """Take a session out, with what its client has missed."""
        place = None if offset is None else position_of(offset)
        life = self._alive()
        if life is None or _SECRET.fullmatch(pid) is None or (offset is not None and place is None):
            return None
        return self._restore(life, pid, place)

    async def _restore(self, life: Life, pid: str, offset: int | None) -> SavedSession | None:
        entries: list[Entry] = []
        self._listening.append(entries)
        try:
            async with asyncio.timeout(PATIENCE):
                while life.joining is not None and not life.joining.done():
                    await asyncio.sleep(JOIN_LOOK)
                others = Others(
                    asker=self.id or "",
                    call=partial(self._call, life, pid),
                    are_gone=partial(self._is_gone, life),
                    taken=partial(self._tell_taken, life, pid),
                )
                found = await self._finder.find(pid, offset, others)
            if found is None or self._life is not life:
                return None
            # What this process has read since the stream was read for this one.
            return self._come_back(*found, pid, entries)
        except (OSError, StreamRefused) as error:
            self._not_found(f"it cannot be looked for: {error!r}")
        except PacketError as error:
            self._not_found(f"it makes no sense: {error.detail}")
        finally:
            self._listening = [each for each in self._listening if each is not entries]
        return None

    def _not_found(self, why: str) -> None:
        self._unfound += 1
        if is_worth_a_line(self._unfound):
            _logger.warning(
                "session %d was not found: %s", self._unfound, why, extra=known(reason=why)
            )

    async def _call(self, life: Life, pid: str) -> bool:
        """Ask the others for a client that has come here before they have noticed its loss."""
        return bool(life.cluster.members) and await self._calling.call(pid, life.cluster.send)

    def _is_gone(self, life: Life, owner: str) -> bool:
        return owner != self.id and all(each.id != owner for each in life.cluster.members)

    def _tell_taken(self, life: Life, pid: str) -> None:
        life.cluster.send(MessageType.SESSION_TAKEN, {"pid": pid}, None)

    def _come_back(
        self, session: StoredSession, replay: Replay, pid: str, entries: Iterable[Entry]
    ) -> SavedSession | None:
        id_ = session.id
        for entry in entries:
            replay.take(entry)
        if replay.is_over or id_ in self._host.sockets or id_ in self._returning:
            return None
        self._lost.pop(id_)
        rooms = replay.member.rooms
        super().add(id_, (id_, *rooms))
        self._members[id_] = replay.member
        self._returning[id_] = replay
        for owner in filter(None, (session.suspect, session.owner)):
            self._suspects.setdefault(owner.encode(), {})[id_] = pid
        return SavedSession(id_, pid, rooms, session.data, session.connection)

    def replay(self, id_: SocketId) -> list[EncodedPacket] | None:
        """What was missed, with what came while middlewares ran."""
        replay, member = self._returning.pop(id_, None), self._members.get(id_)
        if replay is None or member is None:
            return None
        if member.is_void or replay.is_over or replay.size > self._means.max_replay:
            member.is_void = True
            return None
        if replay.upto > self._position:
            self._has_all[id_] = replay.upto
        rooms = self._table.of(id_) | {id_}
        had = replay.numbers.get((self.id or "").encode(), -1)
        for event in self._own:  # which were sent before, and are read later
            if event.number > had and is_meant(rooms, event.options):
                event.ids[id_] = None
        return replay.finish()

    # --- while they are away ----------------------------------------------------------------------

    def _is_away(self, id_: SocketId) -> bool:
        return id_ in self._lost and id_ not in self._returning

    @property
    def has_saved(self) -> bool:
        """Whether somebody who was lost here may come back."""
        return len(self._lost) > 0 or bool(self._returning)

    def may_return(self, id_: SocketId) -> bool:
        """Whether a socket was lost here and may come back, or is back and not let in yet."""
        return id_ in self._returning or id_ in self._lost

    def select_lost(self, options: BroadcastOptions) -> list[SocketId]:
        """Which of those that are back and not let in yet a broadcast would reach.

        Those that are away get what was done to them from the stream.
        """
        ids: Iterable[SocketId] = self._returning
        if options.rooms is not None:
            ids = dict.fromkeys(self._reached(options.rooms))
        excluded = set(self._reached(options.excluded))
        return [id_ for id_ in ids if id_ in self._returning and id_ not in excluded]

    def revoke(self, id_: SocketId) -> str | None:
        """One of those must not come back: its client is a new one."""
        if (replay := self._returning.get(id_)) is not None:
            replay.is_over = True
            return None
        connection = self._lost.pop(id_)
        if connection is not None and (life := self._alive()) is not None:
            options = BroadcastOptions(rooms=(id_,))
            life.cluster.disconnect(options, life.loop.time(), close=False)
        if not self.has_saved:
            self._means.vacated()
        return connection

    def lost_with(self, connection: str) -> list[SocketId]:
        """Those that were lost here with a connection and are not back."""
        return self._lost.of_connection(connection)
