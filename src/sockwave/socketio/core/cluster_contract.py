"""What an adapter of several processes offers beyond `Adapter`: the contract of clusters.

The namespace asks for it by `isinstance`. Sockets of this process are the namespace's own
business; `SupportsCluster` is about those of the *other* processes. Nothing of it blocks, and
nothing hangs: who waits is told at the latest when the time that it gave is over, and earlier when
all whom it waits for have answered or are known to be gone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from sockwave.socketio.core.adapter import AdapterHost

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from sockwave.socketio.core.adapter import Adapter, BroadcastOptions
    from sockwave.socketio.core.encoded_event import EncodedEvent
    from sockwave.types import Room, SocketId

__all__ = [
    "ClusterHost",
    "ClusterMember",
    "RefusesOrders",
    "RemoteAnswer",
    "RemoteDetails",
    "RemoteOutcome",
    "SharesSessions",
    "SupportsClients",
    "SupportsClosing",
    "SupportsCluster",
    "SupportsHearing",
    "SupportsMeeting",
    "SupportsOwnId",
    "SupportsStart",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterMember:
    """A process of the cluster, as this one sees it.

    Attributes:
        id: Made anew at each start of that process.
        since: Seconds of the Unix clock at which this process heard of it first.
        last_seen: The same of the last time.
        lateness: Seconds by which its last heartbeat was later than it should have been.
    """

    id: str
    since: float
    last_seen: float
    lateness: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteDetails:
    """A socket of another process, as it was when that process was asked.

    Attributes:
        id: Of the socket.
        member: Id of its process.
        handshake: As its process told it; `read_handshake` makes one of it.
        rooms: That it was in, the one of its own id included.
        data: A copy of its data.
    """

    id: SocketId
    member: str
    handshake: dict[str, Any]
    rooms: frozenset[Room]
    data: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteAnswer:
    """An acknowledgement of a client of another process.

    Attributes:
        member: Id of the process.
        socket: Id of the socket, where that process tells it (ours do, those in JavaScript do not).
        value: In the form of `socket.emit_with_ack`.
    """

    member: str
    socket: SocketId | None
    value: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteOutcome:
    """How a question to the others ended.

    Attributes:
        is_complete: All who were asked have answered.
        gone: Ids of processes that went away before they had.
        silent: Ids of processes that did not in time, or whose clients did not and have no names.
        missing: Ids of sockets that were asked and did not answer, as far as their processes told.
    """

    is_complete: bool
    gone: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()
    missing: tuple[SocketId, ...] = ()


@runtime_checkable
class SupportsCluster(Protocol):
    """Sockets of other processes, and who these are. Called in the event loop's thread only."""

    @property
    def members(self) -> Sequence[ClusterMember]:
        """The others that are alive."""

    async def server_count(self) -> int:
        """How many processes there are, this one included; the last known number while the carrier
        is away."""

    def join_remote(self, options: BroadcastOptions, rooms: tuple[Room, ...]) -> None:
        """Put sockets of others into rooms."""

    def leave_remote(self, options: BroadcastOptions, rooms: tuple[Room, ...]) -> None:
        """Take sockets of others out of rooms."""

    def disconnect_remote(self, options: BroadcastOptions, *, close: bool) -> None:
        """Disconnect sockets of others."""

    def ask_remote(
        self,
        event: EncodedEvent,
        options: BroadcastOptions,
        timeout: float,
        answered: Callable[[RemoteAnswer], None],
        over: Callable[[RemoteOutcome], None],
    ) -> Callable[[], None]:
        """Send an event that asks for answers to sockets of others only.

        Args:
            answered: Called with each answer.
            over: Called once, at last; maybe within this call.

        Returns:
            Forgets about it: nothing is called any more.

        Raises:
            LimitExceeded: Too many questions are open; this one was not sent.
        """

    async def fetch_remote(
        self, options: BroadcastOptions, timeout: float
    ) -> tuple[list[RemoteDetails], RemoteOutcome]:
        """Sockets of others."""

    async def count_remote(
        self, options: BroadcastOptions, timeout: float
    ) -> tuple[int, RemoteOutcome]:
        """How many sockets of others there are; only numbers travel."""


