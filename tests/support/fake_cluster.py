"""Servers in one process that form a cluster, without a carrier: what one of them sends, the others
get in the next turn of the loop. Who is silent, or dies, the test says."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from sockwave import ClusterMember, InMemoryAdapter
from sockwave.errors import SockwaveError
from sockwave.socketio.core.acks import ack_value
from sockwave.socketio.core.cluster_contract import RemoteAnswer, RemoteDetails, RemoteOutcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from sockwave.socketio.core.acks import AckResult
    from sockwave.socketio.core.adapter import BroadcastOptions
    from sockwave.socketio.core.cluster_contract import ClusterHost
    from sockwave.socketio.core.encoded_event import EncodedEvent
    from sockwave.types import Room, SocketId

__all__ = ["FakeCluster", "FakeNode"]


class FakeCluster:
    """Who is in it; `adapter` is the option of each server.

    Attributes:
        nodes: Adapters of all namespaces in the order in which they were started.
    """

    def __init__(self) -> None:
        self.nodes: list[FakeNode] = []
        self.questions: list[_Question] = []
        self._made = 0

    def adapter(self, host: ClusterHost) -> FakeNode:
        """Make the adapter of a namespace."""
        self._made += 1
        return FakeNode(self, host, f"node-{self._made}")

    def joined(self, node: FakeNode) -> None:
        """A node starts, and all see each other."""
        others = self.others_of(node)
        self.nodes.append(node)
        for other in others:
            other.host.member_joined(node.as_member())
            node.host.member_joined(other.as_member())

    def others_of(self, node: FakeNode) -> list[FakeNode]:
        """The other nodes of its namespace."""
        same = [other for other in self.nodes if other.host.name == node.host.name]
        return [other for other in same if other is not node]

    def dies(self, node: FakeNode) -> None:
        """A node is gone, and all know it."""
        if node in self.nodes:
            others = self.others_of(node)
            self.nodes.remove(node)
            for other in others:
                other.host.member_left(node.as_member())
            for question in list(self.questions):
                question.node_died(node)


class FakeNode(InMemoryAdapter):
    """One of them: the adapter of one namespace of one server.

    Attributes:
        is_silent: It gets what it is asked, and does not answer.
        tells_sockets: Whether its answers say whose they are, as those in JavaScript do not.
        lateness: Of its heartbeats.
        calls: What it was asked to do about sockets of others.
        loops: In which it was called, one after the other.
    """

    def __init__(self, cluster: FakeCluster, host: ClusterHost, id_: str) -> None:
        super().__init__(host)
        self.cluster = cluster
        self.host = host
        self.id = id_
        self.is_silent = False
        self.tells_sockets = True
        self.lateness = 0.0
        self.calls: list[str] = []
        self.loops: list[asyncio.AbstractEventLoop] = []

    # --- as an adapter ----------------------------------------------------------------------------

    def start(self) -> None:
        self._called("start")
        self.cluster.joined(self)

    def close(self) -> None:
        super().close()
        self.cluster.dies(self)

    def broadcast(self, args: Sequence[Any], options: BroadcastOptions) -> None:
        if not options.flags.local:
            self._called("broadcast")
            self._to_others(lambda other: InMemoryAdapter.broadcast(other, tuple(args), options))
        super().broadcast(args, options)

    # --- the contract of clusters -----------------------------------------------------------------

    @property
    def members(self) -> list[ClusterMember]:
        return [other.as_member() for other in self.cluster.others_of(self)]

    async def server_count(self) -> int:
        self._called("server_count")
        return 1 + len(self.members)

    def join_remote(self, options: BroadcastOptions, rooms: tuple[Room, ...]) -> None:
        self._called("join")
        self._to_others(lambda other: other.host.join_local(options, rooms))

    def leave_remote(self, options: BroadcastOptions, rooms: tuple[Room, ...]) -> None:
        self._called("leave")
        self._to_others(lambda other: other.host.leave_local(options, rooms))

    def disconnect_remote(self, options: BroadcastOptions, *, close: bool) -> None:
        self._called("disconnect")
        self._to_others(lambda other: other.host.disconnect_local(options, close=close))

    def ask_remote(
        self,
        event: EncodedEvent,
        options: BroadcastOptions,
        timeout: float,
        answered: Callable[[RemoteAnswer], None],
        over: Callable[[RemoteOutcome], None],
    ) -> Callable[[], None]:
        self._called("ask")
        others = self.cluster.others_of(self)
        question = _Question(self.cluster, answered, over, set(others))
        question.begin(timeout)
        for other in others:
            asyncio.get_running_loop().call_soon(other.asked, question, tuple(event), options)
        return question.forget

    async def fetch_remote(
        self, options: BroadcastOptions, timeout: float
    ) -> tuple[list[RemoteDetails], RemoteOutcome]:
        self._called("fetch")
        answering, outcome = await self._answering(timeout)
        found = [
            RemoteDetails(**{**told, "rooms": frozenset(told["rooms"])}, member=other.id)
            for other in answering
            for told in _carried(other.host.describe_local(options))
        ]
        return found, outcome

    async def count_remote(
        self, options: BroadcastOptions, timeout: float
    ) -> tuple[int, RemoteOutcome]:
        self._called("count")
        answering, outcome = await self._answering(timeout)
        return sum(len(other.select(options)) for other in answering), outcome

    # --- inside -----------------------------------------------------------------------------------

    def as_member(self) -> ClusterMember:
        """As the others see it."""
        return ClusterMember(id=self.id, since=1.0, last_seen=2.0, lateness=self.lateness)

    def asked(self, question: _Question, args: tuple[Any, ...], options: BroadcastOptions) -> None:
        """Ask the sockets of this one for another one."""
        if self.is_silent:
            return
        done = partial(question.socket_heard, self)
        sockets = self.broadcast_with_ack(args, options, self.host.next_ack_id(), done)
        question.node_asked(self, [socket.id for socket in sockets])

    def _to_others(self, act: Callable[[FakeNode], None]) -> None:
        for other in self.cluster.others_of(self):
            asyncio.get_running_loop().call_soon(act, other)

    async def _answering(self, timeout: float) -> tuple[list[FakeNode], RemoteOutcome]:
        """Who answers, in the next turn; those who are silent are waited for."""
        await asyncio.sleep(0)
        others = self.cluster.others_of(self)
        silent = tuple(other.id for other in others if other.is_silent)
        if silent:
            await asyncio.sleep(timeout)
        answering = [other for other in others if not other.is_silent]
        return answering, RemoteOutcome(is_complete=not silent, silent=silent)

    def _called(self, what: str) -> None:
        self.calls.append(what)
        self.loops.append(asyncio.get_running_loop())


@dataclass(eq=False)
class _Question:
    """One that waits for answers of other nodes."""

    cluster: FakeCluster
    answered: Callable[[RemoteAnswer], None]
    over: Callable[[RemoteOutcome], None]
    waiting: set[FakeNode]
    gone: list[str] = field(default_factory=list)
    owing: dict[FakeNode, set[SocketId]] = field(default_factory=dict)
    lost: list[SocketId] = field(default_factory=list)
    heard: set[SocketId] = field(default_factory=set)
    timer: asyncio.TimerHandle | None = None

    def begin(self, timeout: float) -> None:
        self.cluster.questions.append(self)
        self.timer = asyncio.get_running_loop().call_later(timeout, self._end)
        self._look()

    def forget(self) -> None:
        if self in self.cluster.questions:
            self.cluster.questions.remove(self)
            assert self.timer is not None
            self.timer.cancel()

    def node_asked(self, node: FakeNode, sockets: Iterable[SocketId]) -> None:
        self.owing[node] = set(sockets) - self.heard
        self._look()

    def node_died(self, node: FakeNode) -> None:
        if node in self.waiting:
            self.waiting.discard(node)
            self.gone.append(node.id)
            self.lost += self.owing.pop(node, ())
            self._look()

    def socket_heard(self, node: FakeNode, socket: SocketId, result: AckResult) -> None:
        if self not in self.cluster.questions or node not in self.waiting:
            return
        self.heard.add(socket)
        self.owing.get(node, set()).discard(socket)
        if isinstance(result, SockwaveError):
            self.lost.append(socket)
        else:
            told = socket if node.tells_sockets else None
            value = _carried(ack_value(result))
            self.answered(RemoteAnswer(member=node.id, socket=told, value=value))
        self._look()

    def _look(self) -> None:
        done = {node for node, sockets in self.owing.items() if not sockets}
        if self.waiting <= done:
            self._end()

    def _end(self) -> None:
        if self not in self.cluster.questions:
            return
        self.forget()
        late = [node for node in self.waiting if self.owing.get(node) != set()]
        named = [node for node in late if node.tells_sockets and node in self.owing]
        silent = [node for node in late if node not in named]
        missing = [*self.lost, *(each for node in named for each in self.owing[node])]
        self.over(
            RemoteOutcome(
                is_complete=not (self.gone or silent or missing),
                gone=tuple(self.gone),
                silent=tuple(node.id for node in silent),
                missing=tuple(missing),
            )
        )


def _carried(value: Any) -> Any:
    """As it comes out of a message."""
    return msgspec.msgpack.decode(msgspec.msgpack.encode(value))
