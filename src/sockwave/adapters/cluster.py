"""The algorithm of clusters, for one namespace of one process: messages and time in, messages and
local operations out.

Theory. Everybody hears everybody (see `driver.py`); there is no leader, and nothing is agreed on.
Who is there is known from heartbeats, `members.py`; who has which rooms from what members of ours
announce, `interest.py`; what others ask of this process is done by `answering.py`, and what it asks
of them is kept in `requests.py`.

To whom something goes, and in which form, is decided in `routing.py`. Members that were told to put
sockets into rooms are believed to have done so, until they could have said it themselves: what is
sent to these rooms right behind it arrives.

What must never happen: an event that is acted on twice; a question without an end; a bad message
that has any effect but a line in the log.
"""

from __future__ import annotations

from os import urandom
from typing import TYPE_CHECKING, Any, Final

from sockwave.adapters.answering import Answering
from sockwave.adapters.asking import Asking
from sockwave.adapters.floods import say_dropped, say_failed
from sockwave.adapters.hearing import Hearing
from sockwave.adapters.interest import PeerInterest
from sockwave.adapters.keeper import RecoveryKeeper
from sockwave.adapters.members import Member, Members
from sockwave.adapters.messages import (
    ANONYMOUS,
    EMITTER,
    Message,
    MessageType,
    decode_message,
    is_durable,
    number_of,
    rooms_of,
)
from sockwave.adapters.requests import Requests
from sockwave.adapters.responses import Responses
from sockwave.adapters.routing import Router
from sockwave.adapters.signs import BEATS, OWN_BEATS, OWN_KEY, VERSION, is_sign, misfit, own_sign
from sockwave.errors import PacketError, SockwaveError
from sockwave.socketio.core.parser import parser_kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sockwave.adapters.options import ClusterOptions
    from sockwave.adapters.sides import KeeperHost, LocalSide, WayOut
    from sockwave.socketio.core.adapter import BroadcastOptions
    from sockwave.socketio.core.encoded_event import EncodedEvent
    from sockwave.types import Room

__all__ = ["Cluster", "random_id"]

SWEEP: Final = 1.0
"""Seconds between two looks for members that are silent, as in the reference; more often where the
time-out is short."""

ASK_AGAIN: Final = 1.0
"""Seconds between two questions for the rooms of one member."""


def random_id() -> str:
    """An id of a member or a request, in the form of the reference."""
    return urandom(8).hex()


