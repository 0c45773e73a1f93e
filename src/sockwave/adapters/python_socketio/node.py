"""The adapter of a namespace among servers of python-socketio.

Theory. What those servers say to each other are orders: send this, disconnect that one, put it into
a room. Nobody asks anything, so how many sockets there are elsewhere, or which, cannot be found
out; whoever asks gets an error at once, and not what looks like an answer. What an order can name
is a socket, by its id, or for an event rooms.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol

from sockwave.adapters.floods import is_worth_a_line
from sockwave.adapters.interest import is_private
from sockwave.adapters.python_socketio.messages import (
    CallbackMessage,
    CloseRoomMessage,
    DisconnectMessage,
    EmitMessage,
    RoomMessage,
    encode_callback,
    encode_close_room,
    encode_disconnect,
    encode_emit,
    encode_room_change,
)
from sockwave.debug import known
from sockwave.errors import EncodeError, LimitExceeded, SockwaveError
from sockwave.socketio.core.acks import ack_value
from sockwave.socketio.core.adapter import BroadcastOptions, InMemoryAdapter
from sockwave.socketio.core.cluster_contract import RemoteAnswer, RemoteOutcome
from sockwave.types import SocketId

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from sockwave.adapters.python_socketio.messages import AnswerTo, BusMessage
    from sockwave.socketio.core.acks import AckResult
    from sockwave.socketio.core.adapter import LocalSocket
    from sockwave.socketio.core.cluster_contract import (
        ClusterHost,
        ClusterMember,
        RemoteDetails,
    )
    from sockwave.socketio.core.encoded_event import EncodedEvent
    from sockwave.types import Room

__all__ = ["Bus", "PythonSocketIONode"]

MAX_PENDING: Final = 10_000
"""Events of this process that wait for an answer of others, and as many the other way."""

PATIENCE: Final = 60.0
"""Seconds that answers of sockets here to an event of another server are waited for."""

_logger: Final = logging.getLogger("sockwave.adapters")
_COMPLETE: Final = RemoteOutcome(is_complete=True)


class Bus(Protocol):
    """What the process has for all of its namespaces.

    Attributes:
        host: Its name among the servers.
    """

    host: str

    @property
    def is_deaf(self) -> bool:
        """Whether nothing can come."""

    def start(self, node: PythonSocketIONode) -> None:
        """Let a namespace hear what comes for it; a second call changes nothing."""

    def stop(self, node: PythonSocketIONode) -> None:
        """It does not want to any more."""

    def publish(self, message: bytes) -> None:
        """Send a message; it does not wait, and does nothing where no event loop runs."""

    async def count(self) -> int:
        """How many servers there are."""


class PythonSocketIONode(InMemoryAdapter):
    """Reaches the sockets of other processes as far as python-socketio's channel can say it.

    Args:
        host: The namespace.
        bus: Of the process.
    """

    def __init__(self, host: ClusterHost, bus: Bus) -> None:
        super().__init__(host)
        self._namespace = host
        self._bus = bus
        self._ids = itertools.count(1)
        self._questions: dict[int, _Question] = {}
        self._asked: dict[int, _Asked] = {}
        self._refused = 0
        self._is_closed = False

    @property
    def name(self) -> str:
        """Of the namespace."""
        return self._namespace.name

    def start(self) -> None:
        """Begin in the running event loop; a second call changes nothing."""
        self._is_closed = False
        self._bus.start(self)

    def _publish(self, message: bytes) -> None:
        """Send a message; the first one begins, and one that comes after the end is dropped."""
        if not self._is_closed:
            self._bus.start(self)
            self._bus.publish(message)

    def close(self) -> None:
        """Forget everything."""
        self._is_closed = True
        for id_ in list(self._asked):
            self._forget_asked(id_)
        for question in list(self._questions.values()):
            question.cancel()
        self._bus.stop(self)
        super().close()

    def add(self, id_: SocketId, rooms: Iterable[Room]) -> None:
        """Put a socket of this process into rooms; with one, an adapter that was closed begins."""
        self.start()
        super().add(id_, rooms)

    @property
    def is_deaf(self) -> bool:
        """Whether nothing can come from others now."""
        return self._bus.is_deaf

    # --- what goes to others ----------------------------------------------------------------------

    def broadcast(self, args: Sequence[Any], options: BroadcastOptions) -> None:
        """Send an event to sockets of all processes, or with `local` of this one only.

        Raises:
            EncodeError: An argument cannot be sent.
            NotImplementedError: A room is excluded: there only sockets can be.
        """
        if not options.flags.local and options.rooms != ():
            skipped = _excluded(options)
            self._publish(encode_emit(self._bus.host, self.name, args, options.rooms, skipped))
        super().broadcast(args, options)

    def check_order(self, options: BroadcastOptions) -> None:
        """Refuse what could not be told to others, before it is done here.

        Raises:
            NotImplementedError: Sockets are not named by their ids.
        """
        self._elsewhere(options)

    def join_remote(self, options: BroadcastOptions, rooms: tuple[Room, ...]) -> None:
        """Put sockets of others into rooms.

        Raises:
            NotImplementedError: They are not named by their ids.
        """
        self._change_rooms(options, rooms, enters=True)

    def leave_remote(self, options: BroadcastOptions, rooms: tuple[Room, ...]) -> None:
        """Take sockets of others out of rooms, or all sockets out of a room.

        Raises:
            NotImplementedError: They are neither named by their ids nor by the one room that they
                are to leave.
        """
        if options.rooms is not None and len(options.rooms) == 1 and not options.excluded:
            room = options.rooms[0]
            if rooms == (room,) and not is_private(room):
                self._publish(encode_close_room(self._bus.host, self.name, room))
                return
        self._change_rooms(options, rooms, enters=False)

    def _change_rooms(
        self, options: BroadcastOptions, rooms: tuple[Room, ...], *, enters: bool
    ) -> None:
        for sid in self._elsewhere(options):
            for room in rooms:
                self._publish(
                    encode_room_change(self._bus.host, self.name, sid, room, enters=enters)
                )

    def disconnect_remote(self, options: BroadcastOptions, *, close: bool) -> None:
        """Disconnect sockets of others; their connections stay for other namespaces.

        Raises:
            NotImplementedError: They are not named by their ids.
        """
        for sid in self._elsewhere(options):
            self._publish(encode_disconnect(self._bus.host, self.name, sid))

    def _elsewhere(self, options: BroadcastOptions) -> list[Room]:
        """Ids of sockets that are meant, less those of this process.

        Raises:
            NotImplementedError: More is meant than ids can say.
        """
        rooms = options.rooms
        if rooms is None or options.excluded or not all(map(is_private, rooms)):
            raise NotImplementedError(
                "servers of python-socketio only understand the ids of sockets here: "
                "name them, or use `local` for those of this process"
            )
        return [room for room in rooms if room not in self._namespace.sockets]

    # --- questions --------------------------------------------------------------------------------

    @property
    def members(self) -> Sequence[ClusterMember]:
        """Nobody: those servers do not say who they are."""
        return ()

    async def server_count(self) -> int:
        """How many processes subscribe to the channel, this one included."""
        return 1 if self._is_closed else await self._bus.count()

    async def fetch_remote(
        self, options: BroadcastOptions, timeout: float
    ) -> tuple[list[RemoteDetails], RemoteOutcome]:
        """Sockets of others: there are none where all that are meant are here.

        Raises:
            NotImplementedError: Others may be meant, and cannot be asked.
        """
        self._check_all_here(options)
        return [], _COMPLETE

    async def count_remote(
        self, options: BroadcastOptions, timeout: float
    ) -> tuple[int, RemoteOutcome]:
        """How many sockets of others there are: none where all that are meant are here.

        Raises:
            NotImplementedError: Others may be meant, and cannot be asked.
        """
        self._check_all_here(options)
        return 0, _COMPLETE

    def _check_all_here(self, options: BroadcastOptions) -> None:
        rooms = options.rooms
        if rooms is None or not all(room in self._namespace.sockets for room in rooms):
            raise NotImplementedError(
                "servers of python-socketio cannot be asked for their sockets: "
                "use `local` for those of this process"
            )

    def ask_remote(
        self,
        event: EncodedEvent,
        options: BroadcastOptions,
        timeout: float,
        answered: Callable[[RemoteAnswer], None],
        over: Callable[[RemoteOutcome], None],
    ) -> Callable[[], None]:
        """Send an event that asks for an answer to a socket of another process.

        Raises:
            EncodeError: It cannot be sent.
            LimitExceeded: Too many questions are open.
            NotImplementedError: It is not for one socket, named by its id: nobody could say how
                many answers there will be.
        """
        if self._is_closed or (
            options.rooms is not None
            and all(room in self._namespace.sockets for room in options.rooms)
        ):
            over(_COMPLETE)
            return _nothing
        if options.rooms is None or len(options.rooms) != 1 or not is_private(options.rooms[0]):
            raise NotImplementedError(
                "servers of python-socketio do not say how many will answer: ask one socket by its "
                "id, or use `local` for those of this process"
            )
        if len(self._questions) >= MAX_PENDING:
            raise LimitExceeded(f"{MAX_PENDING} questions to other servers are open")
        (sid,) = options.rooms
        id_ = next(self._ids)
        message = encode_emit(
            self._bus.host, self.name, event, (sid,), _excluded(options), (sid, id_)
        )
        question = _Question(self._questions, id_, SocketId(sid), timeout, answered, over)
        self._publish(message)
        return question.cancel

    # --- what comes from others -------------------------------------------------------------------

    def take(self, message: BusMessage) -> None:
        """Do what another server says, or take its answer."""
        host = self._namespace
        match message:
            case EmitMessage():
                self._emitted(message)
            case CallbackMessage():
                question = self._questions.get(message.id)
                if message.host == self._bus.host and question is not None:
                    question.take(message.room, message.args)
            case DisconnectMessage():
                if message.sid in host.sockets:
                    host.disconnect_local(BroadcastOptions((message.sid,)), close=False)
            case RoomMessage():
                if message.sid in host.sockets:
                    change = host.join_local if message.enters else host.leave_local
                    change(BroadcastOptions((message.sid,)), (message.room,))
            case CloseRoomMessage():
                host.leave_local(BroadcastOptions((message.room,)), (message.room,))

    def failed(self, what: str) -> None:
        """Something was lost, or does not work."""
        self._namespace.cluster_failed(what)

    def _emitted(self, message: EmitMessage) -> None:
        args = (message.event, *message.args)
        options = BroadcastOptions(message.rooms, message.skipped)
        if message.answer_to is None:
            super().broadcast(args, options)
        elif len(self._asked) >= MAX_PENDING:
            self._refuse(f"{MAX_PENDING} events of other servers wait for answers")
        else:
            self._asked_for_answer(message.answer_to, args, options)

    def _asked_for_answer(
        self, to: AnswerTo, args: tuple[Any, ...], options: BroadcastOptions
    ) -> None:
        id_ = self._namespace.next_ack_id()
        asked = self._asked[id_] = _Asked()
        asked.timer = asyncio.get_running_loop().call_later(PATIENCE, self._forget_asked, id_)
        asked.sockets = super().broadcast_with_ack(
            args, options, id_, partial(self._answer, to, id_)
        )
        self._look_whether_all_have_answered(id_)

    def _answer(self, to: AnswerTo, id_: int, socket: SocketId, result: AckResult) -> None:
        if (asked := self._asked.get(id_)) is not None:
            asked.heard += 1
            self._look_whether_all_have_answered(id_)
        if isinstance(result, SockwaveError):  # it has gone: there is no word for this
            return
        try:
            answer = encode_callback(to, self.name, result)
        except EncodeError as error:
            self._refuse(str(error))
            return
        if answer is None:
            self._refuse("an answer with something binary cannot be sent to python-socketio")
        else:
            self._publish(answer)

    def _look_whether_all_have_answered(self, id_: int) -> None:
        asked = self._asked.get(id_)
        if asked is not None and asked.sockets is not None and asked.heard >= len(asked.sockets):
            self._forget_asked(id_)

    def _forget_asked(self, id_: int) -> None:
        asked = self._asked.pop(id_)
        if asked.timer is not None:
            asked.timer.cancel()
        for socket in asked.sockets or ():
            socket.forget_ack(id_)

    def _refuse(self, why: str) -> None:
        self._refused += 1
        if is_worth_a_line(self._refused):
            _logger.warning(
                "answer %d for another server is dropped: %s",
                self._refused,
                why,
                extra=known(reason=why),
            )


class _Asked:
    """Sockets here that an event of another server has asked.

    Attributes:
        sockets: None until it is known who they are.
        heard: How many have answered, or are gone.
    """

    __slots__ = ("heard", "sockets", "timer")

    def __init__(self) -> None:
        self.sockets: list[LocalSocket] | None = None
        self.heard = 0
        self.timer: asyncio.TimerHandle | None = None


class _Question:
    """An event for a socket of another process, which waits for its answer."""

    def __init__(
        self,
        questions: dict[int, _Question],
        id_: int,
        socket: SocketId,
        timeout: float,
        answered: Callable[[RemoteAnswer], None],
        over: Callable[[RemoteOutcome], None],
    ) -> None:
        self._questions = questions
        self._id = id_
        self._socket = socket
        self._answered = answered
        self._over = over
        self._timer = asyncio.get_running_loop().call_later(timeout, self._late)
        questions[id_] = self

    def take(self, room: str, args: tuple[Any, ...]) -> None:
        """The answer has come."""
        if room == self._socket:
            self.cancel()
            self._answered(RemoteAnswer(member="", socket=self._socket, value=ack_value(args)))
            self._over(_COMPLETE)

    def _late(self) -> None:
        self.cancel()
        self._over(RemoteOutcome(is_complete=False, missing=(self._socket,)))

    def cancel(self) -> None:
        """Nobody waits any more."""
        self._timer.cancel()
        self._questions.pop(self._id, None)


def _excluded(options: BroadcastOptions) -> tuple[Room, ...]:
    """Ids of sockets that are left out.

    Raises:
        NotImplementedError: Rooms are.
    """
    if not all(map(is_private, options.excluded)):
        raise NotImplementedError(
            "servers of python-socketio can leave out sockets, by their ids, but no rooms: "
            "use `local` for the sockets of this process"
        )
    return options.excluded


def _nothing() -> None:
    """There is nothing to be forgotten."""
