"""The adapter of a cluster whose lost sockets come back to any of its processes.

It is both: a `ClusterAdapter`, which reaches the other processes, on top of a `RecoveryAdapter`,
which logs events and keeps lost sockets for this one. What is between the processes is done by the
`RecoveryKeeper`; here is what brings the three together.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from typing import TYPE_CHECKING, Any, Final

import msgspec

from sockwave.adapters.adapter import JOIN_LOOK, ClusterAdapter
from sockwave.adapters.cluster import Cluster
from sockwave.adapters.floods import is_worth_a_line
from sockwave.adapters.holding import Identified, Place
from sockwave.adapters.local import LocalSockets
from sockwave.adapters.wanted import WantedRooms
from sockwave.socketio.core.encoded_event import EncodedEvent
from sockwave.socketio.core.membership import Membership
from sockwave.socketio.core.recovery import RecoveryAdapter
from sockwave.socketio.core.saved_session import SavedSession

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from sockwave.adapters.driver import Driver
    from sockwave.adapters.keeper import RecoveryKeeper
    from sockwave.adapters.options import ClusterOptions
    from sockwave.adapters.outlet import Outlet
    from sockwave.adapters.returns import Returned
    from sockwave.socketio.core.adapter import BroadcastOptions
    from sockwave.socketio.core.packet_log import LogEntry
    from sockwave.socketio.core.recovery_contract import (
        MirroredSocket,
        RecoveringHost,
        RecoveryMeans,
    )
    from sockwave.socketio.core.recovery_store import RecoveryStore
    from sockwave.types import Room, SocketId

__all__ = ["RecoveringClusterAdapter", "cluster_adapter"]

JOIN_PATIENCE: Final = 5.0
"""Seconds that a client waits for a namespace that is new here, until the others are known."""

_SECRET: Final = re.compile(r"[\w-]{12}\.[\w-]{20}", re.ASCII)
_OFFSET: Final = re.compile(r"[\w-]{12}\.[0-9a-f]{1,16}", re.ASCII)

_logger: Final = logging.getLogger("sockwave.adapters")


class RecoveringClusterAdapter(ClusterAdapter, RecoveryAdapter):
    """Reaches the sockets of all processes, and brings lost ones back to any.

    The carrier must keep the order, and lose nothing without saying so.

    Args:
        host: Its namespace.
        driver: The carrier.
        means: What recovery needs of the server.
        options: Times and bounds of the cluster.
    """

    def __init__(
        self,
        host: RecoveringHost,
        driver: Driver,
        means: RecoveryMeans,
        options: ClusterOptions | None = None,
    ) -> None:
        ClusterAdapter.__init__(self, host, driver, options)
        RecoveryAdapter.__init__(
            self,
            host,
            means.clock,
            means.options,
            grace=means.grace,
            max_replay=means.max_replay,
            vacated=means.vacated,
        )
        self.place: Place = Place(
            host.name, host.parser, means.options, self._max_age, means.max_replay
        )
        self.wanted_rooms: WantedRooms = WantedRooms(self._room_changed)
        self._is_wanted: Callable[[str], None] = _nobody
        self._watched: dict[SocketId, MirroredSocket] = {}
        self._told: dict[SocketId, int] = {}
        self._touched: dict[SocketId, None] = {}
        self._is_looking = False
        self._restored: dict[SocketId, SavedSession] = {}
        self._unsendable = 0
        # The life in which all who are there were known once.
        self._knows_others: object = None

    def _make_cluster(self, outlet: Outlet) -> tuple[LocalSockets, Cluster]:
        host, options = self._namespace, self._options
        self.wanted_rooms = WantedRooms(self._room_changed)
        local = LocalSockets(host, self, self.wanted_rooms, options.max_pending)
        cluster = Cluster(host.name, options, outlet, local, keep=self)
        for table in (self._table, self._store.saved.rooms):
            self.wanted_rooms.watch(table)
        for room in self.wanted_rooms:
            cluster.room_added(room)
        return local, cluster

    @property
    def _keeper(self) -> RecoveryKeeper | None:
        return None if self._life is None else self._life.cluster.keeper

    def close(self) -> None:
        """Say goodbye to the others, who go on with what is kept here, and forget everything."""
        super().close()
        self._watched.clear()
        self._told.clear()
        self._touched.clear()
        self._restored.clear()

    # --- rooms ------------------------------------------------------------------------------------

    def _room_changed(self, room: Room, is_wanted: bool) -> None:
        if (life := self._life) is not None:
            change = life.cluster.room_added if is_wanted else life.cluster.room_dropped
            change(room)
            self._tell_later(life)

    def _gained(self, life: object, rooms: Iterable[Room]) -> None:
        """The tables are watched."""

    def _dropped(self, rooms: Iterable[Room]) -> None:
        """The tables are watched."""

    def add(self, id_: SocketId, rooms: Iterable[Room]) -> None:
        """Put a socket into rooms, also one that is away."""
        if (store := self._inherited_with(id_)) is not None:
            store.join(id_, tuple(rooms))
        else:
            super().add(id_, rooms)

    def remove(self, id_: SocketId, room: Room) -> None:
        """Take it out of a room, also when it is away."""
        if (store := self._inherited_with(id_)) is not None:
            store.leave(id_, room)
        else:
            super().remove(id_, room)

    def remove_all(self, id_: SocketId) -> None:
        """Take it out of all its rooms; what was saved stays."""
        super().remove_all(id_)
        self._watched.pop(id_, None)
        self._told.pop(id_, None)
        self._restored.pop(id_, None)

    def _inherited(self) -> list[RecoveryStore]:
        keeper = self._keeper
        return [] if keeper is None else [each.store for each in keeper.inherited.values()]

    def _inherited_with(self, id_: SocketId) -> RecoveryStore | None:
        for store in self._inherited():
            if id_ in store.saved:
                return store
        return None

    # --- sending ----------------------------------------------------------------------------------

    def broadcast(self, args: Sequence[Any], options: BroadcastOptions) -> None:
        """Send an event to sockets of all processes, and log it."""
        if not options.flags.volatile and self._is_missed(options):
            args = self._kept(args)
        super().broadcast(args, options)

    def _is_missed(self, options: BroadcastOptions) -> bool:
        return super()._is_missed(options) or bool(self._inherited())

    def _kept(self, args: Sequence[Any]) -> EncodedEvent:
        if isinstance(args, EncodedEvent):
            return args
        return EncodedEvent(tuple(args), self._namespace.name, self._namespace.parser)

    def _append(self, entry: LogEntry, *, is_local: bool) -> None:
        super()._append(entry, is_local=is_local)
        if (keeper := self._keeper) is not None:
            keeper.logged(entry, is_local=is_local)

    def _is_offset(self, text: str) -> bool:
        return _OFFSET.fullmatch(text) is not None

    # --- sockets are lost and come back -----------------------------------------------------------

    def restore(
        self, pid: str, offset: str | None
    ) -> SavedSession | Awaitable[SavedSession | None] | None:
        """Take a session out, wherever it is."""
        if self.is_deaf:  # what others send now is missed, and nobody can tell what that is
            return None
        life, keeper = self._alive(), self._keeper
        if life is None or keeper is None or self._store.saved.find(pid) is not None:
            with self.wanted_rooms.held():
                return super().restore(pid, offset)
        if keeper.has_inherited(pid):
            with self.wanted_rooms.held():
                return self._adopt(keeper.take(pid, offset), offset)
        if _SECRET.fullmatch(pid) is None or (offset and len(offset) > MAX_OFFSET):
            return None
        if life is not self._knows_others:
            return self._ask_later(life, keeper, pid, offset)
        return self._ask(life.loop, keeper, pid, offset)

    async def _ask_later(
        self, life: object, keeper: RecoveryKeeper, pid: str, offset: str | None
    ) -> SavedSession | None:
        """This process has just begun: whoever has the session may not be known yet."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(JOIN_PATIENCE):
                while not (await self._has_joined() and keeper.knows_all):
                    await asyncio.sleep(JOIN_LOOK)
        if self._life is None or self._life is not life:
            return None
        self._knows_others = self._life
        return await self._ask(self._life.loop, keeper, pid, offset)

    def _ask(
        self,
        loop: asyncio.AbstractEventLoop,
        keeper: RecoveryKeeper,
        pid: str,
        offset: str | None,
    ) -> asyncio.Future[SavedSession | None]:
        found: asyncio.Future[SavedSession | None] = loop.create_future()

        def done(returned: Returned | None) -> None:
            # At once: from here on it hears by itself.
            session = self._adopt(returned, offset)
            if not found.done():
                found.set_result(session)

        keeper.ask(pid, offset, done)
        if self._life is not None:
            self._arm(self._life)
        return found

    def _adopt(self, returned: Returned | None, offset: str | None) -> SavedSession | None:
        """A session of another process goes on here, with what its client has missed."""
        if returned is None:
            return None
        store, id_, now = self._store, returned.id, self.clock()
        data = _decode(returned.data)
        if data is None or self.may_return(id_) or id_ in store.members:
            return None
        log = store.log
        start = log.next
        for entry in returned.missed:
            if entry.event is not None:
                packet = entry.event.packet(
                    offset=log.offset(log.next), compress=entry.compress, is_shared=True
                )
                own = entry._replace(time=now, packet=packet, rooms=(id_,), excluded=())
                self._append(own, is_local=True)
        member = Membership(id_, returned.rooms, start)
        member.lost = start, now - returned.age
        member.foreign = offset
        if log.first > start:
            return None
        store.read(member)
        if self._is_much(member):
            return None
        if (keeper := self._keeper) is not None:
            keeper.late.came(id_, returned.heard)
        session = SavedSession(id_, returned.pid, returned.rooms, data)
        self._come_back(session, member)
        self._sweep_later()
        return session

    def _come_back(self, session: SavedSession, member: Membership) -> None:
        self._restored[session.id] = session
        super()._come_back(session, member)

    # --- while they are away ----------------------------------------------------------------------

    @property
    def has_saved(self) -> bool:
        """Whether somebody may come back."""
        return super().has_saved or bool(self._inherited())

    def may_return(self, id_: SocketId) -> bool:
        """Whether a socket is lost and may come back, or is back and not let in yet."""
        return super().may_return(id_) or self._inherited_with(id_) is not None

    def select_lost(self, options: BroadcastOptions) -> list[SocketId]:
        """Which of those a broadcast would reach."""
        selected, keeper = super().select_lost(options), self._keeper
        if keeper is not None and not options.flags.local:
            for holding in keeper.holdings_meant():
                selected += holding.store.saved.select(options.rooms, options.excluded)
        return selected

    def revoke(self, id_: SocketId) -> str | None:
        """One of those must not come back: its client is a new one."""
        if (store := self._inherited_with(id_)) is not None:
            return store.discard(id_).connection
        return super().revoke(id_)

    def lost_with(self, connection: str) -> list[SocketId]:
        """Those that were lost with a connection and are not back."""
        lost = super().lost_with(connection)
        for store in self._inherited():
            lost += store.saved.of_connection(connection)
        return lost

    # --- what belongs to sockets ------------------------------------------------------------------

    def when_wanted(self, wanted: Callable[[str], None]) -> None:
        """Call back with the secret of a client that has come to another process."""
        self._is_wanted = wanted

    def is_here(self, id_: SocketId) -> bool:
        """Whether a socket is here, or was lost here and is not elsewhere."""
        return id_ in self._store.members or id_ in self._store.saved

    def watch(self, id_: SocketId, socket: MirroredSocket) -> None:
        """A socket was let in: its secret and data are kept, too."""
        self._restored.pop(id_, None)
        self._watched[id_] = socket
        self._store.described(id_)

    def touched(self, id_: SocketId) -> None:
        """The application was given the data of a socket, and may change it in this turn."""
        if self._is_looking or id_ not in self._watched or (life := self._life) is None:
            return
        if not self._touched and not life.loop.is_closed():
            life.loop.call_soon(self._look_at_data)
        self._touched[id_] = None

    def _look_at_data(self) -> None:
        touched, self._touched = self._touched, {}
        keeper = self._keeper
        if keeper is None:
            return
        for id_ in touched:
            if id_ in self._watched and (known := self.identify(id_)) is not None:
                mark = hash(known.data)
                if self._told.get(id_) != mark:
                    self._told[id_] = mark
                    keeper.described(id_, known)

    # --- for the keeper ---------------------------------------------------------------------------

    @property
    def store(self) -> RecoveryStore:
        """What is kept for sockets of this process."""
        return self._store

    def clock(self) -> float:
        """Monotonic seconds, those of the log."""
        return self._clock.clock()

    def identify(self, id_: SocketId) -> Identified | None:
        """What belongs to a socket of this process."""
        saved = self._store.saved
        session = saved.session(id_) if id_ in saved else self._restored.get(id_)
        if session is not None:
            return Identified(session.pid, session.connection, self._encode(session.data))
        socket = self._watched.get(id_)
        if socket is None or socket.pid is None:
            return None
        self._is_looking = True
        try:
            data = socket.data
        finally:
            self._is_looking = False
        return Identified(socket.pid, socket.conn.id, self._encode(data))

    def _encode(self, data: dict[str, Any]) -> bytes | None:
        try:
            return msgspec.msgpack.encode(data)
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            self._unsendable += 1
            if is_worth_a_line(self._unsendable):
                _logger.warning(
                    "`data` of a socket cannot be sent, so its client can come back"
                    " to this process only: %s",
                    error,
                )
            return None

    def supersede(self, pid: str) -> None:
        """A client has come to another process."""
        self._is_wanted(pid)

    def left_for_good(self) -> None:
        """A lost socket of this process is elsewhere, or will not come back."""
        if not self.has_saved:
            self._vacated()


MAX_OFFSET: Final = 64
"""Characters of an offset; those of ours have 29 at most."""


def _nobody(pid: str) -> None:
    """There is no socket."""


def _decode(data: bytes) -> dict[str, Any] | None:
    try:
        value = msgspec.msgpack.decode(data)
    except (msgspec.MsgspecError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def cluster_adapter(
    host: RecoveringHost, driver: Driver, options: ClusterOptions | None = None
) -> ClusterAdapter:
    """The adapter of a namespace, which recovers if its server is to.

    Args:
        host: The namespace.
        driver: A carrier that keeps the order, and loses nothing without saying so.
        options: Times and bounds.
    """
    means = host.recovery_means
    if means is None:
        return ClusterAdapter(host, driver, options)
    return RecoveringClusterAdapter(host, driver, means, options)