class Cluster(Asking):
    """One member of a cluster.

    Args:
        namespace: Its namespace.
        options: Times and bounds.
        way_out: Carries messages to the others.
        local: The sockets here.
        make_id: Makes its own id, and those of requests.
        keep: The process, where it keeps lost sockets.

    Attributes:
        id: Of this process in this namespace; never used again.
        dropped: Messages that were not understood.
        missed: Messages of others that have not come, as the next ones showed.
        keeper: Knows of lost sockets; None where there are none.
        hearing: Whether it hears what it sends; None where it never does.
    """

    def __init__(
        self,
        namespace: str,
        options: ClusterOptions,
        way_out: WayOut,
        local: LocalSide,
        *,
        make_id: Callable[[], str] = random_id,
        keep: KeeperHost | None = None,
    ) -> None:
        self.namespace = namespace
        self.id: str = make_id()
        self.dropped: int = 0
        self.missed: int = 0
        self._options = options
        self._local = local
        members = Members(options.max_members)
        most = options.max_announced_rooms
        router = Router(self.id, namespace, way_out, local, members, most)
        super().__init__(router, members, Requests(options.max_pending), way_out, make_id)
        self._answering = Answering(local, self._router.respond, options.max_pending, members)
        self._responses = Responses(self._requests)
        self.keeper: RecoveryKeeper | None = None
        if keep is not None:
            self.keeper = RecoveryKeeper(self.id, keep, self._members, self._router.send, make_id)
            self._router.sent = self.keeper.sent
        if way_out.echoes:
            told = (self._hearing_changed, self._hears_again)
            self.hearing: Hearing | None = Hearing(self._ask_for_echo, local, *told, options)
        self._sweep_interval = min(SWEEP, options.heartbeat_timeout / 4)
        self._next_beat = float("inf")
        self._next_sweep = float("inf")
        self._is_closed = False
        self._has_lost = False
        self._asked_all = float("-inf")

    @property
    def members(self) -> list[Member]:
        """The others that are there."""
        return list(self._members)

    # --- life and time ----------------------------------------------------------------------------

    def start(self, now: float) -> None:
        """Say hello."""
        self._router.settled_at = now + self._options.heartbeat_interval
        self._next_beat = now + self._options.heartbeat_interval
        self._next_sweep = now + self._sweep_interval
        if self.hearing is not None:
            self.hearing.start(now)
        self._router.send(MessageType.INITIAL_HEARTBEAT, self._sign_of_life(), None)

    def close(self) -> None:
        """Say goodbye; questions that are open end as they are."""
        if self._is_closed:
            return
        if self.keeper is not None:
            self.keeper.close()
        self._is_closed = True
        self._router.send(MessageType.ADAPTER_CLOSE, {}, None)
        self._answering.close()
        self._requests.end_all()

    def next_deadline(self) -> float:
        """When `handle_timeout` wants to be called."""
        request = self._requests.next_deadline()
        nearest = min(self._next_beat, self._next_sweep)
        if self.keeper is not None:
            nearest = min(nearest, self.keeper.next_deadline())
        if self.hearing is not None:
            nearest = min(nearest, self.hearing.deadline)
        return nearest if request is None else min(nearest, request)

    def handle_timeout(self, now: float) -> None:
        """Do what is due; called early or late does no harm."""
        self._look_at_clock(now)
        if now >= self._next_sweep:
            self._next_sweep = now + self._sweep_interval
            self._sweep(now)
        if now >= self._next_beat:
            self._next_beat = now + self._options.heartbeat_interval
            self._router.send(MessageType.HEARTBEAT, self._sign_of_life(), None)
        self._requests.expire(now)
        if self.hearing is not None:
            self.hearing.handle_timeout(now)
        if self.keeper is not None:
            self.keeper.handle_timeout()

    def _look_at_clock(self, now: float) -> None:
        """Who was stopped himself has heard nobody: the others' messages are still to be read.

        But they may have taken him for gone, and have sent nothing more.
        """
        if now - self._next_sweep <= self._options.heartbeat_interval:
            return
        self._next_sweep = now
        self._members.excuse(now)
        if self.keeper is not None:
            self.keeper.forget_all()

    def _sweep(self, now: float) -> None:
        # Who hears nothing cannot tell who is gone.
        if self.hearing is None or not self.hearing.is_in_doubt(now):
            for member in self._members.silent_since(now - self._options.heartbeat_timeout):
                self._remove(member.id, for_good=False)
        for member in self._members:
            if member.untold:
                self._local.failed(f"{member.untold} messages of node {member.id} have not come")
                member.untold = 0
        self._answering.expire(now)
        self.count_again()
        if self._has_lost:
            self._make_good(now)
        if self.keeper is not None:
            self.keeper.sweep()

    def _sign_of_life(self) -> dict[str, Any]:
        self.tell_rooms()
        parser = parser_kind(self._local.parser)
        own = own_sign(parser, self._router.interest.version, self._out.mode)
        if self.keeper is not None:
            own.update(self.keeper.signs())
        return {OWN_KEY: own}

    def _ask_for_echo(self) -> None:
        self._router.respond(MessageType.ECHO, {}, self.id)

    def _hearing_changed(self) -> None:
        if self.keeper is not None:
            self.keeper.lost()
        if self.hearing is not None and self.hearing.is_deaf:
            # Nobody knows who is there: all goes to all, and no question is complete.
            self._router.settled_at = float("inf")

    def _hears_again(self, now: float) -> None:
        """Nothing was heard for a time: everybody has a whole one to be heard again."""
        self._members.excuse(now)
        if self._router.settled_at == float("inf"):
            self._router.settled_at = now + self._options.heartbeat_interval
            if not self._out.has_strangers:
                self._requests.count_known()

    def members_ended(self, ids: Iterable[str]) -> None:
        """The carrier knows that these have ended; one that speaks again is taken back."""
        for id_ in ids:
            self._remove(id_, for_good=False, has_ended=True)

    # --- rooms of this process --------------------------------------------------------------------

    def room_added(self, room: Room) -> None:
        """A room has got its first socket here; tell the others, at `tell_rooms` at the latest."""
        self._router.room_added(room)
        self._out.room_added(room)

    def room_dropped(self, room: Room) -> None:
        """A room has lost its last socket here."""
        self._router.room_dropped(room)
        self._out.room_dropped(room)

    @property
    def has_news(self) -> bool:
        """Whether `tell_rooms` has something to tell."""
        return self._router.interest.has_changed

    def tell_rooms(self) -> None:
        """Tell the others which rooms came and went."""
        self._router.tell_rooms()

    # --- what goes to sockets of others -----------------------------------------------------------

    def is_wanted(self, options: BroadcastOptions, now: float) -> bool:
        """Whether a broadcast would be sent to anybody: if not, it need not be prepared for it."""
        return self._router.is_wanted(options, now)

    def broadcast(self, event: EncodedEvent, options: BroadcastOptions, now: float) -> None:
        """Send an event to sockets of others.

        Raises:
            EncodeError: It cannot be sent.
        """
        self._router.publish(event, options, {}, self._router.wanted(options, now), now)

    def join(self, options: BroadcastOptions, rooms: tuple[Room, ...], now: float) -> None:
        """Put sockets of others into rooms."""
        wanted = self._router.wanted(options, now)
        self._router.send_about(
            MessageType.SOCKETS_JOIN, options, {"rooms": list(rooms)}, wanted, now
        )
        self._believe(wanted, rooms, now)

    def _believe(self, members: Iterable[Member], rooms: tuple[Room, ...], now: float) -> None:
        """Members were told to put sockets into rooms: until they say so, they may have them."""
        until = now + self._options.heartbeat_timeout
        for member in members:
            if member.interest is not None:
                member.interest.assume(rooms, now, until)

    def leave(self, options: BroadcastOptions, rooms: tuple[Room, ...], now: float) -> None:
        """Take sockets of others out of rooms."""
        wanted = self._router.wanted(options, now)
        self._router.send_about(
            MessageType.SOCKETS_LEAVE, options, {"rooms": list(rooms)}, wanted, now
        )

    def disconnect(self, options: BroadcastOptions, now: float, *, close: bool) -> None:
        """Disconnect sockets of others."""
        wanted = self._router.wanted(options, now)
        self._router.send_about(
            MessageType.DISCONNECT_SOCKETS, options, {"close": close}, wanted, now
        )

    def server_emit(self, args: tuple[Any, ...]) -> None:
        """Send an event to the other servers.

        Raises:
            EncodeError: It cannot be sent.
        """
        self._router.send(MessageType.SERVER_SIDE_EMIT, {"packet": list(args)}, None)

    def send(self, type_: MessageType, data: dict[str, Any], to: frozenset[str] | None) -> None:
        """Send a message that is the adapter's own business, to all or to some.

        Raises:
            EncodeError: It cannot be sent.
        """
        self._router.send(type_, data, to)

    # --- the way in -------------------------------------------------------------------------------

    def receive(self, data: bytes, now: float) -> None:
        """A message has come; one that is malformed leaves a line in the log, and nothing else."""
        try:
            message = decode_message(data, self.namespace)
        except PacketError as error:
            self.refused(error.detail or str(error))
        else:
            self.take(message, now)

    def take(self, message: Message, now: float) -> None:
        """A message has come that is decoded; see `receive`."""
        if self.keeper is not None:
            self._look_at_clock(now)
        if message.namespace != self.namespace or self._is_closed:
            return
        if message.sender == self.id:
            if self.hearing is not None and message.type == MessageType.ECHO:
                self.hearing.heard(now)
            return
        try:
            self._in_context(self._received, message, now)
        except PacketError as error:
            self.refused(error.detail or str(error))
        except SockwaveError as error:  # it has values that no client can be sent
            self.refused(str(error))
        except Exception:
            say_failed(self.namespace, message.sender)

    def refused(self, why: str) -> None:
        """Something has come that is no message."""
        self.dropped += 1
        say_dropped(self.dropped, why, self.namespace)

    def _received(self, message: Message, now: float) -> None:
        type_, sender = message.type, message.sender
        if self.observers.cluster_message_received:
            self._tell_received(message)
        if sender == EMITTER:
            self._answering.received(message, now)
            return
        if sender == ANONYMOUS:
            self._responses.received(message)
            return
        closed, is_beat = self._members.closed_at(sender), type_ in OWN_BEATS
        if closed is not None and not (is_beat and now - closed > self._options.heartbeat_interval):
            return  # a heartbeat so late shows that it has not closed: somebody has said so for it
        if type_ == MessageType.ADAPTER_CLOSE:
            self._remove(sender, for_good=True, has_ended=True, now=now)
            return
        member = self._heard(message, now)
        if member is not None:
            number, is_entry = message.number, is_durable(message)
            if number is not None and member.numbers.has_had(
                number, is_beat=is_beat, is_entry=is_entry
            ):
                return
            if message.sequence is not None and self._out.is_ordered:
                self._follow(member, message.sequence, now)
            if type_ in (BEATS if member.interest is None else OWN_BEATS):
                member.lateness = max(now - member.beat - self._options.heartbeat_interval, 0.0)
                member.beat = now
            if is_beat:
                self._sign_received(member, message, now)
            elif type_ == MessageType.INTEREST:
                self._interest_received(member, message.data, now)
            elif type_ == MessageType.INTEREST_WANTED:
                whole = self._router.interest.whole(self._local.rooms)
                self._router.respond(MessageType.INTEREST, whole, sender)
            elif self.keeper is not None and self.keeper.received(message):
                return
        if self._responses.received(message):
            return
        if self.keeper is None or not self.keeper.is_about_sockets(message):
            self._answering.received(message, now)
        else:
            try:
                self._answering.received(self.keeper.late.without(message), now)
            finally:
                self.keeper.acted(message)
        if type_ == MessageType.SOCKETS_JOIN:
            self._believe(self._members, rooms_of(message.data.get("rooms")), now)

    def _heard(self, message: Message, now: float) -> Member | None:
        member = self._members.get(message.sender)
        if member is None:
            # Who sends no heartbeats is no member: nobody could tell when it is gone. It is counted
            # by the carrier.
            if self._members.is_full or (self._out.has_strangers and not is_sign(message)):
                return None
            member = self._members.add(message.sender, now)
            self._local.member_joined(member)
        member.seen = now
        return member

    def _follow(self, member: Member, sequence: int, now: float) -> None:
        """See whether messages of a member are missing, nobody knows which."""
        missed = member.missed(sequence)
        if not missed:
            return
        self.missed += missed
        member.untold += missed
        if self.keeper is not None:
            self.keeper.lost()
        self._ask_for_rooms(member, now)

    def _sign_received(self, member: Member, message: Message, now: float) -> None:
        own = message.data.get(OWN_KEY)
        if isinstance(own, dict) and number_of(own, "version") >= VERSION:
            if member.interest is None:
                member.interest = PeerInterest()
            kind = parser_kind(self._local.parser)
            member.encodes_alike = bool(kind) and own.get("parser") == kind
            if self.namespace == "/" and (wrong := misfit(member, own, self._out.mode)):
                self._local.failed(wrong)
            version = number_of(own, "interest")
            is_lie = self._out.is_ordered and member.interest.is_beyond(version)
            if is_lie or not member.interest.is_at(version):
                self._ask_for_rooms(member, now)
            if self.keeper is not None:
                self.keeper.member_signed(member, own)
        if message.type == MessageType.INITIAL_HEARTBEAT:
            self._router.respond(MessageType.HEARTBEAT, self._sign_of_life(), member.id)

    def _interest_received(self, member: Member, data: dict[str, Any], now: float) -> None:
        if member.interest is None:  # it knows us before we know it: its heartbeat is on its way
            return
        try:
            is_known = member.interest.told(data)
        except PacketError:
            member.interest.forget()
            raise
        if not is_known:
            self._ask_for_rooms(member, now)

    def _ask_for_rooms(self, member: Member, now: float) -> None:
        if member.interest is None or self._out.has_strangers:
            return
        member.interest.forget()  # until it has answered it gets everything
        if now - member.asked >= ASK_AGAIN:
            member.asked = now
            self._router.respond(MessageType.INTEREST_WANTED, {}, member.id)

    def _remove(
        self, id_: str, *, for_good: bool, has_ended: bool = False, now: float = 0.0
    ) -> None:
        member = self._members.remove(id_, for_good=for_good, now=now)
        if member is None:
            return
        for mirror in member.mirrors if has_ended else ():
            heir = self._members.get(mirror)
            if heir is not None and heir.interest is not None and member.interest is not None:
                heir.interest.inherit(id_, member.interest)
        if self.keeper is not None:
            self.keeper.member_left(member, has_ended=has_ended)
        self._answering.member_left(id_)
        self._requests.member_left(id_)
        self._local.member_left(member)

    def lost(self, what: str, now: float) -> None:
        """The carrier has lost messages: what members know of each other's rooms may be wrong."""
        self._local.failed(what)
        if self.hearing is not None:
            self.hearing.told(now)
        if self.keeper is not None:
            self.keeper.lost()
        for member in self._members:
            if member.interest is not None:
                member.interest.forget()
        self._has_lost = True
        if now - self._asked_all >= ASK_AGAIN:
            self._make_good(now)

    def _make_good(self, now: float) -> None:
        """Tell all rooms, and ask for all, but not so often that this makes the carrier lose."""
        self._has_lost = False
        self._asked_all = now
        self._router.tell_all_rooms()
        for member in self._members:
            self._ask_for_rooms(member, now)
