"""Lost sockets of a cluster, for one member: its own, those that it has inherited, and copies.

Theory. What is kept for lost sockets is at one member at a time: where they were, or at its mirror
when that one is gone (`mirroring.py`, `replica.py`), or where their clients have come back
(`returns.py`, `handovers.py`). Whoever has it counts as interested in their rooms, and logs what is
sent to them. Copies are inherited only from members whose end is certain, by their own word or the
carrier's: one that is only silent may go on.

It needs a carrier that keeps the order and loses nothing among members of ours, or says so. Who had
to drop messages counts it, and tells the number with each FLUSHED and heartbeat: whoever sees it
change forgets all, since something may be missing.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from sockwave.adapters.handovers import Handovers
from sockwave.adapters.holding import entry_fields, is_late
from sockwave.adapters.late import LateMessages
from sockwave.adapters.messages import Message, MessageType, number_of, rooms_of, text_of
from sockwave.adapters.mirroring import Mirroring, pieces_of_log
from sockwave.adapters.replica import Replica
from sockwave.adapters.returns import Returned, Returns

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from sockwave.adapters.holding import Holding, Identified
    from sockwave.adapters.members import Member, Members
    from sockwave.adapters.mirroring import PieceOf
    from sockwave.adapters.sides import KeeperHost, Sender
    from sockwave.socketio.core.packet_log import LogEntry
    from sockwave.socketio.core.recovery_store import RecoveryStore
    from sockwave.types import Room, SocketId

__all__ = ["RecoveryKeeper"]

ABOUT_SOCKETS: Final = frozenset(
    {
        MessageType.BROADCAST,
        MessageType.ENCODED_BROADCAST,
        MessageType.SOCKETS_JOIN,
        MessageType.SOCKETS_LEAVE,
        MessageType.DISCONNECT_SOCKETS,
    }
)
"""Messages that change what lost sockets get."""

MAX_SENDERS: Final = 4_096
"""Members, also gone ones, of which it is remembered how far they were heard."""


class RecoveryKeeper:
    """See above.

    Args:
        id_: Of this member.
        host: Its process.
        members: The others.
        send: To them.
        make_id: Makes ids of questions.

    Attributes:
        losses: How often messages of this member were lost.
        inherited: What it has inherited, by epoch.
        late: Sockets that have the effect of messages that are not here yet.
    """

    def __init__(
        self,
        id_: str,
        host: KeeperHost,
        members: Members,
        send: Sender,
        make_id: Callable[[], str],
    ) -> None:
        self.losses: int = 0
        self.inherited: dict[str, Holding] = {}
        self._id = id_
        self._host = host
        self._members = members
        self._send = send
        self._heard: dict[str, int] = {}
        self._acting: Message | None = None
        self.late: LateMessages = LateMessages(id_, self._heard)
        self._replicas: dict[str, Replica] = {}
        self._mirroring = Mirroring(id_, members, send, self._all_pieces, self._heard)
        self._returns = Returns(id_, host.place, send, host.wanted_rooms, make_id, host.clock)
        self._handovers = Handovers(id_, self, send)
        host.store.watcher = self

    # --- what is done here ------------------------------------------------------------------------

    def changed(self, store: RecoveryStore, what: str, id_: SocketId, *details: Any) -> None:
        """Something was done to a socket: the mirror does it, too."""
        if not self._mirroring.is_on:
            return
        epoch = store.log.epoch
        if what == "whole":
            state = self._state(store, id_)
            if state is not None:
                self._tell(["whole", epoch, id_, state], len(state["data"] or b""))
        elif what == "save":
            known = self._host.identify(id_)
            data = None if known is None else known.data
            self._tell(["save", epoch, id_, data], len(data or b""))
        else:
            self._tell([what, epoch, id_, *details])

    def described(self, id_: SocketId, known: Identified) -> None:
        """What belongs to a socket has changed."""
        if self._mirroring.is_on:
            told = ["describe", self._host.store.log.epoch, id_, known.pid, known.connection]
            self._tell([*told, known.data], len(known.data or b""))

    def logged(self, entry: LogEntry, *, is_local: bool) -> None:
        """An event was logged in the store of this process: others that are kept here get it, too.

        Args:
            is_local: It was for sockets of this process only.
        """
        epochs = [self._host.store.log.epoch]
        if not is_local:
            for holding in self.holdings_meant():
                holding.append(entry._replace(packet=None))
                epochs.append(holding.store.log.epoch)
        if self._mirroring.is_on:
            self._tell(["entry", epochs, entry_fields(entry, self._host.clock())], entry.size)

    def holdings_meant(self) -> list[Holding]:
        """What was inherited, without what has the effect of the message that is acted on."""
        message, holdings = self._acting, self.inherited.values()
        return [each for each in holdings if message is None or not is_late(message, each.heard)]

    def _tell(self, operation: list[Any], size: int = 0) -> None:
        self._mirroring.told(operation, size, self._host.clock())

    def _state(self, store: RecoveryStore, id_: SocketId) -> dict[str, Any] | None:
        now = self._host.clock()
        if store is not self._host.store:
            state = self.inherited[store.log.epoch].state(id_, now)
            return None if state is None else {**state, "late": self.late.of(id_)}
        lost = store.saved.kept(id_) if id_ in store.saved else None
        member, known = store.members.get(id_, lost), self._host.identify(id_)
        if member is None or known is None or member.is_void:
            return None
        return {
            "pid": known.pid,
            "connection": known.connection,
            "data": known.data,
            "member": member.state(now),
            "late": self.late.of(id_),
        }

    def _all_pieces(self) -> Iterator[PieceOf]:
        """All that there is to be told to a mirror."""
        stores = [self._host.store, *(each.store for each in self.inherited.values())]
        yield from self._pieces(stores)

    def _pieces(self, stores: list[RecoveryStore]) -> Iterator[PieceOf]:
        starts = {}
        for store in stores:
            epoch, log = store.log.epoch, store.log
            starts[epoch] = log.next
            holding = self.inherited.get(epoch)
            heard = {} if holding is None else holding.heard
            yield ["store", epoch, log.next, store.limit, heard], 0
        for store in stores:
            for id_ in [*store.members, *store.saved]:
                state = self._state(store, id_) if self._has(store) else None
                if state is not None:
                    yield ["whole", store.log.epoch, id_, state], len(state["data"] or b"")
        for store in stores:
            epoch, log = store.log.epoch, store.log
            yield from pieces_of_log(epoch, starts[epoch], log.at, self._host.clock)

    def _has(self, store: RecoveryStore) -> bool:
        return store is self._host.store or store.log.epoch in self.inherited

    # --- messages about sockets -------------------------------------------------------------------

    def sent(self, message: Message) -> None:
        """This member has sent one."""
        self._hear(message)
        self._note(message)

    def is_about_sockets(self, message: Message) -> bool:
        """Whether a message may change what lost sockets get; then it is kept for others first."""
        if message.type not in ABOUT_SOCKETS or "requestId" in message.data:
            return False
        self._hear(message)
        self._acting = message
        self._mirroring.acting()
        return True

    def acted(self, message: Message) -> None:
        """One of those was acted on."""
        self._acting = None
        self._note(message)
        number = 0 if message.number is None else message.number
        self._mirroring.acted(message.sender, number, self._host.clock())

    def _note(self, message: Message) -> None:
        if message.number is not None:
            self._heard[message.sender] = message.number
            if len(self._heard) > MAX_SENDERS:
                del self._heard[next(iter(self._heard))]

    def _hear(self, message: Message) -> None:
        self._returns.heard(message)
        owners = message.data.get("owners")
        for replica in self._replicas.values():
            if not isinstance(owners, list) or replica.owner in owners:
                replica.waiting.add(message)

    # --- clients that come back -------------------------------------------------------------------

    def take(self, pid: str, offset: str | None) -> Returned | None:
        """A session that was inherited, if all that its client has missed is there."""
        for holding in self.inherited.values():
            id_ = holding.find(pid)
            if id_ is None or id_ not in holding.store.saved:
                continue
            now = self._host.clock()
            data = holding.known[id_].data
            member = holding.store.saved.kept(id_)
            assert member.lost is not None
            age, rooms = now - member.lost[1], member.rooms
            is_there = data is not None and holding.store.collect(member, offset, now)
            holding.store.discard(id_)
            if is_there and data is not None:
                missed = [entry for _, entry in member.missed]
                heard = self.late.heard_for(id_, holding.heard)
                return Returned(id_, pid, rooms, data, age, missed, heard)
            return None
        return None

    def has_inherited(self, pid: str) -> bool:
        """Whether a session is among those that were inherited."""
        return any(holding.find(pid) is not None for holding in self.inherited.values())

    def ask(self, pid: str, offset: str | None, done: Callable[[Returned | None], None]) -> None:
        """Look for a session elsewhere; `done` is called once, maybe at once."""
        self._returns.ask(
            pid, offset, self._able(), self._copied_from(pid), self._host.clock(), done
        )

    @property
    def knows_all(self) -> bool:
        """Whether all members have said whether they keep lost sockets."""
        return all(member.recovers for member in self._members)

    def _able(self) -> set[str]:
        return {member.id for member in self._members if member.recovers}

    def _copied_from(self, pid: str) -> str | None:
        for replica in self._replicas.values():
            if replica.is_whole and any(
                holding.find(pid) is not None for holding in replica.holdings.values()
            ):
                return replica.owner
        return None

    def look_for(self, pid: str) -> tuple[SocketId, tuple[Room, ...]] | str | None:
        """See `Keeping`."""
        self._host.supersede(pid)
        found = self._find(pid)
        if found is not None:
            store, id_ = found
            return id_, store.saved.kept(id_).rooms
        return self._copied_from(pid)

    def _find(self, pid: str) -> tuple[RecoveryStore, SocketId] | None:
        own = self._host.store
        if (saved := own.saved.find(pid)) is not None:
            return own, saved[0].id
        for holding in self.inherited.values():
            if (id_ := holding.find(pid)) is not None and id_ in holding.store.saved:
                return holding.store, id_
        return None

    def hand_over(
        self, pid: str, offset: str | None, rooms: Collection[Room]
    ) -> dict[str, Any] | None:
        """See `Keeping`."""
        found = self._find(pid)
        if found is None:
            return None
        store, id_ = found
        now, member = self._host.clock(), store.saved.kept(id_)
        if not set(member.rooms) <= set(rooms):
            return {"again": True}
        state, holding = self._state(store, id_), self.inherited.get(store.log.epoch)
        is_there = store.collect(member, offset, now)
        # Before anybody else has it, no copy has it any more.
        store.discard(id_)
        if store is self._host.store:
            self._host.left_for_good()
        missed = [entry for _, entry in member.missed]
        if not is_there or state is None or state["data"] is None or member.lost is None:
            return None
        if sum(entry.size for entry in missed) > self._host.place.max_replay:
            return None
        return {
            "id": id_,
            "pid": pid,
            "rooms": list(member.rooms),
            "data": state["data"],
            "age": now - member.lost[1],
            "missed": [entry_fields(entry, now) for entry in missed],
            "heard": self.late.heard_for(id_, {} if holding is None else holding.heard),
        }

    # --- messages of keepers ----------------------------------------------------------------------

    def received(self, message: Message) -> bool:
        """Take one that is about lost sockets; whether it is.

        Raises:
            PacketError: Malformed.
        """
        type_, data, sender, now = message.type, message.data, message.sender, self._host.clock()
        member = self._members.get(sender)
        if member is None or not MessageType.REPLICA <= type_ <= MessageType.SESSION:
            return False
        if type_ == MessageType.REPLICA:
            self._replica_told(sender, data, now)
        elif type_ == MessageType.REPLICA_TAKEN:
            self._mirroring.taken(sender, data, now)
        elif type_ == MessageType.MIRRORS:
            member.mirrors = rooms_of(data.get("mirrors"))
            heard = {"round": number_of(data, "round")}
            self._send(MessageType.MIRRORS_HEARD, heard, frozenset({sender}))
        elif type_ == MessageType.MIRRORS_HEARD:
            self._mirroring.confirmed(sender, data.get("round"))
        elif type_ == MessageType.TAKEN_OVER:
            self._taken_over(member, text_of(data, "member"))
        elif type_ == MessageType.SESSION_WANTED:
            self._handovers.wanted(sender, data, now)
        elif type_ == MessageType.SESSION_FOUND:
            self._returns.found(sender, data)
        elif type_ == MessageType.SESSION_COMING:
            self._handovers.coming(sender, data, self._able(), self.losses, now)
        elif type_ == MessageType.FLUSHED:
            self._losses_told(member, number_of(data, "losses"))
            self._handovers.flushed(sender, data, now)
        else:
            self._returns.handed_over(sender, data, self._able())
        return True

    def _replica_told(self, owner: str, data: dict[str, Any], now: float) -> None:
        stream = number_of(data, "s")
        replica = self._replicas.get(owner)
        if data.get("begin") is True:
            replica = self._replicas[owner] = Replica(owner, stream, self._host.place)
        if replica is None or replica.stream != stream:
            if data.get("end") is not True:
                self._refuse(owner, stream)
            return
        if data.get("end") is True:
            del self._replicas[owner]
            return
        try:
            is_taken = replica.told(data, now) and not replica.waiting.is_full
        except Exception:
            del self._replicas[owner]
            self._refuse(owner, stream)
            raise
        if not is_taken:
            del self._replicas[owner]
            self._refuse(owner, stream)
        elif data.get("mark") is True:
            self._send(MessageType.REPLICA_TAKEN, {"s": stream}, frozenset({owner}))

    def _refuse(self, owner: str, stream: int) -> None:
        taken = {"s": stream, "none": True}
        self._send(MessageType.REPLICA_TAKEN, taken, frozenset({owner}))

    def _taken_over(self, member: Member, owner: str) -> None:
        if member.interest is not None:
            member.interest.has_told(owner)
        if (gone := self._members.get(owner)) is not None:
            gone.mirrors = ()  # its end is not noticed yet: then there is nothing to be waited for

    # --- who is there -----------------------------------------------------------------------------

    def signs(self) -> dict[str, Any]:
        """What heartbeats tell of it."""
        return {"recovers": True, "mirrors": self._mirroring.mirrors, "losses": self.losses}

    def member_signed(self, member: Member, told: dict[str, Any]) -> None:
        """A heartbeat has come.

        Raises:
            PacketError: Malformed.
        """
        if told.get("recovers") is not True:
            return
        member.mirrors = rooms_of(told.get("mirrors"))
        member.recovers = True
        self._losses_told(member, number_of(told, "losses"))
        self._mirroring.look(self._host.clock())

    def _losses_told(self, member: Member, losses: int) -> None:
        before, member.losses = member.losses, losses
        if before is not None and before != losses:
            self.forget_all()

    def member_left(self, member: Member, *, has_ended: bool) -> None:
        """One is gone.

        Args:
            has_ended: For certain, and all that it said before was heard.
        """
        now, id_ = self._host.clock(), member.id
        replica = self._replicas.pop(id_, None)
        if has_ended and (replica is not None or self._id in member.mirrors):
            if replica is not None and replica.is_whole and not replica.waiting.is_full:
                self._inherit(replica, now)
            # Rooms that are wanted now are told before it.
            self._send(MessageType.TAKEN_OVER, {"member": id_}, None)
        self._returns.inherited(id_, self.take)
        self._handovers.inherited(id_, now)
        self._returns.member_left(id_, self._able())
        self._handovers.member_left(id_)
        self._mirroring.member_left(id_, now)

    def _inherit(self, replica: Replica, now: float) -> None:
        for epoch, holding in replica.inherit(now).items():
            if not holding.store.saved:
                continue
            self.inherited[epoch] = holding
            self.late.update(holding.late)
            holding.store.watcher = self
            self._host.wanted_rooms.watch(holding.store.saved.rooms)
            self._mirroring.more(partial(self._pieces, [holding.store]))

    # --- losses, and time -------------------------------------------------------------------------

    def lost(self) -> None:
        """Messages to or from this member were lost, nobody knows which."""
        self.losses += 1
        self.forget_all()

    def forget_all(self) -> None:
        """Something may be missing: who is here or lost now does not come back, nor who is copied.

        New sockets are kept again.
        """
        self._mirroring.restart(self._host.clock())
        self._host.store.lose_all()
        for epoch in list(self.inherited):
            self._drop(epoch)
        for replica in self._replicas.values():
            self._refuse(replica.owner, replica.stream)
        self._replicas = {}
        self._returns.end_all()
        self._host.left_for_good()

    def _drop(self, epoch: str) -> None:
        holding = self.inherited.pop(epoch)
        self._host.wanted_rooms.unwatch(holding.store.saved.rooms)
        if self._mirroring.is_on:
            self._tell(["end", epoch])

    def next_deadline(self) -> float:
        """When `handle_timeout` wants to be called."""
        return self._returns.next_deadline()

    def handle_timeout(self) -> None:
        """Clients that have waited too long are new ones."""
        self._returns.expire(self._host.clock())

    def sweep(self) -> None:
        """Forget what is too old, and look for a mirror."""
        now = self._host.clock()
        for epoch, holding in list(self.inherited.items()):
            holding.expire(now)
            if not holding.store.saved:
                self._drop(epoch)
        for replica in self._replicas.values():
            replica.expire(now)
        self._handovers.expire(now)
        self.late.expire(self._members)
        self._mirroring.flush()
        self._mirroring.look(now)

    def close(self) -> None:
        """This member says goodbye: its mirror inherits what is kept here."""
        self._mirroring.flush()
        self._returns.end_all()
