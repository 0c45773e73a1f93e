"""A cluster in which time passes when a test says so: nodes with sockets, on a carrier with faults.

What each socket gets is written down, and nobody is asked more than the algorithm needs to know.
"""

from __future__ import annotations

import heapq
import itertools
from typing import TYPE_CHECKING, Any

from sockwave.adapters.cluster import Cluster
from sockwave.adapters.driver import Capabilities
from sockwave.adapters.memory import MemoryBroker
from sockwave.adapters.messages import Message, encode_message
from sockwave.adapters.options import ClusterOptions
from sockwave.errors import Disconnected
from sockwave.socketio.core.adapter import BroadcastOptions
from sockwave.socketio.core.encoded_event import EncodedEvent
from sockwave.socketio.core.rooms import RoomTable
from sockwave.types import SocketId

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from collections.abc import Set as AbstractSet

    from sockwave.adapters.members import Member
    from sockwave.adapters.memory import MemoryDriver
    from sockwave.socketio.core.acks import AckResult
    from sockwave.socketio.core.cluster_contract import RemoteAnswer, RemoteOutcome
    from sockwave.types import Room

ALL = BroadcastOptions()


def to(*rooms: str, excluded: tuple[str, ...] = ()) -> BroadcastOptions:
    """Who is in one of these rooms."""
    return BroadcastOptions(rooms, excluded)


def everybody_but(*rooms: str) -> BroadcastOptions:
    """Who is in none of these rooms."""
    return BroadcastOptions(None, rooms)


class FakeTime:
    """Calls what was to be called later, in the order of time."""

    def __init__(self) -> None:
        self.now = 0.0
        self._later: list[tuple[float, int, Callable[[], None]]] = []
        self._nth = itertools.count()

    def later(self, delay: float, callback: Callable[[], None]) -> None:
        """Call a function after so many seconds."""
        heapq.heappush(self._later, (self.now + delay, next(self._nth), callback))

    def next(self) -> float:
        """When the next one is called."""
        return self._later[0][0] if self._later else float("inf")

    def call_next(self) -> None:
        """Go on to it."""
        due, _, callback = heapq.heappop(self._later)
        self.now = max(self.now, due)
        callback()


class Network:
    """A carrier, its time, and the nodes that it connects.

    Attributes:
        can_count: Whether the carrier says now how many listen.
    """

    def __init__(self, *, capabilities: Capabilities | None = None, seed: int = 0) -> None:
        self.time = FakeTime()
        self.can_count = True
        capabilities = capabilities or Capabilities(is_selective=True, counts=True)
        self.broker = MemoryBroker(capabilities=capabilities, seed=seed, later=self.time.later)
        self.nodes: list[Node] = []

    def node(self, name: str, *, options: ClusterOptions | None = None) -> Node:
        """Start a node."""
        node = Node(self, name, options or ClusterOptions())
        self.nodes.append(node)
        return node

    def cluster_of(self, *names: str) -> list[Node]:
        """Start nodes and let them find each other."""
        nodes = [self.node(name) for name in names]
        self.run(6)
        return nodes

    def run(self, seconds: float) -> None:
        """Let time pass, and everything happen that is due."""
        end = self.time.now + seconds
        while True:
            alive = [node for node in self.nodes if node.is_running]
            deadline = min((node.cluster.next_deadline() for node in alive), default=float("inf"))
            due = min(self.time.next(), deadline)
            if due > end:
                break
            if self.time.next() <= deadline:
                self.time.call_next()
                continue
            self.time.now = max(self.time.now, deadline)
            for node in alive:
                if node.cluster.next_deadline() <= self.time.now:
                    node.cluster.handle_timeout(self.time.now)
        self.time.now = end


class Asked:
    """A question, and what came of it."""

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.question = ""
        self.answers: list[Any] = []
        self.outcomes: list[RemoteOutcome] = []
        self.ended: float | None = None

    def answered(self, member: str, value: Any) -> None:
        """A process has answered."""
        self.answers.append(value)

    def client_answered(self, answer: RemoteAnswer) -> None:
        """A client has answered."""
        self.answers.append((answer.socket, answer.value))

    @property
    def outcome(self) -> RemoteOutcome:
        """How it ended; it ends once."""
        (outcome,) = self.outcomes
        return outcome