@runtime_checkable
class RefusesOrders(Protocol):
    """An adapter whose carrier has no words for some orders."""

    def check_order(self, options: BroadcastOptions) -> None:
        """Refuse what could not be told to others, before it is done here.

        Raises:
            NotImplementedError: It could not.
        """


@runtime_checkable
class SupportsStart(Protocol):
    """An adapter that has something to do as long as its namespace is there; `close` ends it."""

    def start(self) -> None:
        """The namespace has an event loop, whose thread this is; a second call changes nothing.

        An adapter that is not started begins with the first socket or the first message.
        """


@runtime_checkable
class SharesSessions(Protocol):
    """What makes adapters for processes of one machine that also have the port together."""

    @property
    def directory(self) -> str:
        """Where their sockets are."""

    def __call__(self, namespace: ClusterHost) -> Adapter:
        """Make the adapter of a namespace."""

    async def aclose(self) -> None:
        """The server is closed, and its adapters."""


@runtime_checkable
class SupportsClosing(Protocol):
    """What makes adapters, and has something that they share, such as a connection."""

    def __call__(self, namespace: ClusterHost) -> Adapter:
        """Make the adapter of a namespace."""

    async def aclose(self) -> None:
        """The server is closed, and its adapters."""


@runtime_checkable
class SupportsClients(Protocol):
    """An adapter that wants to know of each client, and not only of rooms that it joins."""

    def client_came(self, id_: SocketId) -> None:
        """A socket of this process is in its namespace from now on; `remove_all` is the end."""


@runtime_checkable
class SupportsOwnId(Protocol):
    """An adapter that tells by which id the others know this process."""

    @property
    def id(self) -> str | None:
        """That of this process; None before it has begun."""


@runtime_checkable
class SupportsMeeting(Protocol):
    """An adapter whose namespace may begin while others have had it for long."""

    async def meet(self, timeout: float) -> None:
        """Wait until those who are there are known: whoever asked before would hear of nobody.

        It is over at once when it was done before, and after a moment in any case.

        Args:
            timeout: Seconds that it may take at most.
        """


@runtime_checkable
class SupportsHearing(Protocol):
    """An adapter that notices when nothing comes any more."""

    @property
    def is_deaf(self) -> bool:
        """Whether this process does not hear what it sends itself."""


class ClusterHost(AdapterHost, Protocol):
    """What an adapter of several processes sees of its namespace: what others ask it to do.

    All of it is about sockets of this process, those included that are lost and may come back.
    """

    def next_ack_id(self) -> int:
        """An id for an event that asks for answers."""

    def join_local(self, options: BroadcastOptions, rooms: tuple[Room, ...]) -> None:
        """Put sockets into rooms."""

    def leave_local(self, options: BroadcastOptions, rooms: tuple[Room, ...]) -> None:
        """Take sockets out of rooms."""

    def disconnect_local(self, options: BroadcastOptions, *, close: bool) -> None:
        """Disconnect sockets."""

    def describe_local(self, options: BroadcastOptions) -> list[dict[str, Any]]:
        """Sockets as others see them: `id`, `handshake`, `rooms` (a list) and `data` (a dict)."""

    def server_event_received(self, event: str, *args: Any) -> Coroutine[Any, Any, Any]:
        """Run the handlers for an event of another server, and give their answer."""

    def member_joined(self, member: ClusterMember) -> None:
        """Another process is there."""

    def member_left(self, member: ClusterMember) -> None:
        """It has said goodbye, or was silent for too long."""

    def cluster_failed(self, what: str) -> None:
        """Messages were lost, or the carrier does not work: a sentence for the log and for
        handlers of `cluster_error`."""