class Node:
    """A process with sockets; what an adapter and a namespace would do is done in the plainest way.

    Attributes:
        got: Socket and event, in order.
        rooms_then: In which rooms that socket was at that time.
        answers: What the client of a socket answers; None for one that does not, an error for one
            that goes first.
        answer_delay: Seconds that clients, and handlers of server events, take.
        server_answer: What the handlers of server events give; None for those that do not end.
        sent: Types of the messages that it has published, and to how many.
        own_mode: What it says of its carrier; None is what the carrier has.
        channels: Rooms that a carrier with a channel for each would listen to.
    """

    def __init__(self, network: Network, name: str, options: ClusterOptions) -> None:
        self.network = network
        self.name = name
        self.driver: MemoryDriver = network.broker.driver()
        self.table = RoomTable()
        self.sockets: dict[SocketId, None] = {}
        self.got: list[tuple[str, tuple[Any, ...]]] = []
        self.rooms_then: list[set[str]] = []
        self.server_events: list[tuple[Any, ...]] = []
        self.answers: Callable[[str], AckResult | None] = lambda socket: (socket,)
        self.answer_delay = 0.0
        self.server_answer: Any = name
        self.joined: list[str] = []
        self.left: list[str] = []
        self.failures: list[str] = []
        self.sent: list[tuple[int, int | None]] = []
        self.channels: set[Room] = set()
        self.is_running = True
        self.own_mode: str | None = None
        ids = itertools.count()
        self.cluster = Cluster(
            "/",
            options,
            self,
            self,
            make_id=lambda: name if (n := next(ids)) == 0 else f"{name}:{n}",
        )
        self.driver.listen("/", self.cluster.id, self)
        self.cluster.start(self.now)

    @property
    def now(self) -> float:
        """The time everywhere."""
        return self.network.time.now

    # --- sockets here -----------------------------------------------------------------------------

    def connect(self, socket: str, *rooms: str) -> None:
        """A client comes."""
        self.sockets[SocketId(socket)] = None
        self.enter(socket, *rooms)

    def enter(self, socket: str, *rooms: str) -> None:
        """A socket joins rooms."""
        for room in rooms:
            is_new = room not in self.table
            self.table.add(SocketId(socket), (room,))
            if is_new and room in self.table:
                self.cluster.room_added(room)
        self.cluster.tell_rooms()

    def exit(self, socket: str, *rooms: str) -> None:
        """A socket leaves rooms."""
        for room in rooms:
            was_there = room in self.table
            self.table.remove(SocketId(socket), room)
            if was_there and room not in self.table:
                self.cluster.room_dropped(room)
        self.cluster.tell_rooms()

    def disconnect_socket(self, socket: str) -> None:
        """A client goes."""
        del self.sockets[SocketId(socket)]
        self.exit(socket, *(self.table.of(SocketId(socket)) - {socket}))

    def rooms_of(self, socket: str) -> set[str]:
        """Rooms of a socket, its own included."""
        return self.table.of(SocketId(socket))

    def select(self, options: BroadcastOptions) -> list[SocketId]:
        """Who is meant here."""
        rooms, excluded = options.rooms, set(options.excluded)
        return [
            id_
            for id_ in self.sockets
            if (rooms is None or self.table.of(id_) & set(rooms))
            and not self.table.of(id_) & excluded
        ]

    # --- what the application calls ---------------------------------------------------------------

    def emit(self, event: str, options: BroadcastOptions = ALL, *args: Any) -> None:
        """Broadcast, and deliver here."""
        encoded = EncodedEvent((event, *args), "/", None)
        self.cluster.broadcast(encoded, options, self.now)
        if not (options.rooms is not None and not options.rooms):
            self.deliver(encoded, options)

    def sockets_join(self, options: BroadcastOptions, *rooms: str) -> None:
        """Put sockets everywhere into rooms."""
        self.cluster.join(options, rooms, self.now)
        self.join(options, rooms)

    def sockets_leave(self, options: BroadcastOptions, *rooms: str) -> None:
        """Take sockets everywhere out of rooms."""
        self.cluster.leave(options, rooms, self.now)
        self.leave(options, rooms)

    def disconnect_sockets(self, options: BroadcastOptions) -> None:
        """Disconnect sockets everywhere."""
        self.cluster.disconnect(options, self.now, close=False)
        self.disconnect(options, close=False)

    def ask_clients(
        self, options: BroadcastOptions = ALL, timeout: float = 2.0, name: str = "question"
    ) -> Asked:
        """Ask clients of the others."""
        asked = self._asked(timeout)
        event = EncodedEvent((name,), "/", None)
        asked.question = self.cluster.ask(
            event, options, self.now, timeout, asked.client_answered, self._over(asked)
        )
        return asked

    def fetch(self, options: BroadcastOptions = ALL, timeout: float = 2.0) -> Asked:
        """Ask for sockets of the others."""
        asked = self._asked(timeout)
        over = self._over(asked)
        self.cluster.fetch(options, self.now, timeout, asked.answered, over)
        return asked

    def count_sockets(self, options: BroadcastOptions = ALL) -> Asked:
        """Ask how many sockets the others have."""
        asked = self._asked(2.0)
        over = self._over(asked)
        self.cluster.fetch(options, self.now, 2.0, asked.answered, over, only_count=True)
        return asked

    def ask_servers(self, *args: Any, timeout: float = 2.0) -> Asked:
        """Ask the other servers."""
        asked = self._asked(timeout)
        over = self._over(asked)
        self.cluster.server_ask(args, self.now, timeout, asked.answered, over)
        return asked

    def _asked(self, timeout: float) -> Asked:
        return Asked(self.now + timeout)

    def _over(self, asked: Asked) -> Callable[[RemoteOutcome], None]:
        def over(outcome: RemoteOutcome) -> None:
            asked.outcomes.append(outcome)
            asked.ended = self.now

        return over

    def close(self) -> None:
        """End in an orderly way."""
        self.cluster.close()
        self.is_running = False
        self.driver.unsubscribe("/", self.cluster.id)
        self.driver.kill()

    def die(self) -> None:
        """End without a word."""
        self.is_running = False
        self.driver.kill()

    @property
    def sees(self) -> list[str]:
        """Who is there, in its opinion."""
        return sorted(member.id for member in self.cluster.members)

    def events(self, socket: str) -> list[str]:
        """Names of the events that a socket has got."""
        return [event[0] for id_, event in self.got if id_ == socket]

    # --- the sides of the algorithm ---------------------------------------------------------------

    @property
    def is_selective(self) -> bool:
        return self.network.broker.capabilities.is_selective

    @property
    def has_strangers(self) -> bool:
        return self.network.broker.capabilities.has_strangers

    @property
    def is_ordered(self) -> bool:
        return self.network.broker.capabilities.is_ordered

    @property
    def echoes(self) -> bool:
        return self.network.broker.capabilities.echoes

    @property
    def mode(self) -> str:
        return self.network.broker.capabilities.mode if self.own_mode is None else self.own_mode

    def room_added(self, room: Room) -> None:
        self.channels.add(room)

    def room_dropped(self, room: Room) -> None:
        self.channels.discard(room)

    def send(self, message: Message, to: frozenset[str] | None) -> None:
        self.sent.append((int(message.type), None if to is None else len(to)))
        is_text = self.network.broker.capabilities.is_text
        self.driver.publish("/", encode_message(message, as_text=is_text), to=to)

    def count_others(self, counted: Callable[[int], None]) -> None:
        listening = self.network.broker.listening("/") - 1
        if self.network.can_count:
            self.network.time.later(0.01, lambda: counted(listening))

    def message_received(self, message: bytes) -> None:
        if self.is_running:
            self.cluster.receive(message, self.now)

    def messages_lost(self, what: str) -> None:
        self.cluster.lost(what, self.now)

    def addresses_gone(self, addresses: AbstractSet[str]) -> None:
        if self.is_running:
            self.cluster.members_ended(addresses)

    parser = None

    @property
    def rooms(self) -> RoomTable:
        return self.table

    def deliver(self, event: Sequence[Any], options: BroadcastOptions) -> None:
        for id_ in self.select(options):
            self.got.append((id_, tuple(event)))
            self.rooms_then.append(self.rooms_of(id_))

    def ask(
        self,
        event: Sequence[Any],
        options: BroadcastOptions,
        answered: Callable[[SocketId, AckResult], None],
    ) -> tuple[list[SocketId], Callable[[], None]]:
        self.deliver(event, options)
        ids = self.select(options)
        is_wanted = [True]
        for id_ in ids:
            answer = self.answers(id_)
            if answer is not None:
                self._answer_later(id_, answer, answered, is_wanted)
        return ids, is_wanted.clear

    def _answer_later(
        self,
        id_: SocketId,
        answer: AckResult,
        answered: Callable[[SocketId, AckResult], None],
        is_wanted: list[bool],
    ) -> None:
        def act() -> None:
            if self.is_running and is_wanted:
                answered(id_, answer)

        self.network.time.later(self.answer_delay, act)

    def join(self, options: BroadcastOptions, rooms: tuple[str, ...]) -> None:
        for id_ in self.select(options):
            self.enter(id_, *rooms)

    def leave(self, options: BroadcastOptions, rooms: tuple[str, ...]) -> None:
        for id_ in self.select(options):
            self.exit(id_, *rooms)

    def disconnect(self, options: BroadcastOptions, *, close: bool) -> None:
        for id_ in self.select(options):
            self.disconnect_socket(id_)

    def describe(self, options: BroadcastOptions) -> list[dict[str, Any]]:
        return [
            {"id": id_, "handshake": {}, "rooms": sorted(self.table.of(id_)), "data": {"at": 1}}
            for id_ in self.select(options)
        ]

    def count(self, options: BroadcastOptions) -> int:
        return len(self.select(options))

    def server_event(self, args: tuple[Any, ...], reply: Callable[[Any], None] | None) -> None:
        self.server_events.append(args)
        if reply is not None and self.server_answer is not None:
            answer = self.server_answer

            def act() -> None:
                if self.is_running:
                    reply(answer)

            self.network.time.later(self.answer_delay, act)

    def member_joined(self, member: Member) -> None:
        self.joined.append(member.id)

    def member_left(self, member: Member) -> None:
        self.left.append(member.id)

    def failed(self, what: str) -> None:
        self.failures.append(what)


GONE = Disconnected("gone")
